"""``task=report``: what it refuses before anything is imported, and what it writes where."""

import sys
from pathlib import Path

import pytest
from run_folders import write_sweep

from unictk.app.preflight import check
from unictk.app.request import read_request
from unictk.app.resolvers import register
from unictk.errors import UserError

BOTH = "give one: task.run=<run folder> or task.runs=<folder of runs>"


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    register()
    return write_sweep(tmp_path / "sweep")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], f"task.run: null, and so is task.runs; {BOTH}"),
        (["task.run=a", "task.runs=sweep"], f"task.run: 'a', but there is also task.runs; {BOTH}"),
        (["task.run=sweep"], "task.run: 'sweep' is not a run folder: it has no status.json"),
        (["task.runs=nowhere"], "task.runs: 'nowhere' is not a folder; expected one that holds runs"),
        (["task.runs=[sweep,nowhere]"], "task.runs: 'nowhere' is not a folder; expected one that holds runs"),
        (["task.runs=[]"], "task.runs: [] is empty; expected a folder of runs, or a list of them"),
        (["task.runs=sweep/drew"], "task.runs: 'sweep/drew' is a single run; nearest: task.run=sweep/drew"),
    ],
)
def test_wrong_requests(sweep: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(UserError) as told:
        check(read_request(["task=report", *arguments]))
    assert str(told.value) == message


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    from unictk.app.main import _codes
    from unictk.app.main import run as command_line

    _codes.clear()
    monkeypatch.setattr(sys, "argv", ["run.py"])
    return command_line(["task=report", "paths.output=out", *arguments])


def test_pages_lie_where_they_belong(
    sweep: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "task.runs=sweep") == 0
    assert "runs compared" in (sweep / "report.html").read_text()
    assert capsys.readouterr().out.rstrip().endswith("sweep/report.html")

    assert run(monkeypatch, "task.runs=[sweep/running,sweep/deep]") == 0
    (folder,) = Path("out").glob("task.runs-sweep-running-sweep-deep*")
    page = (folder / "report.html").read_text()
    assert '"name": "deep/er/failed"' in page
    assert "2 folders" in page

    assert run(monkeypatch, "task.run=sweep/running") == 0
    assert "python run.py concept.seed=8" in (sweep / "running" / "report.html").read_text()

    assert run(monkeypatch, "task.runs=sweep/drew/..") == 0
    Path("empty").mkdir()
    assert run(monkeypatch, "task.runs=empty") == 2
    assert "error: runs: 'empty' holds no run" in capsys.readouterr().err
