"""Runs many requests in processes that need not import torch again: copies of one that has.

``python many_requests.py REQUESTS OUT SECONDS``: REQUESTS is a JSON list of argument lists; OUT gets, for
each, [exit code, standard error]. A request that takes longer than SECONDS is ended and has code 124.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path


def run_one(arguments: list[str], seconds: float) -> tuple[int, str]:
    """The request's exit code and what it said on standard error."""
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as told:
        child = os.fork()
        if child == 0:
            _be_the_command_line(arguments, said.fileno(), told.fileno())
        code = _wait(child, time.monotonic() + seconds)
        said.seek(0)
        return code, said.read()


def _wait(child: int, until: float) -> int:
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return 124
        time.sleep(0.05)


def _be_the_command_line(arguments: list[str], error: int, output: int) -> None:
    from unictk.app.main import run

    code = 70
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(error, 2)
        code = run(arguments)
    except BaseException as crash:  # what the command line lets through is a crash
        print(f"crash: {type(crash).__name__}: {crash}", file=sys.stderr)
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    import torch

    import unictk.tasks  # noqa: F401

    torch.set_num_threads(1)
    sys.argv[0] = str(Path(__file__).parents[2] / "run.py")
    requests, out, limit = sys.argv[1:]
    results = []
    for words in json.loads(Path(requests).read_text()):
        results.append(run_one(words, float(limit)))
        Path(out).write_text(json.dumps(results))
