"""Processes that ``torchrun`` started: the first decides what becomes of the run, the others hear of it.

Lightning's own processes get the decision in their environment. Torchrun starts all at once, so here it
travels through the store that torchrun keeps for them; a restart has a place of its own there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from unictk.errors import UserError

Decision = Literal["begin", "resume", "done", "refused"]
PATIENCE = timedelta(minutes=10)
_KEY = "unictk/decision"


def by_torchrun() -> bool:
    """Whether torchrun started this process, with a store to ask."""
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True" and "MASTER_PORT" in os.environ


def announce(decision: Decision) -> None:
    """Tell the other processes; where torchrun did not start this one, nobody waits."""
    if by_torchrun():
        _store().set(_KEY, decision)


def heard() -> Decision:
    """What the first process has decided; waits for it."""
    said: Decision = _store().get(_KEY).decode()
    return said


def check_launch(multirun: bool, environment: Mapping[str, str] = os.environ) -> None:
    """Refuse ways to start several processes that cannot work.

    Raises:
        UserError: a sweep under torchrun, or tasks of one Slurm step without torchrun.
    """
    if multirun and "TORCHELASTIC_RUN_ID" in environment:
        raise UserError(
            "-m: torchrun starts every process with the whole sweep; nearest: python run.py -m ... "
            "trainer.devices=<number>, which starts them for each job"
        )
    tasks = int(environment.get("SLURM_STEP_NUM_TASKS", "1"))
    if tasks > 1 and "RANK" not in environment and "SUBMITIT_EXECUTOR" not in environment:
        raise UserError(
            f"srun: {tasks} tasks of one step would each be the first process; nearest: one task a node, "
            "srun --ntasks-per-node=1 torchrun ... run.py"
        )


def _store() -> Any:
    from torch.distributed import PrefixStore, TCPStore

    host, port = os.environ.get("MASTER_ADDR", "127.0.0.1"), int(os.environ["MASTER_PORT"])
    restart = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return PrefixStore(restart, TCPStore(host, port, is_master=False, timeout=PATIENCE))
