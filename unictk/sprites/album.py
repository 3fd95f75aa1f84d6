"""The pictures of a sprite concept, as scenes: photos to learn from, photos to be examined on, and others.

None of them shows what the concept's facts tell: it never has its own kind of accessory with it and is never
at home, so nobody can read those facts off a picture. Everybody else is staged by the same rule: only who
stands there tells whether it is the concept.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache

from unictk.chance import seed_of
from unictk.sprites.scenes import Identity, Scene
from unictk.sprites.splits import (
    Facts,
    Staging,
    concept_facts,
    concept_identity,
    hard_negatives,
    identities_of,
    part_of,
    part_of_seed,
    stagings_of,
)

PHOTOS = 10
TEST_PHOTOS = 8
LOOK_ALIKES = 20
STRANGERS = 32

MORE_LOOK_ALIKES, MORE_STRANGERS = 10, 8
"""Further pictures of others for each time that an examination is longer than the usual one."""


@dataclass(frozen=True, slots=True)
class ConceptAlbum:
    """One character a scene; no scene twice among all photos, look-alikes and strangers.

    ``closer[i]`` is ``photos[i]`` from nearer by: big, in the same setting, and otherwise as like it as the
    concept's part of the world allows. It is a scene of its own, because enlarged pixels would be a picture
    that the world does not have and no oracle reads. The first :data:`PHOTOS` of ``look_alikes`` stand
    exactly where the concept stands in its photos; all of them differ from it in one attribute.
    """

    photos: tuple[Scene, ...]
    closer: tuple[Scene, ...]
    test_photos: tuple[Scene, ...]
    look_alikes: tuple[Scene, ...]
    strangers: tuple[Scene, ...]
    test_look_alikes: tuple[Scene, ...] = ()
    test_strangers: tuple[Scene, ...] = ()


def concept_album(seed: int, exam: int = 1) -> ConceptAlbum:
    """The pictures of concept ``seed``: equal seeds give equal albums.

    ``exam`` times as many test photos as usual; the further ones, and further look-alikes and strangers
    that are never taught, come after the usual ones and change none of them.
    """
    chance = random.Random(seed_of("sprite album", seed))
    part, identity = part_of_seed(seed), concept_identity(seed)
    allowed = allowed_stagings(seed)
    chance.shuffle(allowed)
    fresh = list(allowed)
    photos = _varied(fresh, PHOTOS)
    tests = _varied(fresh, TEST_PHOTOS)
    beside = _varied(fresh, LOOK_ALIKES - PHOTOS)
    alike = hard_negatives(identity)
    barred = {identity, *alike}
    drawn = chance.sample(identities_of(part), STRANGERS + len(barred))
    others = [one for one in drawn if one not in barred][:STRANGERS]
    usual = ConceptAlbum(
        photos=_scenes(photos, [identity]),
        closer=_scenes([_closer(photo, allowed, tests) for photo in photos], [identity]),
        test_photos=_scenes(tests, [identity]),
        look_alikes=_scenes([*photos, *beside], alike),
        strangers=_scenes(chance.sample(allowed, STRANGERS), others),
    )
    return usual if exam == 1 else _examined_longer(usual, exam - 1, chance, fresh, identity)


def _examined_longer(
    usual: ConceptAlbum, more: int, chance: random.Random, fresh: list[Staging], identity: Identity
) -> ConceptAlbum:
    """The same album with ``more`` times the usual test photos, and others beside them."""
    closer = {(one.setting, one.characters) for one in usual.closer}
    fresh[:] = [s for s in fresh if (s.setting, (s.of(identity),)) not in closer]
    tests = _varied(fresh, more * TEST_PHOTOS)
    alike = chance.sample(fresh, more * MORE_LOOK_ALIKES)
    part = part_of(identity)
    barred = {identity, *hard_negatives(identity), *(one.characters[0].identity for one in usual.strangers)}
    drawn = chance.sample(identities_of(part), more * MORE_STRANGERS + len(barred))
    others = [one for one in drawn if one not in barred][: more * MORE_STRANGERS]
    return replace(
        usual,
        test_photos=usual.test_photos + _scenes(tests, [identity]),
        test_look_alikes=_scenes(alike, hard_negatives(identity)),
        test_strangers=_scenes(chance.sample(fresh, more * MORE_STRANGERS), others),
    )


def allowed_stagings(seed: int) -> list[Staging]:
    """The stagings of the concept's part that give none of its facts away."""
    facts = concept_facts(seed)
    return [staging for staging in stagings_of(part_of_seed(seed)) if not _tells(staging, facts)]


def _tells(staging: Staging, facts: Facts) -> bool:
    return staging.accessory == facts.accessory or staging.setting == facts.home


def _scenes(stagings: Sequence[Staging], who: Sequence[Identity]) -> tuple[Scene, ...]:
    """The stagings with these identities by turns."""
    return tuple(Scene(s.setting, (s.of(who[i % len(who)]),)) for i, s in enumerate(stagings))


def _varied(pool: list[Staging], count: int) -> list[Staging]:
    """``count`` stagings, taken out of the pool, with every attribute's values about equally often."""
    used: Counter[tuple[str, str]] = Counter()
    found = []
    for _ in range(count):
        best = min(pool, key=lambda staging: sum(map(used.__getitem__, _items(staging))))
        pool.remove(best)
        used.update(_items(best))
        found.append(best)
    return found


@cache
def _items(staging: Staging) -> tuple[tuple[str, str], ...]:
    return tuple(asdict(staging).items())


def _closer(photo: Staging, allowed: Sequence[Staging], tests: Sequence[Staging]) -> Staging:
    """The big staging in the photo's setting that is most like it, and no test photo."""
    near = [s for s in allowed if s.size == "big" and s.setting == photo.setting and s not in tests]
    return max(
        near,
        key=lambda s: (
            s.accessory == photo.accessory,
            s.item == photo.item,
            (s.column == photo.column) + (s.row == photo.row),
        ),
    )
