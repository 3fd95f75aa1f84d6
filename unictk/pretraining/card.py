"""The card of shipped weights: which runs made them, one after another, and what the last one measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from omegaconf import OmegaConf

from unictk.app.folder import METRICS, STATUS, read_json
from unictk.backbones.checkpoints import BUNDLED
from unictk.errors import DataError

START = "stages.refinement.start"
"""The key that says what a language model goes on from."""

CARD = "card.json"
"""The card as data, beside ``README.md``, its words."""


@dataclass(frozen=True, slots=True)
class Made:
    """One part of a training: its name, the request that ran it, and how long it took."""

    part: str
    command: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Card:
    """What was trained, in order, and the numbers of the last run."""

    made: tuple[Made, ...]
    metrics: Mapping[str, float]

    @classmethod
    def of_run(cls, run: Path, shipped: Path) -> Card:
        """Of a run's weights, and of what they went on from: runs by their folders, or what is ``shipped``.

        Parts that the run did not train (its image tokenizer, say) are the shipped ones; so are the numbers
        of a CLIP that it did not train.
        """
        old = cls.read(shipped)
        made = tuple(dict.fromkeys(_made(run, old)))  # what is shipped may be of the same chain
        names = {one.part for one in made}
        kept = tuple(one for one in old.made if one.part not in names) if old else ()
        metrics = _measured(run)
        if old and not any(map(_of_clip, metrics)):
            metrics |= {name: value for name, value in old.metrics.items() if _of_clip(name)}
        return cls((*kept, *made), metrics)

    @classmethod
    def read(cls, folder: Path) -> Card | None:
        """The card in a folder of weights, if there is one."""
        file = folder / CARD
        if not file.is_file():
            return None
        found = read_json(file)
        return cls(tuple(Made(**one) for one in found["made"]), found["metrics"])

    def write(self, folder: Path, size: int) -> None:
        """As data and as words; ``size``: bytes of the weights."""
        data = {"made": [asdict(one) for one in self.made], "metrics": dict(sorted(self.metrics.items()))}
        (folder / CARD).write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        (folder / "README.md").write_text(self.words(size), encoding="utf-8")

    def words(self, size: int) -> str:
        """What the weights are, how they are made again, and what they measure."""
        commands = list(dict.fromkeys(one.command for one in self.made))
        places = {command: number for number, command in enumerate(commands, start=1)}
        scores = [
            f"| {name} | {value:.4f} | {int(self.metrics.get(f'{name}/n') or 0) or ''} |"
            for name, value in sorted(self.metrics.items())
            if not name.endswith("/n")
        ]
        return "\n".join(
            [
                "# Small weights of the sprites world",
                "",
                "Trained on rendered scenes and their grammar: no photographs, no other text.",
                f"Apache-2.0, {size / 1e6:.1f} MB in bf16. Made, and made again, by",
                "",
                *(f"    {number}. {command}" for command, number in places.items()),
                "",
                "and `python -m unictk.pretraining.ship` with the folder of the last run.",
                "",
                "Known limits: they know nothing but this world and its 1,152 single words.",
                "",
                "| part | command | time on two cores |",
                "|---|---|---|",
                *(
                    f"| {one.part} | {places[one.command]} | {one.seconds / 60:.0f} min |"
                    for one in self.made
                ),
                "",
                "On held-out scenes and phrasings (`experiment=sprites/evaluate`), judged by the oracle:",
                "",
                "| metric | value | items |",
                "|---|---|---|",
                *scores,
                "",
            ]
        )


def _made(run: Path, shipped: Card | None) -> tuple[Made, ...]:
    """The parts of a run, after those of what it went on from."""
    status = read_json(run / STATUS)
    start = OmegaConf.select(OmegaConf.load(run / "config.yaml"), START)
    words = [
        f"{START}=THE_RUN_BEFORE/weights/showo"  # wherever it was on that machine
        if one.startswith(f"{START}=") and not str(start).startswith(BUNDLED)
        else one
        for one in status.get("overrides", ())
    ]
    command = " ".join(["python run.py", *words])
    own = tuple(
        Made(name, command, float(one.get("seconds", 0)))
        for name, one in status.get("stages", {}).items()
        if name != "measure"
    )
    if start is None:
        return own
    if start.startswith(BUNDLED):
        return (*(shipped.made if shipped else ()), *own)
    before = Path(start).parents[1]
    if not (before / STATUS).is_file():
        raise DataError(f"{run}: it went on from {start}, and {before} is no run folder")
    return (*_made(before, shipped), *own)


def _measured(run: Path) -> dict[str, float]:
    """Numbers of the benchmark and of the CLIP; who judged is a word."""
    return {
        name: value
        for name, value in read_json(run / METRICS).items()
        if isinstance(value, int | float) and (name.startswith("sprites/") or _of_clip(name))
    }


def _of_clip(name: str) -> bool:
    """Whether a number was measured of the CLIP; its training losses are named ``clip/clip/...``."""
    return name.startswith("clip/") and not name.startswith("clip/clip/")
