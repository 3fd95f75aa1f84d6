"""The numbered parity cases of the method's specification that belong to masks, schedules and lengths."""

from __future__ import annotations

import math

import pytest
import torch

from unictk.backbones.showo.masking import (
    SCHEDULES,
    cosine,
    sampling_counts,
    temperatures,
    training_count,
    training_mask,
)
from unictk.backbones.showo.sampling import draw_codes, least_confident
from unictk.backbones.showo.vocabulary import Vocabulary, additive_mask, attention_allowed


def small(pad: int, soi: int, eoi: int, answer: int) -> Vocabulary:
    """A vocabulary whose few special ids are set by hand."""

    class Ids:
        pass

    ids = Ids()
    ids.pad, ids.start_of_image, ids.end_of_image, ids.answer = pad, soi, eoi, answer  # type: ignore[attr-defined]
    return ids  # type: ignore[return-value]


def rows(ids: str, vocabulary: Vocabulary) -> list[str]:
    allowed = attention_allowed(torch.tensor([[int(i) for i in ids.split()]]), vocabulary)[0]
    return ["".join(str(int(cell)) for cell in row) for row in allowed]


def test_case_1_cosine_schedule() -> None:
    found = cosine(torch.tensor([0, 0.1, 0.25, 0.5, 0.75, 0.9, 1]))
    expected = torch.tensor([1, 0.987688, 0.923880, 0.707107, 0.382683, 0.156434, 0])
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_case_2_training_mask_counts() -> None:
    times = (0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.999, 1)
    assert [training_count(t, 1024) for t in times] == [1024, 1011, 946, 724, 392, 160, 2, 1]


def test_case_2_training_mask_is_a_random_subset_of_that_size() -> None:
    sizes = []
    for seed in range(50):
        chance = torch.Generator().manual_seed(seed)
        time = torch.rand((), generator=chance.clone_state()).item()
        mask = training_mask(64, chance)
        assert mask.sum() == training_count(time, 64)
        sizes.append(int(mask.sum()))
    assert len(set(sizes)) > 20
    first = training_mask(64, torch.Generator().manual_seed(1))
    assert not torch.equal(first, first.sort(descending=True).values), "cells must not be the first ones"


def test_case_3_sampling_mask_counts() -> None:
    expected = "255 252 247 240 232 221 209 196 181 164 146 127 108 87 66 44 22 1"
    assert sampling_counts(18, 256) == [int(count) for count in expected.split()]
    found = sampling_counts(50, 1024)
    assert found[:10] == [1023, 1021, 1019, 1015, 1011, 1005, 999, 991, 983, 973]
    assert found[-5:] == [128, 96, 64, 32, 1]
    assert sampling_counts(8, 16) == [15, 14, 13, 11, 8, 6, 3, 1]


def test_case_4_compounded_temperature() -> None:
    found = temperatures(50, 1.0)
    assert [round(t, 4) for t in found[:6]] == [0.98, 0.9408, 0.8844, 0.8136, 0.7322, 0.6444]
    assert round(found[11], 4) == 0.1810
    assert math.isclose(found[48], 3.424e-21, rel_tol=1e-3)
    assert found[49] == 0
    assert [round(t, 4) for t in temperatures(18, 1.0)[:4]] == [0.9444, 0.8395, 0.6996, 0.5441]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sigmoid", (0.850854, 0.5, 0.149146)),
        ("linear", (0.75, 0.5, 0.25)),
        ("pow2", (0.9375, 0.75, 0.4375)),
        ("pow6", (0.999756, 0.984375, 0.822021)),
    ],
)
def test_case_5_other_schedules(name: str, expected: tuple[float, ...]) -> None:
    found = SCHEDULES[name](torch.tensor([0.25, 0.5, 0.75, 1.0]))
    torch.testing.assert_close(found, torch.tensor([*expected, 1e-6]), atol=1e-6, rtol=0)


def test_case_6_generation_mask() -> None:
    vocabulary = small(pad=0, soi=1, eoi=2, answer=99)
    head = ["1000000000", "1100000000", "0010000000", "0011000000", "0011100000"]
    assert rows("0 0 5 6 7 1 20 21 22 2", vocabulary) == head + ["0011111111"] * 5
    pads = ["1000000000", "1100000000", "1110000000", "1111000000", "0000100000"]
    assert rows("0 0 0 0 7 1 20 21 22 2", vocabulary) == pads + ["0000111111"] * 5
    text = ["1000000000", "1100000000", "1110000000", "1111000000", "1111100000"]
    assert rows("3 4 5 6 7 1 20 21 22 2", vocabulary) == text + ["1111111111"] * 5


def test_case_7_understanding_mask() -> None:
    vocabulary = small(pad=0, soi=1, eoi=2, answer=3)
    tail = ["1111111000", "1111111100", "1111111110", "1111111111"]
    assert rows("3 1 20 21 22 2 5 6 7 0", vocabulary) == ["1111110000"] * 6 + tail


def test_an_image_between_texts_sees_all_before_it_and_nothing_behind_it() -> None:
    vocabulary = small(pad=0, soi=1, eoi=2, answer=3)
    found = rows("4 5 1 20 2 6 1 21 2", vocabulary)
    assert found == [
        "100000000",
        "110000000",
        "111110000",
        "111110000",
        "111110000",
        "111111000",
        "111111111",
        "111111111",
        "111111111",
    ]


def test_case_8_additive_mask() -> None:
    mask = additive_mask(torch.tensor([[[True, False], [True, True]]]))
    assert mask.shape == (1, 1, 2, 2)
    assert mask.dtype == torch.float32
    assert mask[0, 0].tolist() == [[0.0, float(torch.iinfo(torch.int64).min)], [0.0, 0.0]]


def test_case_9_remasking_without_noise() -> None:
    log_probability = torch.tensor([[0.9, 0.1, 0.5, 0.3, 0.7, 0.2]]).log()
    masked = torch.ones(1, 6, dtype=torch.bool)
    found = least_confident(log_probability, masked, torch.tensor([3]), 0.0)
    assert found.nonzero()[:, 1].tolist() == [1, 3, 5]


def test_known_cells_are_never_masked_again() -> None:
    log_probability = torch.tensor([[0.9, 0.1, 0.5, 0.3]]).log()
    masked = torch.tensor([[True, False, True, True]])
    found = least_confident(log_probability, masked, torch.tensor([1]), 0.0)
    assert found.tolist() == [[False, False, False, True]]


def test_case_12_id_arithmetic() -> None:
    vocabulary = Vocabulary(text=50295, codebook=8192, end_of_text=50256)
    assert (vocabulary.pad, vocabulary.start_of_image, vocabulary.end_of_image) == (50295, 50296, 50297)
    assert (vocabulary.draw, vocabulary.answer) == (50300, 50301)
    assert (vocabulary.first_code, vocabulary.mask, vocabulary.size) == (50305, 58497, 58498)


def test_draw_codes_follows_the_distribution() -> None:
    """Inverse-CDF draws at many uniform numbers give the softmax's frequencies."""
    logits = torch.tensor([2.0, -1.0, 0.5, 0.0, 1.0])
    uniform = (torch.arange(100_000) + 0.5) / 100_000
    codes, log_probability = draw_codes(logits.expand(1, len(uniform), -1), uniform[None])
    shares = torch.bincount(codes[0], minlength=5) / len(uniform)
    torch.testing.assert_close(shares, logits.softmax(0), atol=1e-4, rtol=0)
    torch.testing.assert_close(log_probability[0].exp(), logits.softmax(0)[codes[0]])
