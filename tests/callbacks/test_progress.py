import io
import itertools
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from stages import TinyStage, fit

from unictk.callbacks import meter as meter_module
from unictk.callbacks.meter import Meter
from unictk.callbacks.progress import ProgressBar

pytestmark = pytest.mark.filterwarnings("ignore")


def test_plain_lines_come_every_few_seconds_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()
    monkeypatch.setattr(meter_module.time, "monotonic", lambda: next(clock) * 1.0)
    out = io.StringIO()
    with Meter("work", 50, every_seconds=10, stream=out) as meter:
        for done in range(1, 51):
            meter.show(done, f"loss {done}")
    lines = out.getvalue().splitlines()
    assert 3 <= len(lines) <= 6
    assert re.fullmatch(r"work: \d+/50, \d+ s, about \d+ s left, loss \d+", lines[0])
    assert lines[-1].startswith("work: 50/50, ")
    assert "left" not in lines[-1]


def test_what_was_done_before_took_none_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(meter_module.time, "monotonic", lambda: now[0])
    out = io.StringIO()
    with Meter("work", 100, every_seconds=10, stream=out, before=40) as meter:
        now[0] = 10.0
        meter.show(50)
    assert out.getvalue().splitlines() == ["work: 50/100, 10 s, about 50 s left"]


def test_work_that_stops_early_says_where() -> None:
    out = io.StringIO()
    with Meter("work", None, stream=out) as meter:
        meter.show(3)
        meter.say("[red] told")
    assert out.getvalue().splitlines() == ["[red] told", "work: 3, 0 s"]


def test_nothing_done_says_nothing() -> None:
    out = io.StringIO()
    with Meter("work", 5, stream=out):
        pass
    assert out.getvalue() == ""


def test_training_prints_plain_lines_without_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit(TinyStage(), tmp_path, ProgressBar(every_seconds=1e-9))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("s1 steps")]
    assert [line.split(",")[0] for line in lines] == [f"s1 steps: {n}/4" for n in (1, 2, 3, 4)]
    assert "epoch 2" in lines[-1]
    assert "train/loss 1" in lines[-1]


def test_another_rank_prints_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bar = ProgressBar(every_seconds=1e-9)
    bar.disable()
    fit(TinyStage(), tmp_path, bar)
    assert "step" not in capsys.readouterr().out


ON_A_TERMINAL = """
import sys, warnings, logging
warnings.simplefilter("ignore"); logging.disable(logging.WARNING)
sys.path.insert(0, {here!r})
from pathlib import Path
from stages import TinyStage, fit
from unictk.benchmarks.unifybench.bench import UnifyBench
from unictk.callbacks.benchmark import BenchmarkCallback
from unictk.callbacks.progress import ProgressBar
fit(TinyStage(), Path({folder!r}), ProgressBar(), BenchmarkCallback(UnifyBench(), every_n_epochs=1))
print("finished")
"""


def test_a_terminal_gets_bars_also_one_inside_the_other(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    code = ON_A_TERMINAL.format(here=str(Path(__file__).parent), folder=str(tmp_path))
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "160", "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=theirs, stderr=theirs, env=environment) as run:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # how Linux says that the other end is closed
                break
            if not part:
                break
            shown += part
    os.close(ours)
    text = shown.decode()
    assert run.returncode == 0, text
    assert "finished" in text
    assert "s1 steps" in text
    assert "unifybench (s1@1)" in text
    assert "━" in text
