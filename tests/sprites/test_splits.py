"""Pretraining, concepts and reviewers' concepts share nothing: enumerated, not sampled.

This is the one place that looks at seeds from 50,000 on.
"""

from dataclasses import asdict
from itertools import pairwise

import pytest

from unictk.chance import seed_of
from unictk.sprites.album import concept_album
from unictk.sprites.scenes import IDENTITY, Identity, identities
from unictk.sprites.splits import (
    REVIEWERS_FROM,
    Facts,
    Staging,
    concept_facts,
    concept_identity,
    facts_of,
    hard_negatives,
    identities_of,
    neighbours,
    part_of,
    part_of_seed,
    stagings_of,
)

SEEDS = {"concepts": range(1000), "reviewers": range(REVIEWERS_FROM, REVIEWERS_FROM + 1000)}
SIDES = tuple(SEEDS)
PARTS = ("pretraining", *SIDES)


def pictures(side: str) -> set[tuple[Identity, Staging]]:
    found = set()
    for album in map(concept_album, SEEDS[side]):
        shelves = (album.photos, album.closer, album.test_photos, album.look_alikes, album.strangers)
        for scene in (scene for shelf in shelves for scene in shelf):
            (who,) = scene.characters
            staging = Staging(scene.setting, who.accessory, who.item, who.column, who.row, who.size)
            found.add((who.identity, staging))
    return found


def apart(one: set, other: set) -> None:
    assert one
    assert other
    assert not one & other


def test_seeds_belong_to_their_side():
    assert [part_of_seed(seed) for seed in (0, 49_999, 50_000, 10**9)] == [
        "concepts", "concepts", "reviewers", "reviewers",
    ]  # fmt: skip


@pytest.mark.parametrize("side", SIDES)
def test_a_thousand_identities_all_differ_and_are_of_their_side(side):
    found = [concept_identity(seed) for seed in SEEDS[side]]
    assert len(set(found)) == 1000
    assert {part_of(one) for one in found} == {side}


@pytest.mark.parametrize("side", SIDES)
def test_at_least_three_hard_negatives_differ_in_exactly_one_attribute(side):
    for seed in SEEDS[side]:
        identity = concept_identity(seed)
        found = hard_negatives(identity)
        assert len(set(found)) == len(found) >= 3
        for other in found:
            assert part_of(other) == side
            assert sum(getattr(other, name) != getattr(identity, name) for name in IDENTITY) == 1


def test_neighbours_are_all_identities_one_attribute_off():
    whole = list(identities())
    for identity in whole[::2500]:
        mine = asdict(identity).items()
        expected = {one for one in whole if len(mine & asdict(one).items()) == len(IDENTITY) - 1}
        found = neighbours(identity)
        assert set(found) == expected
        assert len(found) == len(expected)


def test_identities_and_hard_negatives_of_the_sides_never_meet():
    seen = {
        side: {concept_identity(seed) for seed in SEEDS[side]}
        | {other for seed in SEEDS[side] for other in hard_negatives(concept_identity(seed))}
        for side in SIDES
    }
    apart(seen["concepts"], seen["reviewers"])
    for side in SIDES:
        apart(seen[side], set(identities_of("pretraining")))


def test_facts_of_the_sides_never_meet():
    seen = {side: {concept_facts(seed) for seed in SEEDS[side]} for side in SIDES}
    apart(seen["concepts"], seen["reviewers"])
    for side in SIDES:
        apart(seen[side], set(facts_of("pretraining")))
        assert len(seen[side]) > 100  # of about 150: the supply of facts is used


def test_the_pictures_of_the_sides_share_neither_identities_nor_stagings():
    seen = {side: pictures(side) for side in SIDES}
    for number, kind in enumerate(("identities", "stagings")):
        one, other = ({pair[number] for pair in seen[side]} for side in SIDES)
        apart(one, other)
        apart(one | other, set((identities_of if kind == "identities" else stagings_of)("pretraining")))


@pytest.mark.parametrize(
    ("of", "kind", "whole"),
    [(identities_of, Identity, 21_504), (stagings_of, Staging, 3_600), (facts_of, Facts, 1_536)],
)
def test_the_parts_are_the_whole_divided_80_10_10(of, kind, whole):
    parts = {part: of(part) for part in PARTS}
    everything = [thing for things in parts.values() for thing in things]
    assert len(set(everything)) == len(everything) == whole
    assert {type(thing) for thing in everything} == {kind}
    for part, share in zip(PARTS, (0.8, 0.1, 0.1), strict=True):
        # Four standard deviations of a fair hash.
        assert abs(len(parts[part]) / whole - share) < 4 * (share * (1 - share) / whole) ** 0.5


def test_facts_of_a_seed_do_not_follow_its_identity():
    """Concepts one apart in order share no facts more often than by chance."""
    found = [concept_facts(seed) for seed in SEEDS["concepts"]]
    same = sum(one == other for one, other in pairwise(found))
    assert same < 30


PINNED = {
    "concepts": (4997370136659170314, 2952722806435450100, 7696647982197868403),
    "reviewers": (8058929305058936670, 289999101544946967, 428400030650470559),
}
"""Hashes of a side's identities, stagings and facts."""


@pytest.mark.parametrize("side", SIDES)
def test_the_division_never_moves(side):
    """A model that was trained on the old pretraining part would have seen what it is examined on."""
    assert tuple(seed_of(*of(side)) for of in (identities_of, stagings_of, facts_of)) == PINNED[side]
