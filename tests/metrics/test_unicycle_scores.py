"""Soft and hard: the specification's vector and a plain reference."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unictk.metrics.unicycle import SoftHard, hard_of, soft_of

VECTOR = [[1, 1, 0], [1, 1], [0.75, 1]]


def both(prompts, **options):
    metric = SoftHard(**options)
    metric.update(prompts)
    return {name: value.item() for name, value in metric.compute().items()}


def test_the_vector_of_the_specification():
    found = both(VECTOR)
    assert found["soft"] == pytest.approx(0.8472, abs=5e-5)
    assert found["hard"] == pytest.approx(0.3333, abs=5e-5)
    micro = np.mean([score for scores in VECTOR for score in scores])
    assert found["soft"] != pytest.approx(micro, abs=1e-3)


def test_a_threshold_lets_some_keywords_be_missed():
    assert both(VECTOR, threshold=0.75)["hard"] == pytest.approx(2 / 3)
    assert both(VECTOR, threshold=0.76)["hard"] == pytest.approx(1 / 3)
    assert both(VECTOR, threshold=0.75)["soft"] == both(VECTOR)["soft"]


def test_nothing_is_no_score():
    for score in (soft_of, hard_of):
        with pytest.raises(ValueError, match="without questions"):
            score([])
    assert all(math.isnan(value) for value in both([]).values())


@settings(deadline=None)
@given(
    st.lists(st.lists(st.sampled_from([0.0, 0.25, 0.8, 1.0]), min_size=1, max_size=5), min_size=1, max_size=7)
)
def test_it_equals_the_plain_reference(prompts):
    soft = np.mean([np.mean(scores) for scores in prompts])
    hard = np.mean([float(np.min(scores) == 1) for scores in prompts])
    metric = SoftHard()
    for scores in prompts:
        metric.update([scores])
    found = metric.compute()
    assert found["soft"].item() == pytest.approx(soft)
    assert found["hard"].item() == pytest.approx(hard)
