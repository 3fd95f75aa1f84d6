"""The logger that a run's stages share: they all write into the one W&B run of their run folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import wandb
from lightning.pytorch.loggers import WandbLogger

from unictk.app.masking import MASK, is_secret, masked_text
from unictk.tracking.about import AGENT_VARIABLES, About, flat

STEP = "trainer/global_step"
"""The axis of every curve: W&B's own counts each thing that is logged."""


class RunLogger(WandbLogger):
    """Curves, pictures and tables of a stage, for the W&B run that is open.

    The job opens that run (:meth:`open`) and ends it; a stage's logger finds it. Outside of a job, the first
    thing that is logged opens one, as with Lightning's own logger.

    Args:
        save_dir: the run folder; what W&B keeps lies in its ``wandb``.
        project: of W&B.
        entity: the team or user; None: W&B's default.
        offline: keep everything here, for ``wandb sync`` later.
        tags: the user's own; the overrides come with them.
        group: in place of the sweep's name.
        job_type: in place of the task's or stage's name.
        name: in place of the run folder's.
        notes: a text beside the run.
    """

    def __init__(
        self,
        save_dir: str,
        project: str = "unictk",
        entity: str | None = None,
        offline: bool = False,
        tags: Sequence[str] = (),
        group: str | None = None,
        job_type: str | None = None,
        name: str | None = None,
        notes: str | None = None,
    ) -> None:
        super().__init__(
            name=name,
            save_dir=save_dir,
            offline=offline,
            project=project,
            experiment=wandb.run,
            entity=entity,
            tags=list(tags),
            group=group,
            job_type=job_type,
            notes=notes,
            settings=wandb.Settings(
                silent=True,  # what a user must know, we say
                console="off",  # other people's lines are not masked
                disable_git=True,  # the address of a remote may hold a login
                save_code=False,
            ),
        )
        self.offline, self.tags = offline, tuple(tags)

    def open(self, about: About, config: Mapping[str, Any], resuming: bool) -> wandb.Run:
        """Begin or go on with the W&B run that ``about`` names; ``config`` is the resolved request."""
        told = {name: value for name, value in self._wandb_init.items() if value is not None}
        known = {"name": about.name, "group": about.group, "job_type": about.job_type}
        own = {
            "id": about.id,
            "tags": list(about.tags),
            "mode": "offline" if self.offline else None,
            # Offline there is nobody to ask; `wandb sync` puts records of one id together.
            "resume": "allow" if resuming and not self.offline else None,
        }
        with _masked_arguments(), _agent(about):
            run = wandb.init(**(known | told | own))
        run.config.update(flat(config), allow_val_change=True)
        run.define_metric(STEP)
        run.define_metric("*", step_metric=STEP, step_sync=True)
        self._experiment = run
        return run


@contextmanager
def _masked_arguments() -> Iterator[None]:
    """W&B records the command line as it was typed: it shall find one without secrets."""
    typed = sys.argv
    sys.argv = [typed[0], *(without_secret(word) for word in typed[1:])]
    try:
        yield
    finally:
        sys.argv = typed


def without_secret(word: str) -> str:
    """An argument of the command line with its secret masked."""
    key, equals, _ = word.partition("=")
    return f"{key}={MASK}" if equals and is_secret(key) else masked_text(word)


@contextmanager
def _agent(about: About) -> Iterator[None]:
    """What an agent said of its own run is kept from the jobs of a sweep of ours."""
    said = {name: os.environ.pop(name) for name in AGENT_VARIABLES if name in os.environ and about.group}
    try:
        yield
    finally:
        os.environ.update(said)


def saved_in(folder: Path) -> Path | None:
    """The newest offline record of a run folder."""
    return max((folder / "wandb").glob("offline-run-*"), default=None, key=lambda path: path.name)
