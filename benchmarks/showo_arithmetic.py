"""Show-o's cost worked out on paper: operations and memory of the published procedure and of ours.

``python -m benchmarks.showo_arithmetic``. Sizes that cannot be run here stand beside the size that
``benchmarks.showo`` measures, so that the arithmetic can be held against measured ratios.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

PROMPT, TEXT, ANSWER = 45, 60, 100
"""Tokens of a drawing's prompt and of a question with its answer; new tokens of an answer."""

TEXT_BLOCK = 129


@dataclass(frozen=True, slots=True)
class Model:
    """Sizes, and the sampling steps that go with them."""

    name: str
    layers: int
    hidden: int
    mlp: int
    cells: int
    steps: int
    classes: int = 58498
    codes: int = 8192

    @property
    def trunk(self) -> int:
        """Weights of all layers that multiply every token."""
        return self.layers * (4 * self.hidden**2 + 2 * self.hidden * self.mlp)

    def layer_work(self, tokens: float) -> float:
        """Operations of the layers' matrix products, forward."""
        return 2.0 * self.trunk * tokens

    def attention(self, queries: float, keys: float) -> float:
        """Operations of scores and weighted sums, forward."""
        return 4.0 * queries * keys * self.hidden * self.layers

    def head(self, tokens: float, classes: int) -> float:
        """Operations of the output head, forward."""
        return 2.0 * tokens * classes * self.hidden

    def prefix_bytes(self, bytes_per_number: int) -> float:
        """Keys and values of one image prefix."""
        return 2.0 * self.layers * (self.cells + 3) * self.hidden * bytes_per_number


MODELS = (
    Model("measured here", 8, 512, 2048, 256, 18),
    Model("showo_256", 24, 2048, 8192, 256, 18),
    Model("showo_512", 24, 2048, 8192, 1024, 50),
)


def step(model: Model, cached: bool) -> float:
    """A stage-2 step here: one drawing, one answer. Frozen weights: backward costs what forward costs."""
    block = model.cells + 2
    drawing = 2 * model.layer_work(PROMPT + block) + 3 * model.attention(PROMPT + block, PROMPT + block)
    prefix = 0.0 if cached else model.layer_work(model.cells + 3) + model.attention(model.cells, model.cells)
    text = 2 * model.layer_work(TEXT) + 3 * model.attention(TEXT, model.cells + TEXT)
    targets = model.cells * 2 / math.pi + 12
    return drawing + prefix + text + 2 * model.head(targets, model.classes)


def published_step(model: Model) -> float:
    """Two whole padded sequences; the trained head costs a third product."""
    length = TEXT_BLOCK + model.cells + 2
    layers = 2 * model.layer_work(2 * length) + 6 * model.attention(length, length)
    return layers + 3 * model.head(2 * length, model.classes)


def drawing(model: Model) -> float:
    """A guided image here."""
    block = model.cells + 2
    each = 2 * (model.layer_work(block) + model.attention(block, PROMPT + block))
    return model.layer_work(2 * PROMPT) + model.steps * (each + model.head(model.cells, model.codes))


def published_drawing(model: Model) -> float:
    """Both sequences whole, the whole head, every step."""
    length = TEXT_BLOCK + model.cells + 2
    each = model.layer_work(length) + model.attention(length, length) + model.head(length, model.classes)
    return model.steps * 2 * each


def answer(model: Model) -> float:
    """One answer here, its image not read before."""
    start = model.cells + TEXT
    once = model.layer_work(start) + model.attention(start, start)
    return once + model.layer_work(ANSWER) + ANSWER * model.head(1, model.classes)


def published_answer(model: Model) -> float:
    """The whole sequence again for every token."""
    lengths = [model.cells + 3 + TEXT + i for i in range(ANSWER)]
    return sum(model.layer_work(n) + model.attention(n, n) + model.head(n, model.classes) for n in lengths)


def main() -> None:
    """Print operations (10^12) and memory."""
    table = Table("work", *(model.name for model in MODELS), title="10^12 operations: published, ours, ratio")
    rows = (
        ("stage-2 step", published_step, lambda m: step(m, cached=False)),
        ("stage-2 step, prefixes kept", published_step, lambda m: step(m, cached=True)),
        ("guided image", published_drawing, drawing),
        (f"answer of {ANSWER} tokens", published_answer, answer),
    )
    for name, theirs, ours in rows:
        cells = [f"{theirs(m) / 1e12:.3g}  {ours(m) / 1e12:.3g}  {theirs(m) / ours(m):.1f}" for m in MODELS]
        table.add_row(name, *cells)
    for bits, size in (("fp32", 4), ("bf16", 2)):
        held = [f"{model.prefix_bytes(size) / 2**20:.0f}" for model in MODELS]
        table.add_row(f"an image prefix, {bits}, MiB", *held)
    tables = [2 * m.classes * m.hidden * 4 * 5 / 2**20 for m in MODELS]
    table.add_row("tables in training, published, MiB", *(f"{mib:.0f}" for mib in tables))
    Console().print(table)
    print("Tables in training: gradient, two moments, a copy and its temporary, of both tables in fp32.")


if __name__ == "__main__":
    main()
