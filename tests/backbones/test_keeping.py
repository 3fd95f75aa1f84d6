"""What training changed, written below a run's folder and read back, by every backbone alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from bagel_makers import make_bagel
from janus_makers import make_janus
from showo_makers import make_showo
from torch import Tensor
from unitoken_makers import make_unitoken

from unictk.backbones import checkpoints
from unictk.backbones.base import Backbone
from unictk.errors import WeightsError
from unictk.samples import Request, Sampling, Text

MAKERS = {"showo": make_showo, "unitoken": make_unitoken, "bagel": make_bagel, "janus": make_janus}


def language(backbone: Backbone) -> dict[str, Tensor]:
    """Copies of all but the image tokenizer."""
    parts = backbone.parts().items()
    return {
        f"{part}.{name}": tensor.clone()
        for part, module in parts
        if part != "tokenizer"
        for name, tensor in module.state_dict().items()
    }


def changed(backbone: Backbone) -> dict[str, Tensor]:
    """As training leaves a backbone: every number of it another one, gradients wanted."""
    with torch.no_grad():
        for part, module in backbone.parts().items():
            if part != "tokenizer":
                for parameter in module.parameters():
                    parameter.mul_(1.25).requires_grad_(True)
    return language(backbone)


@pytest.mark.parametrize("most", [5_000_000_000, 50_000])
@pytest.mark.parametrize("name", MAKERS)
def test_weights_come_back_bit_for_bit_frozen_and_in_place(
    name: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "SHARD_BYTES", most)
    make: Callable[[], Backbone] = MAKERS[name]
    trained = make()
    expected = changed(trained)
    folder = trained.write_weights(tmp_path)
    assert folder == tmp_path / name
    assert bool(list(folder.glob("*.index.json"))) == (most < 1_000_000)
    fresh = make()
    table = next(iter(fresh.parts()["tables"].parameters()))
    assert not all(torch.equal(tensor, expected[key]) for key, tensor in language(fresh).items())
    fresh.read_weights(tmp_path)
    found = language(fresh)
    assert found.keys() == expected.keys()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in found.items())
    assert next(iter(fresh.parts()["tables"].parameters())) is table, "an optimizer may hold it"
    trained.read_weights(tmp_path)
    assert not any(p.requires_grad for module in trained.parts().values() for p in module.parameters())
    asked = [Request(Text("hello"), seed=1, sampling=Sampling(max_new_tokens=3))]
    assert trained.generate_text(asked) == fresh.generate_text(asked)


@pytest.mark.parametrize("name", MAKERS)
def test_weights_keep_the_precision_they_have(name: str, tmp_path: Path) -> None:
    backbone = MAKERS[name](dtype="bfloat16")
    expected = changed(backbone)
    other = MAKERS[name](dtype="bfloat16")
    backbone.write_weights(tmp_path)
    other.read_weights(tmp_path)
    found = language(other)
    for key, tensor in expected.items():
        assert found[key].dtype == tensor.dtype
        assert torch.equal(found[key], tensor)


@pytest.mark.parametrize("name", MAKERS)
def test_a_folder_without_weights_or_with_half_of_them_is_one_line(name: str, tmp_path: Path) -> None:
    backbone = MAKERS[name]()
    with pytest.raises(WeightsError) as caught:
        backbone.read_weights(tmp_path)
    assert "\n" not in str(caught.value)
    folder = backbone.write_weights(tmp_path)
    before = language(backbone)
    file = max(folder.glob("*.safetensors"), key=lambda path: path.name != "ae.safetensors")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(WeightsError) as caught:
        backbone.read_weights(tmp_path)
    assert "\n" not in str(caught.value)
    assert file.name in str(caught.value)
    assert all(torch.equal(tensor, before[key]) for key, tensor in language(backbone).items())
