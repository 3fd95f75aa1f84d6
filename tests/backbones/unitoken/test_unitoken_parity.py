"""Golden numbers of UniToken: all ok; one damaged number fails its own line; a damaged weight is noticed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from unictk.errors import WeightsError
from unictk.parity import compare

GOLDEN = Path(__file__).parents[2] / "golden" / "unitoken"
META = json.loads((GOLDEN / "meta.json").read_text())


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
    assert set(found) == set(META["outputs"])
    assert len(found) == 16
    assert all(found.values())


@pytest.mark.parametrize("name", META["outputs"])
def test_a_damaged_output_fails_alone(tmp_path: Path, name: str) -> None:
    folder = damaged(tmp_path, "io", name, -1, 10 * META["outputs"][name])
    assert [line for line, ok in verdicts(folder).items() if not ok] == [name]


@pytest.mark.parametrize(
    ("file", "name", "index", "failing"),
    [
        ("model", "model.layers.1.mlp.up_proj.weight", 77, {"und.last_logits", "gen.ce", "text.ce"}),
        ("model", "model.layers.0.self_attn.q_norm.weight", 3, {"und.last_logits", "batch.ce"}),
        ("model", "model.layers.1.self_attn.k_norm.bias", 5, {"und.last_logits", "batch.ce"}),
        ("model", "vit.encoder.layers.1.mlp.fc1.bias", 5, {"vit.last_hidden_state", "und.ce", "gen.ce"}),
        ("model", "adapter.2.bias", 5, {"adapter.out", "und.ce", "gen.ce"}),
        ("model", "model.embed_tokens.weight", 8198 * 32, {"und.ce", "gen.ce"}),
        ("vq", "encoder.conv_in.weight", 10, {"vq.codes", "vq.decoded"}),
        ("vq", "decoder.up.0.block.0.conv1.weight", 10, {"vq.decoded"}),
        ("vq", "post_quant_conv.bias", 1, {"vq.decoded"}),
    ],
)
def test_a_damaged_weight_is_noticed(
    tmp_path: Path, file: str, name: str, index: int, failing: set[str]
) -> None:
    found = verdicts(damaged(tmp_path, file, name, index, 1.0))
    wrong = {line for line, ok in found.items() if not ok}
    assert failing <= wrong
    if name.startswith("vit."):
        assert not any(line.startswith(("text.", "vq.", "generate.")) for line in wrong)


def test_a_weight_that_is_missing_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "golden"
    shutil.copytree(GOLDEN, folder)
    tensors = load_file(folder / "model.safetensors")
    del tensors["adapter.0.bias"]
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(WeightsError, match=r"model.safetensors: 1 tensor \(adapter.0.bias\) missing"):
        compare(folder)
