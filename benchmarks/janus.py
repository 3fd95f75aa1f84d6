"""Janus: our drawing against transformers' ``generate``, on the same weights, prompt, scale and threads.

``python -m benchmarks.janus [--small] [--json PATH]``. Before anything is timed both must draw equal codes:
greedily, and 8 rollouts of one prompt from the same stream of random numbers.

Protocol: the arms are interleaved, 5 rounds in one process. transformers draws 8 pictures of one prompt by
``num_return_sequences=8`` with its own static cache; it cannot draw without guidance, so that has one arm.
Both decode the pixels inside their time. Random weights: speed does not depend on what they say.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor
from transformers import GenerationConfig

from benchmarks.timing import Call, Comparison, as_json, interleave, machine, show
from unictk.backbones.drawing import Drawing
from unictk.backbones.janus.backbone import Janus
from unictk.backbones.janus.configs import image_config, language_config, vision_config
from unictk.backbones.janus.layout import JanusLayout
from unictk.backbones.janus.sampling import draw
from unictk.samples import Request, Sampling, Text

PROMPT = "A red ball to the left of a blue box, and a small green star above them, on a grey ground."
SCALE = 5.0
"""As published; our setting is one less."""


@dataclass(frozen=True, slots=True)
class Size:
    """A Janus of random weights; codes of a picture are (image / 16) squared."""

    hidden: int
    mlp: int
    layers: int
    heads: int
    codebook: int
    image: int


FULL = Size(hidden=768, mlp=2048, layers=12, heads=12, codebook=16384, image=256)
SMALL = Size(hidden=64, mlp=128, layers=2, heads=4, codebook=256, image=64)


def build(size: Size) -> Janus:
    """The backbone; tower and image tokenizer are small, they take no part in what is compared."""
    layout = JanusLayout(None, None, size.image, 16, size.codebook, 2048, 0.0)
    return Janus(
        layout,
        language_config(
            size.hidden, size.mlp, size.layers, size.heads, size.heads, max_position_embeddings=2048
        ),
        vision_config(64, 2.0, 1, 2, size.image, 16),
        image_config(32, (1, 1, 1, 1, 1), 1, 32, size.codebook, 8),
        batch_size=8,
    )


class Arms:
    """The two ways of drawing one prompt."""

    def __init__(self, model: Janus) -> None:
        self.model = model
        self.stock: Any = model.network.stock  # its annotations refuse plain tensors
        self.ids = torch.tensor([model.layout.prompt(Request(Text(PROMPT)), draws=True).ids])
        v = model.layout.vocabulary
        self.stock.generation_config = GenerationConfig(
            bos_token_id=v.begin,
            pad_token_id=v.pad,
            generation_kwargs={"boi_token_id": v.start_of_image},
        )

    def theirs(self, pictures: int, **settings: object) -> Tensor:
        """Codes (pictures, cells) by transformers."""
        return self.stock.generate(
            self.ids,
            attention_mask=torch.ones_like(self.ids),
            generation_mode="image",
            guidance_scale=SCALE,
            num_return_sequences=pictures,
            top_k=0,
            **({"do_sample": True, "temperature": 1.0} | settings),
        )

    def theirs_whole(self, pictures: int) -> Tensor:
        """Pixels by transformers."""
        with torch.no_grad():
            return self.stock.decode_image_tokens(self.theirs(pictures))

    def ours(self, pictures: int, scale: float = SCALE) -> list[Tensor]:
        """Pixels by us."""
        sampling = Sampling(guidance=scale - 1)
        requests = [Request(Text(PROMPT), seed=seed, sampling=sampling) for seed in range(pictures)]
        return [picture.pixels for picture in self.model.generate_images(requests)]

    def codes(self, pictures: int, greedy: bool) -> Tensor:
        """Our codes, by torch's one stream as transformers draws from it, or greedily."""
        prompt = self.model.network.embed(self.ids[0], None)
        follows = torch.zeros(pictures, dtype=torch.long)
        side = self.model.layout.side
        drawing = Drawing([prompt], follows, range(pictures), side, side, SCALE, 0.0 if greedy else 1.0)
        stream = None if greedy else lambda logits, number: torch.multinomial(logits.softmax(-1), 1)[:, 0]
        return draw(self.model.network, self.model.layout.vocabulary, drawing, stream)


def check_equal(arms: Arms, pictures: int) -> str:
    """What was compared, in one line.

    Raises:
        RuntimeError: how many codes differ.
    """
    pairs = [(arms.codes(1, greedy=True), arms.theirs(1, do_sample=False, temperature=None))]
    found = []
    for sample in (partial(arms.codes, greedy=False), arms.theirs):
        torch.manual_seed(3)
        found.append(sample(pictures))
    pairs.append((found[0], found[1]))
    different = sum(int((ours != theirs).sum()) for ours, theirs in pairs)
    if different:
        raise RuntimeError(f"{different} of {sum(ours.numel() for ours, _ in pairs)} codes differ")
    return f"Equal before timing: {sum(ours.numel() for ours, _ in pairs)} codes, greedy and sampled."


def main() -> None:
    """Check equality, measure, print one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.janus", description=__doc__)
    parser.add_argument("--small", action="store_true", help="tiny sizes: shows that it runs, not how fast")
    parser.add_argument("--json", type=Path, help="also write everything measured to this file")
    parser.add_argument("--pictures", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    size, console = SMALL if options.small else FULL, Console(width=None if sys.stdout.isatty() else 120)
    arms, many = Arms(build(size)), options.pictures
    console.print("checking that both arms draw the same ...")
    notes = [check_equal(arms, many)]
    console.print("timing ...")
    lines = []
    for pictures in (many, 1):
        calls: list[Call] = [partial(arms.theirs_whole, pictures), partial(arms.ours, pictures)]
        what = f"draw {pictures} of one prompt, guided" if pictures > 1 else "draw 1, guided"
        lines.append(Comparison(what, "s", *interleave(calls, options.rounds)))
    (unguided,) = interleave([partial(arms.ours, many, 1.0)], options.rounds)
    numbers = sum(parameter.numel() for parameter in arms.model.parameters())
    setting = machine(options.threads)
    notes += [
        f"Without guidance we draw {many} in {unguided} s; transformers cannot.",
        f"{numbers / 1e6:.0f} M parameters (hidden {size.hidden}, {size.layers} layers), "
        f"{arms.model.layout.cells} codes a picture, prompt of {arms.ids.shape[1]} tokens, fp32; "
        f"{setting['processor']}, threads: {options.threads}, torch {setting['torch']}.",
    ]
    if options.small:
        notes.append("Small sizes: these numbers say nothing about speed.")
    show("Janus: transformers and ours, median (lowest..highest)", lines, notes, console, "transformers")
    if options.json:
        options.json.write_text(as_json(lines, notes, {**setting, **asdict(size)}))


if __name__ == "__main__":
    main()
