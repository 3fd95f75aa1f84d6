"""Janus's tokens: those of its text tokenizer, with a few that open and close what is said and shown.

Image codes are no entries of it: they have a table and a head of their own. Concept row r has the id
``size + r``, behind the tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unictk.backbones.checkpoints import BUNDLED_TOKENIZER, load_tokenizer
from unictk.errors import UserError, WeightsError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BEGIN, END, PAD = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"
START_OF_IMAGE, END_OF_IMAGE, IMAGE = "<begin_of_image>", "<end_of_image>", "<image_placeholder>"
USER, ASSISTANT = "<|User|>", "<|Assistant|>"
IMAGE_TOKENS = {"image_token": IMAGE, "boi_token": START_OF_IMAGE, "eoi_token": END_OF_IMAGE}
"""As transformers' processor asks a tokenizer for them."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Ids of a Janus model, and ``size``, the rows of its tables.

    ``image`` stands where features of a picture will be. ``user`` and ``assistant`` are what opens a turn.
    """

    size: int
    begin: int
    end: int
    pad: int
    start_of_image: int
    end_of_image: int
    image: int
    user: tuple[int, ...]
    assistant: tuple[int, ...]

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, rows: int | None = None) -> Vocabulary:
        """The vocabulary of a tokenizer that has Janus's names.

        Args:
            tokenizer: with all of them.
            rows: of the tables; None: as many as the tokenizer has entries.

        Raises:
            WeightsError: a name is absent.
            UserError: fewer rows than entries.
        """
        entries = tokenizer.get_vocab()
        absent = [name for name in IMAGE_TOKENS.values() if name not in entries]
        if absent:
            raise WeightsError(f"tokenizer: no {', '.join(absent)}; expected the tokenizer of Janus-Pro")
        ends = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
        if None in ends:
            raise WeightsError("tokenizer: names no token for begin, end and padding; expected Janus-Pro's")
        used = max(entries.values()) + 1
        if rows is not None and rows < used:
            raise UserError(
                f"backbone.layout.vocabulary: {rows} is too small for a tokenizer of {used} entries; "
                f"nearest: {used}"
            )
        begin, end, pad = (int(number) for number in ends)
        user, assistant = (
            tuple(tokenizer(name, add_special_tokens=False)["input_ids"]) for name in (USER, ASSISTANT)
        )
        return cls(
            size=rows or used,
            begin=begin,
            end=end,
            pad=pad,
            start_of_image=entries[START_OF_IMAGE],
            end_of_image=entries[END_OF_IMAGE],
            image=entries[IMAGE],
            user=user,
            assistant=assistant,
        )


def janus_tokenizer(source: str | Path | None) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder or hub id; None: the small one of the package, with Janus's tokens added.

    Raises:
        WeightsError: no such folder, no tokenizer in it, or a broken one.
    """
    if source is not None:
        return load_tokenizer(source)
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoTokenizer

    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        BUNDLED_TOKENIZER,
        local_files_only=True,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=PAD,
        extra_special_tokens=IMAGE_TOKENS,
    )
    tokenizer.add_tokens([USER, ASSISTANT], special_tokens=True)
    # As the published one: who tokenises a whole text gets its begin, too.
    opening = TemplateProcessing(single=f"{BEGIN} $A", special_tokens=[(BEGIN, tokenizer.bos_token_id)])
    tokenizer.backend_tokenizer.post_processor = opening
    return tokenizer
