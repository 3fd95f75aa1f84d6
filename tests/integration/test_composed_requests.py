"""Every two options of two groups, in 300 requests: each runs `debug=fast` or is refused with a reason."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ROOT, environment
from pairwise import Choice, covering, every_pair, pairs_of

from unictk.app.conf_tree import ConfTree, conf_dir
from unictk.app.preflight import check
from unictk.app.request import read_request
from unictk.app.resolvers import register
from unictk.errors import UserError

GROUPS = (
    "task",
    "experiment",
    "backbone",
    "concept",
    "benchmark",
    "judge",
    "sampling",
    "trainer",
    "strategy",
    "logger",
    "callbacks",
    "datamodule",
    "selfplay",
)
LEAST = 300
AS_IT_IS = "as it is"
LEFT = ("selfplay", "task", "datamodule", "benchmark", "judge", "callbacks", "sampling", "backbone")
FEW = {
    "benchmark=sprites": ["benchmark.scale=quick"],
    "benchmark=sprites_drawing": ["benchmark.one=2", "benchmark.two=1", "benchmark.questions=0"],
    "benchmark=unicycle_sprites": ["benchmark.scale=quick"],
    "selfplay=sprites": ["selfplay.prompts=2", "selfplay.rollouts=4", "selfplay.audit=0"],
    "selfplay=paper": ["selfplay.prompts=2", "selfplay.rollouts=4"],
}
"""Less work for options that ask for hours of it."""

pytestmark = [pytest.mark.pairwise, pytest.mark.timeout(7200)]


def options() -> dict[str, tuple[str, ...]]:
    """The shipped options of the groups; what the experiment chooses may stay, for a few of them."""
    found = ConfTree((conf_dir(),)).groups
    return {group: found[group] + ((AS_IT_IS,) if group in LEFT else ()) for group in GROUPS}


def words(choice: Choice) -> list[str]:
    """The command line."""
    typed = [f"{group}={option}" for group, option in choice.items() if option != AS_IT_IS]
    return [*typed, *(word for one in typed for word in FEW.get(one, [])), "debug=fast"]


@pytest.fixture(scope="module")
def choices() -> list[Choice]:
    return covering(options(), LEAST)


def refusal(arguments: list[str]) -> str | None:
    """Why the check before the run refuses it; anything but a refusal is a crash."""
    try:
        check(read_request(arguments))
    except UserError as error:
        return str(error)
    return None


def test_every_pair_of_options_meets(choices: list[Choice]) -> None:
    met = set().union(*(pairs_of(choice) for choice in choices))
    assert met == every_pair(options())
    assert len(choices) >= LEAST


def test_each_runs_or_is_refused_with_a_reason(
    choices: list[Choice], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("WANDB_MODE", "offline")
    register()
    places = [f"paths.{name}={tmp_path}/{name}" for name in ("output", "cache", "data")]
    requests = [[*words(choice), *places] for choice in choices]
    reasons = {index: refusal(one) for index, one in enumerate(requests)}
    for reason in filter(None, reasons.values()):
        key, colon, rest = reason.partition(": ")
        assert colon
        assert " " not in key, f"names no key: {reason}"
        assert len(rest) > 10
    accepted = [requests[index] for index, reason in reasons.items() if reason is None]
    assert accepted
    (tmp_path / "requests.json").write_text(json.dumps(accepted))
    script, out = ROOT / "tests/makers/many_requests.py", tmp_path / "results.json"
    command = [sys.executable, str(script), str(tmp_path / "requests.json"), str(out), "600"]
    subprocess.run(command, env=environment() | {"HF_HUB_OFFLINE": "1"}, check=True)
    results = json.loads(out.read_text())
    assert len(results) == len(accepted)
    wrong = [
        f"{code}: {' '.join(arguments)}\n{said[-800:]}"
        for arguments, (code, said) in zip(accepted, results, strict=True)
        if not (code == 0 or (code == 2 and said.startswith("error: ") and said.count("\n") == 1))
    ]
    ran = sum(code == 0 for code, _ in results)
    print(f"{len(requests)} requests: {ran} ran, {len(requests) - ran - len(wrong)} were refused")
    assert not wrong, "\n\n".join(wrong)
    assert ran
