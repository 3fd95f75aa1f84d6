"""The oracle's threshold on the bundled tokenizer's pictures of codes: whole, shuffled, half sampled."""

import pytest

from benchmarks.sprites_speed import load
from benchmarks.sprites_unreadable import pictures
from unictk.sprites.oracle import read

SCENES = 30


@pytest.fixture(scope="module")
def readable():
    return {
        name: sum(read(picture).readable for picture in found)
        for name, found in pictures(load(), SCENES).items()
    }


def test_whole_pictures_are_read(readable):
    assert readable["whole"] >= SCENES - 1


@pytest.mark.parametrize("kind", ["shuffled", "half sampled"])
def test_spoilt_ones_are_refused(readable, kind):
    assert readable[kind] == 0
