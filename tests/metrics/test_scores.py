"""Metric classes against hand-made vectors, plain references and two real processes."""

import math
import os
import pickle
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unictk.metrics.bleu import CharBleu, char_bleu
from unictk.metrics.matching import Choice, ExactMatch
from unictk.metrics.recognition import KINDS, Recognition
from unictk.metrics.unicycle import SoftHard


def plain_bleu(answer: str, reference: str) -> float:
    """Textbook BLEU written apart from ours: clipped counts by str.count-free loops, product of powers."""
    if not any(c in reference for c in answer):
        return 0.0
    precisions = []
    for n in (1, 2):
        said = [answer[i : i + n] for i in range(max(0, len(answer) - n + 1))]
        budget = Counter(reference[i : i + n] for i in range(max(0, len(reference) - n + 1)))
        hits = 0
        for gram in said:
            if budget[gram] > 0:
                budget[gram] -= 1
                hits += 1
        precisions.append((hits if hits else 0.1) / (len(said) or 1))
    penalty = 1.0 if len(answer) > len(reference) else math.exp(1 - len(reference) / len(answer))
    return penalty * precisions[0] ** 0.7 * precisions[1] ** 0.3


@pytest.mark.parametrize(
    ("reference", "answer", "score"),
    [
        ("a red hat", "a red hat", 1.0),
        ("a red hat", "red hat", 0.751477),
        ("red hat", "a blue hat", 0.442734),
        ("<bo> has a red hat.", "<bo> has a blue hat.", 0.814340),
        ("abc", "xyz", 0.0),
        ("abc", "", 0.0),
        ("", "abc", 0.0),
    ],
)
def test_case_23_char_bleu_published_values(reference: str, answer: str, score: float) -> None:
    assert char_bleu(answer, reference) == pytest.approx(score, abs=1e-6)


@given(st.text(alphabet="abcd ", max_size=9), st.text(alphabet="abcde ", max_size=9))
def test_char_bleu_equals_the_plain_reference(answer: str, reference: str) -> None:
    score = char_bleu(answer, reference)
    assert score == pytest.approx(plain_bleu(answer, reference), abs=1e-12)
    assert 0 <= score <= 1


def recognition_of(pairs: list[tuple[str, str]]) -> dict[str, float]:
    metric = Recognition()
    metric.update([answer for _, answer in pairs], [kind for kind, _ in pairs])
    return {name: round(value.item(), 4) for name, value in metric.compute().items()}


def test_case_24_recognition_weighting() -> None:
    scores = recognition_of(
        [("positive", "Yes."), ("positive", "yes"), ("positive", "No."), ("random", "I do not know")]
    )
    assert scores == {"rec_positive": 0.6667, "rec_random": 0.0, "rec": 0.3333}


def test_recognition_averages_the_negative_kinds_that_were_asked() -> None:
    positive = [("positive", "Yes")] * 3 + [("positive", "No")]
    assert recognition_of([*positive, ("hard", "No."), ("hard", "not <bo>")]) == {
        "rec_positive": 0.75,
        "rec_hard": 0.5,
        "rec": 0.625,
    }
    both = [*positive, ("hard", "Yes"), *[("random", "no")] * 5]
    assert recognition_of(both) == {"rec_positive": 0.75, "rec_random": 1.0, "rec_hard": 0.0, "rec": 0.625}
    assert recognition_of(positive) == {"rec_positive": 0.75}
    assert recognition_of([("hard", "no")]) == {"rec_hard": 1.0}


def test_recognition_refuses_an_unknown_kind() -> None:
    with pytest.raises(ValueError, match="positive, random, hard"):
        Recognition().update(["yes"], ["maybe"])


kinds = st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from(["Yes.", "No.", "know", "yes, no"])))


@given(kinds, kinds)
def test_recognition_equals_numpy_and_does_not_depend_on_batches(first: list, second: list) -> None:
    metric = Recognition()
    for part in (first, second):
        metric.update([answer for _, answer in part], [kind for kind, _ in part])
    want = {}
    for kind in KINDS:
        hits = [
            answer == ("Yes." if kind == "positive" else "No.") for k, answer in first + second if k == kind
        ]
        if hits:
            want[f"rec_{kind}"] = np.mean(hits)
    negatives = [want[name] for name in ("rec_random", "rec_hard") if name in want]
    if negatives and "rec_positive" in want:
        want["rec"] = (want["rec_positive"] + np.mean(negatives)) / 2
    found = {name: value.item() for name, value in metric.compute().items()}
    assert found == pytest.approx(want)
    assert all(0 <= value <= 1 for value in found.values())


def test_matching_metrics_average_and_reset() -> None:
    match = ExactMatch("bo")
    match.update(["Red.", "blue"], ["red", "green"])
    match.update(["<bo> sleeps"], ["Sleeps."])
    assert match.compute() == pytest.approx(2 / 3)
    match.reset()
    match.update(["x"], ["y"])
    assert match.compute() == 0
    choice = Choice()
    choice.update(["A", "The answer is A"], ["A", "B"])
    assert choice.compute() == 0.5
    bleu = CharBleu()
    bleu.update(["red hat", "a red hat"], ["a red hat", "a red hat"])
    assert bleu.compute() == pytest.approx((0.7514773 + 1) / 2)


def test_answers_and_references_go_one_to_one() -> None:
    for metric in (ExactMatch(), Choice(), CharBleu()):
        with pytest.raises(ValueError, match="shorter"):
            metric.update(["a", "b"], ["a"])


ANSWERS = ["Yes.", "no", "I know", "a red hat", "red", "B. dark blue", "(C)", "yes", "No.", "bo is red", "A"]
REFERENCES = ["Yes.", "No", "no", "a red hat.", "blue hat", "B", "A", "yes", "No.", "is red", "A"]
ASKED = [
    "positive",
    "random",
    "hard",
    "hard",
    "random",
    "positive",
    "hard",
    "positive",
    "random",
    "hard",
    "hard",
]
PROMPTS = [[1, 1, 0], [1, 1], [0.75, 1], [0], [1, 1, 1, 1]]

WORKER = """
import pickle, sys, warnings
import torch, torch.distributed as dist
warnings.simplefilter("ignore")
from unictk.metrics.bleu import CharBleu
from unictk.metrics.matching import Choice, ExactMatch
from unictk.metrics.recognition import Recognition
from unictk.metrics.unicycle import SoftHard

rank, file, out = int(sys.argv[1]), sys.argv[2], sys.argv[3]
dist.init_process_group("gloo", init_method="file://" + file, rank=rank, world_size=2)
answers, references, asked, prompts = pickle.load(sys.stdin.buffer)
shares = {"turns": slice(rank, None, 2), "all on one": slice(None) if rank == 0 else slice(0, 0)}
found = {share: {} for share in shares}
for share, mine in shares.items():
    for metric, second in ((Recognition(), asked), (ExactMatch("bo"), references),
                           (CharBleu(), references), (Choice(), references)):
        metric.update(answers[mine], second[mine])
        value = metric.compute()
        found[share][type(metric).__name__] = (
            {k: v.item() for k, v in value.items()} if isinstance(value, dict) else value.item())
    cycles = SoftHard()
    cycles.update(prompts[mine])
    found[share]["SoftHard"] = {k: v.item() for k, v in cycles.compute().items()}
if rank == 0:
    # One rank alone must not wait for the other.
    alone = ExactMatch("bo", sync_on_compute=False)
    alone.update(answers, references)
    found["alone"] = alone.compute().item()
pickle.dump(found, open(out, "wb"))
dist.barrier()
dist.destroy_process_group()
"""


def test_two_processes_give_what_one_gives(tmp_path: Path) -> None:
    work = pickle.dumps((ANSWERS, REFERENCES, ASKED, PROMPTS))
    outs = [tmp_path / f"{rank}.pkl" for rank in (0, 1)]
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(rank), str(tmp_path / "store"), str(outs[rank])],
            stdin=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for rank in (0, 1)
    ]
    for process in ranks:
        assert process.stdin is not None
        process.stdin.write(work)
        process.stdin.close()
    assert [process.wait(timeout=120) for process in ranks] == [0, 0]
    first, second = (pickle.loads(out.read_bytes()) for out in outs)

    recognition, match, bleu, choice = Recognition(), ExactMatch("bo"), CharBleu(), Choice()
    recognition.update(ANSWERS, ASKED)
    for metric in (match, bleu, choice):
        metric.update(ANSWERS, REFERENCES)
    cycles = SoftHard()
    cycles.update(PROMPTS)
    assert first.pop("alone") == match.compute().item()
    assert first == second
    for found in first.values():
        assert found["Recognition"] == {name: score.item() for name, score in recognition.compute().items()}
        assert found["ExactMatch"] == match.compute().item()
        assert found["SoftHard"] == pytest.approx(
            {name: score.item() for name, score in cycles.compute().items()}, abs=1e-12
        )
        assert found["Choice"] == choice.compute().item()
        assert found["CharBleu"] == pytest.approx(bleu.compute().item(), abs=1e-12)
        assert 0 < found["ExactMatch"] < 1
        assert 0 < found["CharBleu"] < 1
