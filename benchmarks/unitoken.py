"""UniToken: drawing against the published procedure, packed training against padded, on the same weights.

``python -m benchmarks.unitoken [--small] [--json PATH]``. Before anything is timed, both ways of drawing must
give equal codes, greedily and at random, and both ways of training equal losses.

Drawing, plain: transformers' own ``ChameleonModel`` with two dynamic caches, for the prompt and for the
picture alone, each read one id at a time, newlines included, the whole head multiplied for both. It is given
a batch of pictures, where the published one draws a single one. Training, plain: rows padded to the longest
sample; ours puts samples behind each other in one row. The arms are interleaved, 5 rounds in one process.
Random weights: speed does not depend on what they say.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor
from transformers import DynamicCache

from benchmarks.timing import Comparison, as_json, interleave, machine, show
from unictk.backbones.drawing import Drawing, seeded
from unictk.backbones.unitoken.backbone import UniToken
from unictk.backbones.unitoken.configs import language_config, vision_config
from unictk.backbones.unitoken.layout import UniTokenLayout
from unictk.backbones.unitoken.sampling import draw
from unictk.backbones.unitoken.vocabulary import CODE
from unictk.backbones.unitoken.vq import VQTokenizer
from unictk.samples import Batch, Image, Loss, Request, Sample, Text

PROMPT = "A red ball to the left of a blue box, and a small green star above them, on a grey ground."
SCALE = 5.5
"""Of the paper's GenEval numbers; our setting is one less."""


@dataclass(frozen=True, slots=True)
class Size:
    """A UniToken of random weights: (image / 16) squared codes, (tile / 14) squared features of a tile."""

    hidden: int
    mlp: int
    layers: int
    heads: int
    codebook: int
    image: int
    tile: int


FULL = Size(hidden=768, mlp=2048, layers=12, heads=12, codebook=8192, image=256, tile=112)
SMALL = Size(hidden=64, mlp=128, layers=2, heads=4, codebook=256, image=64, tile=28)


def build(size: Size) -> UniToken:
    """The backbone; tower and image tokenizer are small, they take no part in what is compared."""
    layout = UniTokenLayout(
        None, size.image, 16, size.codebook, size.tile, 14, positions=2048, condition_dropout=0.0
    )
    return UniToken(
        layout,
        language_config(
            size.hidden, size.mlp, size.layers, size.heads, size.heads, max_position_embeddings=2048
        ),
        vision_config(64, 128, 1, 2, size.tile, 14, pooling_head=False),
        VQTokenizer(32, (1, 1, 1, 1, 1), 1, 32, size.codebook, 8),
    )


# -- drawing -------------------------------------------------------------------------------------------------


class Plain:
    """One context of the published procedure: a cache of its own, one id at a time, the whole head."""

    def __init__(self, model: UniToken, ids: list[int], pictures: int) -> None:
        self.language: Any = model.network.model
        self.head = model.network.lm_head
        self.cache = DynamicCache(config=self.language.config)
        self.logits = self.read(torch.tensor([ids]).expand(pictures, -1))

    def read(self, ids: Tensor) -> Tensor:
        """Logits (B, vocabulary) behind the ids (B, count)."""
        found = self.language(input_ids=ids, past_key_values=self.cache, use_cache=True)
        self.logits = self.head(found.last_hidden_state[:, -1]).float()
        return self.logits


@torch.no_grad()
def plain_codes(model: UniToken, drawing: Drawing, prompt: list[int]) -> Tensor:
    """Image codes (B, cells) as published."""
    vocabulary, pick = model.vocabulary, seeded(drawing)
    block = vocabulary.block(drawing.rows, drawing.columns)
    opening = block[: block.index(CODE)]
    batch = len(drawing.seeds)
    drawn: list[Tensor] = []
    with_prompt = Plain(model, [*prompt, *opening], batch)
    without = Plain(model, opening, batch)
    for token in block[len(opening) :]:
        if token == CODE:
            logits = without.logits + drawing.scale * (with_prompt.logits - without.logits)
            drawn.append(pick(logits[:, vocabulary.codes], len(drawn)))
            ids = drawn[-1][:, None] + vocabulary.first_code
        else:
            ids = torch.full((batch, 1), token)
        for context in (with_prompt, without):
            context.read(ids)
    return vocabulary.to_codes(torch.stack(drawn, 1) + vocabulary.first_code)


class Drawings:
    """The two ways of drawing one prompt."""

    def __init__(self, model: UniToken) -> None:
        self.model = model
        self.ids = model.layout.prompt(Request(Text(PROMPT)), draws=True).ids

    def asked(self, pictures: int, temperature: float = 1.0) -> Drawing:
        """So many pictures of the prompt."""
        prompt = self.model.network.embed(torch.tensor(self.ids), None)
        side, follows = self.model.layout.side, torch.zeros(pictures, dtype=torch.long)
        top = self.model.layout.vocabulary.codebook // 2
        return Drawing([prompt], follows, range(pictures), side, side, SCALE, temperature, top)

    def plain(self, pictures: int, temperature: float = 1.0) -> Tensor:
        return plain_codes(self.model, self.asked(pictures, temperature), self.ids)

    def ours(self, pictures: int, temperature: float = 1.0) -> Tensor:
        return draw(self.model.network, self.model.vocabulary, self.asked(pictures, temperature))

    def check_equal(self, pictures: int) -> str:
        """What was compared, in one line.

        Raises:
            RuntimeError: how many codes differ.
        """
        pairs = [(self.ours(*how), self.plain(*how)) for how in ((1, 0.0), (pictures, 1.0))]
        different = sum(int((ours != plain).sum()) for ours, plain in pairs)
        whole = sum(ours.numel() for ours, _ in pairs)
        if different:
            raise RuntimeError(f"{different} of {whole} codes differ")
        return f"Equal before timing: {whole} codes, greedy and at random."


# -- training ------------------------------------------------------------------------------------------------


def mixed_samples(size: Size) -> list[Sample]:
    """Two conversations, three pictures to draw, three questions about pictures of unequal shapes."""
    chance = np.random.default_rng(0)
    words = PROMPT.split()

    def said(count: int) -> str:
        return " ".join(words[one] for one in chance.integers(0, len(words), count))

    def picture(width: int, height: int, target: bool = False) -> Image:
        return Image(chance.integers(0, 255, (height, width, 3), np.uint8), target=target)

    side = size.image
    shapes = [(side, side), (2 * side, side), (4 * side, side)]
    talks = [
        Sample(Text(said(8)), Text(said(20), True), Text(said(6)), Text(said(count), True))
        for count in (10, 30)
    ]
    draws = [Sample(Text(said(count)), picture(side, side, target=True)) for count in (12, 18, 24)]
    looks = [Sample(picture(*shape), Text(said(10)), Text(said(20), True)) for shape in shapes]
    return [sample for trio in zip(draws, looks, strict=True) for sample in trio] + talks


class Training:
    """The two ways of computing the gradients of a batch."""

    def __init__(self, model: UniToken, size: Size) -> None:
        self.model = model
        self.samples = mixed_samples(size)
        self.lengths = [model.layout.length(sample) for sample in self.samples]
        model.prepare([image for sample in self.samples for image in sample.images])
        self.padded = self._collated(None)
        self.packed = self._collated(sum(self.lengths))

    def _collated(self, packing: int | None) -> Batch:
        self.model.layout.packing = packing
        return self.model.layout.collate(self.samples)

    def step(self, batch: Batch) -> None:
        """Loss and gradients of everything in the language model."""
        loss = self.model.loss(batch)
        (loss.text_sum + loss.image_sum).backward()
        self.model.zero_grad()

    def check_equal(self) -> str:
        """What was compared, in one line.

        Raises:
            RuntimeError: the losses.
        """
        with torch.no_grad():
            found: list[Loss] = [self.model.loss(batch) for batch in (self.padded, self.packed)]
        for name in ("text_sum", "image_sum"):
            padded, packed = (getattr(loss, name).item() for loss in found)
            if abs(padded - packed) > 1e-5 * abs(padded):
                raise RuntimeError(f"{name}: {padded} padded, {packed} packed")
        targets = found[0].text_count + found[0].image_count
        return f"Equal before timing: losses of {targets} targets, to 1e-5."


def main() -> None:
    """Check equality, measure, print one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.unitoken", description=__doc__)
    parser.add_argument("--small", action="store_true", help="tiny sizes: shows that it runs, not how fast")
    parser.add_argument("--json", type=Path, help="also write everything measured to this file")
    parser.add_argument("--pictures", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    size, console = SMALL if options.small else FULL, Console(width=None if sys.stdout.isatty() else 120)
    model = build(size)
    drawings, training = Drawings(model), Training(model, size)
    console.print("checking that both arms give the same ...")
    notes = [drawings.check_equal(options.pictures), training.check_equal()]
    console.print("timing ...")
    lines = []
    for pictures in dict.fromkeys((1, options.pictures)):
        arms = [partial(arm, pictures) for arm in (drawings.plain, drawings.ours)]
        times = interleave(arms, options.rounds, warm_up=False)
        lines.append(Comparison(f"draw {pictures} of one prompt, guided", "s", *times))
    model.network.model.requires_grad_(True)
    model.network.lm_head.requires_grad_(True)
    steps = [partial(training.step, batch) for batch in (training.padded, training.packed)]
    lines.append(Comparison("gradients of a batch", "s", *interleave(steps, options.rounds)))
    numbers = sum(parameter.numel() for parameter in model.parameters())
    setting = machine(options.threads)
    padded, packed = (batch.parts.sequences.ids.numel() for batch in (training.padded, training.packed))
    notes += [
        f"Samples of {', '.join(map(str, sorted(training.lengths)))} positions: "
        f"{padded} padded, {packed} packed.",
        f"{numbers / 1e6:.0f} M parameters (hidden {size.hidden}, {size.layers} layers, a vocabulary of "
        f"{model.vocabulary.size}), {model.layout.cells} codes a picture, prompt of {len(drawings.ids)} "
        f"tokens, fp32; {setting['processor']}, threads: {options.threads}, torch {setting['torch']}.",
    ]
    if options.small:
        notes.append("Small sizes: these numbers say nothing about speed.")
    show("UniToken: plain and ours, median (lowest..highest)", lines, notes, console, "plain")
    if options.json:
        options.json.write_text(as_json(lines, notes, {**setting, **asdict(size)}))


if __name__ == "__main__":
    main()
