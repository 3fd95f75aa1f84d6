"""Command lines of the pages on scaling and tracking: each is a right request."""

import re
import shlex

import pytest
import yaml
from conftest import ROOT

from unictk.app.preflight import check
from unictk.app.request import read_request
from unictk.app.resolvers import register

PAGES = ("scaling.md", "tracking.md")


def lines(page):
    """What follows ``run.py`` in code blocks and in the cells of tables."""
    text = (ROOT / "docs" / page).read_text()
    blocks = re.findall(r"```bash\n(.*?)```", text, re.S)
    cells = re.findall(r"`(python run\.py[^`]*)`", text)
    typed = [line for block in blocks for line in block.splitlines()] + cells
    return [
        line.partition("run.py")[2].rstrip("& ") for line in typed if "run.py" in line and "..." not in line
    ]


CASES = [(page, line) for page in PAGES for line in lines(page)]


def test_there_are_lines():
    assert len(CASES) > 10


@pytest.mark.parametrize(("page", "line"), CASES, ids=[line.strip() or "run.py" for _, line in CASES])
def test_line_is_a_right_request(page, line, tmp_path, monkeypatch):
    for name in ("dog6", "cat2", "rc_car"):
        (tmp_path / "my_data/concept/train" / name).mkdir(parents=True)
    for name in ("understanding", "generation"):
        (tmp_path / "my_data" / name).mkdir()
    monkeypatch.chdir(tmp_path)
    register()
    known = line.replace("$SLURM_ARRAY_TASK_ID", "7")
    assert check(read_request(shlex.split(known))).plain["seed"] == 0


def test_the_sweep_of_the_page_names_keys_that_are_there():
    text = (ROOT / "docs/scaling.md").read_text()
    (block,) = re.findall(r"```yaml\n(# sweep.yaml.*?)```", text, re.S)
    sweep = yaml.safe_load(block)
    register()
    values = [
        f"{key}={one.get('min', one.get('values', [0])[0])}" for key, one in sweep["parameters"].items()
    ]
    fixed = [word for word in sweep["command"] if "=" in word]
    assert fixed == ["logger=wandb"]
    assert check(read_request([*fixed, *values]))
