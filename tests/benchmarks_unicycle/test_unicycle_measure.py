# ruff: noqa: E501  (a whole message is one line)
"""UniCycle as a task: requests, a run folder, a real backbone."""

import json

import pytest
from cycle_players import Perfect
from omegaconf import OmegaConf
from showo_makers import make_showo

from unictk import tasks
from unictk.app.folder import RunFolder, forget_decision
from unictk.app.identity import request_hash
from unictk.app.main import run
from unictk.app.task_check import benchmark_and_judge
from unictk.benchmarks.unicycle.bench import SpritesUniCycle
from unictk.benchmarks.unicycle.sprites import sprites_cycles
from unictk.errors import UserError
from unictk.judges.oracle import OracleJudge
from unictk.records import FILE, read_records
from unictk.samples import Sampling

TARGET = "unictk.benchmarks.unicycle.bench."


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """One prompt a group."""
    groups = {"one": 1, "two": 1, "relation": 1}
    monkeypatch.setattr("unictk.benchmarks.unicycle.sprites.GROUPS", groups)


def request(**more):
    return OmegaConf.create(
        {
            "seed": 0,
            "benchmark": {"_target_": f"{TARGET}SpritesUniCycle", "scale": "full"},
            "judge": {"_target_": "unictk.judges.oracle.OracleJudge"},
            "sampling": {"_target_": "unictk.samples.Sampling", "steps": 8, "guidance": 0.0},
        }
        | more
    )


def folder_of(tmp_path):
    folder = RunFolder.claim(tmp_path / "run", "hash", [], rerun=False)
    forget_decision()  # it is told to child processes, and this one has none
    return folder


def test_a_real_backbone_reads_its_own_codes(tmp_path, monkeypatch):
    monkeypatch.setattr("unictk.benchmarks.unicycle.sprites.GROUPS", {"one": 1, "relation": 1})
    backbone = make_showo(max_text=128, batch_size=8)
    bench = SpritesUniCycle("full", max_new_tokens=3, caption_tokens=4, batch_size=1)
    options = {"judge": OracleJudge(), "sampling": Sampling(steps=2, guidance=1.0), "seed": 0}
    found = bench.evaluate(backbone, phase="measure", folder=tmp_path, **options)
    assert found.metrics["unicycle/soft/n"] == 2
    assert found.metrics["unicycle/truth_soft"] == 0, "random weights draw no scene"
    assert len(list((tmp_path / "drawn").rglob("*.png"))) == 2
    bench.batch_size = 2
    again = bench.evaluate(backbone, phase="measure", folder=tmp_path, **options)
    assert again == found


def test_the_task_measures_records_and_reports(tmp_path, monkeypatch, capsys):
    player = Perfect(sprites_cycles(0, "full"))
    monkeypatch.setattr(tasks, "on_device", lambda cfg: player)
    folder = folder_of(tmp_path)
    found = tasks.measure(request(), folder)
    assert found["unicycle/hard"] == found["unicycle/agreement"] == 1
    written = json.loads((folder.path / "metrics.json").read_text())
    assert written.pop("unicycle/judge") == "rules"
    assert written.pop("unicycle/pictures_judge") == "oracle"
    assert written.pop("unicycle/questions").startswith("unicycle_sprites, full: 3 pictures, ")
    assert written == {name: round(value, 5) for name, value in sorted(found.items())}
    assert {record.phase for record in read_records(folder.path / FILE)} == {"measure"}
    page = (folder.path / "report.html").read_text()
    assert "every question is answered so" in page
    asked = sum(len(one.questions) for one in player.cycles.values())
    assert page.count('<img src="data:image/') == len(player.cycles) + asked, "every answer has its picture"
    assert page.count("unicycle/open ·") == found["unicycle/open/n"]
    assert "unicycle/agreement ·" not in page, "answers are told once"
    said = capsys.readouterr().out
    assert "unicycle, judged by rules" in said
    assert "unicycle/soft_relation" in said
    player.asked.clear()
    assert tasks.measure(request(), folder) == found
    assert player.asked == []


def test_late_refusals(tmp_path):
    folder = folder_of(tmp_path)
    with pytest.raises(UserError, match="unicycle evaluates no concept"):
        tasks.evaluate(request(), folder, "nowhere")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["benchmark=unicycle_sprites"], "benchmark: SpritesUniCycle evaluates no concept, but task=train asks about one; nearest: task=measure, or benchmark=unifybench"),
        (["experiment=unicycle"], "benchmark.questions: ??? is not given; give benchmark.questions=<text>"),
        (["task=measure", "benchmark=unicycle", "benchmark.questions=nowhere.jsonl"], "benchmark.questions: 'nowhere.jsonl' is not there; expected a jsonl file, or a folder of such"),
        (["task=measure", "benchmark=unicycle", "benchmark.questions=conf", "benchmark.prompts=nowhere"], "benchmark.prompts: 'nowhere' is not there; expected a jsonl file, or a folder of such"),
        (["task=measure", "benchmark=unicycle", "benchmark.questions=conf", "judge=oracle"], "judge: OracleJudge grades no answers, and UniCycle has nothing else; nearest: judge=rules"),
        (["experiment=sprites/unicycle", "benchmark.scale=half"], "benchmark.scale: 'half' is not a choice. All: quick, full"),
        (["experiment=sprites/unicycle", "benchmark.choices=spoken"], "benchmark.choices: 'spoken' is not a choice"),
        (["experiment=sprites/unicycle", "benchmark.keyword_threshold=0"], "benchmark.keyword_threshold: 0 is not allowed"),
        (["experiment=sprites/unicycle", "benchmark.pictures=0"], "benchmark.pictures: 0 is not allowed"),
        (["experiment=sprites/unicycle", "benchmark.scal=quick"], "benchmark.scal: 'quick' is given, but benchmark has no 'scal'; nearest: benchmark.scale"),
        (["experiment=sprites/unicycl"], "experiment: 'sprites/unicycl' is not a choice; nearest: sprites/unicycle"),
        (["task=measure", "benchmark=unicycle_sprite"], "benchmark: 'unicycle_sprite' is not a choice; nearest: unicycle_sprites"),
    ],
)  # fmt: skip
def test_wrong_requests_are_told_before_anything_runs(tmp_path, capsys, words, reason):
    assert run([*words, f"paths.output={tmp_path / 'out'}"]) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"error: {reason}")
    assert said.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_damaged_file_is_told_in_one_line_before_anything_is_loaded(tmp_path, capsys):
    file = tmp_path / "q.jsonl"
    file.write_text('{"prompt": "A cat.", "questions": [{"question": "Is it red?"}]}')
    words = ["experiment=unicycle", f"benchmark.questions={file}", "backbone=showo_512"]
    assert run([*words, f"paths.output={tmp_path / 'out'}", "callbacks=none", "logger=none"]) == 2
    assert capsys.readouterr().err == (
        f"error: benchmark.questions: {str(file)!r} row 0 question 1 has no reference (or answer); "
        "expected the right answer\n"
    )


def test_the_experiment_passes_the_check(capsys):
    assert run(["experiment=sprites/unicycle", "benchmark.scale=quick", "--cfg", "job"]) == 0
    said = OmegaConf.create(capsys.readouterr().out)
    assert said.benchmark["_target_"] == f"{TARGET}SpritesUniCycle"
    assert said.judge["_target_"] == "unictk.judges.oracle.OracleJudge"
    drawing = said.sampling
    assert (drawing.steps, drawing.order, drawing.guidance, drawing.guidance_schedule) == (
        16,
        "random",
        3.0,
        "rising",
    )


def test_no_judge_and_any_grader_are_let_through():
    for judge in (None, "unictk.judges.rules.RulesJudge", "unictk.judges.openai_judge.OpenAIJudge"):
        for name in ("UniCycle", "SpritesUniCycle"):
            benchmark_and_judge(
                {
                    "task": {"_target_": "unictk.tasks.measure"},
                    "benchmark": {"_target_": f"{TARGET}{name}"},
                    "judge": judge and {"_target_": judge},
                }
            )


def test_other_questions_in_the_same_file_are_another_request(tmp_path):
    file, folder = tmp_path / "q.jsonl", tmp_path / "prompts"
    folder.mkdir()
    asked = {"benchmark": {"questions": str(file), "prompts": str(folder)}}
    seen = [request_hash(asked)]
    for path, text in ((file, "1"), (file, "2"), (folder / "q.jsonl", "1"), (folder / "r.jsonl", "1")):
        path.write_text(text)
        seen.append(request_hash(asked))
    assert len(set(seen)) == len(seen)
    assert request_hash(asked) == seen[-1]
