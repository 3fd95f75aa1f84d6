"""The FLUX autoencoder: golden numbers (case 16), sampling, odd shapes, sizes that do not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from bagel_makers import make_autoencoder, normal
from safetensors.torch import load_file
from torch.nn import functional as F

from unictk.backbones.bagel.autoencoder import FluxAutoencoder
from unictk.errors import UserError

GOLDEN = Path(__file__).parents[2] / "golden" / "bagel"


@torch.no_grad()
def test_case_16_golden_mean_and_decoded_picture() -> None:
    sizes = json.loads((GOLDEN / "meta.json").read_text())["vae"]
    made = FluxAutoencoder(sizes["ch"], sizes["ch_mult"], sizes["num_res_blocks"], sizes["z_channels"])
    made.load_state_dict({k: v.float() for k, v in load_file(GOLDEN / "ae.safetensors").items()})
    io = load_file(GOLDEN / "io.safetensors")
    posterior = made.encode(io["vae.pixels"])
    torch.testing.assert_close(posterior.mean, io["vae.latent_mean"], atol=1e-5, rtol=0)
    torch.testing.assert_close(made.decode(io["vae.latent_mean"]), io["vae.decoded"], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_case_16_a_sample_of_the_posterior() -> None:
    """From the encoder's own numbers: z = mean + exp(log variance / 2) * noise, then scale * (z - shift)."""
    made, pixels, noise = make_autoencoder(), normal(1, 2, 3, 24, 40).clamp(-1, 1), normal(2, 2, 4, 3, 5)
    raw = made.encoder(pixels)
    mean, log_variance = raw[:, :4], raw[:, 4:]
    expected = 0.3611 * (mean + (0.5 * log_variance).exp() * noise - 0.1159)
    torch.testing.assert_close(made.encode(pixels).sample(noise), expected)
    assert made.decode(expected).shape == (2, 3, 24, 40)


@torch.no_grad()
def test_the_last_level_of_the_encoder_and_the_padding_of_halving() -> None:
    """One halving by hand: zeros to the right and below, a convolution of stride 2."""
    made, x = make_autoencoder(), normal(3, 1, 32, 6, 4)
    layer = made.encoder.down[0].downsample
    expected = F.conv2d(F.pad(x, (0, 1, 0, 1)), layer.conv.weight, layer.conv.bias, stride=2)
    torch.testing.assert_close(layer(x), expected)
    assert isinstance(made.encoder.down[3].downsample, torch.nn.Identity)
    assert [len(level.block) for level in made.decoder.up] == [2, 2, 2, 2]


def test_the_published_sizes_have_fluxs_names() -> None:
    with torch.device("meta"):
        names = {name: tuple(tensor.shape) for name, tensor in FluxAutoencoder().state_dict().items()}
    assert names["encoder.conv_out.weight"] == (32, 512, 3, 3)
    assert names["decoder.up.0.block.0.nin_shortcut.weight"] == (128, 256, 1, 1)
    assert names["decoder.conv_in.weight"] == (512, 16, 3, 3)
    assert not any("quant_conv" in name for name in names)
    assert len(names) == 244


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UserError, match=r"autoencoder.channels: 40 is not a multiple of 32; nearest: 32"):
        FluxAutoencoder(40)
    with pytest.raises(ValueError, match=r"sides \(24, 20\) are not multiples of 8"):
        make_autoencoder().encode(torch.zeros(1, 3, 24, 20))
