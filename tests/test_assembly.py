"""How a judge gets the run's own backbone, wherever the configuration names one."""

from types import SimpleNamespace

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from unictk.app.conf_tree import conf_dir
from unictk.app.job import objective_of
from unictk.app.resolvers import register
from unictk.assembly import judged_by, make_judge, trainer_for
from unictk.benchmarks.unifybench.bench import UnifyBench
from unictk.callbacks.benchmark import BenchmarkCallback
from unictk.errors import UserError
from unictk.judges.oracle import OracleJudge
from unictk.judges.self_judge import SelfJudge


def request(*words: str) -> DictConfig:
    register()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return compose("config", overrides=["paths.output=out", "logger=none", "trainer=cpu", *words])


def test_a_judge_that_asks_for_a_backbone_gets_the_one_of_the_run():
    backbone = SimpleNamespace()
    judge = make_judge(request("judge=self").judge, backbone)
    assert isinstance(judge, SelfJudge)
    assert judge.backbone is backbone
    assert judge.mode == "points"
    assert isinstance(make_judge(request("judge=oracle").judge, backbone), OracleJudge)
    assert make_judge(request("judge=none").judge, backbone) is None


def test_what_a_judge_refuses_is_one_line():
    cfg = request("judge=self", "judge.question='Judge it.'")
    with pytest.raises(UserError, match=r"judge\.question"):
        make_judge(cfg.judge, SimpleNamespace())


def test_callbacks_judge_with_it_too_and_say_who_judges(tmp_path):
    backbone, folder = SimpleNamespace(), SimpleNamespace(path=tmp_path)
    trainer = trainer_for(request("judge=self", "benchmark.batch_size=3"), folder, "s1", backbone)
    (scores,) = [one for one in trainer.callbacks if isinstance(one, BenchmarkCallback)]
    assert isinstance(scores.benchmark, UnifyBench)
    assert scores.benchmark.batch_size == 3
    assert isinstance(scores.judge, SelfJudge)
    assert scores.judge.backbone is backbone
    assert judged_by(trainer) == {"unifybench/judge": "self"}


@pytest.mark.parametrize("words", [["judge=none"], ["benchmark=none", "judge=rules"]])
def test_without_judge_or_benchmark_nobody_is_named(tmp_path, words):
    trainer = trainer_for(request(*words), SimpleNamespace(path=tmp_path), "s1", SimpleNamespace())
    assert judged_by(trainer) == {}


def test_the_judge_is_no_objective():
    metrics = {"unifybench/judge": "self", "unifybench/rec": 0.5}
    assert objective_of(DictConfig({"objective": "unifybench/rec"}), metrics) == 0.5
    with pytest.raises(UserError, match="'unifybench/judge' is not a choice; nearest: unifybench/rec"):
        objective_of(DictConfig({"objective": "unifybench/judge"}), metrics)
