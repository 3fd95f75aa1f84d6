from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from unictk.backbones.base import Rows, RowShape
from unictk.benchmarks.unifybench.bench import UnifyBench
from unictk.concepts.tokens import ConceptTokens
from unictk.errors import DataError, UserError
from unictk.judges.answers import AnswerRequest, Grade
from unictk.judges.rules import RulesJudge
from unictk.records import ItemRecord
from unictk.samples import Image, Request, Sampling, Text

ROOT = Path("/data")


@dataclass(frozen=True)
class Item:
    metric: str
    item_id: str
    image: Path | None
    question: str
    reference: str


@dataclass
class Data:
    items: Sequence[Item]
    name: str = "bo"

    def picture_key(self, path: Path) -> str:
        return path.relative_to(ROOT).as_posix()


@dataclass
class Answering:
    """A backbone that answers from a table of the question's last line; counts what it is asked."""

    table: dict[str, str]
    batches: list[list[Request]] = field(default_factory=list)
    layout: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(image_size=8))

    def generate_text(self, requests: Sequence[Request]) -> list[str]:
        self.batches.append(list(requests))
        return [self.table[question(request)] for request in requests]


def question(request: Request) -> str:
    text = request.segments[-1]
    assert isinstance(text, Text)
    return text.text.rsplit("\n", 1)[-1]


@pytest.fixture
def concept() -> ConceptTokens:
    concept = ConceptTokens("bo", RowShape(4, False), spelling="<token_{index}>")
    concept.grow("identifier", Rows(torch.zeros(1, 4), torch.zeros(1, 4), None))
    concept.grow("shared", Rows(torch.zeros(2, 4), torch.zeros(2, 4), None))
    return concept


ITEMS = [
    Item("rec_positive", "0", ROOT / "0.png", "Is <bo> in 0?", "Yes."),
    Item("rec_positive", "1", ROOT / "1.png", "Is <bo> in 1?", "Yes."),
    Item("rec_random", "r0", ROOT / "random/0.png", "Is <bo> in r0?", "No."),
    Item("rec_random", "r1", ROOT / "random/1.png", "Is <bo> in r1?", "No."),
    Item("rec_hard", "h0", ROOT / "hard/0.png", "Is <bo> in h0?", "No."),
    Item("vqa", "0/0", ROOT / "0.png", "What color is the hat?", "Red."),
    Item("vqa", "1/0", ROOT / "1.png", "Where is <bo>?", "On a sofa."),
    Item("text_qa", "0", None, "Does <bo> wear a hat?", "<bo> wears a red hat."),
    Item("choice", "0", ROOT / "0.png", "Pick one.", "B"),
]
TABLE = {
    "Is <bo> in 0?": "Yes, it is.",
    "Is <bo> in 1?": "I do not know.",
    "Is <bo> in r0?": "No.",
    "Is <bo> in r1?": "not <bo>",
    "Is <bo> in h0?": "Yes.",
    "What color is the hat?": "red",
    "Where is <bo>?": "On a chair.",
    "Does <bo> wear a hat?": "Wears a red hat",
    "Pick one.": "The answer is B.",
}
METRICS = {
    "unifybench/rec_positive": 0.5,
    "unifybench/rec_random": 0.5,
    "unifybench/rec_hard": 0.0,
    "unifybench/rec": 0.375,
    "unifybench/vqa": 0.5,
    "unifybench/text_qa": 1.0,
    "unifybench/choice": 1.0,
}
COUNTS = {"rec_positive": 2, "rec_random": 2, "rec_hard": 1, "rec": 5, "vqa": 2, "vqa_bleu": 2}
COUNTS |= {"text_qa": 1, "text_qa_bleu": 1, "choice": 1}


def test_metrics_of_a_hand_made_set(concept: ConceptTokens) -> None:
    backbone = Answering(TABLE)
    result = UnifyBench(batch_size=4).evaluate(backbone, concept, Data(ITEMS), Sampling(), 0, phase="s3")
    values = {name: value for name, value in result.metrics.items() if not name.endswith("/n")}
    bleus = {name: values.pop(name) for name in ("unifybench/vqa_bleu", "unifybench/text_qa_bleu")}
    assert values == METRICS
    assert all(0 < value < 1 for value in bleus.values())
    counts = {name: value for name, value in result.metrics.items() if name.endswith("/n")}
    assert counts == {f"unifybench/{metric}/n": count for metric, count in COUNTS.items()}


def test_every_metric_is_the_mean_of_its_records(concept: ConceptTokens) -> None:
    result = UnifyBench().evaluate(Answering(TABLE), concept, Data(ITEMS), Sampling(), 0, phase="s3")
    by_metric: dict[str, list[float]] = {}
    for record in result.items:
        assert record.phase == "s3"
        by_metric.setdefault(record.metric, []).append(record.score)
    assert set(by_metric) == {name for name in result.metrics if not name.endswith("/n")} - {"unifybench/rec"}
    for metric, scores in by_metric.items():
        assert np.mean(scores) == pytest.approx(result.metrics[metric], abs=1e-5)
        assert len(scores) == result.metrics[f"{metric}/n"]


def test_recognition_is_asked_in_both_ways_where_comparing_is_wanted(concept: ConceptTokens) -> None:
    said = {
        "Is <bo> in 0?": "hat: red, red, same. Yes.",
        "Is <bo> in 1?": "hat: red, blue, other. No.",
        "Is <bo> in r0?": "no hat, yes shoes. No.",
        "Is <bo> in r1?": "It cannot be said.",
        "Is <bo> in h0?": "hat: red, blue, other. No.",
    }
    table = TABLE | {f"{asked} Compare first.": answer for asked, answer in said.items()}
    plain = UnifyBench().evaluate(Answering(TABLE), concept, Data(ITEMS), Sampling(), 0, phase="s3")
    backbone = Answering(table)
    bench = UnifyBench(compare=True)
    assert bench.pending(Data(ITEMS), "s3", plain.items) == len(said)
    result = bench.evaluate(backbone, concept, Data(ITEMS), Sampling(), 0, phase="s3", done=plain.items)
    assert sum(map(len, backbone.batches)) == len(said), "the plain questions are answered already"
    more = {name: value for name, value in result.metrics.items() if name not in plain.metrics}
    assert {name: value for name, value in more.items() if not name.endswith("/n")} == {
        "unifybench/compared_positive": 0.5,
        "unifybench/compared_random": 0.5,
        "unifybench/compared_hard": 1.0,
        "unifybench/compared": 0.625,
    }
    assert result.metrics["unifybench/compared/n"] == 5
    scores = {r.item_id: r.score for r in result.items if r.metric.startswith("unifybench/compared")}
    assert scores == {"0": 1.0, "1": 0.0, "r0": 1.0, "r1": 0.0, "h0": 1.0}


def test_requests_hold_picture_prompt_and_a_seed_of_their_own(concept: ConceptTokens) -> None:
    backbone = Answering(TABLE)
    data = Data(ITEMS)
    bench = UnifyBench(max_new_tokens=7)
    bench.evaluate(backbone, concept, data, Sampling(text_temperature=0.5, steps=3), 5, phase="base")
    requests = {question(request): request for batch in backbone.batches for request in batch}
    picture, text = requests["What color is the hat?"].segments
    assert picture == Image(ROOT / "0.png", key="0.png")
    assert text == Text("<bo> is <token_0><token_1>.\nWhat color is the hat?")
    assert requests["Pick one."].sampling == Sampling(text_temperature=0.5, steps=3, max_new_tokens=7)
    assert len({request.seed for request in requests.values()}) == len(ITEMS)
    black = requests["Does <bo> wear a hat?"].segments[0]
    assert isinstance(black, Image)
    assert isinstance(black.source, np.ndarray)
    assert black.source.shape == (8, 8, 3)
    assert black.source.dtype == np.uint8
    assert not black.source.any()

    again, other = Answering(TABLE), Answering(TABLE)
    bench.evaluate(again, concept, data, Sampling(), 5, phase="s1")
    bench.evaluate(other, concept, data, Sampling(), 6, phase="s1")
    seeds = [[request.seed for batch in run.batches for request in batch] for run in (backbone, again, other)]
    assert seeds[0] == seeds[1]
    assert not set(seeds[0]) & set(seeds[2])


@pytest.mark.parametrize("size", [1, 2, 3, 4, 100])
def test_batches_are_full_keep_pictures_together_and_ask_each_item_once(
    concept: ConceptTokens, size: int
) -> None:
    backbone = Answering(TABLE)
    result = UnifyBench(batch_size=size).evaluate(backbone, concept, Data(ITEMS), Sampling(), 0, phase="s1")
    asked = [request for batch in backbone.batches for request in batch]
    assert sorted(map(question, asked)) == sorted(TABLE)
    assert all(len(batch) <= size for batch in backbone.batches)
    if size >= 3:
        first = {question(request) for request in backbone.batches[0]}
        assert {"Is <bo> in 0?", "What color is the hat?", "Pick one."} <= first
    assert {k: v for k, v in result.metrics.items() if k in METRICS} == METRICS


def test_a_picture_is_not_torn_apart_to_fill_a_batch(concept: ConceptTokens) -> None:
    two_and_two = [ITEMS[0], ITEMS[1], ITEMS[5], ITEMS[6]]
    backbone = Answering(TABLE)
    UnifyBench(batch_size=3).evaluate(backbone, concept, Data(two_and_two), Sampling(), 0, phase="s1")
    pictures = [{request.segments[0] for request in batch} for batch in backbone.batches]
    assert [len(batch) for batch in backbone.batches] == [2, 2]
    assert [len(seen) for seen in pictures] == [1, 1]


def test_absent_items_give_absent_metrics(concept: ConceptTokens) -> None:
    def of(kept: Sequence[Item]) -> dict[str, float]:
        return UnifyBench().evaluate(Answering(TABLE), concept, Data(kept), Sampling(), 0, phase="s1").metrics

    assert of([]) == {}
    assert of(ITEMS[:2]) == {"unifybench/rec_positive": 0.5, "unifybench/rec_positive/n": 2}
    assert of(ITEMS[2:4]) == {"unifybench/rec_random": 0.5, "unifybench/rec_random/n": 2}
    assert of([ITEMS[0], ITEMS[4]])["unifybench/rec"] == 0.5


def test_the_suffix_names_scores_but_not_counts(concept: ConceptTokens) -> None:
    metrics = (
        UnifyBench()
        .evaluate(Answering(TABLE), concept, Data(ITEMS[-1:]), Sampling(), 0, phase="base", suffix="/base")
        .metrics
    )
    assert metrics == {"unifybench/choice/base": 1.0, "unifybench/choice/n": 1.0}


def test_a_killed_evaluation_asks_only_what_is_missing(concept: ConceptTokens) -> None:
    bench, data = UnifyBench(batch_size=3), Data(ITEMS)
    whole = bench.evaluate(Answering(TABLE), concept, data, Sampling(), 0, phase="s1")

    class Dies(Answering):
        def generate_text(self, requests: Sequence[Request]) -> list[str]:
            if len(self.batches) == 2:
                raise KeyboardInterrupt
            return super().generate_text(requests)

    kept: list[ItemRecord] = []
    with pytest.raises(KeyboardInterrupt):
        bench.evaluate(Dies(TABLE), concept, data, Sampling(), 0, phase="s1", save=kept.extend)
    assert bench.pending(data, "s1", kept) == len(ITEMS) - 6
    assert bench.pending(data, "s2", kept) == len(ITEMS)

    heard: list[tuple[int, int]] = []
    backbone = Answering(TABLE)
    resumed = bench.evaluate(
        backbone,
        concept,
        data,
        Sampling(),
        0,
        phase="s1",
        done=kept,
        save=kept.extend,
        progress=lambda done, total: heard.append((done, total)),
    )
    assert sum(map(len, backbone.batches)) == len(ITEMS) - 6
    assert resumed == whole
    assert sorted(kept, key=lambda record: record.key) == sorted(whole.items, key=lambda record: record.key)
    assert heard[-1] == (len(ITEMS), len(ITEMS))


def test_an_answer_to_another_question_is_not_reused(concept: ConceptTokens) -> None:
    bench = UnifyBench()
    old = bench.evaluate(Answering(TABLE), concept, Data(ITEMS), Sampling(), 0, phase="s1").items
    for change in (
        {"question": "Pick two."},
        {"reference": "C"},
        {"image": ROOT / "9.png"},
    ):
        data = Data([*ITEMS[:-1], replace(ITEMS[-1], **change)])
        backbone = Answering(TABLE | {"Pick two.": "B"})
        bench.evaluate(backbone, concept, data, Sampling(), 0, phase="s1", done=old)
        assert [len(batch) for batch in backbone.batches] == [1]


def test_wrong_items_are_refused(concept: ConceptTokens) -> None:
    def ask(items: Sequence[Item]) -> None:
        UnifyBench().evaluate(Answering(TABLE), concept, Data(items), Sampling(), 0, phase="s1")

    with pytest.raises(UserError, match="evaluation item 0: 'vqas' is not a choice; nearest: vqa"):
        ask([replace(ITEMS[-1], metric="vqas")])
    with pytest.raises(DataError, match="'0/0' of vqa: two items share this id"):
        ask([ITEMS[5], ITEMS[5]])


def test_a_grader_scores_free_answers_each_once(concept: ConceptTokens) -> None:
    asked: list[AnswerRequest] = []

    class Counting(RulesJudge):
        def grade(self, requests: Sequence[AnswerRequest]) -> list[Grade]:
            asked.extend(requests)
            return super().grade(requests)

    judge = Counting()
    bench = UnifyBench(batch_size=2)
    result = bench.evaluate(Answering(TABLE), concept, Data(ITEMS), Sampling(), 0, phase="s1", judge=judge)
    assert result.metrics["unifybench/vqa_judge"] == 0.5
    assert result.metrics["unifybench/text_qa_judge"] == 1.0
    assert result.metrics["unifybench/vqa_judge/n"] == 2
    assert len(asked) == 3
    without = bench.evaluate(Answering(TABLE), concept, Data(ITEMS), Sampling(), 0, phase="s1")
    assert not any("judge" in name for name in without.metrics)


def test_a_grade_that_cannot_be_read_counts_for_nothing(concept: ConceptTokens) -> None:
    class Mute(RulesJudge):
        def grade(self, requests: Sequence[AnswerRequest]) -> list[Grade]:
            return [Grade(None, "?", "unparsable"), *super().grade(requests[1:])]

    result = UnifyBench().evaluate(
        Answering(TABLE), concept, Data(ITEMS), Sampling(), 0, phase="s1", judge=Mute()
    )
    assert result.metrics["unifybench/vqa_judge/n"] == 1
    assert result.metrics["unifybench/vqa/n"] == 2
