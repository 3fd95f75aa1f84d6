"""Templates of the report's pages, and how a page gets to disk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_FOLDER = Path(__file__).parent


def fill(template: str, context: Mapping[str, Any]) -> str:
    """The template's text with everything in ``context`` escaped for HTML."""
    # Autoescape is forced: it would not follow from the template's ending.
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(context)


def source(name: str) -> str:
    """The text of a style sheet or script that lies beside the templates."""
    return (_FOLDER / name).read_text(encoding="utf-8")


def write_page(target: Path, page: str) -> Path:
    """Write the page, all of it or nothing."""
    draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    draft.write_text(page, encoding="utf-8")
    os.replace(draft, target)
    return target
