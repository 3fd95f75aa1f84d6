import json
import re
from pathlib import Path

import pytest
from run_folders import METRICS, RATES, config_of, write_run, write_sweep

from unictk.errors import UserError
from unictk.metrics.bootstrap import bootstrap_mean
from unictk.report.compare import build_comparison, comparison
from unictk.report.groups import Group, differences, groups_of
from unictk.report.runs import Run, find_runs, metrics_of, settings_that_differ

EVIL = '</script><script>document.title="owned"</script><img src=x onerror=\'document.title="owned"\'>'


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    return write_sweep(tmp_path / "sweep")


def by_name(runs: list[Run]) -> dict[str, Run]:
    return {run.name: run for run in runs}


def test_runs_are_found_at_any_depth_with_their_states(sweep: Path) -> None:
    inside = sweep / "concept.seed-0_seed-0_lr-0.01" / "checkpoints" / "old"
    write_run(inside, [], {}, {})
    write_run(sweep / ".hidden", [], {}, {})
    runs, left_out = find_runs([sweep])
    named = by_name(runs)
    assert left_out == 1
    assert len(runs) == len(named) == 24 + 3
    assert {name: run.state for name, run in named.items() if run.state != "done"} == {
        "deep/er/failed": "failed",
        "running": "running",
        "damaged": "unreadable",
    }
    assert named["deep/er/failed"].reason == "RuntimeError: no memory"
    assert named["damaged"].reason.startswith("metrics.json: cannot be read as JSON")
    one = named["concept.seed-2_seed-1_lr-0.01"]
    assert (one.concept, one.seed, one.tags, one.seconds) == ("sprite2", "1", ("high",), 52.5)
    assert one.before["unifybench/rec"] == 0.25
    assert set(one.scores) == {*METRICS, "s1/loss", "unifybench/judge"}


def test_several_folders_and_single_runs_are_named_from_what_they_share(sweep: Path) -> None:
    one, other = sweep / "running", sweep / "deep" / "er" / "failed"
    runs, _ = find_runs([one, other, one])
    assert [run.name for run in runs] == ["deep/er/failed", "running"]
    assert [run.name for run in find_runs([one])[0]] == ["running"]


def test_only_settings_that_differ_are_columns(sweep: Path) -> None:
    runs = [run for run in find_runs([sweep])[0] if run.state == "done"]
    settings = settings_that_differ(runs)
    assert list(settings) == ["concept.seed", "seed", "stages.s1.optimizer.lr"]
    assert settings["seed"] == [run.overrides["seed"] for run in runs]


def test_a_setting_that_was_not_typed_is_read_from_the_configuration(tmp_path: Path) -> None:
    config = {"trainer": {"max_epochs": 3, "fast": True, "steps": None}, "backbone": {"size": 8}}
    write_run(tmp_path / "a", [], {}, config)
    lines = ["trainer.max_epochs=5", "+trainer.fast=false", "trainer.steps=9", "backbone=large", "~logger"]
    write_run(tmp_path / "b", lines, {}, {})
    settings = settings_that_differ(find_runs([tmp_path])[0])
    assert settings == {
        "backbone": ["", "large"],
        "logger": ["", "removed"],
        "trainer.fast": ["true", "false"],
        "trainer.max_epochs": ["3", "5"],
        "trainer.steps": ["", "9"],
    }


def test_metrics_are_scores_in_the_order_people_ask_for_and_then_losses() -> None:
    runs = [Run("a", Path(), "done", scores={"z": 1.0, "s1/loss": 1.0, "unifybench/vqa": 1.0})]
    runs.append(Run("b", Path(), "done", scores={"unifybench/rec": 1.0, "a": 1.0}))
    assert metrics_of(runs) == ["unifybench/rec", "unifybench/vqa", "a", "z", "s1/loss"]


def test_groups_are_runs_that_differ_in_seeds_only(sweep: Path) -> None:
    groups = groups_of(find_runs([sweep])[0])
    assert [(group.letter, len(group.runs), group.concepts, group.other) for group in groups] == [
        ("A", 12, 4, ""),
        ("B", 12, 4, ""),
    ]
    assert {run.overrides["stages.s1.optimizer.lr"] for run in groups[0].runs} == {RATES[0]}
    scores = groups[0].table("unifybench/rec")
    assert set(scores) == {"sprite0", "sprite1", "sprite2", "sprite3"}
    assert set(scores["sprite0"]) == {"0", "1", "2"}
    assert groups[0].interval("unifybench/rec") == bootstrap_mean(scores)
    assert groups[0].interval("nothing") is None


def test_photos_of_several_concepts_are_one_group(tmp_path: Path) -> None:
    for name in ("dog6", "cat2"):
        concept = {"_target_": "unictk.datamodules.concept_data.read_concept", "name": name}
        write_run(tmp_path / name, [f"concept.name={name}"], {"m": 1.0}, {"seed": 0, "concept": concept})
    (group,) = groups_of(find_runs([tmp_path])[0])
    assert set(group.table("m")) == {"dog6", "cat2"}


def test_a_typed_seed_of_something_else_is_a_design_and_so_are_versions(tmp_path: Path) -> None:
    plain = config_of("0.1", 0, 0)
    write_run(tmp_path / "a", ["seed=0"], {"m": 1.0}, plain)
    write_run(tmp_path / "b", ["seed=1"], {"m": 2.0}, config_of("0.1", 0, 1))
    write_run(tmp_path / "c", ["backbone.seed=3"], {"m": 1.0}, plain)
    write_run(tmp_path / "d", ["seed=2"], {"m": 1.0}, config_of("0.1", 0, 2) | {"new_default": 7})
    groups = groups_of(find_runs([tmp_path])[0])
    assert [[run.name for run in group.runs] for group in groups] == [["a", "b"], ["c"], ["d"]]
    assert [group.other for group in groups] == ["new_default=None", "", "new_default=7"]


def test_the_same_concept_and_seed_twice_count_once() -> None:
    runs = [
        Run(str(i), Path(), "done", concept="bo", config={"seed": 0}, scores={"m": i}) for i in (1.0, 2.0)
    ]
    found = Group("A", tuple(runs)).interval("m")
    assert found is not None
    assert (found.mean, found.count, found.low) == (1.5, 1, None)


def test_differences_are_paired(sweep: Path) -> None:
    groups = groups_of(find_runs([sweep])[0])
    ((pair, (found,)),) = differences(groups, ["unifybench/rec"]).items()
    assert pair == ("A", "B")
    assert found is not None
    assert found.high is not None
    assert -0.30 < found.mean < -0.20
    assert found.high < -0.15, "pairs leave out what makes concepts easy"
    many = [Group(f"G{i}", groups[0].runs) for i in range(14)]
    assert set(differences(many, [])) == {("G0", f"G{i}") for i in range(1, 14)}


def test_the_page_data(sweep: Path) -> None:
    runs, _ = find_runs([sweep])
    data = comparison(runs, sweep, "unifybench/vqa")
    assert data["metrics"][0]["name"] == data["objective"] == "unifybench/vqa"
    assert [metric["name"] for metric in data["metrics"] if metric["less"]] == ["s1/loss"]
    assert data["designs"] == ["stages.s1.optimizer.lr"]
    assert [group["settings"] for group in data["groups"]] == [["0.001"], ["0.01"]]
    rows = {row["name"]: row for row in data["runs"]}
    assert rows["running"]["link"] is None
    assert rows["running"]["group"] == ""
    assert rows["concept.seed-1_seed-0_lr-0.01"]["link"] == "concept.seed-1_seed-0_lr-0.01/report.html"
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert comparison(runs, sweep, "unknown")["objective"] is None


def test_links_are_relative_and_quoted(tmp_path: Path) -> None:
    write_run(tmp_path / "a:b #1?" / "x", [], {"m": 1.0}, {})
    home = tmp_path / "page" / "here"
    home.mkdir(parents=True)
    page = build_comparison([tmp_path / "a:b #1?"], home / "out.html").read_text()
    assert '"link": "../../a%3Ab%20%231%3F/x/report.html"' in page


def test_data_cannot_leave_its_place(tmp_path: Path) -> None:
    page = build_comparison([write_sweep(tmp_path / "sweep", EVIL)], tmp_path / "report.html").read_text()
    assert page.count("<script") == 2
    assert page.count("</script>") == 2
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    assert "<" not in data.group(1)
    assert f"low {EVIL}" in {tag for run in json.loads(data.group(1))["runs"] for tag in run["tags"]}
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert "unsafe" not in policy.group(1)
    assert "default-src" in policy.group(1)


def test_no_runs_and_runs_without_scores_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no run; expected"):
        build_comparison([tmp_path], tmp_path / "report.html")
    write_run(tmp_path / "drew", [], {}, {"task": {"_target_": "unictk.tasks.generate"}})
    with pytest.raises(UserError, match="holds no run but 1 of tasks without scores"):
        build_comparison([tmp_path], tmp_path / "report.html")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("metrics.json", "[]"),
        ("status.json", '{"state": "done", "stages": {"s1": {"state": "done"}}}'),
        ("status.json", '{"state": "done", "stages": {"s1": 3}, "overrides": 3}'),
        ("config.yaml", "a: [1"),
        ("config.yaml", "- 1"),
    ],
)
def test_a_damaged_run_is_listed_and_stops_nothing(sweep: Path, file: str, text: str) -> None:
    (sweep / "running" / file).write_text(text)
    run = by_name(find_runs([sweep])[0])["running"]
    assert run.state == "unreadable"
    assert run.reason.startswith(file)
    assert build_comparison([sweep], sweep / "report.html").is_file()


def test_building_twice_gives_the_same_bytes(sweep: Path) -> None:
    first = build_comparison([sweep], sweep / "report.html").read_bytes()
    assert build_comparison([sweep], sweep / "report.html").read_bytes() == first
    assert not list(sweep.glob(".*.tmp"))
