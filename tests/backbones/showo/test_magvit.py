"""MAGVIT-v2 against the golden numbers, the published sizes, and itself."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from unictk.backbones.showo.magvit import MagvitV2, SignQuantizer
from unictk.errors import UserError

GOLDEN = Path(__file__).parents[2] / "golden" / "showo"
META = json.loads((GOLDEN / "meta.json").read_text())


def golden_size() -> MagvitV2:
    sizes = META["magvit"]
    multipliers, blocks = sizes["ch_mult"], sizes["num_res_blocks"]
    return MagvitV2(sizes["ch"], multipliers, blocks, multipliers, blocks, sizes["z_channels"])


@pytest.fixture(scope="module")
def golden() -> tuple[MagvitV2, dict[str, torch.Tensor]]:
    model = golden_size().requires_grad_(False)
    model.load_state_dict(load_file(GOLDEN / "magvit_model.safetensors"))
    return model, load_file(GOLDEN / "magvit_io.safetensors")


def test_golden_hidden_codes_and_pixels(golden):
    model, io = golden
    tolerance = META["magvit_outputs"]
    assert (model.encode(io["pixels"]) - io["hidden"]).abs().max() <= tolerance["hidden"]
    assert torch.equal(model.codes(io["pixels"]), io["codes"])
    raw = model.decode_raw(io["codes"])
    assert raw.shape == io["decoded"].shape
    assert (raw - io["decoded"]).abs().max() <= tolerance["decoded"]
    assert torch.equal(model.decode(io["codes"]), ((raw + 1) / 2).clamp(0, 1))
    assert raw.abs().max() > 1, "the clamp would not be seen"


def test_golden_weights_have_exactly_our_names(golden):
    model, _ = golden
    ours = {name: tuple(t.shape) for name, t in model.state_dict().items()}
    theirs = {n: tuple(t.shape) for n, t in load_file(GOLDEN / "magvit_model.safetensors").items()}
    assert ours == theirs


def test_case_31_published_sizes():
    with torch.device("meta"):
        model = MagvitV2()
    assert len(model.state_dict()) == 382
    assert sum(p.numel() for p in model.parameters()) == 95_387_004
    assert sum(p.numel() for p in model.encoder.parameters()) == 55_439_171
    assert sum(p.numel() for p in model.decoder.parameters()) == 39_947_833
    state = model.state_dict()
    assert state["quantize.embedding"].shape == (8192, 13)
    assert state["quantize.power_vals"].shape == (13,)
    assert state["encoder.down.1.block.2.conv2.weight"].shape == (256, 256, 3, 3)
    assert state["encoder.down.3.block.0.nin_shortcut.weight"].shape == (512, 256, 1, 1)
    assert state["decoder.up.4.block.2.conv1.weight"].shape == (512, 512, 3, 3)
    assert "decoder.up.0.upsample.conv.weight" not in state
    assert "encoder.down.4.downsample.conv.weight" not in state
    assert (model.downsample, model.codebook_size) == (16, 8192)


def test_case_31_published_number_of_codes():
    with torch.device("meta"):
        model = MagvitV2()
        assert model.codes(torch.zeros(1, 3, 64, 64)).shape == (1, 16)
        assert model.codes(torch.zeros(1, 3, 512, 512)).shape == (1, 1024)
        assert model.decode(torch.zeros(2, 16, dtype=torch.long)).shape == (2, 3, 64, 64)


@pytest.mark.parametrize(
    ("code", "ones"),
    [(0, []), (1, [12]), (4096, [0]), (5461, [0, 2, 4, 6, 8, 10, 12]), (8191, list(range(13)))],
)
def test_bits_of_a_code(code, ones):
    # 5461 = binary 1010101010101: alternating, starting with +1
    expected = torch.full((13,), -1.0)
    expected[ones] = 1.0
    assert torch.equal(SignQuantizer(13).bits(torch.tensor([[code]]))[0, :, 0], expected)


def test_case_10_bits_round_trip_for_all_codes():
    quantizer, codes = SignQuantizer(13), torch.arange(8192)[None]
    bits = quantizer.bits(codes)
    assert bits.shape == (1, 13, 8192)
    assert torch.equal(quantizer.index(bits), codes)
    assert torch.equal(quantizer.index(bits * 0.001), codes)


def test_exactly_zero_is_a_cleared_bit():
    hidden = torch.tensor([0.0, -0.0, 1e-30, -1e-30]).view(1, 4, 1, 1)
    assert SignQuantizer(4).index(hidden).item() == 2


def test_codes_are_row_major(golden):
    model, io = golden
    grid = model.index(model.encode(io["pixels"]))
    assert torch.equal(model.codes(io["pixels"])[0, 1], grid[0, 0, 1])
    left, right = (model.decode_raw(codes) for codes in (io["codes"], io["codes"].roll(-8, 1)))
    assert not torch.equal(left, right)
    bits = model.bits(io["codes"].view(-1, 8, 8))
    assert torch.equal(model.decoder(bits), model.decode_raw(io["codes"]))


def test_encoder_and_decoder_may_differ():
    model = MagvitV2(32, (1, 2), (1, 2), (2, 1), (2, 1), 4)
    assert model.state_dict()["encoder.down.1.block.1.conv1.weight"].shape == (64, 64, 3, 3)
    assert model.state_dict()["decoder.up.0.block.0.conv1.weight"].shape == (64, 32, 3, 3)
    assert model.decode(model.codes(torch.zeros(1, 3, 8, 8))).shape == (1, 3, 8, 8)


def test_both_halves_can_be_trained():
    model = MagvitV2(32, (1, 1), (1, 1), (1, 1), (1, 1), 4)
    hidden = model.encode(torch.randn(1, 3, 8, 8))
    straight_through = hidden + (model.bits(model.index(hidden)) - hidden).detach()
    model.decoder(straight_through).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert model.encoder.conv_in.weight.grad.abs().max() > 0


def test_wrong_sizes_are_named():
    with pytest.raises(UserError, match=r"channels: 48 is not a multiple of 32; nearest: 32"):
        MagvitV2(channels=48)
    with pytest.raises(UserError, match=r"5, 5, 3, 5 levels"):
        MagvitV2(decoder_multipliers=(1, 2, 2))
    model = golden_size()
    with pytest.raises(ValueError, match=r"\(30, 32\) are not multiples of 4"):
        model.encode(torch.zeros(1, 3, 30, 32))
    with pytest.raises(ValueError, match="15 codes"):
        model.decode(torch.zeros(1, 15, dtype=torch.long))
