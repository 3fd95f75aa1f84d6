"""Whether a prompt is new: texts compared by their runs of words, found fast by MinHash.

A text is the set of its runs of :data:`WORDS` words, lower-cased, without punctuation (a shorter text is one
run). Two texts are near-duplicates if the Jaccard index of their sets (common runs by all runs) is at least
:data:`THRESHOLD`. MinHash with :data:`BANDS` bands of :data:`ROWS` rows proposes candidates, and the exact
index decides: so nothing new is ever refused, and a duplicate of index s passes with probability
(1 - s^3)^20: 0.8 % at 0.6, 0.02 % at 0.7. Hashes are of the text alone: equal on every machine.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

WORDS = 5
THRESHOLD = 0.6
BANDS = 20
ROWS = 3

_WORD = re.compile(r"\w+")


def normal_form(text: str) -> str:
    """Lower-cased words, a space between them: two texts of equal form say the same."""
    return " ".join(_WORD.findall(text.casefold()))


def shingles(text: str, words: int = WORDS) -> frozenset[str]:
    """The runs of ``words`` words; a shorter text is one run, an empty one none."""
    found = normal_form(text).split()
    if not found:
        return frozenset()
    runs = max(1, len(found) - words + 1)
    return frozenset(" ".join(found[at : at + words]) for at in range(runs))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Common elements by all elements; two empty sets are alike."""
    union = len(one | other)
    return len(one & other) / union if union else 1.0


def signature(runs: frozenset[str], size: int) -> np.ndarray:
    """(size,) uint64 minima: each equals that of another set with the probability of their Jaccard index."""
    if not runs:
        return np.full(size, np.iinfo(np.uint64).max, dtype=np.uint64)
    digests = b"".join(hashlib.blake2b(run.encode(), digest_size=8).digest() for run in sorted(runs))
    hashed = np.frombuffer(digests, dtype="<u8")
    return _mixed(hashed[:, None] + _OFFSETS[:size][None]).min(axis=0)


class Library:
    """Texts that are there already, asked whether another one is near to any of them.

    Args:
        threshold: Jaccard index from which on two texts are near-duplicates; above 1: only equal ones are.
    """

    def __init__(self, texts: Iterable[str] = (), threshold: float = THRESHOLD) -> None:
        self.threshold = threshold
        self.texts: list[str] = []
        self._forms: set[str] = set()
        self._buckets: defaultdict[tuple[int, bytes], list[int]] = defaultdict(list)
        for text in texts:
            self.add(text)

    def __len__(self) -> int:
        return len(self.texts)

    def add(self, text: str) -> None:
        """Keep the text."""
        for band in self._bands(shingles(text)):
            self._buckets[band].append(len(self.texts))
        self._forms.add(normal_form(text))
        self.texts.append(text)

    def has(self, text: str) -> bool:
        """Whether an equal text is there, but for case and punctuation."""
        return normal_form(text) in self._forms

    def near(self, text: str) -> str | None:
        """The earliest text whose Jaccard index with this one reaches the threshold, or None."""
        runs = shingles(text)
        candidates = {place for band in self._bands(runs) for place in self._buckets.get(band, ())}
        for place in sorted(candidates):
            if jaccard(runs, shingles(self.texts[place])) >= self.threshold:
                return self.texts[place]
        return None

    def _bands(self, runs: frozenset[str]) -> list[tuple[int, bytes]]:
        minima = signature(runs, BANDS * ROWS).reshape(BANDS, ROWS)
        return [(band, rows.tobytes()) for band, rows in enumerate(minima)]


def _mixed(values: np.ndarray) -> np.ndarray:
    """splitmix64's finaliser, modulo 2^64: every bit of the value reaches every bit of the result."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


_OFFSETS = _mixed(np.arange(1, 1025, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
"""One hash function per offset; independent ones, as the finaliser makes them."""
