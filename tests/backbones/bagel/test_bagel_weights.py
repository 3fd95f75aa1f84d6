"""The published folder: read, written, and one line for whatever is wrong with it (case 15)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from bagel_makers import make_autoencoder, make_network
from safetensors.torch import load_file, save_file
from torch import Tensor

from unictk.backbones.bagel.autoencoder import FluxAutoencoder
from unictk.backbones.bagel.sizes import Sizes, SpecialIds
from unictk.backbones.bagel.text import TextCodec
from unictk.backbones.bagel.weights import (
    load_autoencoder,
    load_network,
    published_folder,
    read_configs,
    write_published,
)
from unictk.backbones.checkpoints import load_tokenizer
from unictk.errors import UserError, WeightsError

GOLDEN = Path(__file__).parents[2] / "golden" / "bagel"
META = json.loads((GOLDEN / "meta.json").read_text())
SIZES = Sizes(2, 4, 8, 8)


def golden_autoencoder() -> FluxAutoencoder:
    sizes = META["vae"]
    return FluxAutoencoder(sizes["ch"], sizes["ch_mult"], sizes["num_res_blocks"], sizes["z_channels"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The golden model as its authors would publish it: their names, their two configurations."""
    folder = tmp_path / "published"
    folder.mkdir()
    shutil.copy(GOLDEN / "model.safetensors", folder / "ema.safetensors")
    shutil.copy(GOLDEN / "ae.safetensors", folder)
    language = {**META["llm"], "max_position_embeddings": 64, "architectures": ["Qwen2ForCausalLM"]}
    (folder / "llm_config.json").write_text(json.dumps(language))
    vision = {**META["vit"], "num_hidden_layers": META["vit"]["num_hidden_layers"] + 1}
    (folder / "vit_config.json").write_text(json.dumps(vision))
    return folder


def same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name].float(), tensor.float(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("shard_bytes", [None, 100_000])
def test_case_15_published_to_ours_and_back(folder: Path, tmp_path: Path, shard_bytes: int | None) -> None:
    network = load_network(folder, SIZES)
    assert network.language_config.num_hidden_layers == 2
    assert len(network.vision.layers) == 2, "one less than the file counts"
    assert network.embed_tokens.weight.dtype == torch.float32
    autoencoder = golden_autoencoder()
    load_autoencoder(folder, autoencoder)
    out = tmp_path / "again"
    write_published(out, network, autoencoder, shard_bytes=shard_bytes)
    golden = load_file(GOLDEN / "model.safetensors")
    if shard_bytes is None:
        same(load_file(out / "ema.safetensors"), golden)
    else:
        shards = sorted(out.glob("ema-*.safetensors"))
        assert len(shards) > 3
        assert shards[0].name.startswith("ema-00001-of-0")
        same({name: t for shard in shards for name, t in load_file(shard).items()}, golden)
    same(load_file(out / "ae.safetensors"), load_file(GOLDEN / "ae.safetensors"))
    again = load_network(out, SIZES)
    same(again.state_dict(), network.state_dict())
    assert torch.equal(again.latent_table, network.latent_table)
    for mine, theirs in zip(read_configs(out), read_configs(folder), strict=True):
        assert mine.to_dict() == theirs.to_dict()
    written = json.loads((out / "llm_config.json").read_text())
    assert (written["qk_norm"], written["tie_word_embeddings"], written["rope_theta"]) == (True, False, 1e6)
    assert json.loads((out / "vit_config.json").read_text())["num_hidden_layers"] == 3


def test_case_15_tables_may_be_missing_or_of_another_size(folder: Path) -> None:
    tensors = load_file(folder / "ema.safetensors")
    del tensors["latent_pos_embed.pos_embed"], tensors["vit_pos_embed.pos_embed"]
    save_file(tensors, folder / "ema.safetensors")
    network = load_network(folder, Sizes(2, 4, 32, 8))
    assert network.latent_table.shape == (1024, 64)
    golden = load_file(GOLDEN / "model.safetensors")["vit_pos_embed.pos_embed"]
    torch.testing.assert_close(network.vision_table, golden, atol=1e-6, rtol=0)


def test_case_15_generation_experts_start_as_copies() -> None:
    network = make_network(layers=1)
    network.copy_understanding()
    state = network.state_dict()
    names = [name for name in state if ".generation." in name]
    assert len(names) == 15
    for name in names:
        assert torch.equal(state[name], state[name.replace("generation", "understanding")])


def test_weights_may_be_read_in_another_type_and_tables_stay_exact(folder: Path) -> None:
    network = load_network(folder, SIZES, torch.bfloat16)
    assert {p.dtype for p in network.parameters()} == {torch.bfloat16}
    assert network.latent_table.dtype == network.rotary.inv_freq.dtype == torch.float32
    exact = load_network(folder, SIZES)
    before = exact.latent_table.clone()
    exact.cast(torch.bfloat16)
    assert exact.lm_head.weight.dtype == torch.bfloat16
    assert torch.equal(exact.latent_table, before)


def refused(folder: Path, sizes: Sizes = SIZES) -> str:
    with pytest.raises(WeightsError) as caught:
        load_network(folder, sizes)
    message = str(caught.value)
    assert "\n" not in message
    return message


def edit(file: Path, **changes: object) -> None:
    read = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({key: value for key, value in read.items() if value != "absent"}))


def test_wrong_folders(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone: no such folder; .*hub id such as ByteDance-Seed/BAGEL-7B"):
        published_folder(tmp_path / "gone")
    with pytest.raises(WeightsError, match="is a file; expected its folder"):
        published_folder(folder / "ae.safetensors")
    assert published_folder(str(folder)) == folder
    assert "llm_config.json: no such file; expected a folder holding llm_config.json" in refused(tmp_path)
    (folder / "vit_config.json").unlink()
    assert "vit_config.json: no such file" in refused(folder)


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        (
            "llm_config.json",
            {"hidden_size": "absent"},
            "llm_config.json: hidden_size is None; expected a positive",
        ),
        ("llm_config.json", {"rope_theta": "absent"}, "llm_config.json: rope_theta is None"),
        ("llm_config.json", {"num_attention_heads": 5}, "llm_config.json: backbone.language: hidden_size 64"),
        (
            "llm_config.json",
            {"num_hidden_layers": 2.5},
            "num_hidden_layers is 2.5; expected a positive whole",
        ),
        ("vit_config.json", {"patch_size": 5}, "vit_config.json: backbone.vision: image_size 32"),
        ("vit_config.json", {"num_attention_heads": -1}, "vit_config.json: num_attention_heads is -1"),
        (
            "llm_config.json",
            {"vocab_size": 81},
            "embed_tokens.weight has a vocabulary of 80 rows, expected 81; expected by llm_config.json, vit",
        ),
        ("llm_config.json", {"num_key_value_heads": 4}, "self_attn.k_proj.weight has shape (32, 64)"),
        ("llm_config.json", {"num_hidden_layers": 3}, "ema.safetensors: 28 tensors"),
        ("vit_config.json", {"num_hidden_layers": 2}, "ema.safetensors: 16 tensors"),
        ("vit_config.json", {"image_size": 36}, "position_embedding.weight has shape (64, 32)"),
    ],
)
def test_wrong_configurations_name_their_file(folder: Path, file: str, changes: dict, message: str) -> None:
    edit(folder / file, **changes)
    assert message in refused(folder)


def test_files_that_are_no_json(folder: Path) -> None:
    (folder / "llm_config.json").write_text("{")
    assert "llm_config.json: not JSON" in refused(folder)
    (folder / "llm_config.json").write_text("[1]")
    assert "llm_config.json: expected an object" in refused(folder)


def test_sizes_of_latents_that_do_not_fit(folder: Path) -> None:
    assert "vae2llm.weight has shape (64, 16)" in refused(folder, Sizes(2, 16, 8, 8))


@pytest.mark.parametrize("keep", [0, 7, 0.5, 0.999])
def test_truncated_files(folder: Path, keep: float) -> None:
    for name in ("ema.safetensors", "ae.safetensors"):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(keep * len(content)) if keep < 1 else int(keep)])
    assert f"{folder / 'ema.safetensors'}: truncated or not a safetensors file" in refused(folder)
    with pytest.raises(WeightsError, match=r"ae\.safetensors: truncated"):
        load_autoencoder(folder, golden_autoencoder())


def test_missing_weights_and_shards(folder: Path, tmp_path: Path) -> None:
    network = load_network(folder, SIZES)
    (folder / "ema.safetensors").unlink()
    assert "no weights here; looked for ema.safetensors" in refused(folder)
    sharded = tmp_path / "sharded"
    write_published(sharded, network, golden_autoencoder(), shard_bytes=100_000)
    second = next(sharded.glob("ema-00002-of-*.safetensors"))
    second.unlink()
    message = refused(sharded)
    assert message.startswith(f"{sharded / 'ema.safetensors.index.json'}: names the shard '{second.name}'")
    with pytest.raises(WeightsError, match=r"already holds ema\.safetensors\.index\.json"):
        write_published(sharded, network, golden_autoencoder())
    (folder / "ae.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"ae\.safetensors: no such file"):
        load_autoencoder(folder, golden_autoencoder())


def test_another_autoencoder(folder: Path) -> None:
    with pytest.raises(WeightsError, match=r"ae\.safetensors: 4 tensors \(.*\) unexpected"):
        load_autoencoder(folder, make_autoencoder())
    with pytest.raises(WeightsError, match=r"conv_out.* has shape .*; expected by the autoencoder's sizes"):
        load_autoencoder(folder, FluxAutoencoder(32, (1, 2, 2, 2), 1, 8))


def qwen2_tokenizer(folder: Path, special: tuple[str, ...]) -> None:
    """As Qwen2 publishes it: a byte vocabulary, merges, and added tokens behind them."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {char: number for number, char in enumerate(bytes_to_unicode().values())}
    (folder / "vocab.json").write_text(json.dumps({**vocabulary, "ab": 256}))
    (folder / "merges.txt").write_text("#version: 0.2\na b\n")
    added = {
        str(257 + number): {"content": token, "special": True, "lstrip": False, "rstrip": False,
                            "normalized": False, "single_word": False}
        for number, token in enumerate(special)
    }  # fmt: skip
    config = {"tokenizer_class": "Qwen2Tokenizer", "added_tokens_decoder": added, "eos_token": special[-1]}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


QWEN2 = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>")


def test_a_qwen2_tokenizer_and_its_framing_ids(tmp_path: Path) -> None:
    qwen2_tokenizer(tmp_path, QWEN2)
    tokenizer = load_tokenizer(tmp_path)
    assert TextCodec(tokenizer, 300).special == SpecialIds(258, 259, 260, 261)
    assert tokenizer("ab", add_special_tokens=False)["input_ids"] == [256]
    write_published(tmp_path / "out", make_network(layers=1), make_autoencoder(), tokenizer)
    assert TextCodec(load_tokenizer(tmp_path / "out"), 300).special == SpecialIds(258, 259, 260, 261)
    qwen2_tokenizer(tmp_path / "other", QWEN2[:4])
    assert TextCodec(load_tokenizer(tmp_path / "other"), 300).special == SpecialIds(258, 259, 260, 261)
    with pytest.raises(UserError, match=r"vocabulary: 261 is too small .* 261 entries; nearest: 262"):
        TextCodec(load_tokenizer(tmp_path / "other"), 261)


def test_written_names_of_control_tokens_are_text(tmp_path: Path) -> None:
    qwen2_tokenizer(tmp_path, QWEN2)
    codec = TextCodec(load_tokenizer(tmp_path), 300)
    ids = codec.encode("ab<|im_end|>ab")
    assert all(number < 257 for number in ids)
    assert codec.decode(ids) == "ab<|im_end|>ab"
    codec.attach(["<bo>", "<bo:0>"])
    assert codec.encode("ab<bo:0>") == (256, 301)
    assert codec.decode([256, 300, 259, 270, 301]) == "ab<bo><bo:0>"
