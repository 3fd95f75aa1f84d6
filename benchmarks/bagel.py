"""BAGEL: drawing against a plain loop over the same network, texts of eight pictures against one at a time.

``python -m benchmarks.bagel [--small] [--image PIXELS] [--json PATH]``. Before anything is timed both arms
must draw equal pictures and write equal texts.

The plain loop runs the branches of guidance one after the other, each through the network's forward pass as
training uses it: tokens gathered for their experts, a dense mask, rotary positions, and a cache that every
layer copies at every step to put the new keys behind the old. Both arms draw the same pictures at once, read
the prompt and decode the pixels inside their time.

Protocol: the arms are interleaved, 5 rounds in one process, warm from the check. Random weights: speed does
not depend on what they say. The end of a text is given no weight, so that every text has the same length.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from benchmarks.timing import Call, Comparison, as_json, interleave, machine, show
from unictk.backbones.bagel.autoencoder import FluxAutoencoder
from unictk.backbones.bagel.backbone import Bagel, before_last_text, texts_only
from unictk.backbones.bagel.context import Context, read
from unictk.backbones.bagel.guidance import Guidance, Schedule, guided_velocity
from unictk.backbones.bagel.layout import BagelLayout
from unictk.backbones.bagel.packing import Part
from unictk.backbones.bagel.patches import places, unpatchify
from unictk.backbones.bagel.sizes import qwen2_config, siglip_config
from unictk.backbones.keyvalues import Prefix
from unictk.chance import generator
from unictk.samples import Image, Request, Sampling, Text

PROMPT = "A red ball to the left of a blue box, and a small green star above them, on a grey ground."
EDIT = "Make the ball blue and move the star below it."
QUESTION = "What is the colour of the ball to the left of the box? Answer in one sentence."
TEXTS = 8


@dataclass(frozen=True, slots=True)
class Size:
    """A BAGEL of random weights; a picture has (image / 16) squared latent tokens."""

    hidden: int
    mlp: int
    layers: int
    heads: int
    key_heads: int
    vocabulary: int
    image: int
    seen: int
    steps: int
    words: int


FULL = Size(640, 2560, 8, 10, 2, 8192, image=128, seen=112, steps=4, words=48)
SMALL = Size(64, 128, 2, 4, 2, 2048, image=64, seen=28, steps=3, words=4)


def build(size: Size) -> Bagel:
    """The backbone; ViT and autoencoder are small, they are the same in both arms."""
    layout = BagelLayout(
        None, size.image, size.seen, size.vocabulary, 4096, latent_channels=4, latent_side=16, vision_side=16
    )
    model = Bagel(
        layout,
        qwen2_config(size.vocabulary, size.hidden, size.mlp, size.layers, size.heads, size.key_heads),
        siglip_config(64, 128, 1, 2, 224, 14),
        FluxAutoencoder(32, (1, 1, 1, 1), 1, 4),
        batch_size=TEXTS,
        image_guidance=2.0,
    )
    with torch.no_grad():
        model.network.lm_head.weight[layout.codec.special.eos].zero_()  # greedy answers never take it
    return model


def photo(seed: int) -> Image:
    """A picture of noise."""
    return Image(np.random.default_rng(seed).integers(0, 255, (64, 64, 3), np.uint8))


class Arms:
    """The two ways of drawing, and of writing."""

    def __init__(self, size: Size) -> None:
        self.size, self.model = size, build(size)
        sampling = Sampling(steps=size.steps, guidance=3.0, max_new_tokens=size.words)
        self.prompts = [Request(Text(PROMPT), seed=seed, sampling=sampling) for seed in range(2)]
        self.edits = [Request(photo(0), Text(EDIT), seed=0, sampling=sampling)]
        self.questions = [Request(photo(n), Text(QUESTION), seed=n, sampling=sampling) for n in range(TEXTS)]

    def ours(self, requests: Sequence[Request]) -> list[Tensor]:
        """Pixels by the backbone."""
        return [picture.pixels for picture in self.model.generate_images(requests)]

    @torch.no_grad()
    def plain(self, requests: Sequence[Request]) -> list[Tensor]:
        """Pixels by the plain loop."""
        model = self.model
        batch = model.layout.batch([request.segments for request in requests], True)
        prompts = model.pictures.samples(batch)
        edits = len(prompts[0]) > 1
        read_by = [prompts, [before_last_text(parts) for parts in prompts]]
        read_by += [[texts_only(parts) for parts in prompts]] if edits else []
        contexts = [self._read(samples) for samples in read_by]
        schedule = Schedule(self.size.steps + 1, model.shift, model.interval)
        guidance = Guidance(4.0, model.image_guidance if edits else 1.0, model.renormalisation)
        shape = model.layout.cells**2, model.layout.sizes.latent_width
        tokens = torch.stack([torch.randn(shape, generator=generator("noise", r.seed)) for r in requests])
        present = torch.ones(tokens.shape[:2], dtype=torch.bool)
        times, guided = schedule.times().tolist(), schedule.guided().tolist()
        for step, time in enumerate(times[:-1]):
            full, *others = (
                self.plain_velocity(tokens, time, each)
                for each in (contexts if guided[step] else contexts[:1])
            )
            if others:
                full = guided_velocity(full, others[0], others[1] if edits else None, present, guidance)
            tokens = tokens - (time - times[step + 1]) * full
        grid, patch = model.layout.grid, model.layout.sizes.latent_patch
        latents = torch.stack([unpatchify(row, grid, patch) for row in tokens])
        return list((model.pictures.decode(latents) + 1) / 2)

    def _read(self, samples: Sequence[Sequence[Part]]) -> Context:
        return read(self.model.network, self.model.packer, samples)

    def plain_velocity(self, tokens: Tensor, time: float, context: Context) -> Tensor:
        """One branch, as a sequence ``start latents end`` behind its context."""
        network, special = self.model.network, self.model.layout.codec.special
        rows, length = tokens.shape[:2]
        start, end = network.embed(torch.tensor([special.start_of_image, special.end_of_image]))
        where = places(self.model.layout.grid, network.sizes.latent_side).expand(rows, -1)
        latents = network.latent_vectors(tokens, torch.full((rows, length), time), where)
        vectors = torch.cat([start.expand(rows, 1, -1), latents, end.expand(rows, 1, -1)], dim=1)
        drawn = torch.ones(rows, length + 2, dtype=torch.bool)
        drawn[:, [0, -1]] = False
        mask = context.behind(torch.ones(rows, length + 2, length + 2, dtype=torch.bool))
        positions = context.positions[:, None].expand(-1, length + 2)
        states = network.trunk(vectors, drawn, positions, mask, Prefix(context.layers))
        return network.velocity(states[:, 1:-1])

    def together(self) -> list[str]:
        """Answers to all questions at once."""
        return self.model.generate_text(self.questions)

    def one_by_one(self) -> list[str]:
        """Answers to one question after the other."""
        return [text for question in self.questions for text in self.model.generate_text([question])]


def check_equal(arms: Arms) -> str:
    """What was compared, in one line.

    Raises:
        RuntimeError: what differs.
    """
    worst = 0.0
    for requests in (arms.prompts, arms.edits):
        pairs = zip(arms.ours(requests), arms.plain(requests), strict=True)
        worst = max(worst, *(float((ours - plain).abs().max()) for ours, plain in pairs))
    if not worst < 1e-4:
        raise RuntimeError(f"pictures differ by {worst:.2g}")
    if arms.together() != arms.one_by_one():
        raise RuntimeError("texts written together differ from those written alone")
    count = len(arms.prompts) + len(arms.edits)
    return f"Equal before timing: {count} pictures within {worst:.1g}, {TEXTS} texts."


def main() -> None:
    """Check equality, measure, print one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bagel", description=__doc__)
    parser.add_argument("--small", action="store_true", help="tiny sizes: shows that it runs, not how fast")
    parser.add_argument("--json", type=Path, help="also write everything measured to this file")
    parser.add_argument("--image", type=int, help="side of the pictures drawn, in pixels, a multiple of 16")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    size, console = SMALL if options.small else FULL, Console(width=None if sys.stdout.isatty() else 120)
    size = size if options.image is None else replace(size, image=options.image)
    arms = Arms(size)
    console.print("checking that both arms draw and write the same ...")
    notes = [check_equal(arms)]
    console.print("timing ...")
    lines = []
    for what, requests in (
        (f"draw {len(arms.prompts)}, text guidance", arms.prompts),
        ("draw 1, text guidance", arms.prompts[:1]),
        ("edit 1, text and image guidance", arms.edits),
    ):
        calls: list[Call] = [partial(arms.plain, requests), partial(arms.ours, requests)]
        lines.append(Comparison(what, "s", *interleave(calls, options.rounds, warm_up=False)))
    calls = [arms.one_by_one, arms.together]
    lines.append(
        Comparison(f"texts for {TEXTS} pictures", "s", *interleave(calls, options.rounds, warm_up=False))
    )
    numbers = sum(parameter.numel() for parameter in arms.model.parameters())
    setting = machine(options.threads)
    layout = arms.model.layout
    notes += [
        "Plain: branches of guidance in turn, the cache copied at each step; texts one at a time.",
        f"{numbers / 1e6:.0f} M parameters (hidden {size.hidden}, {size.layers} layers of two experts), "
        f"{layout.cells**2} latent tokens a picture, {size.steps} steps, {layout.patches**2} tokens of a "
        f"picture that is read, texts of {size.words} tokens, fp32; "
        f"{setting['processor']}, threads: {options.threads}, torch {setting['torch']}.",
    ]
    if options.small:
        notes.append("Small sizes: these numbers say nothing about speed.")
    show("BAGEL: plain and ours, median (lowest..highest)", lines, notes, console, "plain")
    if options.json:
        options.json.write_text(as_json(lines, notes, {**setting, **asdict(size)}))


if __name__ == "__main__":
    main()
