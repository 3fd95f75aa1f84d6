"""One concept of a data set in the published UniCTokens layout, ready to be taught and examined.

The layout is described in :mod:`unictk.datamodules.concept_files`; nothing here imports torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Interval

from unictk.datamodules.check import check_concept
from unictk.datamodules.conditions import Conditions
from unictk.datamodules.evaluation_items import Item, evaluation_items
from unictk.datamodules.problems import data_error
from unictk.datamodules.schemas import HUMAN
from unictk.datamodules.turns import Turn, training_turns
from unictk.errors import UserError

__all__ = ["ConceptData", "Conditions", "Item", "Turn", "read_concept"]


@dataclass(frozen=True, slots=True)
class ConceptData:
    """A concept: who it is, its pictures, what it is taught (``turns``) and examined with (``items``).

    ``facts`` may be taught, ``held_out`` facts are for testing only. ``crops`` are the photos themselves
    where there is no ``cropped`` folder. ``hard_negatives`` look like the concept, ``random_images`` are
    anything else. All paths lie under ``root``.
    """

    root: Path
    name: str
    class_noun: str
    description: str
    conversation_type: str
    generation_type: str
    facts: tuple[str, ...]
    held_out: tuple[str, ...]
    photos: tuple[Path, ...]
    crops: tuple[Path, ...]
    test_photos: tuple[Path, ...]
    hard_negatives: tuple[Path, ...]
    random_images: tuple[Path, ...]
    turns: tuple[Turn, ...]
    items: tuple[Item, ...]
    conditions: Conditions

    @property
    def is_human(self) -> bool:
        """Whether the concept is a person, as ``conversation_type`` says."""
        return self.conversation_type == HUMAN

    def picture_key(self, path: Path) -> str:
        """The picture's path in the data set with forward slashes: the same on every machine.

        Raises:
            ValueError: the picture does not lie under ``root``.
        """
        return path.relative_to(self.root).as_posix()


def read_concept(
    root: str | Path, name: str, holdout: Annotated[float, Interval(ge=0, lt=1)] = 0.25
) -> ConceptData:
    """Read concept ``name`` of the data set ``root``; every picture is decoded once to be sure of it.

    ``holdout`` is the share of random images and of hard negatives that is examined and never taught: at
    least one of each, and never all; one that is the only one is used in both.

    Raises:
        DataError: something is wrong with the concept: the first problem, and how many more there are.
        UserError: ``holdout`` is not a share.
    """
    if not 0 <= holdout < 1:
        raise UserError(f"concept.holdout: {holdout!r} is not a share; expected 0 <= holdout < 1")
    files, problems = check_concept(Path(root), name)
    if problems or files is None:
        raise data_error(problems)
    items = evaluation_items(files, holdout)
    info = files.info
    return ConceptData(
        root=Path(root),
        name=name,
        class_noun=info.class_noun,
        description=info.description,
        conversation_type=info.conversation_type,
        generation_type=info.generation_type,
        facts=info.facts,
        held_out=info.held_out,
        photos=files.photos,
        crops=files.crops,
        test_photos=files.test_photos,
        hard_negatives=files.hard_negatives,
        random_images=files.random_images,
        turns=training_turns(files, items),
        items=items,
        conditions=files.conditions,
    )
