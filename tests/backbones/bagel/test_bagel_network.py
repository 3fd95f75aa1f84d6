"""The network against formulas written out (``plain_bagel``): cases 1, 4, 9, 10, 11, and odd shapes."""

from __future__ import annotations

import math

import pytest
import torch
from bagel_makers import SIZES, clean, make_network, make_packer, noised, normal, picture, text
from plain_bagel import PlainBagel, grid_vector
from torch import Tensor

from unictk.backbones.bagel.names import published
from unictk.backbones.bagel.network import BagelNetwork
from unictk.backbones.bagel.patches import patchify, places, unpatchify
from unictk.backbones.bagel.positions import grid_table, time_features
from unictk.backbones.bagel.training import token_losses


def plain(network: BagelNetwork) -> PlainBagel:
    return PlainBagel({published(name): tensor for name, tensor in network.state_dict().items()})


@pytest.fixture(scope="module")
def network() -> BagelNetwork:
    return make_network()


SAMPLES = {
    "drawing": [text(1, 4), noised(2, 3, 2)],
    "editing": [clean(3, 1, 4), picture(4, 3, 1), text(5, 5), noised(6, 2, 3, 0.3)],
    "asking": [picture(7, 1, 4), text(8, 3), text(9, 4, target=True)],
    "target then context": [noised(10, 2, 2), clean(11, 2, 2), picture(12, 2, 2), text(13, 3, target=True)],
}


@torch.no_grad()
@pytest.mark.parametrize("name", SAMPLES)
def test_case_1_packed_training_equals_the_formulas(network: BagelNetwork, name: str) -> None:
    sample = SAMPLES[name]
    found = token_losses(network, make_packer().pack([sample]))
    if len(found.image):
        pack = make_packer().pack([sample])
        velocity = plain(network).velocity(sample)
        expected = (velocity - pack.targets.double()) ** 2
        torch.testing.assert_close(found.image.double(), expected, atol=1e-4, rtol=1e-4)
    if len(found.text):
        expected = plain(network).cross_entropies(sample)
        torch.testing.assert_close(found.text.double(), expected, atol=1e-5, rtol=1e-5)
    assert len(found.image) + len(found.text)


@torch.no_grad()
def test_case_4_a_pack_of_samples_equals_each_alone(network: BagelNetwork) -> None:
    packer, samples = make_packer(), list(SAMPLES.values())
    together = token_losses(network, packer.pack(samples))
    alone = [token_losses(network, packer.pack([sample])) for sample in samples]
    torch.testing.assert_close(together.text, torch.cat([one.text for one in alone]), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(together.image, torch.cat([one.image for one in alone]), atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.filterwarnings("ignore:flex_attention called without")
def test_flex_attention_gives_the_losses_of_the_dense_mask(network: BagelNetwork) -> None:
    pack = make_packer().pack([SAMPLES["editing"], SAMPLES["asking"]])
    dense, flex = token_losses(network, pack), token_losses(network, pack, flex=True)
    torch.testing.assert_close(dense.text, flex.text, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(dense.image, flex.image, atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize(("height", "width"), [(56, 28), (28, 56)])
def test_case_9_pictures_that_are_not_square(network: BagelNetwork, height: int, width: int) -> None:
    pixels = normal(1, 3, height, width)
    (found,) = network.see([pixels])
    expected = torch.stack(plain(network).vision(pixels))
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-5)
    turned = network.see([pixels.transpose(1, 2)])[0].unflatten(0, (width // 14, height // 14))
    assert (turned.transpose(0, 1).flatten(0, 1) - found).abs().max() > 0.01, "rows and columns differ"


@torch.no_grad()
def test_pictures_of_a_batch_do_not_see_each_other(network: BagelNetwork) -> None:
    pictures = [
        normal(i, 3, 14 * rows, 14 * columns) for i, (rows, columns) in enumerate([(1, 1), (3, 4), (2, 2)])
    ]
    for found, pixels in zip(network.see(pictures), pictures, strict=True):
        torch.testing.assert_close(found, network.see([pixels])[0], atol=1e-5, rtol=1e-5)


def test_case_10_patches_and_back() -> None:
    latent = torch.arange(4.0 * 6 * 10).view(4, 6, 10)
    tokens = patchify(latent, 2)
    assert tokens.shape == (15, 16)
    assert tokens[6].tolist() == [
        latent[c, 2 + y, 2 + x].item() for y in (0, 1) for x in (0, 1) for c in range(4)
    ]
    assert torch.equal(unpatchify(tokens, (3, 5), 2), latent)
    picture = torch.arange(3.0 * 28 * 14).view(3, 28, 14)
    assert torch.equal(unpatchify(patchify(picture, 14), (2, 1), 14), picture)
    assert places((2, 3), 70).tolist() == [0, 1, 2, 70, 71, 72]


@pytest.mark.parametrize(("side", "width"), [(4, 16), (64, 64)])
def test_case_11_position_tables(side: int, width: int) -> None:
    table = grid_table(side, width)
    assert table.shape == (side * side, width)
    for row, column in [(0, 0), (0, side - 1), (side - 1, 1), (side // 2, side - 2)]:
        expected = grid_vector(row, column, width).float()
        torch.testing.assert_close(table[row * side + column], expected, atol=1e-6, rtol=0)
    assert not torch.allclose(table[1], table[side]), "columns come first"


def test_case_11_times() -> None:
    found = time_features(torch.tensor([0, 0.5, 1.0]))
    assert found.shape == (3, 256)
    assert found[0].tolist() == [1.0] * 128 + [0.0] * 128
    for row, time in ((1, 0.5), (2, 1.0)):
        for i in (0, 1, 64, 127):
            angle = time / 10000 ** (i / 128)
            assert found[row, i].item() == pytest.approx(math.cos(angle), abs=1e-6)
            assert found[row, 128 + i].item() == pytest.approx(math.sin(angle), abs=1e-6)


def gradient_names(network: BagelNetwork, sample: list) -> set[str]:
    network.requires_grad_(True)
    loss = token_losses(network, make_packer().pack([sample])).summed()
    (loss.text_sum + loss.image_sum).backward()
    moved = {name for name, p in network.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    given = {name for name, p in network.named_parameters() if p.grad is not None}
    layers = {name for name, _ in network.named_parameters() if name.startswith(("layers.", "norm."))}
    assert layers <= given, "every expert has a gradient, zero where no token was its own"
    network.requires_grad_(False)
    network.zero_grad()
    return moved


def test_tokens_go_to_their_experts() -> None:
    network = make_network(layers=2)
    asked = gradient_names(network, SAMPLES["asking"])
    assert not any("generation" in name for name in asked)
    assert {"layers.0.understanding.q_norm.weight", "connector.fc1.weight", "lm_head.weight"} <= asked
    drawn = gradient_names(network, SAMPLES["drawing"])
    assert {"layers.1.generation.mlp.up_proj.weight", "norm.generation.weight", "time.0.bias"} <= drawn
    assert "norm.understanding.weight" not in drawn, "nothing is read from the last understanding states"


def test_random_weights_come_from_their_seed_and_experts_can_start_equal() -> None:
    network = make_network(layers=1)
    network.draw_weights(3)
    assert 0.015 < network.lm_head.weight.std() < 0.025
    assert network.norm.generation.weight.tolist() == [1.0] * 64
    assert not network.layers[0].generation.q_proj.bias.any()
    first = network.layers[0].understanding.q_proj.weight.clone()
    network.draw_weights(3)
    assert torch.equal(network.layers[0].understanding.q_proj.weight, first)
    assert not torch.equal(network.layers[0].generation.q_proj.weight, first)
    network.copy_understanding()
    pairs = zip(
        network.layers[0].generation.parameters(), network.layers[0].understanding.parameters(), strict=True
    )
    assert all(torch.equal(one, other) for one, other in pairs)


def test_checkpointed_layers_give_the_same_gradient() -> None:
    network, sample = make_network(layers=2), SAMPLES["editing"]
    weight = network.layers[0].generation.k_proj.weight

    def gradient() -> Tensor:
        weight.requires_grad_(True)
        loss = token_losses(network, make_packer().pack([sample])).summed().image_sum
        return torch.autograd.grad(loss, weight)[0]

    expected = gradient()
    network.checkpoint_blocks = True
    torch.testing.assert_close(gradient(), expected)
    assert SIZES.latent_width == 16
