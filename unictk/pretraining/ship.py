"""Puts the weights of a finished pretraining run into the package, with their card.

``python -m unictk.pretraining.ship RUN_FOLDER`` copies its ``weights/`` to ``unictk/assets/sprites``.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unictk.app.folder import METRICS, STATUS, read_json
from unictk.errors import DataError, UserError

ASSETS = Path(__file__).parents[1] / "assets"
LIMIT = 15_000_000
"""Bytes of all shipped weights together."""


def ship(run: Path, target: Path) -> int:
    """Copy the weights and write the card; the number of bytes copied.

    Raises:
        DataError: the run is not done, has no weights, or they are larger than :data:`LIMIT`.
    """
    status, weights = read_json(run / STATUS), run / "weights"
    if status.get("state") != "done":
        raise DataError(f"{run}: its state is {status.get('state')!r}; expected a run that is done")
    files = sorted(path for path in weights.rglob("*") if path.is_file())
    size = sum(path.stat().st_size for path in files)
    if not files:
        raise DataError(f"{weights}: no weights here; expected a run of task=pretrain")
    if size > LIMIT:
        raise DataError(f"{weights}: {size:,} bytes; expected at most {LIMIT:,}")
    words = card(status, read_json(run / METRICS), size)  # before anything is removed
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(weights, target)
    (target / "README.md").write_text(words, encoding="utf-8")
    return size


def card(status: Mapping[str, Any], metrics: Mapping[str, float | str | None], size: int) -> str:
    """What the weights are, how they are made again, and what they measure."""
    command = " ".join(["python run.py", *status.get("overrides", ())])
    stages = status.get("stages", {}).items()
    seconds = [f"| {name} | {one.get('seconds', 0) / 60:.0f} min |" for name, one in stages]
    scores = [
        f"| {name} | {value:.4f} | {int(metrics.get(f'{name}/n') or 0) or ''} |"
        for name, value in sorted(metrics.items())
        if isinstance(value, int | float)  # who judged is a word
        and name.startswith(("sprites/", "clip/"))
        and not name.startswith("clip/clip/")  # losses of its training
        and not name.endswith("/n")
    ]
    return "\n".join(
        [
            "# Small weights of the sprites world",
            "",
            f"Trained {_origin(status)} on rendered scenes and their grammar: no photographs, no other text.",
            f"Apache-2.0, {size / 1e6:.1f} MB in bf16. Made, and made again, by",
            "",
            f"    {command}",
            "    python -m unictk.pretraining.ship <the run folder>",
            "",
            "Known limits: they know nothing but this world and its 1,152-entry vocabulary of single words.",
            "",
            "| part | time on two cores |",
            "|---|---|",
            *seconds,
            "",
            "On held-out scenes and phrasings (`experiment=sprites/evaluate`), judged by the oracle:",
            "",
            "| metric | value | items |",
            "|---|---|---|",
            *scores,
            "",
        ]
    )


def _origin(status: Mapping[str, Any]) -> str:
    """What the language model began with, as the request says."""
    key = "stages.language.start="
    given = [one.removeprefix(key) for one in status.get("overrides", ()) if one.startswith(key)]
    return f"on from {given[-1]} as it was before," if given and given[-1] != "null" else "from nothing"


def main() -> int:
    """Command line. Exit code 1: the run cannot be shipped."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("run", type=Path, help="the folder of a finished run of task=pretrain")
    parser.add_argument("--to", type=Path, default=ASSETS / "sprites", help="where the weights go")
    asked = parser.parse_args()
    try:
        size = ship(asked.run, asked.to)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{asked.to}: {size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
