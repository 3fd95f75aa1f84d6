"""Where alignment begins: a language model that draws, SigLIP's tower, and an adapter of chance."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from unitoken_makers import make_unitoken

from unictk.backbones.unitoken.backbone import UniToken
from unictk.backbones.unitoken.weights import load_network
from unictk.errors import UserError, WeightsError


@pytest.fixture
def start(tmp_path: Path) -> UniToken:
    """A model whose language part lies in ``language``, its tower as SigLIP's in ``siglip``."""
    made = make_unitoken()
    made.write_image_tokenizer(tmp_path / "vq")
    state, _ = load_network(made.write_weights(tmp_path))
    language = {name: t.clone() for name, t in state.items() if name.startswith(("model.", "lm_head."))}
    tower = {f"vision_model.{n.removeprefix('vit.')}": t.clone() for n, t in state.items() if n[:4] == "vit."}
    others = {"logit_scale": torch.ones(1), "text_model.head.bias": torch.ones(2)}
    others["vision_model.head.probe"] = torch.ones(1, 1, 24)
    for name, tensors in (
        ("language", language),
        ("siglip", tower | others),
        ("empty", {"x": torch.ones(1)}),
    ):
        (tmp_path / name).mkdir()
        save_file(tensors, tmp_path / name / "model.safetensors")
        (tmp_path / name / "config.json").write_text("{}")
    return made


def begun(root: Path, tower: str = "siglip", language: str | None = "language") -> UniToken:
    weights = None if language is None else str(root / language)
    return make_unitoken(weights=weights, vision_weights=str(root / tower), image_weights=str(root / "vq"))


def test_each_part_comes_from_its_own_folder(start: UniToken, tmp_path: Path) -> None:
    ours, again = dict(begun(tmp_path).named_parameters()), begun(tmp_path)
    scale = 6  # the maker makes tables livelier after loading
    for name, theirs in start.network.named_parameters():
        if name.startswith("adapter."):
            continue
        wanted = theirs * scale if theirs.ndim == 2 else theirs
        torch.testing.assert_close(ours[f"network.{name}"], wanted, msg=name)
    for name, fresh in again.network.adapter.named_parameters():
        assert torch.equal(fresh, ours[f"network.adapter.{name}"]), "drawn from the seed"
        spread = fresh.std() / scale if fresh.ndim == 2 else fresh.abs().max()
        assert float(spread) == pytest.approx(0.02 if fresh.ndim == 2 else 0, abs=0.003)


def test_what_does_not_fit_is_one_line(start: UniToken, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="has no vision tower"):
        begun(tmp_path, "empty")
    with pytest.raises(UserError, match=r"backbone\.vision_weights: .* but backbone\.weights is null"):
        begun(tmp_path, language=None)
