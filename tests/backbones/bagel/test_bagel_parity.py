"""Golden numbers of BAGEL: all ok; one damaged number fails its own line; a damaged weight is noticed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from unictk.errors import WeightsError
from unictk.parity import compare

GOLDEN = Path(__file__).parents[2] / "golden" / "bagel"
META = json.loads((GOLDEN / "meta.json").read_text())
OUTPUTS = list(META["outputs"])
DRAWN = {name for name in OUTPUTS if name.startswith("generate_image.")}


def verdicts(directory: Path) -> dict[str, bool]:
    return {line.name: line.ok for line in compare(directory)}


def failing(directory: Path) -> set[str]:
    return {name for name, ok in verdicts(directory).items() if not ok}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDEN, tmp_path / "golden"))


def damage(folder: Path, file: str, name: str, index: int, by: float) -> None:
    path = folder / f"{file}.safetensors"
    tensors = load_file(path)
    flat = tensors[name].reshape(-1)
    flat[index % len(flat)] += by if flat.is_floating_point() else 1
    save_file(tensors, path)


def test_every_quantity_is_compared_and_ok() -> None:
    found = verdicts(GOLDEN)
    assert list(found) == OUTPUTS
    assert len(found) == 11
    assert all(found.values())


def test_one_damaged_number_of_each_output_fails(copy: Path) -> None:
    """Each by ten tolerances; that it fails alone follows from the next test's one."""
    for place, name in enumerate(OUTPUTS):
        damage(copy, "io", name, 7 * place + 3, 10 * META["outputs"][name])
    assert failing(copy) == set(OUTPUTS)


@pytest.mark.parametrize("name", ["train.mse", "vae.latent_mean", "train.position_ids"])
def test_a_damaged_output_fails_alone(copy: Path, name: str) -> None:
    damage(copy, "io", name, -1, 10 * META["outputs"][name])
    assert failing(copy) == {name}


@pytest.mark.parametrize(
    ("file", "name", "index", "expected"),
    [
        ("model", "language_model.model.layers.1.mlp_moe_gen.up_proj.weight", 9, {"train.mse", *DRAWN}),
        ("model", "language_model.model.norm.weight", 5, {"train.ce"}),
        ("model", "vit_model.vision_model.post_layernorm.bias", 2, {"train.ce"}),
        ("model", "latent_pos_embed.pos_embed", 70, {"train.mse", *DRAWN}),
        ("model", "vit_pos_embed.pos_embed", 70, {"train.ce", "generate_text.tokens"}),
        ("ae", "encoder.conv_in.weight", 4, {"vae.latent_mean", "vae.decoded"}),
        ("ae", "decoder.up.3.upsample.conv.bias", 4, {"vae.decoded"}),
    ],
)
def test_a_damaged_weight_fails_what_needs_it(
    copy: Path, file: str, name: str, index: int, expected: set[str]
) -> None:
    damage(copy, file, name, index, 2.0)
    assert failing(copy) - {"generate_text.tokens"} == expected - {"generate_text.tokens"}


def test_a_broken_autoencoder_hides_nothing_else(copy: Path) -> None:
    tensors = load_file(copy / "ae.safetensors")
    del tensors["decoder.conv_out.bias"]
    save_file(tensors, copy / "ae.safetensors")
    assert failing(copy) == {"vae.decoded", "vae.latent_mean"}


@pytest.mark.parametrize(
    ("group", "key", "value", "message"),
    [
        ("llm", "qk_norm", False, "meta.json: llm.qk_norm is False; only True exists here"),
        ("vit", "rope", True, "meta.json: vit.rope is True; only False exists here"),
        ("bagel", "interpolate_pos", True, "bagel.interpolate_pos is True"),
    ],
)
def test_options_that_do_not_exist_are_refused(copy: Path, group: str, key: str, value, message: str) -> None:
    meta = {**META, group: {**META[group], key: value}}
    (copy / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(WeightsError, match=message):
        compare(copy)


def test_missing_tensors_are_named(copy: Path) -> None:
    tensors = load_file(copy / "model.safetensors")
    del tensors["llm2vae.bias"]
    save_file(tensors, copy / "model.safetensors")
    with pytest.raises(WeightsError, match=r"model.safetensors: 1 tensors missing, first llm2vae.bias"):
        compare(copy)
