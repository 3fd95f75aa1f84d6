"""The network and the image tokenizer against stock classes that compute the same otherwise."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers import (
    ChameleonForConditionalGeneration,
    ChameleonImageProcessor,
    ChameleonVQVAE,
    ChameleonVQVAEConfig,
    JanusVQVAEConfig,
    SiglipVisionModel,
)
from transformers.models.janus.modeling_janus import JanusVQVAEDecoder
from unitoken_makers import formula_network, formula_pixels

from unictk.backbones.pictures import from_levels, to_levels
from unictk.backbones.unitoken.configs import language_config, vision_config
from unictk.backbones.unitoken.network import UniTokenNetwork
from unictk.backbones.unitoken.vq import VQTokenizer
from unictk.errors import UserError

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
}
TOWER = {
    "hidden_size": 24,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 12,
    "patch_size": 4,
}


def random_network(shards: int = 1) -> UniTokenNetwork:
    torch.manual_seed(shards)
    network = UniTokenNetwork(
        language_config(**SIZES, model_parallel_size=shards), vision_config(**TOWER), vocabulary=60
    )
    for name, parameter in network.named_parameters():
        if "_norm." in name:
            torch.nn.init.normal_(parameter)
    return network.requires_grad_(False).eval()


def stock(network: UniTokenNetwork, names: dict[str, int]) -> ChameleonForConditionalGeneration:
    config = network.model.config
    config.vocabulary_map = names
    return ChameleonForConditionalGeneration(config).eval()


def states_of(network: UniTokenNetwork) -> dict[str, Tensor]:
    return {k: v for k, v in network.state_dict().items() if k.startswith(("model.", "lm_head."))}


@pytest.mark.parametrize("shards", [1, 2])
def test_case_6_norms_shared_by_a_shard_equal_the_stock_rows(shards: int) -> None:
    network = random_network(shards)
    other = stock(network, {})
    ours = states_of(network)
    assert ours["model.layers.0.self_attn.q_norm.weight"].shape == (shards, 8)
    with pytest.raises(RuntimeError, match="size mismatch"):
        other.load_state_dict(ours, strict=False)
    expanded = {
        k: v.repeat_interleave(4 // shards, 0) if "_norm." in k and "self_attn" in k else v
        for k, v in ours.items()
    }
    missing = other.load_state_dict(expanded, strict=False)
    assert not missing.unexpected_keys
    assert all(name.startswith("model.vqmodel.") for name in missing.missing_keys)
    ids = torch.arange(3, 17)[None]
    hidden = network.trunk(network.embed(ids, None), torch.arange(14)[None])
    assert (network.logits(hidden, None) - other(ids).logits).abs().max() < 3e-6


def test_case_7_image_logits_are_blank_only_when_asked() -> None:
    network = random_network()
    other = stock(network, {"IMGIMGAZ": 20, "IMGIMGBZ": 21, "other": 22})
    ids = torch.arange(3, 9)[None]
    blanked = other(ids).logits
    lowest = torch.finfo(torch.float32).min
    assert (blanked[..., 20:22] == lowest).all()
    hidden = network.trunk(network.embed(ids, None), torch.arange(6)[None])
    plain = network.logits(hidden, None)
    assert plain.min() > -1e3
    asked = network.logits(hidden, None, blank=slice(20, 22))
    assert (asked[..., 20:22] == lowest).all()
    assert torch.equal(asked[..., 22:], plain[..., 22:])
    sliced = network.code_logits(hidden, slice(20, 22))
    assert torch.allclose(sliced, plain[..., 20:22], atol=1e-6)


def small_vq() -> VQTokenizer:
    torch.manual_seed(3)
    return VQTokenizer(32, (1, 2), 1, 8, 16, 8).requires_grad_(False)


def test_case_8_encoding_equals_the_stock_class() -> None:
    ours = small_vq()
    config = ChameleonVQVAEConfig(
        embed_dim=8,
        num_embeddings=16,
        latent_channels=8,
        resolution=16,
        base_channels=32,
        channel_multiplier=[1, 2],
        num_res_blocks=1,
    )
    other = ChameleonVQVAE(config).eval()
    loaded = other.load_state_dict(ours.state_dict(), strict=False)
    assert not loaded.missing_keys
    assert all(name.startswith("decoder.") for name in loaded.unexpected_keys)
    pixels = torch.rand(2, 3, 16, 16) * 2 - 1
    found = ours.codes(pixels)
    assert found.shape == (2, 8, 8)
    assert len(found.unique()) > 3
    assert torch.equal(found.flatten(), other.encode(pixels).image_tokens.flatten())


def test_published_sizes_have_the_published_number_of_tensors() -> None:
    with torch.device("meta"):
        names = VQTokenizer().state_dict()
    count = {part: sum(name.startswith(part) for name in names) for part in ("encoder.", "decoder.")}
    assert count == {"encoder.": 124, "decoder.": 164}
    assert len(names) == 293
    assert sum(t.numel() for n, t in names.items() if n.startswith("decoder.")) == 39_294_851
    with torch.device("meta"):
        network = UniTokenNetwork(language_config(), vision_config(), 65536)
    parameters = dict(network.named_parameters())
    assert len(parameters) == 871
    sizes = {
        part: sum(p.numel() for n, p in parameters.items() if n.startswith(part))
        for part in ("model.", "lm_head.", "adapter.", "vit.head.", "vit.")
    }
    assert sizes["model."] + sizes["lm_head."] == 7_013_158_912
    assert sizes["adapter."] == 21_504_000
    assert sizes["vit.head."] == 15_238_352
    assert sizes["vit."] - sizes["vit.head."] == 412_987_248


def test_case_9_decoding_equals_the_taming_decoder() -> None:
    ours = small_vq()
    config = JanusVQVAEConfig(
        embed_dim=8,
        num_embeddings=16,
        latent_channels=8,
        base_channels=32,
        channel_multiplier=[1, 2],
        num_res_blocks=1,
    )
    other = JanusVQVAEDecoder(config).eval()
    for level in other.up:
        level.attn = torch.nn.ModuleList()
    state = {}
    for name, tensor in ours.decoder.state_dict().items():
        parts = name.split(".")
        if parts[0] == "up":
            parts[1] = str(1 - int(parts[1]))
        state[".".join(parts)] = tensor
    other.load_state_dict(state)
    codes = torch.arange(16).view(1, 4, 4)
    vectors = ours.post_quant_conv(ours.quantize.embedding(codes).movedim(-1, 1))
    difference = (ours.decode_raw(codes) - other(vectors)).abs().max()
    assert difference < 2e-6
    assert ours.decode_raw(codes).std() > 0.01


def test_case_9_levels_are_cut_off() -> None:
    assert to_levels(torch.tensor([-2.0, -0.5, 0.0, 0.5, 2.0])).tolist() == [0, 63, 127, 191, 255]


def test_case_10_pixels_as_the_encoder_reads_them() -> None:
    levels = torch.tensor([0, 1, 127, 128, 254, 255], dtype=torch.uint8)
    expected = torch.tensor([-1.0, -0.992157, -0.003922, 0.003922, 0.992157, 1.0])
    assert torch.allclose(from_levels(levels), expected, atol=1e-6)


def test_case_10_the_stock_processor_has_other_pixels() -> None:
    """Why it is not used: its white is not 1, so its codes are others."""
    levels = torch.tensor([0, 1, 127, 128, 254, 255], dtype=torch.uint8)
    picture = levels.repeat(3, 4, 1)
    theirs = ChameleonImageProcessor()(
        [picture], do_resize=False, do_center_crop=False, do_convert_rgb=False, return_tensors="pt"
    )["pixel_values"][0, 0, 0]
    assert torch.allclose(theirs, levels * 0.0078 - 1, atol=1e-4)
    assert theirs[-1] == pytest.approx(0.989, abs=1e-4)
    assert (theirs - from_levels(levels)).abs().max() > 0.01


def test_case_11_the_tower_equals_the_stock_class_with_and_without_its_head() -> None:
    network = formula_network()
    pixels = formula_pixels(2, 0.5)
    ours = network.vision_states(pixels)
    state = network.vit.state_dict()
    for head in (True, False):
        config = vision_config(
            intermediate_size=64,
            num_hidden_layers=1,
            num_attention_heads=4,
            image_size=28,
            pooling_head=head,
        )
        other = SiglipVisionModel(config).eval()
        loaded = other.load_state_dict(state, strict=False)
        assert not loaded.missing_keys
        assert len(loaded.unexpected_keys) == (0 if head else 11)
        for native in (True, False):
            found = other(pixels, interpolate_pos_encoding=native).last_hidden_state
            assert torch.allclose(found, ours, atol=1e-6)


def test_sizes_that_do_not_fit_are_one_line() -> None:
    with pytest.raises(UserError, match=r"hidden_size: 30 and num_attention_heads 4"):
        language_config(**{**SIZES, "hidden_size": 30})
    with pytest.raises(UserError, match=r"channels: 48 is not a multiple of 32; nearest: 32"):
        VQTokenizer(48)
    with pytest.raises(ValueError, match=r"\(9, 8\) are not multiples of 2"):
        small_vq().codes(torch.zeros(1, 3, 9, 8))
