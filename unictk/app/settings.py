"""The top-level keys of the configuration that build nothing: their names, types and meaning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le


@dataclass(frozen=True, slots=True)
class Paths:
    """Folders; a relative one is relative to where the command is typed.

    ``data`` is read, ``output`` gets one folder per run, ``cache`` holds what can be made again.
    """

    data: str
    output: str
    cache: str


@dataclass(frozen=True, slots=True)
class Study:
    """What all arms of a study share: how large it is, and the learning rate they are searched at.

    ``scale`` decides how many concepts and seeds there are and how long each is examined.
    """

    scale: Literal["quick", "full"] = "full"
    lr: Annotated[float, Gt(0)] = 1e-2


@dataclass(frozen=True, slots=True)
class Settings:
    """What belongs to the whole request.

    ``seed`` of every random draw; ``tags`` for the loggers; ``objective``, the metric handed to a sweeper
    (null: none); ``rows``, the concept directory that a pipeline without stage 1 starts from; ``rerun``
    starts a finished run afresh, or with ``keep`` once more in the folder as it is; ``trust``, typed, lets it
    build classes that no shipped file names; ``stages``, the pipeline, in order; ``study``, null outside of
    one.
    """

    seed: Annotated[int, Ge(0), Le(2**32 - 1)]
    paths: Paths
    tags: list[str] = field(default_factory=list)
    objective: str | None = None
    rows: str | None = None
    rerun: bool | Literal["keep"] = False
    trust: bool = False
    stages: dict[str, dict[str, Any]] = field(default_factory=dict)
    study: Study | None = None
