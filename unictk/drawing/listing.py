"""What each drawn file shows, from which words it was drawn, and with which seeds: ``samples.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from unictk.app.folder import as_json, read_json, write_text
from unictk.backbones.base import Backbone
from unictk.chance import seed_of
from unictk.concepts.rewriting import How, Wanted, rewritten
from unictk.concepts.tokens import ConceptTokens
from unictk.drawing.draw import seeds_of
from unictk.drawing.layouts import Sheet
from unictk.samples import Sampling

DRAWN = "drawn"
"""Key of the words that a picture was drawn from, where they are not its prompt."""


def read_rewritten(file: Path) -> dict[str, str]:
    """Prompt -> what the model made of it, as an earlier process of the same request listed it."""
    listed = read_json(file).get("images", [])
    return {image["prompt"]: image[DRAWN] for image in listed if DRAWN in image}


def rewrite_prompts(
    backbone: Backbone,
    concepts: Sequence[ConceptTokens],
    asked: Mapping[str, str],
    sampling: Sampling,
    how: How,
    seed: int,
    batch_size: int,
) -> dict[str, str]:
    """Prompt -> the prompt as the model rewrites it; once each, whatever the number of its pictures.

    ``asked``: prompt as it was typed -> with its concepts by name.
    """
    wanted = [
        Wanted(plain, f"rewrite/{typed}", seed_of(seed, "generate", "rewrite", typed))
        for typed, plain in asked.items()
    ]
    said: list[str] = []
    for first in range(0, len(wanted), batch_size):
        said += rewritten(backbone, concepts, wanted[first : first + batch_size], sampling, how)
    return dict(zip(asked, said, strict=True))


def write_listing(
    file: Path, sheets: Sequence[Sheet], rewritten: Mapping[str, str], sampling: Sampling, seed: int
) -> None:
    """List every file of the request, drawn already or not, in one move."""
    images = [
        {
            "file": sheet.path,
            "prompt": sheet.prompt,
            **({DRAWN: rewritten[sheet.prompt]} if sheet.prompt in rewritten else {}),
            "rollout": sheet.first,
            "seeds": seeds_of(sheet, seed),
        }
        for sheet in sheets
    ]
    write_text(file, as_json({"sampling": asdict(sampling), "images": images}))
