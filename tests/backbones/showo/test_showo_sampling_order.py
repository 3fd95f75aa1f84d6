"""How cells are chosen and guided while a picture is drawn: what differs from the published way."""

from __future__ import annotations

import pytest
import torch
from showo_makers import make_showo

from unictk.backbones.showo.masking import guidances
from unictk.backbones.showo.sampling import CellNoise
from unictk.samples import Request, Sampling, Text


def test_rising_guidance_is_none_at_first_and_whole_at_last() -> None:
    assert guidances(4, 3.0, "constant") == [3.0] * 4
    assert guidances(4, 3.0, "rising") == [0, 0, 1.5, 3.0]
    assert guidances(5, 3.0, "rising") == [0, 0, 1.0, 2.0, 3.0]
    assert guidances(1, 3.0, "rising") == [3.0]


def kept(order: str, seed: int, steps: int = 6) -> list[torch.Tensor]:
    """The grids of every step."""
    showo = make_showo()
    sampling = Sampling(steps=steps, guidance=1.0, guidance_schedule="rising", order=order)  # type: ignore[arg-type]
    (drafts,) = showo.drafts([Request(Text("A cup."), seed=seed, sampling=sampling)], steps)
    return [draft.codes for draft in drafts]


def test_random_order_keeps_the_cells_of_largest_noise_whatever_their_confidence() -> None:
    first, second = kept("random", 3)[:2]
    noise = CellNoise(3, first.numel(), 6, torch.device("cpu")).gumbel[0]
    shown = noise.argsort(descending=True)[:1]
    assert torch.equal(first[shown], second[shown])
    assert not torch.equal(first, second), "the others are drawn again"


def test_orders_draw_different_pictures_from_the_same_noise() -> None:
    assert not torch.equal(kept("random", 3)[-1], kept("confidence", 3)[-1])


@pytest.mark.parametrize("order", ["random", "confidence"])
def test_a_batch_of_rising_guidance_equals_its_pictures_alone(order: str) -> None:
    showo = make_showo()
    sampling = Sampling(steps=5, guidance=2.0, guidance_schedule="rising", order=order)  # type: ignore[arg-type]
    texts = ("A cup.", "A dog in a park.", "A cup.")
    requests = [Request(Text(text), key=str(i), seed=i, sampling=sampling) for i, text in enumerate(texts)]
    for image, request in zip(showo.generate_images(requests), requests, strict=True):
        assert torch.equal(image.codes, showo.generate_images([request])[0].codes)
