"""An order to draw: prompts, the tree they go to, and the concepts that they may name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unictk.backbones.base import Backbone
from unictk.concepts.tokens import ConceptTokens
from unictk.drawing.draw import Progress, draw_sheets
from unictk.drawing.layouts import Layout, unique
from unictk.drawing.listing import read_rewritten, rewrite_prompts, write_listing
from unictk.drawing.prompt_files import PromptRow
from unictk.drawing.wording import Wording
from unictk.samples import Sampling

LIST = "samples.json"
"""Among the pictures of a plain folder; of a scorer's tree ``<folder>.json``, beside it."""


class Order:
    """What is to be drawn, checked whole before anything is.

    Args:
        tree: where pictures go.
        rows: the prompts.
        count: pictures of each.
        concepts: those that prompts may name, attached to the backbone.
        must_name: a prompt that names none of them is refused, else it is drawn as it stands.

    Raises:
        UserError: a prompt names a concept that is not there, or none where it must.
        DataError: two files would have the same name.
    """

    def __init__(
        self,
        tree: Layout,
        rows: Sequence[PromptRow],
        count: int,
        concepts: Sequence[ConceptTokens],
        must_name: bool,
    ) -> None:
        self.tree, self.rows, self.concepts = tree, rows, concepts
        self.sheets = unique(tree.sheets(rows, count))
        self.wording = Wording(concepts, must_name)
        self.asked = {sheet.prompt: self.wording.plain(sheet.prompt) for sheet in self.sheets}

    def draw(
        self,
        backbone: Backbone,
        sampling: Sampling,
        seed: int,
        folder: Path,
        batch_size: int,
        progress: Progress | None = None,
    ) -> int:
        """Draw what is not there below ``folder``, and list everything; the number of files drawn."""
        for path, text in self.tree.texts(self.rows).items():
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text + "\n", encoding="utf-8")
        listing = folder / LIST if self.tree.listed else folder.with_suffix(".json")
        rewritten = read_rewritten(listing)
        if sampling.rewrite != "none":
            new = {typed: plain for typed, plain in self.asked.items() if typed not in rewritten}
            how = sampling.rewrite
            rewritten |= rewrite_prompts(backbone, self.concepts, new, sampling, how, seed, batch_size)
        write_listing(listing, self.sheets, rewritten, sampling, seed)
        words = {
            typed: self.wording.drawn(rewritten.get(typed, plain)) for typed, plain in self.asked.items()
        }
        return draw_sheets(backbone, self.sheets, words, sampling, seed, folder, batch_size, progress)
