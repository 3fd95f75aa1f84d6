"""From samples to parts: order, dropped conditions, counts, chance by seed, what does not fit."""

from __future__ import annotations

import pickle

import pytest
import torch
from bagel_makers import make_bagel, make_concept, normal, photo

from unictk.backbones.bagel.backbone import Bagel
from unictk.backbones.bagel.batch import Latent, Look
from unictk.backbones.bagel.layout import BagelLayout
from unictk.backbones.bagel.packing import TextPart
from unictk.backbones.bagel.shelf import Shelf
from unictk.errors import UserError
from unictk.samples import Counts, Image, Sample, Text


@pytest.fixture(scope="module")
def bagel() -> Bagel:
    made = make_bagel(dropout=0.3)
    made.attach([make_concept(made)])
    return made


def drawing(seed: int | None = 1) -> Sample:
    return Sample(Text("A photo of <bo>."), Image(photo(0), target=True), key="d", seed=seed)


def editing(seed: int | None = 1) -> Sample:
    return Sample(Image(photo(1)), Text("Paint it"), Text("red."), Image(photo(2), target=True), seed=seed)


def asking(seed: int | None = 1) -> Sample:
    return Sample(Image(photo(1)), Text("Is <bo> here?"), Text("Yes.", target=True), key="a", seed=seed)


def kinds(layout: BagelLayout, sample: Sample) -> list[str]:
    names = {TextPart: "text", Look: "look", Latent: "latent"}
    parts = layout.plan(sample, Shelf(layout))
    return [names[type(part)] + ("!" if part.dropped else "") for part in parts]


def test_a_picture_of_a_drawings_prompt_stands_twice(bagel: Bagel) -> None:
    layout = bagel.layout
    assert kinds(layout, editing(None)) == ["latent", "look", "text", "latent"]
    assert kinds(layout, asking(None)) == ["look", "text", "text"]
    assert kinds(layout, drawing(None)) == ["text", "latent"]
    parts = layout.plan(editing(None), Shelf(layout))
    assert isinstance(parts[2], TextPart)
    assert parts[2].ids == layout.codec.encode("Paint it\nred."), "two texts of a prompt are one, a line each"
    assert isinstance(parts[0], Latent)
    assert isinstance(parts[3], Latent)
    assert (parts[0].noise, parts[0].time) == (None, 0.0)
    assert parts[3].noise is not None
    assert parts[3].time == 1.0, "without chance a target is drawn from pure noise"


def test_conditions_are_dropped_each_on_its_own_and_only_for_drawings(bagel: Bagel) -> None:
    layout = bagel.layout
    found = [kinds(layout, editing(seed)) for seed in range(300)]
    for place, whole in enumerate(("latent!", "look!", "text!")):
        share = sum(line[place] == whole for line in found) / len(found)
        assert 0.2 < share < 0.4
    assert len({tuple(line) for line in found}) == 8
    assert all(line[3] == "latent" for line in found)
    assert all(kinds(layout, asking(seed)) == ["look", "text", "text"] for seed in range(30))


def test_draws_come_from_the_samples_seed_alone(bagel: Bagel) -> None:
    layout = bagel.layout

    def target(sample: Sample) -> Latent:
        part = layout.plan(sample, Shelf(layout))[-1]
        assert isinstance(part, Latent)
        assert part.noise is not None
        assert part.chance is not None
        return part

    one, same, other = target(drawing(5)), target(drawing(5)), target(drawing(6))
    assert torch.equal(one.noise, same.noise)
    assert torch.equal(one.chance, same.chance)
    assert (one.time, one.time != other.time) == (same.time, True)
    assert not torch.equal(one.noise, other.noise)
    times = [target(drawing(seed)).time for seed in range(200)]
    assert 0.4 < sum(times) / 200 < 0.6
    late = make_bagel().layout
    late.time_shift = 4.0
    moved = [late.plan(drawing(seed), Shelf(late))[-1].time for seed in range(200)]
    assert sum(moved) / 200 > 0.7, "a shift of 4 moves times towards noise"


def test_counts_and_lengths(bagel: Bagel) -> None:
    layout, encode = bagel.layout, bagel.layout.codec.encode
    assert layout.counts(drawing()) == Counts(0, 4)
    assert layout.counts(asking()) == Counts(len(encode("Yes.")) + 1, 0)
    texts = len(encode("Paint it\nred.")) + 2
    assert layout.length(editing()) == 6 + 18 + texts + 6
    batch = layout.collate([drawing(), asking(), editing(2)])
    assert batch.size == 3
    assert batch.counts == batch.window == Counts(len(encode("Yes.")) + 1, 8)


def test_pictures_are_sent_once_and_only_where_needed(bagel: Bagel) -> None:
    sample = editing(None)
    parts = bagel.layout.collate([sample, sample, asking()]).parts
    assert len(parts.keys) == 2
    assert sorted(parts.pixels) == [0, 1]
    assert sorted(parts.views) == [0]
    assert parts.pixels[0].shape == (3, 32, 32)
    assert parts.views[0].shape == (3, 16, 16)
    only_seen = bagel.layout.collate([asking()]).parts
    assert (list(only_seen.pixels), list(only_seen.views)) == ([], [0])


def test_the_layout_travels_to_loader_workers(bagel: Bagel) -> None:
    again = pickle.loads(pickle.dumps(bagel.layout))
    mine, theirs = bagel.layout.collate([drawing(3)]).parts, again.collate([drawing(3)]).parts
    assert torch.equal(mine.samples[0][-1].noise, theirs.samples[0][-1].noise)
    assert mine.keys == theirs.keys


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        (Sample(Text("a")), "its last segment must be a target"),
        (Sample(), "its last segment must be a target"),
        (
            Sample(Image(photo(0), target=True), Text("a", target=True)),
            "only its last segment may be a target image",
        ),
        (
            Sample(Image(photo(0), target=True, masked=torch.ones(4, dtype=torch.bool))),
            "it masks cells of a picture, and this model draws whole pictures",
        ),
        (
            Sample(Text("a"), Image(None, target=True, codes=normal(0, 4, 2, 4))),
            "one of its latents is (4, 2, 4) and this model's are (4, 4, 4)",
        ),
    ],
)
def test_samples_that_do_not_fit(bagel: Bagel, sample: Sample, reason: str) -> None:
    assert bagel.layout.supports(sample) == reason


def test_samples_that_are_too_long(bagel: Bagel) -> None:
    long = Sample(*[Image(photo(n)) for n in range(11)], Image(photo(0), target=True))
    reason = bagel.layout.supports(long)
    assert reason == f"it needs {11 * 24 + 6} positions and the limit is 256"
    with pytest.raises(ValueError, match="needs 270 positions"):
        bagel.layout.collate([long])
    assert bagel.layout.supports(editing()) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 1000}, r"layout.image_size: 1000 is not a multiple of 16 up to 1024; nearest: 992"),
        ({"image_size": 2048}, r"nearest: 1024"),
        ({"vision_size": 500}, r"layout.vision_size: 500 is not a multiple of 14 up to 980; nearest: 490"),
        ({"vocabulary": 1000}, r"layout.vocabulary: 1000 is too small"),
    ],
)
def test_sizes_that_do_not_fit(options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        BagelLayout(**options)
