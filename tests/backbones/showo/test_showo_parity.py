"""Golden numbers of Show-o: all ok; one damaged number fails its own line; a damaged weight is noticed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from unictk.parity import compare

GOLDEN = Path(__file__).parents[2] / "golden" / "showo"
META = json.loads((GOLDEN / "meta.json").read_text())
OUTPUTS = [(name, "io") for name in META["outputs"]] + [
    (name, "magvit_io") for name in META["magvit_outputs"]
]


def verdicts(directory: Path) -> dict[str, bool]:
    return {line.name: line.ok for line in compare(directory)}


def damaged(tmp_path: Path, file: str, name: str, index: int, by: float) -> Path:
    folder = tmp_path / "golden"
    shutil.copytree(GOLDEN, folder)
    path = folder / f"{file}.safetensors"
    tensors = load_file(path)
    flat = tensors[name].reshape(-1)
    flat[index % len(flat)] += by if flat.is_floating_point() else 1
    save_file(tensors, path)
    return folder


def test_every_quantity_is_compared_and_ok() -> None:
    found = verdicts(GOLDEN)
    assert set(found) == {name for name, _ in OUTPUTS}
    assert len(found) == 17
    assert all(found.values())


@pytest.mark.parametrize(("name", "file"), OUTPUTS, ids=lambda value: str(value))
def test_a_damaged_output_fails_alone(tmp_path: Path, name: str, file: str) -> None:
    """The last number of the first row whose query is no padding, by ten tolerances."""
    tolerance = {**META["outputs"], **META["magvit_outputs"]}[name]
    index = -1
    if name.endswith((".allowed", ".logits")):
        shape = load_file(GOLDEN / "io.safetensors")[name].shape
        index = (shape[1] - 15) * shape[2] - 1  # first sample, a position inside its answer or image
    found = verdicts(damaged(tmp_path, file, name, index, 10 * tolerance))
    assert [line for line, ok in found.items() if not ok] == [name]


@pytest.mark.parametrize(
    ("file", "name", "index", "failing"),
    [
        ("model", "showo.model.layers.1.mlp.fc1.weight", 77, {"t2i.logits", "mmu.logits", "loss.t2i"}),
        ("model", "showo.model.layers.0.self_attn.q_layernorm.weight", 3, {"t2i.logits", "mmu.logits"}),
        ("model", "showo.model.layers.2.self_attn.k_proj.bias", 5, {"t2i.logits", "mmu.logits"}),
        ("model", "showo.lm_head.bias", 120, {"t2i.logits", "mmu.logits", "train.losses"}),
        ("model", "showo.model.embed_tokens.weight", 164 * 64, {"t2i.logits", "loss.t2i"}),
        ("magvit_model", "encoder.conv_in.weight", 10, {"hidden"}),
        ("magvit_model", "decoder.up.0.block.0.conv1.weight", 10, {"decoded"}),
    ],
)
def test_a_damaged_weight_is_noticed(
    tmp_path: Path, file: str, name: str, index: int, failing: set[str]
) -> None:
    found = verdicts(damaged(tmp_path, file, name, index, 1.0))
    assert failing <= {line for line, ok in found.items() if not ok}


def test_ids_that_meta_states_must_agree(tmp_path: Path) -> None:
    from unictk.errors import WeightsError

    shutil.copytree(GOLDEN, tmp_path / "golden")
    meta = {**META, "mask_id": META["mask_id"] + 1}
    (tmp_path / "golden" / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(WeightsError, match=r"mask_id is 165, this vocabulary has 164"):
        compare(tmp_path / "golden")


def test_case_10_sign_bits() -> None:
    from unictk.backbones.showo.magvit import MagvitV2

    tokenizer = MagvitV2(32, (1,), (1,), (1,), (1,), z_channels=13)
    bits = tokenizer.bits(torch.tensor([[[0, 1, 4096, 5461, 8191]]]))[0, :, 0].T
    assert bits[0].tolist() == [-1.0] * 13
    assert bits[1].tolist() == [-1.0] * 12 + [1.0]
    assert bits[2].tolist() == [1.0] + [-1.0] * 12
    assert bits[3].tolist() == [1.0, -1.0] * 6 + [1.0]
    assert bits[4].tolist() == [1.0] * 13
    everything = torch.arange(8192).reshape(1, 64, 128)
    assert torch.equal(tokenizer.index(tokenizer.bits(everything)), everything)
