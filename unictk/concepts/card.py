"""The model card of a saved concept. Words from a user or a data set cannot add markup to it."""

from __future__ import annotations

import html
import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unictk.concepts.files import ConceptMetadata


def plain(text: str) -> str:
    """``text`` on one line, as Markdown and HTML show it letter for letter."""
    one_line = " ".join(text.split())
    return re.sub(r"([\\`*_{}\[\]()#+!|~:.@-])", r"\\\1", html.escape(one_line, quote=False))


def card(metadata: ConceptMetadata) -> str:
    """``README.md`` of a concept: what it is, its tokens, where it comes from, its scores."""
    metrics = [
        f"| {plain(name)} | {value:g} |" for name, value in metadata.metrics.items() if math.isfinite(value)
    ]
    scores = ["## Scores", "", "| metric | value |", "|---|---|", *metrics, ""] if metrics else []
    return "\n".join(
        [
            f"# {plain(metadata.name)}",
            "",
            f"Personal tokens of one concept ({plain(metadata.class_noun)}) for the model "
            f"{plain(metadata.backbone)}, after UniCTokens stage {metadata.stage}.",
            "",
            "| group | rows | tokens |",
            "|---|---|---|",
            *_token_lines(metadata),
            "",
            f"Rows: hidden size {metadata.shape.hidden}, "
            f"{'with' if metadata.shape.head_bias else 'without'} head bias, fp32.",
            f"Seed {metadata.seed}, configuration {plain(metadata.config_hash)}.",
            "",
            *scores,
            "Load with `unictk.concepts.files.load_concept(directory)`.",
            "",
        ]
    )


def _token_lines(metadata: ConceptMetadata) -> list[str]:
    lines, start = [], 0
    for group, size in metadata.groups.items():
        first, last = metadata.tokens[start], metadata.tokens[start + size - 1]
        span = plain(first) if size == 1 else f"{plain(first)} to {plain(last)}"
        lines.append(f"| {group} | {size} | {span} |")
        start += size
    return lines
