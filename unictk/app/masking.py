"""Keeps secrets out of everything a run writes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

MASK = "***"
_NAME = re.compile(
    r"(^|[_.\-])(api_?keys?|access_key|private_key|secrets?|token|password|passwd|credentials?)$", re.I
)
_LOGIN = re.compile(r"(\w+://)[^/\s:@]+:[^/\s@]+@")


def is_secret(key: str) -> bool:
    """Whether a key's name says that its value is a secret (``judge.api_key``; not ``max_new_tokens``)."""
    return bool(_NAME.search(key))


def masked(value: Any, hidden: Iterable[str] = ()) -> Any:
    """Plain containers with secret values, and any text that repeats one, replaced by ``***``."""
    return _masked(
        value, sorted({*hidden, *secret_values(value), *environment_secrets()}, key=len, reverse=True)
    )


def masked_text(text: str, hidden: Iterable[str] = ()) -> str:
    """The text without the given secrets, those of the environment, and logins inside addresses."""
    for secret in sorted({*hidden, *environment_secrets()}, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return _LOGIN.sub(rf"\1{MASK}@", text)


def secret_values(value: Any, key: str = "") -> set[str]:
    """Every non-empty text that stands under a secret key."""
    if isinstance(value, Mapping):
        return {found for name, item in value.items() for found in secret_values(item, str(name))}
    if isinstance(value, list):
        return {found for item in value for found in secret_values(item, key)}
    hides = is_secret(key) and isinstance(value, str) and value and "${" not in value and value != "???"
    return {value} if hides else set()


def environment_secrets() -> set[str]:
    """Values of environment variables named like secrets; short ones would mask ordinary words."""
    return {value for name, value in os.environ.items() if is_secret(name) and len(value) >= 8}


def _masked(value: Any, hidden: list[str]) -> Any:
    if isinstance(value, Mapping):
        return {
            name: MASK if is_secret(str(name)) and isinstance(item, str) and item else _masked(item, hidden)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_masked(item, hidden) for item in value]
    return masked_text(value, hidden) if isinstance(value, str) else value
