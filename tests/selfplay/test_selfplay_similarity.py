from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unictk.selfplay.similarity import THRESHOLD, Library, jaccard, normal_form, shingles, signature

WORDS = [f"w{n}" for n in range(400)]


def pair(chance: random.Random, changed: int, length: int = 60) -> tuple[str, str]:
    """A text and a copy with some words replaced."""
    words = [chance.choice(WORDS) for _ in range(length)]
    copy = list(words)
    for at in chance.sample(range(length), changed):
        copy[at] = f"new{at}"
    return " ".join(words), " ".join(copy)


def test_runs_of_words():
    assert shingles("A red, RED cup!") == {"a red red cup"}
    assert shingles("a b c d e f g") == {"a b c d e", "b c d e f", "c d e f g"}
    assert shingles("... !") == frozenset()
    assert normal_form("A  red-cup.") == "a red cup"


def test_jaccard_by_hand():
    assert jaccard(frozenset("abcd"), frozenset("cdef")) == pytest.approx(2 / 6)
    assert jaccard(frozenset(), frozenset()) == 1.0
    assert jaccard(frozenset("a"), frozenset()) == 0.0


@pytest.mark.parametrize("changed", [0, 1, 3, 8, 20])
def test_minima_estimate_the_exact_index(changed):
    """1,000 hash functions: five standard errors are at most 0.08."""
    chance = random.Random(changed)
    one, other = map(shingles, pair(chance, changed))
    estimate = float(np.mean(signature(one, 1000) == signature(other, 1000)))
    assert estimate == pytest.approx(jaccard(one, other), abs=0.08)


def test_signatures_are_the_same_on_every_machine():
    pinned = [2312397702613352198, 2412112680505735093, 4159459487540971361]
    assert signature(shingles("a red cup on a table"), 3).tolist() == pinned


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=14), min_size=1, max_size=12))
def test_what_is_called_near_is_near(texts):
    """No new text is refused: the exact index decides."""
    library = Library()
    for text in map(" ".join, texts):
        found = library.near(text)
        if found is not None:
            assert jaccard(shingles(text), shingles(found)) >= THRESHOLD
        assert library.has(text) == (normal_form(text) in map(normal_form, library.texts))
        if library.has(text):
            assert found is not None
        library.add(text)


def test_near_duplicates_are_found_as_often_as_promised():
    chance = random.Random(1)
    library, hits, misses = Library(), 0, 0
    for _ in range(600):
        one, other = pair(chance, chance.choice((1, 2, 3)))
        if jaccard(shingles(one), shingles(other)) >= THRESHOLD:
            library.add(one)
            found = library.near(other) == one
            hits, misses = hits + found, misses + (not found)
    assert hits > 250
    assert misses <= 0.01 * (hits + misses)


def test_a_higher_threshold_lets_more_pass():
    one, other = pair(random.Random(2), 1)
    assert Library([one]).near(other) == one
    assert Library([one], threshold=0.99).near(other) is None
    assert Library([one], threshold=0.99).near(one.upper()) == one


def test_texts_that_differ_in_one_word_of_ten_are_new():
    """What a prompt asks is often one word: ``a red star`` and ``a blue star`` are two prompts."""
    library = Library(["A photo of a small red star with blue stripes in the forest."])
    assert library.near("A photo of a small red star with pink stripes in the forest.") is None
    assert library.has("a photo of a small RED star, with blue stripes in the forest")
