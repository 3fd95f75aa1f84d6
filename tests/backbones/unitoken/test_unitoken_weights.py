"""The published files: read, written back bit for bit, and one line for whatever is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from unitoken_makers import tiny_network

from unictk.backbones.unitoken.configs import language_config
from unictk.backbones.unitoken.network import UniTokenNetwork
from unictk.backbones.unitoken.vq import VQTokenizer
from unictk.backbones.unitoken.weights import (
    fill,
    load_network,
    load_tokenizer_state,
    write_network,
    write_tokenizer,
)
from unictk.errors import WeightsError

NAMES = {"<s>": 0, "IMGIMGAZ": 4}


def published(folder: Path, shard_bytes: int | None = None, seed: int = 0) -> UniTokenNetwork:
    """A network whose numbers bfloat16 can hold, and its checkpoint."""
    network = tiny_network(seed)
    for parameter in network.parameters():
        parameter.copy_(parameter.bfloat16())
    write_network(folder, network, True, NAMES, shard_bytes=shard_bytes)
    return network


def refilled(folder: Path) -> UniTokenNetwork:
    network = tiny_network(9)
    fill(network, *load_network(folder))
    return network


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(tensor, b[name]) for name, tensor in a.items())


@pytest.mark.parametrize("shard_bytes", [None, 20_000])
def test_case_23_the_published_layout_and_back_is_bit_equal(tmp_path: Path, shard_bytes: int | None) -> None:
    network = published(tmp_path / "a", shard_bytes)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert ("model.safetensors.index.json" in files) == (shard_bytes is not None)
    again = refilled(tmp_path / "a")
    assert same(again.state_dict(), network.state_dict())
    assert again.input_table.dtype == torch.float32
    write_network(tmp_path / "b", again, True, NAMES, shard_bytes=shard_bytes)
    for path in (tmp_path / "a").glob("*.safetensors"):
        assert same(load_file(path), load_file(tmp_path / "b" / path.name))
    config = json.loads((tmp_path / "a" / "config.json").read_text())
    assert config["architectures"] == ["ChameleonXLLMXForConditionalGenerationAnyRes"]
    assert config["vocabulary_map"] == NAMES
    assert config["mask_image_logits"] is False
    assert "vq_config" not in config


def test_case_23_norms_are_one_row_a_shard_and_expanded_ones_are_accepted_only_if_equal(
    tmp_path: Path,
) -> None:
    network = published(tmp_path)
    file = tmp_path / "model.safetensors"
    tensors = load_file(file)
    name = "model.layers.0.self_attn.q_norm.weight"
    assert tensors[name].shape == (1, 8)
    torch.nn.init.normal_(tensors[name])
    tensors[name] = tensors[name].repeat(4, 1)
    save_file(tensors, file)
    again = refilled(tmp_path)
    assert torch.equal(again.state_dict()[name], tensors[name][:1].float())
    assert not torch.equal(again.state_dict()[name], network.state_dict()[name])
    tensors[name][2, 0] += 1
    save_file(tensors, file)
    with pytest.raises(WeightsError, match=r"model\.safetensors: .*q_norm\.weight has 4 rows that differ"):
        refilled(tmp_path)


def test_an_image_tokenizer_in_the_checkpoint_is_left_out(tmp_path: Path) -> None:
    network = published(tmp_path)
    file = tmp_path / "model.safetensors"
    save_file(load_file(file) | {"model.vqmodel.quantize.embedding.weight": torch.ones(2, 2)}, file)
    assert same(refilled(tmp_path).state_dict(), network.state_dict())


def test_a_network_without_memory_is_made_real(tmp_path: Path) -> None:
    network = published(tmp_path)
    with torch.device("meta"):
        empty = tiny_network(1, draw=False)
    fill(empty, *load_network(tmp_path))
    empty.make_buffers(torch.device("cpu"))
    ids = torch.arange(5)[None]
    results = [
        one.eval().trunk(one.embed(ids, None), torch.arange(5)[None]).detach() for one in (network, empty)
    ]
    assert torch.equal(*results)
    pixels = torch.rand(1, 3, 12, 12)
    assert torch.equal(network.features(pixels).detach(), empty.features(pixels).detach())


def test_the_image_tokenizer_is_a_file_of_its_own(tmp_path: Path) -> None:
    torch.manual_seed(0)
    made = VQTokenizer(32, (1, 2), 1, 4, 8, 4)
    for name in ("vqgan.ckpt", "vq.safetensors"):
        folder = tmp_path / name.replace(".", "_")
        write_tokenizer(folder / name, made)
        for source in (folder, folder / name):
            other = VQTokenizer(32, (1, 2), 1, 4, 8, 4)
            fill(other, *load_tokenizer_state(source))
            assert same(other.state_dict(), made.state_dict())
    held = torch.load(tmp_path / "vqgan_ckpt" / "vqgan.ckpt", weights_only=True)
    assert list(held) == ["state_dict"]


def test_whatever_is_wrong_is_one_line_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone: no such folder; .*OceanJay/UniToken-AnyRes-StageII"):
        load_network(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError, match=r"empty: no weights here; looked for model\.safetensors"):
        load_network(tmp_path / "empty")
    published(tmp_path / "sharded", 20_000)
    shards = sorted((tmp_path / "sharded").glob("model-*.safetensors"))
    assert len(shards) > 2
    whole = shards[1].read_bytes()
    shards[1].write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match=rf"{shards[1].name}: truncated or not a safetensors file"):
        load_network(tmp_path / "sharded")
    shards[1].unlink()
    with pytest.raises(WeightsError, match=rf"names the shard '{shards[1].name}', which is no file"):
        load_network(tmp_path / "sharded")
    with pytest.raises(WeightsError, match=r"empty: no image tokenizer here; looked for vqgan\.ckpt"):
        load_tokenizer_state(tmp_path / "empty")
    with pytest.raises(WeightsError, match=r"vqgan\.ckpt: no such file"):
        load_tokenizer_state(tmp_path / "vqgan.ckpt")
    (tmp_path / "vqgan.ckpt").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match=r"vqgan\.ckpt: (truncated|refused)"):
        load_tokenizer_state(tmp_path / "vqgan.ckpt")


def test_another_vocabulary_and_another_size_are_named(tmp_path: Path) -> None:
    published(tmp_path)
    with pytest.raises(WeightsError, match=r"has a vocabulary of 60 rows, expected 61"):
        fill(tiny_network(0, vocabulary=61), *load_network(tmp_path))
    with pytest.raises(WeightsError, match=r"missing"):
        fill(tiny_network(0, layers=2), *load_network(tmp_path))
    assert language_config().hidden_size == 4096
