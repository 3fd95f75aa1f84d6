from __future__ import annotations

import math
from itertools import permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unictk.selfplay.answers import read_judgement
from unictk.selfplay.selection import SCORES, Candidate, expected_score, score_options, select

N = None


def group(scores, expected=None, sha=None):
    return [
        Candidate(n, score, expected[n] if expected else None, sha[n] if sha else "")
        for n, score in enumerate(scores)
    ]


HAND_MADE = [
    # scores, expected scores, best, loser, reason
    ([1, 5, 9, 3, 0, 7, 2, 4], N, 2, 4, "kept"),
    ([8, 9, 9, 3, 3, 8, 8, 8], N, 1, 3, "kept"),
    ([8, 9, 9, 3, 3, 8, 8, 8], [8, 8.5, 8.7, 3.2, 3.1, 8, 8, 8], 2, 4, "kept"),
    ([8, 9, 9, 3, 3, 8, 8, 8], [8, N, 0.1, N, 9.9, 8, 8, 8], 2, 4, "kept"),
    ([8, 9, 9, 3, 3, 8, 8, 8], [N, N, N, N, N, N, N, N], 1, 3, "kept"),
    ([6.9, 1, 1, 1], N, 0, 1, "below_threshold"),
    ([7.0, 1, 1, 1], N, 0, 1, "kept"),
    ([6.99999, 1, 1, 1], N, 0, 1, "below_threshold"),
    ([10, 10, 10, 10], N, 0, N, "kept"),
    ([7, 7, 7, 7], [6, 7, 8, 7], 2, N, "kept"),
    ([0, 0, 0, 0], N, 0, N, "below_threshold"),
    ([N, N, N, N, 9, 8, 2, 1], N, 4, 7, "kept"),
    ([N, N, N, N, N, 9, 2, 1], N, 5, N, "too_few_scores"),
    ([N, N, N, N], N, N, N, "too_few_scores"),
    ([9, N], N, 0, N, "too_few_scores"),
    ([9, 3], N, 0, 1, "kept"),
    ([9], N, 0, N, "kept"),
    ([], N, N, N, "too_few_scores"),
    ([N, 0, 10, N, 5, 5], N, 2, 1, "kept"),
]


@pytest.mark.parametrize(("scores", "expected", "best", "loser", "reason"), HAND_MADE)
def test_case_24_winner_loser_and_verdict(scores, expected, best, loser, reason):
    found = select(group(scores, expected))
    assert (found.best.rollout if found.best else N) == best
    assert (found.loser.rollout if found.loser else N) == loser
    assert (found.reason, found.kept) == (reason, reason == "kept")
    assert found.gap == (0 if loser is N else scores[best] - scores[loser])


def test_case_24_a_loser_is_another_picture():
    sha = ["a", "b", "a", "c"]
    found = select(group([9, 4, 2, 3], sha=sha))
    assert (found.best.rollout, found.loser.rollout) == (0, 3), "rollout 2 shows what the winner shows"
    assert select(group([9, 4, 2, 3], sha=["a"] * 4)).loser is None


def test_thresholds_are_parameters():
    assert select(group([6, 1, 1, 1]), threshold=6).kept
    assert select(group([9, N, N, N]), least_valid=1).kept
    assert not select(group([9, 9, N, N]), least_valid=3).kept


SCORE = st.one_of(st.none(), st.integers(0, 10).map(float))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.tuples(SCORE, st.one_of(st.none(), st.floats(0, 10)), st.sampled_from("ab")), max_size=8))
def test_what_holds_of_every_group(told):
    candidates = [Candidate(n, *one) for n, one in enumerate(told)]
    found = select(candidates)
    scores = [one.score for one in candidates if one.score is not None]
    if found.kept:
        assert max(scores) >= 7
        assert len(scores) >= min(4, len(candidates))
    if scores:
        assert found.best.score == max(scores)
        assert len(found.ranked) == len(scores)
    if found.loser:
        assert found.loser.score < found.best.score
        assert found.loser.image_sha256 != found.best.image_sha256
        assert found.gap > 0
    assert select(candidates[::-1]) == found, "the order of reading leaves no trace"


def test_every_order_of_four_gives_the_same():
    told = [Candidate(0, 7.0, 6.5), Candidate(1, 7.0, N), Candidate(2, 3.0, 3.5), Candidate(3, 3.0, N)]
    found = {(one.best.rollout, one.loser.rollout) for one in map(select, permutations(told))}
    assert found == {(0, 2)}


def test_expected_scores_by_hand():
    certain = torch.full((2, 11), -math.inf)
    certain[0, 7] = -3.0
    certain[1, [0, 10]] = torch.tensor([0.25, 0.75]).log()
    assert expected_score(certain) == [7.0, 7.5]
    assert expected_score(torch.zeros(1, 11)) == [5.0]


def test_expected_scores_need_no_normalisation():
    some = torch.randn(3, 11, generator=torch.Generator().manual_seed(0))
    assert expected_score(some) == expected_score(some - 30)
    assert expected_score(some.half().float()) != expected_score(some)
    one = [expected_score(row[None])[0] for row in some]
    assert expected_score(some) == one


@pytest.mark.parametrize(
    "wrong",
    [torch.zeros(11), torch.zeros(1, 10), torch.full((1, 11), -math.inf), torch.full((1, 11), math.nan)],
)
def test_what_is_no_distribution_gives_no_score(wrong):
    with pytest.raises(ValueError, match="log probabilities"):
        expected_score(wrong)


def test_options_are_whole_judgements():
    options = score_options("The colour is right.")
    assert [read_judgement(one).score for one in options] == list(map(float, SCORES))
    assert options[7] == '{"analysis": "The colour is right.", "score": 7}'
    assert len(SCORES) == 11
