"""Names in prompts and on the hub. Imports no torch: requests are checked with it before any is loaded."""

from __future__ import annotations

import re
from collections.abc import Sequence

from unictk.errors import UserError, nearest

PLACEHOLDER = "<sks>"
"""Stands for any concept in evaluation prompts."""

NAME = re.compile(r"<[A-Za-z0-9_-][A-Za-z0-9_.-]*>")
"""How a concept is named in a text. Soft tokens of our spelling (``<bo:0>``) are no names."""

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
"""``<user>/<name>`` on the Hugging Face hub."""


def meant(prompt: str, names: Sequence[str], tokens: Sequence[str] = (), key: str = "task.prompt") -> str:
    """The prompt with ``<sks>`` replaced by the one concept there is.

    Args:
        prompt: what is to be drawn.
        names: the concepts that may be named, with their brackets; with none, any name is plain text.
        tokens: other texts in brackets that mean something, such as published soft tokens.
        key: where the prompt was given.

    Raises:
        UserError: ``<sks>`` without a concept or with several, or a name that none of them has.
    """
    if PLACEHOLDER in prompt and len(names) != 1:
        if not names:
            raise UserError(
                f"task.saved: null, but {key} {prompt!r} names {PLACEHOLDER}; "
                "give task.saved=<concept folder>, or another prompt"
            )
        raise UserError(
            f"{key}: {prompt!r} says {PLACEHOLDER}, which may be any of {', '.join(names)}; name one"
        )
    if not names:
        return prompt
    for name in NAME.findall(prompt):
        if name not in (PLACEHOLDER, *names, *tokens):
            best = nearest(name, names)
            hint = f"; nearest: {best}" if best else ""
            raise UserError(
                f"{key}: {prompt!r} names {name}, which is no concept here{hint}. All: {', '.join(names)}"
            )
    return prompt.replace(PLACEHOLDER, names[0])
