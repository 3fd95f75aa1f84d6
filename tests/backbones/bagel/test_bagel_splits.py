"""Who sees whom in a pack, and at which position: the numbered cases 3 and 14, and pictures of any shape."""

from __future__ import annotations

import random

import pytest
import torch
from bagel_makers import clean, make_packer, noised, normal, picture, text
from torch.nn.attention.flex_attention import create_mask

from unictk.backbones.bagel.packing import PicturePart
from unictk.backbones.bagel.splits import Kind, Marks, Split, sample_positions


def splits(*described: str) -> list[Split]:
    """``3c`` is three tokens of text, ``4f`` an image of four, ``4n`` one of noise."""
    kinds: dict[str, Kind] = {"c": "text", "f": "image", "n": "noise"}
    return [Split(kinds[one[-1]], int(one[:-1])) for one in described]


def as_lines(marks: Marks) -> list[str]:
    return ["".join(str(int(cell)) for cell in row) for row in marks.dense()[0]]


def test_case_3_masks_of_all_split_kinds() -> None:
    """By hand from the rule: causal text, open images, noise that only its own split sees."""
    assert as_lines(Marks.of([splits("3c", "4f", "2c", "4n", "2c")])) == [
        "100000000000000",
        "110000000000000",
        "111000000000000",
        *["111111100000000"] * 4,
        "111111110000000",
        "111111111000000",
        *["111111111111100"] * 4,
        "111111111000010",
        "111111111000011",
    ]


@pytest.mark.parametrize("seed", range(8))
def test_case_3_random_splits_dense_and_flex_agree_with_the_rule(seed: int) -> None:
    chance = random.Random(seed)
    kinds: list[Kind] = ["text", "image", "noise"]
    samples = [
        [Split(chance.choice(kinds), chance.randint(1, 6)) for _ in range(chance.randint(1, 6))]
        for _ in range(3)
    ]
    marks = Marks.of(samples)
    owner = [
        (number, place, split.kind)
        for number, sample in enumerate(samples)
        for place, split in enumerate(sample)
        for _ in range(split.length)
    ]
    expected = torch.zeros(len(owner), len(owner), dtype=torch.bool)
    for q, (sample, place, kind) in enumerate(owner):
        for k, (other, elsewhere, key_kind) in enumerate(owner):
            if sample != other:
                continue
            same = place == elsewhere
            expected[q, k] = (kind != "text" or q >= k) if same else (k < q and key_kind != "noise")
    assert torch.equal(marks.dense()[0], expected)
    flex = create_mask(marks.rule(), 1, 1, len(owner), len(owner), device="cpu")
    assert torch.equal(flex[0, 0], expected)


def test_case_14_positions_of_every_kind_of_split() -> None:
    found, following = sample_positions(splits("3c", "4f", "2c", "4n", "4f", "2c"))
    assert found.tolist() == [0, 1, 2, 3, 3, 3, 3, 4, 5, 6, 6, 6, 6, 6, 6, 6, 6, 7, 8]
    assert following == 9, "a clean image after its noised copy takes the same position"


def test_case_14_dropped_splits() -> None:
    dropped = [
        Split("text", 3, dropped=True),
        Split("image", 5, dropped=True),
        Split("image", 2, step=4),
        Split("text", 2),
    ]
    found, following = sample_positions(dropped)
    assert found.tolist() == [1, 1, 5, 6], "an image keeps its position, a text does not; frames move on by 4"
    assert following == 7
    assert len(Marks.of([dropped])) == 4


def test_a_pack_lays_parts_out_in_order() -> None:
    parts = [noised(1), clean(2, 1, 3), picture(3), text(4, 2), text(5, 3, target=True)]
    pack = make_packer().pack([parts, [text(6, 1)]])
    lengths = [6, 5, 8, 4, 5, 3]
    assert len(pack) == sum(lengths)
    assert pack.latent_places.tolist() == [1, 2, 3, 4, 7, 8, 9]
    assert pack.table_places.tolist() == [0, 1, 8, 9, 0, 1, 2]
    assert pack.times.tolist() == pytest.approx([0.7] * 4 + [0.0] * 3)
    assert pack.target_places.tolist() == [1, 2, 3, 4]
    assert pack.picture_places.tolist() == list(range(12, 18))
    start = 6 + 5 + 8 + 4
    assert pack.label_places.tolist() == [start, start + 1, start + 2, start + 3]
    assert pack.labels.tolist() == [*parts[4].ids, 197]
    by_place = dict(zip(pack.id_places.tolist(), pack.ids.tolist(), strict=True))
    assert [by_place[i] for i in (0, 5, 6, 10, start - 4, start - 1)] == [198, 199, 198, 199, 196, 197]
    assert pack.positions[0].tolist()[:11] == [0] * 11
    assert pack.drawn[0].nonzero()[:, 0].tolist() == pack.latent_places.tolist()


def test_dropped_parts_have_no_tokens() -> None:
    parts = [picture(1, dropped=True), clean(2, dropped=True), text(3, 2, dropped=True), text(4, 2)]
    pack = make_packer().pack([parts])
    assert (len(pack), pack.pictures, len(pack.latents)) == (4, [], 0)
    assert pack.positions[0].tolist() == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (PicturePart(normal(0, 3, 14, 20)), "14 x 20 is not made of squares of side 14"),
        (PicturePart(normal(0, 3, 70, 14)), "5 x 1 patches; the position table has 4 x 4"),
        (clean(0, 9, 1), "9 x 1 patches; the position table has 8 x 8"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(part, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_packer().pack([[part]])


def test_a_pack_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="a pack without any token"):
        make_packer().pack([[text(1, 2, dropped=True)]])
