"""Puts the weights of a finished pretraining run into the package, with their card.

``python -m unictk.pretraining.ship RUN_FOLDER`` copies its ``weights/`` to ``unictk/assets/sprites``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from unictk.app.folder import STATUS, read_json
from unictk.errors import DataError, UserError
from unictk.pretraining.card import Card

ASSETS = Path(__file__).parents[1] / "assets"
LIMIT = 15_000_000
"""Bytes of all shipped weights together."""
KEPT = ("magvit", "clip")
"""Image tokenizer and CLIP: a run may train the language model alone."""


def ship(run: Path, target: Path) -> int:
    """Copy the weights and write the card; the number of bytes shipped.

    What a run did not train stays as it is shipped, if it is one of :data:`KEPT`.

    Raises:
        DataError: the run is not done, has no weights, or they are larger than :data:`LIMIT`.
    """
    status, weights = read_json(run / STATUS), run / "weights"
    if status.get("state") != "done":
        raise DataError(f"{run}: its state is {status.get('state')!r}; expected a run that is done")
    if not any(path.is_file() for path in weights.rglob("*")):
        raise DataError(f"{weights}: no weights here; expected a run of task=pretrain")
    target.parent.mkdir(parents=True, exist_ok=True)
    card = Card.of_run(run, target)
    with tempfile.TemporaryDirectory(dir=target.parent) as draft:
        fresh = Path(draft) / target.name
        shutil.copytree(weights, fresh)
        for folder in KEPT:
            if (target / folder).is_dir() and not (fresh / folder).exists():
                shutil.copytree(target / folder, fresh / folder)
        size = sum(path.stat().st_size for path in fresh.rglob("*") if path.is_file())
        if size > LIMIT:
            raise DataError(f"{weights}: {size:,} bytes; expected at most {LIMIT:,}")
        card.write(fresh, size)
        if target.exists():
            shutil.rmtree(target)
        os.replace(fresh, target)
    return size


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
