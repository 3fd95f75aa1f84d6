"""Case 13: both losses and their gradients against the published arithmetic, however a step is cut."""

from __future__ import annotations

import pytest
import torch
from bagel_makers import clean, make_network, make_packer, noised, picture, text
from torch import Tensor
from torch.nn import functional as F

from unictk.backbones.bagel.network import BagelNetwork
from unictk.backbones.bagel.packing import LatentPart, Part, noisy
from unictk.backbones.bagel.patches import patchify
from unictk.backbones.bagel.training import shifted_time, states, token_losses
from unictk.modules.normaliser import mean_over_window
from unictk.samples import Counts

DRAWING: list[Part] = [text(1, 4), noised(2, 3, 2, 0.9)]
EDITING: list[Part] = [clean(3, 1, 3), picture(4, 2, 1), text(5, 3), noised(6, 1, 2, 0.2)]
ASKING: list[Part] = [picture(7, 1, 2), text(8, 3), text(9, 6, target=True)]
CAPTION: list[Part] = [picture(10, 2, 2), text(11, 2, target=True)]
WEIGHTS = {"text": 0.1, "image": 1.0}
WATCHED = (
    "embed_tokens.weight",
    "layers.0.understanding.mlp.down_proj.weight",
    "layers.1.generation.q_norm.weight",
    "connector.fc1.weight",
    "velocity_out.weight",
)


@pytest.fixture
def network() -> BagelNetwork:
    made = make_network(layers=2)
    return made.requires_grad_(True)


def watched(network: BagelNetwork, total: Tensor) -> list[Tensor]:
    named = dict(network.named_parameters())
    return list(torch.autograd.grad(total, [named[name] for name in WATCHED]))


def test_case_13_losses_and_gradients_equal_the_published_arithmetic(network: BagelNetwork) -> None:
    """Means over all label tokens and over all noised latent tokens of the pack."""
    pack = make_packer().pack([DRAWING, EDITING, ASKING])
    loss = token_losses(network, pack).summed()
    share = mean_over_window(loss, Counts(loss.text_count, loss.image_count), 1, 1)
    total = WEIGHTS["text"] * share.text + WEIGHTS["image"] * share.image

    found = states(network, pack)
    logits = network.lm_head(found[pack.label_places])
    text_loss = F.cross_entropy(logits, torch.tensor([*ASKING[2].ids, 197]))
    velocities = []
    for part in (DRAWING[1], EDITING[3]):
        assert isinstance(part, LatentPart)
        assert part.noise is not None
        velocities.append(part.noise - patchify(part.latent, 2))
    drawn = pack.drawn[0] & pack.marks.hidden
    image_loss = ((network.velocity_out(found[drawn]) - torch.cat(velocities)) ** 2).mean()
    torch.testing.assert_close(share.text, text_loss, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(share.image, image_loss, atol=1e-5, rtol=1e-5)
    expected = watched(network, WEIGHTS["text"] * text_loss + WEIGHTS["image"] * image_loss)
    for ours, theirs in zip(watched(network, total), expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("world", "accumulate"), [(1, 4), (4, 1), (2, 2)])
def test_case_13_gradients_do_not_depend_on_how_a_step_is_cut(
    network: BagelNetwork, world: int, accumulate: int
) -> None:
    samples = [DRAWING, EDITING, ASKING, CAPTION]
    packer = make_packer()
    whole = token_losses(network, packer.pack(samples)).summed()
    window = Counts(whole.text_count, whole.image_count)
    assert window == Counts(7 + 3, 6 + 2)

    def total(packs: list[list[list[Part]]], scale: int) -> Tensor:
        shares = [
            mean_over_window(token_losses(network, packer.pack(pack)).summed(), window, world, accumulate)
            for pack in packs
        ]
        return sum(WEIGHTS["text"] * one.text + WEIGHTS["image"] * one.image for one in shares) / scale

    cut = watched(network, total([[sample] for sample in samples], world * accumulate))
    once = watched(network, total([samples], world * accumulate))
    for ours, theirs in zip(cut, once, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_times_are_moved_towards_noise_as_published() -> None:
    times = torch.tensor([0.0, 0.25, 0.5, 1.0])
    assert shifted_time(times, 4.0).tolist() == pytest.approx([0, 4 / 7, 0.8, 1])
    torch.testing.assert_close(shifted_time(times, 1.0), times)


def test_noisy_latents_are_between_latent_and_noise() -> None:
    latents, noise = torch.tensor([[2.0, 4.0], [2.0, 4.0]]), torch.tensor([[0.0, 8.0], [0.0, 8.0]])
    assert noisy(latents, noise, torch.tensor([0.0, 0.75])).tolist() == [[2, 4], [0.5, 7]]
    part = LatentPart(torch.full((4, 2, 2), 2.0), torch.zeros(1, 16), 0.25)
    pack = make_packer().pack([[part]])
    assert pack.latents.tolist() == [[1.5] * 16]
    assert pack.targets.tolist() == [[-2.0] * 16], "from the picture to the noise"
    assert not make_packer().pack([[clean(1)]]).times.any(), "a clean latent is at time 0"
