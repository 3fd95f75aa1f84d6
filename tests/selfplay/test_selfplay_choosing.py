from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selfplay_groups import group

from unictk.selfplay.choosing import ReconstructionRules, choose
from unictk.selfplay.quotas import BINS, Place, Quotas, bin_of, dealt, stratified
from unictk.selfplay.selection import Selection, select
from unictk.selfplay.similarity import normal_form

NAMES = ("Counting", "Portrait", "Two Things")
RULES = ReconstructionRules()


def some_groups(seed: int, count: int = 40, rollouts: int = 8):
    chance = random.Random(seed)
    found = []
    for number in range(count):
        top = chance.choice((4, 7, 9, 10))
        scores = [chance.choice((None, *range(top + 1))) for _ in range(rollouts)]
        silent = [n for n in range(rollouts) if chance.random() < 0.1]
        same = chance.sample(range(rollouts), 2)
        found.append(group(scores, chance.choice(NAMES), number, same=same, silent=silent))
    return found


def by_uid(groups):
    return {one.prompt_uid: one for one in groups}


def test_the_papers_proportions():
    assert Quotas.of(5000) == Quotas(5000, 5000, 3000, 1000)
    assert Quotas.of(7) == Quotas(7, 7, 4, 1)
    assert Quotas.of(0) == Quotas(0, 0, 0, 0)


def test_bins():
    assert [bin_of(score) for score in (0, 3, 3.9, 4, 6, 6.99, 7, 8.5, 9, 10)] == [
        0,
        0,
        0,
        1,
        1,
        1,
        2,
        2,
        3,
        3,
    ]
    assert len(BINS) == 4


def test_dealing_by_hand():
    cells = {"a": [1, 2, 3], "b": [4], "c": [5, 6]}
    assert dealt(cells, 4) == [1, 4, 5, 2]
    assert dealt(cells, 99) == [1, 4, 5, 2, 6, 3]
    assert dealt(cells, 0) == dealt({}, 3) == []


def test_case_24_judgements_are_even_over_categories_then_bins():
    places = [
        Place(name, f"{name}{number}", 0, number % 4, random.Random(f"{name}{number}").getrandbits(60))
        for name in NAMES
        for number in range(40 if name != "Portrait" else 4)
    ]
    found = stratified(places, NAMES, 30, 2)
    assert Counter(one.category for one in found) == {"Counting": 13, "Portrait": 4, "Two Things": 13}
    counting = Counter(one.bin for one in found if one.category == "Counting")
    assert sorted(counting.values()) == [3, 3, 3, 4]
    assert counting[0] == 4, "of equal bins the lowest comes first"
    assert stratified(places[::-1], NAMES, 30, 2) == found


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(0, 80), st.integers(1, 3))
def test_as_many_judgements_as_the_groups_allow(seed, count, each):
    chance = random.Random(seed)
    places = [
        Place(
            chance.choice(NAMES),
            f"g{chance.randrange(15)}",
            number,
            chance.randrange(4),
            chance.getrandbits(60),
        )
        for number in range(60)
    ]
    places = [
        one for one in places if one.category == NAMES[int(one.group[1:]) % 3]
    ]  # a group has one category
    found = stratified(places, NAMES, count, each)
    used = Counter(one.group for one in found)
    possible = sum(min(each, n) for n in Counter(one.group for one in places).values())
    assert max(used.values(), default=0) <= each
    assert len(found) == min(count, possible)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(0, 30), st.booleans())
def test_what_holds_of_every_choice(seed, quota, fill):
    groups = some_groups(seed)
    rules = ReconstructionRules(fill=fill)
    quotas = Quotas(quota, quota, quota, quota)
    found = choose(groups, NAMES, rules, 1, quotas)
    known = by_uid(groups)
    selections = {uid: select(one.candidates) for uid, one in known.items()}
    kept = [uid for uid, one in selections.items() if one.kept]

    drawn = [(uid, one) for uid, rollouts in found.generation.items() for one in rollouts]
    assert found.caption == found.generation
    assert set(found.generation) <= set(kept)
    assert len(drawn) == quota if fill and quota <= len(kept) else len(drawn) <= quota
    assert len(drawn) >= min(quota, len(kept))
    for uid, rollout in drawn:
        assert known[uid].of(rollout)[1].score >= 7
        if not fill:
            assert rollout == selections[uid].best.rollout

    for uid, rollouts in found.judgement.items():
        assert len(rollouts) <= 2
        for one in rollouts:
            said = known[uid].of(one)[1]
            assert said.status == "ok"
            assert said.analysis
    assert sum(map(len, found.judgement.values())) <= quota

    gaps = []
    for uid, (winner, loser) in found.reflection.items():
        best, worst = known[uid].of(winner), known[uid].of(loser)
        gaps.append(best[1].score - worst[1].score)
        assert winner == selections[uid].best.rollout
        assert best[0].image_sha256 != worst[0].image_sha256
        assert worst[1].analysis
    assert min(gaps, default=2) >= 2
    assert len(gaps) <= quota
    assert max(Counter(known[uid].category for uid in found.reflection).values(), default=0) <= -(-quota // 3)
    assert sum(found.groups.values()) == len(groups)
    assert found.groups["kept"] == len(kept)


def test_quotas_are_met_exactly_where_there_is_enough():
    groups = [group([9, 8, 2, 1, 5, 6, 7, 3], name, n) for name in NAMES for n in range(20)]
    found = choose(groups, NAMES, RULES, 1)
    assert found.groups == {"kept": 60}
    assert (len(found.generation), len(found.caption)) == (60, 60)
    assert sum(map(len, found.judgement.values())) == 36
    assert len(found.reflection) == 12
    small = choose(groups, NAMES, RULES, 1, Quotas(30, 9, 36, 7))
    names = [uid.split("-")[1] for uid in small.generation]
    assert Counter(names) == {"counting": 10, "portrait": 10, "two": 10}
    assert Counter(uid.split("-")[1] for uid in small.caption) == {"counting": 3, "portrait": 3, "two": 3}
    bins = Counter(
        bin_of(by_uid(groups)[uid].of(one)[1].score) for uid, some in small.judgement.items() for one in some
    )
    assert bins == {0: 9, 1: 9, 2: 9, 3: 9}
    assert len(small.reflection) == 7


def test_small_gaps_only_fill_what_is_left():
    wide = [group([9, 3, 5, 5], "Counting", n) for n in range(2)]
    narrow = [group([9, 7, 8, 8], "Counting", 10 + n) for n in range(3)]
    tiny = [group([9, 8, 8, 8], "Counting", 20)]
    found = choose([*narrow, *tiny, *wide], ("Counting",), RULES, 1, Quotas(9, 9, 9, 4))
    assert list(found.reflection) == [one.prompt_uid for one in [*wide, *narrow[:2]]]
    strict = ReconstructionRules(backfill_gap=3.0)
    assert len(choose([*narrow, *wide], ("Counting",), strict, 1, Quotas(9, 9, 9, 4)).reflection) == 2


def test_with_fill_the_second_best_pictures_come_after_all_winners():
    groups = [group([9, 8, 7, 1], "Counting", 0), group([7, 1, 1, 8], "Portrait", 0)]
    rules = ReconstructionRules(fill=True)
    uids = [one.prompt_uid for one in groups]
    assert choose(groups, NAMES, rules, 1, Quotas(3, 0, 0, 0)).generation == {uids[0]: [0, 1], uids[1]: [3]}
    assert choose(groups, NAMES, rules, 1, Quotas(9, 0, 0, 0)).generation == {
        uids[0]: [0, 1, 2],
        uids[1]: [0, 3],
    }
    assert choose(groups, NAMES, RULES, 1, Quotas(9, 0, 0, 0)).generation == {uids[0]: [0], uids[1]: [3]}
    equal = [group([9, 9, 8, 7], "Counting", 0, same=(0, 1))]
    found = choose(equal, NAMES, rules, 1, Quotas(9, 0, 0, 0)).generation
    assert found == {uids[0]: [0, 2, 3]}, "an equal picture is not taught twice"


def test_held_out_prompts_are_in_nothing():
    groups = [group([9, 1, 5, 5], "Counting", n) for n in range(6)]
    held_out = {normal_form("prompt 2 of COUNTING")}
    found = choose(groups, NAMES, RULES, 1, held_out=held_out)
    leaked = groups[2].prompt_uid
    for chosen in (found.generation, found.caption, found.judgement, found.reflection):
        assert leaked not in chosen
        assert chosen or chosen is found.reflection
    assert found.groups == {"held_out": 1, "kept": 5}


def test_somebody_else_may_select():
    groups = [group([9, 1, 5, None], "Counting", n) for n in range(6)]

    def last(one):
        return Selection("kept", tuple(one.candidates[::-1]), None)

    found = choose(groups, NAMES, RULES, 1, selector=last)
    assert set(map(tuple, found.generation.values())) == {(3,)}
    assert found.reflection == {}


@pytest.mark.parametrize("seed", range(3))
def test_the_lottery_among_judgements_follows_the_seed(seed):
    groups = some_groups(7)
    one, same = (choose(groups, NAMES, RULES, seed, Quotas(0, 0, 12, 0)).judgement for _ in range(2))
    assert one == same
    assert one != choose(groups, NAMES, RULES, seed + 1, Quotas(0, 0, 12, 0)).judgement
