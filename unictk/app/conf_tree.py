"""Where the YAML files lie, and which groups and options they offer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path


def conf_dir() -> Path:
    """The shipped ``conf/``: inside the package when installed, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "conf"
    return installed if (installed / "config.yaml").is_file() else package.parent / "conf"


@dataclass(frozen=True)
class ConfTree:
    """Folders of YAML groups, the shipped one first; an option found in two belongs to the first."""

    roots: tuple[Path, ...]

    @cached_property
    def groups(self) -> Mapping[str, tuple[str, ...]]:
        """Group name -> its options, both sorted; an option in a sub-folder is also ``sub/option``."""
        found: dict[str, set[str]] = {}
        for root in self.roots:
            for file in root.rglob("*.yaml"):
                parts = file.relative_to(root).with_suffix("").parts
                for depth in range(1, len(parts)):
                    found.setdefault("/".join(parts[:depth]), set()).add("/".join(parts[depth:]))
        return {group: tuple(sorted(options)) for group, options in sorted(found.items())}

    def file(self, group: str, option: str) -> Path | None:
        """The file of an option, or None."""
        for root in self.roots:
            file = root / group / f"{option}.yaml"
            if file.is_file():
                return file
        return None

    def summary(self, group: str, option: str) -> str:
        """The first comment line of an option's file: what it is, for the help page."""
        file = self.file(group, option)
        for line in file.read_text(encoding="utf-8").splitlines() if file else ():
            text = line.lstrip("# ").strip()
            if line.startswith("#") and text and not text.startswith("@package"):
                return text
        return ""
