"""The one kind of error a user can cause, and how it names the nearest valid choice.

Imports nothing heavy: the pre-flight check of a request must not import torch.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class UserError(Exception):
    """A wrong request, data set or file: one line that names what is wrong and what would be right.

    ``run.py`` prints it as ``error: <message>`` and exits with code 2 when nothing has started yet.
    """


class DataError(UserError):
    """A data set that cannot be used: the file and what was expected there."""


class WeightsError(UserError):
    """A checkpoint that does not fit: the file, and both values where two disagree."""


def nearest(value: str, choices: Iterable[str]) -> str | None:
    """The choice most like ``value``, or None when none is close."""
    options = [str(choice) for choice in choices]
    folded = {option.lower(): option for option in reversed(options)}
    found = difflib.get_close_matches(str(value).lower(), list(folded), n=1, cutoff=0.5)
    return folded[found[0]] if found else None


def not_a_choice(key: str, value: object, choices: Sequence[str], where: str = "") -> UserError:
    """``key: 'value' is not a choice; nearest: x. All: x, y, z (where)``."""
    best = nearest(str(value), choices)
    hint = f"; nearest: {best}" if best else ""
    place = f" ({where})" if where else ""
    shown = ", ".join(list(choices)[:24]) + (", ..." if len(choices) > 24 else "")
    given = "null" if value is None else repr(str(value))
    return UserError(f"{key}: {given} is not a choice{hint}. All: {shown}{place}")
