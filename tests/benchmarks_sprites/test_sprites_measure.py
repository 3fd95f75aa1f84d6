# ruff: noqa: E501  (a whole message is one line)
"""The benchmark on the real classes, as a task, and refused where it has no place."""

import json

import pytest
import torch
from omegaconf import OmegaConf
from showo_makers import picture
from sprite_players import Perfect, known_file, work

from unictk import tasks
from unictk.app.folder import RunFolder, forget_decision
from unictk.app.main import run
from unictk.app.task_check import benchmark_and_judge
from unictk.backbones.base import Backbone
from unictk.backbones.showo.backbone import Showo
from unictk.backbones.showo.layout import ShowoLayout
from unictk.backbones.showo.magvit import MagvitV2
from unictk.backbones.showo.network import phi_config
from unictk.benchmarks.sprites import items
from unictk.benchmarks.sprites.bench import SpritesBenchmark
from unictk.concepts.known_rows import save_known
from unictk.errors import UserError
from unictk.judges.oracle import OracleJudge
from unictk.records import FILE, read_records
from unictk.samples import Image, Sampling

TARGET = "unictk.benchmarks.sprites.bench.SpritesBenchmark"


def small_showo() -> Showo:
    """Random weights, 16 codes a picture, room for every prompt."""
    layout = ShowoLayout(image_size=16, patch=4, codebook=64, max_text=128, positions=512)
    tokenizer = MagvitV2(32, (1, 1, 2), (1, 1, 1), (1, 1, 2), (1, 1, 1), z_channels=6)
    return Showo(
        layout, phi_config(32, 1, 2, 64, max_position_embeddings=512), tokenizer, seed=3, batch_size=8
    )


def test_reconstruction_is_encoding_and_decoding():
    backbone = small_showo()
    shown = [Image(picture(1)), Image(picture(2)), Image(picture(1))]
    assert isinstance(backbone, Backbone)
    found = backbone.reconstruct(shown)
    codes, _ = backbone.encode(shown)
    for one, line in zip(found, codes, strict=True):
        assert torch.equal(one.codes, line)
        expected = backbone.image_tokenizer.decode(line[None])[0].float()
        assert torch.allclose(one.pixels, expected, atol=1e-6)
    assert not torch.equal(found[0].codes, found[1].codes)
    assert backbone.reconstruct([]) == []


def test_a_real_backbone_is_asked_everything(tmp_path, monkeypatch):
    monkeypatch.setattr(items, "QUICK", 600)
    monkeypatch.setattr("unictk.benchmarks.sprites.roles.VERDICT_TOKENS", 8)
    backbone = small_showo()
    save_known(
        tmp_path / "k",
        torch.randn(2, 5, 32),
        {"identifier": 1, "shared": 2, "generation": 1, "understanding": 1},
    )
    bench = SpritesBenchmark("quick", str(tmp_path / "k"))
    found = bench.evaluate(backbone, OracleJudge(), Sampling(steps=2, guidance=1.0), 0, phase="measure")
    again = bench.evaluate(backbone, OracleJudge(), Sampling(steps=2, guidance=1.0), 0, phase="measure")
    assert found == again
    assert {"sprites/qa", "sprites/known", "sprites/tokenizer", "sprites/judge_spearman"} <= set(
        found.metrics
    )
    assert backbone.concepts == ()


def request(tmp_path, **more):
    known = known_file(tmp_path)
    return OmegaConf.create(
        {
            "seed": 0,
            "benchmark": {"_target_": TARGET, "scale": "quick", "known": known},
            "judge": {"_target_": "unictk.judges.oracle.OracleJudge"},
            "sampling": {"_target_": "unictk.samples.Sampling", "steps": 8, "guidance": 0.0},
        }
        | more
    )


def folder_of(tmp_path):
    folder = RunFolder.claim(tmp_path / "run", "hash", [], rerun=False)
    forget_decision()  # it is told to child processes, and this one has none
    return folder


def test_the_task_measures_records_and_reports(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(items, "QUICK", 100)
    cfg, player = request(tmp_path), Perfect()
    player.items = work(SpritesBenchmark("quick", cfg.benchmark.known), player)
    monkeypatch.setattr(tasks, "on_device", lambda cfg: player)
    folder = folder_of(tmp_path)
    found = tasks.measure(cfg, folder)
    assert found["sprites/qa"] == 1
    written = json.loads((folder.path / "metrics.json").read_text())
    assert written.pop("sprites/judge") == "oracle"
    assert written == {name: round(value, 5) for name, value in sorted(found.items())}
    assert {record.phase for record in read_records(folder.path / FILE)} == {"measure"}
    assert (folder.path / "report.html").is_file()
    said = capsys.readouterr().out
    assert "sprites, judged by oracle" in said
    assert "sprites/generation_all_heldout" in said
    player.asked.clear()
    assert tasks.measure(cfg, folder) == found
    assert player.asked == []


def test_late_refusals(tmp_path):
    folder = folder_of(tmp_path)
    unify = {"_target_": "unictk.benchmarks.unifybench.bench.UnifyBench"}
    with pytest.raises(UserError, match="benchmark: this task needs one without a concept"):
        tasks.measure(request(tmp_path, benchmark=unify), folder)
    with pytest.raises(UserError, match="judge: sprites needs one"):
        tasks.measure(request(tmp_path, judge=None), folder)
    with pytest.raises(UserError, match="sprites evaluates no concept"):
        tasks.evaluate(request(tmp_path), folder, "nowhere")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["task=measure"], "benchmark: UnifyBench evaluates a concept; task=measure needs one without; nearest: benchmark=sprites"),
        (["task=measure", "benchmark=none"], "benchmark: none measures nothing; task=measure needs one without; nearest: benchmark=sprites"),
        (["benchmark=sprites"], "benchmark: SpritesBenchmark evaluates no concept, but task=train asks about one; nearest: task=measure, or benchmark=unifybench"),
        (["task=measure", "benchmark=sprites", "judge=none"], "judge: none scores no drawings, but SpritesBenchmark has some; nearest: judge=oracle"),
        (["task=measure", "benchmark=sprites", "judge=rules"], "judge: RulesJudge scores no drawings, but SpritesBenchmark has some; nearest: judge=oracle"),
        (["experiment=sprites/evaluate", "benchmark.known=nowhere"], "benchmark.known: 'nowhere' is not a file; expected rows of known characters"),
        (["experiment=sprites/evaluate", "benchmark.scale=half"], "benchmark.scale: 'half' is not a choice. All: quick, full"),
        (["experiment=sprites/evaluat"], "experiment: 'sprites/evaluat' is not a choice; nearest: sprites/evaluate"),
        (["judge=oracl"], "judge: 'oracl' is not a choice; nearest: oracle"),
    ],
)  # fmt: skip
def test_wrong_combinations_are_told_before_anything_runs(tmp_path, capsys, words, reason):
    assert run([*words, f"paths.output={tmp_path / 'out'}"]) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"error: {reason}")
    assert said.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_experiment_passes_the_check(capsys):
    assert run(["experiment=sprites/evaluate", "--cfg", "job"]) == 0
    said = OmegaConf.create(capsys.readouterr().out)
    assert (said.task["_target_"], said.benchmark["_target_"]) == ("unictk.tasks.measure", TARGET)
    assert said.judge["_target_"] == "unictk.judges.oracle.OracleJudge"
    assert (said.sampling.steps, said.sampling.order, said.sampling.guidance) == (24, "random", 3.0)


def test_unknown_benchmarks_are_let_through():
    own = {"_target_": "my.Benchmark"}
    benchmark_and_judge({"task": {"_target_": "unictk.tasks.measure"}, "benchmark": own})
    benchmark_and_judge({"task": {"_target_": "unictk.tasks.train"}, "benchmark": own})
