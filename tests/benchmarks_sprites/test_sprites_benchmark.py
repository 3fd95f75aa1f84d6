"""A perfect backbone scores 1 everywhere, a constant one scores chance: the benchmark counts rightly."""

import json

import pytest
from sprite_players import SAMPLING, Constant, Perfect, known_file, work

from unictk.benchmarks.base import ModelBenchmark
from unictk.benchmarks.sprites import items
from unictk.benchmarks.sprites.bench import SpritesBenchmark
from unictk.benchmarks.sprites.roles import MIXED_STEPS
from unictk.benchmarks.sprites.totals import CORRELATIONS, spearman, totals
from unictk.judges.oracle import OracleJudge
from unictk.sprites.oracle import read

ZERO = {
    "generation_unreadable",
    "generation_unreadable_two",
    "planned_unreadable",
    "planned_unreadable_two",
    "reflection",
}
"""Metrics at 0 when everything is right; what a redrawn picture wins is tested by itself."""

SPREAD = {"judge_score", "judge_truth", "judge_asked", "reflection_before"}
"""Metrics of pictures that are bad on purpose."""


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """A twenty-fifth of the items, and equal pictures are read once."""
    monkeypatch.setattr(items, "QUICK", 25)
    known = {}

    def remembered(image):
        key = image.numpy().tobytes()
        if key not in known:
            known[key] = read(image)
        return known[key]

    monkeypatch.setattr("unictk.judges.oracle.read", remembered)


@pytest.fixture
def bench(tmp_path):
    return SpritesBenchmark("quick", known_file(tmp_path), batch_size=16)


def perfect(bench, seed=0):
    player = Perfect()
    player.items = work(bench, player, seed)
    return player


def ask(bench, player, **options):
    return bench.evaluate(player, OracleJudge(), SAMPLING, 0, phase="measure", **options)


def short(result):
    return {name.removeprefix("sprites/"): value for name, value in result.metrics.items()}


def test_a_perfect_backbone_scores_one_everywhere(bench):
    player = perfect(bench)
    found = short(ask(bench, player))
    scores = {name: value for name, value in found.items() if not name.endswith("/n")}
    wrong = {
        name: value
        for name, value in scores.items()
        if name not in ZERO | SPREAD | {"tokenizer_psnr", "judge_asked_spearman"}
        and value != pytest.approx(1, abs=1e-12)
    }
    assert wrong == {}
    assert len(scores) > 45
    assert scores["tokenizer_psnr"] == 100
    assert scores["generation_unreadable"] == scores["generation_unreadable_two"] == 0
    assert scores["planned_unreadable"] == scores["planned_unreadable_two"] == 0
    assert scores["reflection"] == pytest.approx(1 - scores["reflection_before"])
    assert scores["reflection"] > 0.3
    assert scores["judge_asked_spearman"] > 0.99  # the oracle's score is rounded down to tenths
    assert player.attached == set()


def test_a_constant_backbone_scores_chance(bench):
    for said in ("Yes.", "No."):
        found = short(ask(bench, Constant(said)))
        assert found["yes_no"] == found["yes_no_two"] == 0.5
        assert found["known"] == 0.5
        assert found["known_positive"] == float(said == "Yes.")
        assert found["known_hard"] == found["known_random"] == float(said == "No.")
        for kind in ("", "_positive", "_random", "_hard"):
            assert found[f"compared{kind}"] == found[f"known{kind}"]
        assert found["in_context"] == 0.25  # a value never, one of two claims
        assert found["known_facts"] in (0.2, 0.3)  # 10 items: 5 values, 5 claims
        assert 0.2 < found["comparison"] < 0.8
        for name in (
            *("qa", "qa_two", "counting", "caption_exact", "caption_exact_two", "rewrite", "known_rewrite"),
            *("generation_attributes", "generation_all", "generation_all_two", "generation_relation"),
            *("planned_attributes", "planned_all", "planned_said", "planned_said_two", "planned_known_drawn"),
            *("known_drawn", "known_knowledge", "tokenizer", "propose_parses", "propose_fits"),
            *(
                "propose_distinct",
                "judge_parses",
                "judge_complete",
                "judge_points",
                "judge_spearman",
                "reflection",
            ),
        ):
            assert found[name] == 0, name
        assert found["judge_asked_spearman"] == 0
        assert found["generation_unreadable"] == found["generation_unreadable_two"] == 1
        assert found["tokenizer_psnr"] < 20


def test_every_metric_is_the_mean_of_its_records(bench):
    result = ask(bench, perfect(bench))
    by_metric = {}
    for record in result.items:
        by_metric.setdefault(record.metric, []).append(record.score)
    composite = {f"sprites/{name}" for name in ("known", "compared", *CORRELATIONS)}
    means = {name for name in result.metrics if not name.endswith("/n")} - composite
    assert means == set(by_metric)
    for name in means:
        assert result.metrics[name] == pytest.approx(sum(by_metric[name]) / len(by_metric[name]))
        assert result.metrics[f"{name}/n"] == len(by_metric[name])


def test_keys_are_unique_and_the_judge_is_named(bench):
    records = ask(bench, perfect(bench)).items
    assert len({record.key for record in records}) == len(records)
    drawn = [record for record in records if record.metric == "sprites/generation_all"]
    assert drawn
    assert all(record.reference.startswith("oracle: ") for record in drawn)
    assert all(json.loads(record.answer)["status"] == "ok" for record in drawn)


def test_resuming_equals_one_run(bench):
    whole = ask(bench, perfect(bench))
    saved = []

    class Stopped(Exception):
        pass

    def stop(records):
        if len(saved) > 300:
            raise Stopped
        saved.extend(records)

    with pytest.raises(Stopped):
        ask(bench, perfect(bench), save=stop)
    resumed, again, progress = perfect(bench), [], []
    found = ask(bench, resumed, done=saved, save=again.extend, progress=lambda *now: progress.append(now))
    assert found == whole
    assert {record.key for record in saved}.isdisjoint(record.key for record in again)
    assert {r.key: r for r in (*saved, *again)} == {r.key: r for r in whole.items}
    assert 0 < len(set(resumed.asked)) < len({r.key for r in whole.items})
    assert progress[-1][0] == progress[-1][1]


def test_nothing_is_asked_twice(bench):
    whole = ask(bench, perfect(bench))
    silent = Constant()
    assert ask(bench, silent, done=whole.items) == whole
    assert silent.asked == []


def test_no_known_character_stays_attached(bench):
    whole = ask(bench, perfect(bench))
    player = perfect(bench)
    personal = ("sprites/known", "sprites/compared")
    ask(bench, player, done=[one for one in whole.items if not one.metric.startswith(personal)])
    assert all(name.startswith(("known", "compared")) for name in player.asked)
    assert len(player.asked) > 20
    assert player.attached == set()


def test_another_question_or_phase_is_asked_again(bench):
    whole = ask(bench, Constant())
    other = Constant()
    bench.evaluate(other, OracleJudge(), SAMPLING, 0, phase="later", done=whole.items)
    assert other.asked
    reseeded = Constant()
    bench.evaluate(reseeded, OracleJudge(), SAMPLING, 1, phase="measure", done=whole.items)
    assert len(reseeded.asked) > 0.8 * len(other.asked)


def test_batches_change_nothing(bench, tmp_path):
    whole = ask(bench, perfect(bench))
    bench.batch_size = 5
    assert ask(bench, perfect(bench)) == whole


def test_a_short_work_list_begins_a_long_one(bench, monkeypatch):
    few = work(bench, Constant())
    monkeypatch.setattr(items, "QUICK", 12)
    more = work(bench, Constant())
    assert len(few) < len(more)
    assert all(more[key].question == item.question for key, item in few.items())


def test_pictures_to_judge_are_of_mixed_steps(bench):
    steps = [item.steps for item in work(bench, Constant()).values() if item.metric == "judge_parses"]
    assert set(steps) == set(MIXED_STEPS)


def test_a_part_alone_asks_what_it_asks_among_all(bench):
    everything = work(bench, Constant())
    alone = work(SpritesBenchmark("quick", parts=["judging", "proposing"]), Constant())
    assert {item.metric for item in alone.values()} == {"judge_parses", "propose_parses"}
    for key, item in alone.items():
        assert (item.question, item.steps) == (everything[key].question, everything[key].steps)


def test_without_known_characters_their_metrics_are_left_out(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("unictk.benchmarks.sprites.bench.BUNDLED", tmp_path / "none")
    metrics = {item.metric for item in work(SpritesBenchmark("quick"), Constant()).values()}
    assert "qa" in metrics
    assert not any(name.startswith("known") for name in metrics)
    assert "left out" in capsys.readouterr().out


def test_it_is_a_benchmark_of_models(bench):
    from unictk.benchmarks.unifybench.bench import UnifyBench

    assert isinstance(bench, ModelBenchmark)
    assert not isinstance(UnifyBench(), ModelBenchmark)


def test_spearman():
    assert spearman([1, 2, 3, 4], [10, 20, 30, 45]) == pytest.approx(1)
    assert spearman([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    # By hand: ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4 correlate at 4.5 / sqrt(4.5 * 5).
    assert spearman([1, 2, 2, 3], [1, 2, 3, 4]) == pytest.approx(4.5 / (4.5 * 5) ** 0.5)
    assert spearman([1, 1], [1, 2]) == 0


def test_known_balances_positives_and_both_negatives():
    found = totals({"known_positive": [1, 0], "known_random": [1, 1, 1], "known_hard": [0.0]})
    assert found["known"] == (0.5, 6)
    assert "known" not in totals({"known_positive": [1.0]})
