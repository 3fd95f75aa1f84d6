"""The hub's folder: written so that transformers reads it, read so that nothing wrong gets in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from janus_makers import make_janus, tiny_layout
from omegaconf import DictConfig, OmegaConf
from safetensors.torch import load_file, save_file
from transformers import AutoProcessor, JanusConfig, JanusForConditionalGeneration

from unictk.backbones import checkpoints
from unictk.backbones.janus.backbone import Janus
from unictk.backbones.janus.configs import joined_config
from unictk.backbones.janus.layout import JanusLayout
from unictk.backbones.janus.vocabulary import Vocabulary
from unictk.backbones.janus.weights import check_config
from unictk.errors import WeightsError
from unictk.samples import Image, Request, Sampling, Text

PHOTO = np.random.default_rng(1).integers(0, 255, (20, 30, 3), np.uint8)


@pytest.fixture(scope="module")
def model() -> Janus:
    return make_janus()


@pytest.fixture
def folder(model: Janus, tmp_path: Path) -> Path:
    return model.write_weights(tmp_path)


def test_case_21_codes_to_pixels_and_back_and_an_untied_head_after_saving(model: Janus, folder: Path) -> None:
    stock, codes = model.network.stock, model.encode([Image(PHOTO)])
    pixels = model.reconstruct([Image(PHOTO)])[0]
    raw = stock.decode_image_tokens(codes)
    theirs = AutoProcessor.from_pretrained(folder).postprocess(list(raw.movedim(-1, 1)), return_tensors="pt")
    assert torch.allclose(pixels.pixels * 255, theirs["pixel_values"][0].float(), atol=1.01)
    stored = model.reconstruct([Image(None, codes=pixels.codes)])[0]
    assert torch.equal(stored.pixels, pixels.pixels)
    loaded = JanusForConditionalGeneration.from_pretrained(folder)
    assert loaded.lm_head.weight is not loaded.get_input_embeddings().weight
    assert torch.equal(loaded.lm_head.weight, stock.lm_head.weight)
    assert not torch.equal(loaded.lm_head.weight, loaded.get_input_embeddings().weight)
    assert json.loads((folder / "config.json").read_text())["tie_word_embeddings"] is False
    state = loaded.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in stock.state_dict().items())


def test_a_fresh_head_is_not_tied_either(model: Janus) -> None:
    stock = make_janus(lively=False).network.stock
    assert stock.lm_head.weight is not stock.get_input_embeddings().weight
    assert not torch.equal(stock.lm_head.weight, stock.get_input_embeddings().weight)


def test_codes_are_the_nearest_by_direction_as_the_decoder_reads_them(model: Janus) -> None:
    """With code vectors of length one transformers' encoder agrees; with others only ours is consistent."""
    unit = make_janus()
    table = unit.network.stock.model.vqmodel.quantize.embedding.weight
    squares = torch.randint(0, 255, (3, 3, 16, 16), generator=torch.Generator().manual_seed(2)).byte()
    with torch.no_grad():
        table.copy_(torch.nn.functional.normalize(table, dim=-1))
        codes = unit.network.encode(squares)
        theirs = unit.network.stock.model.vqmodel.encode(squares.float() / 127.5 - 1).image_tokens
        assert torch.equal(codes, theirs.view(3, 16))
        pixels = unit.network.decode(codes)
        table.mul_(torch.linspace(0.2, 3, len(table))[:, None])
        assert torch.equal(unit.network.encode(squares), codes)
        assert torch.equal(unit.network.decode(codes), pixels)
    assert len(codes.unique()) > 4


def test_transformers_draws_and_answers_from_our_folder_as_we_do(model: Janus, folder: Path) -> None:
    processor = AutoProcessor.from_pretrained(folder)
    stock = JanusForConditionalGeneration.from_pretrained(folder)
    turns = [{"role": "user", "content": [{"type": "text", "text": "a red ball"}]}]
    text = processor.apply_chat_template(turns, add_generation_prompt=True)
    inputs = processor(text=[text], generation_mode="image", return_tensors="pt")
    codes = stock.generate(**inputs, generation_mode="image", guidance_scale=5.0, do_sample=False)
    greedy = Sampling(guidance=4.0, temperature=0.0)
    ours = model.generate_images([Request(Text("a red ball"), sampling=greedy)])[0]
    assert torch.equal(codes[0], ours.codes)


@pytest.mark.parametrize("most", [5_000_000_000, 200_000])
def test_another_backbone_starts_from_the_folder(
    model: Janus, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "SHARD_BYTES", most)
    folder = model.write_weights(tmp_path)
    assert (folder / "model.safetensors.index.json").is_file() == (most < 1_000_000)
    layout = JanusLayout(str(folder), None, 16, 4, 32, 512, 0.0)
    other = make_janus(layout, lively=False, weights=str(folder))
    state = other.network.stock.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.network.stock.state_dict().items())
    requests = [Request(Image(PHOTO), Text("What?"), sampling=Sampling(max_new_tokens=4))]
    assert other.generate_text(requests) == model.generate_text(requests)
    assert torch.equal(other.generate_images(requests)[0].codes, model.generate_images(requests)[0].codes)
    assert not any(parameter.is_meta for parameter in other.parameters())


def refused(folder: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        make_janus(weights=str(folder), lively=False)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_wrong_folder_is_one_line(tmp_path: Path) -> None:
    assert "no such folder" in refused(tmp_path / "nowhere")
    assert "deepseek-community/Janus-Pro-1B" in refused(tmp_path / "nowhere")
    assert refused(tmp_path).startswith(f"{tmp_path / 'config.json'}: cannot be read")


def test_a_folder_without_weights_is_one_line(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert refused(folder).startswith(f"{folder}: no weights here")


def test_the_published_configuration_has_the_sizes_that_we_say(tmp_path: Path) -> None:
    """As the hub writes it (of 1B), older names of the rotary base included; other sizes are told."""
    text = {
        "bos_token_id": 100000,
        "eos_token_id": 100001,
        "head_dim": 128,
        "hidden_size": 2048,
        "intermediate_size": 5632,
        "max_position_embeddings": 16384,
        "model_type": "llama",
        "num_attention_heads": 16,
        "num_hidden_layers": 24,
        "num_key_value_heads": 16,
        "pad_token_id": 100002,
        "rms_norm_eps": 1e-6,
        "rope_scaling": None,
        "rope_theta": 10000.0,
        "vocab_size": 102400,
    }
    vision = {"depth": 2, "hidden_size": 1024, "image_size": 384, "patch_size": 16, "projection_dim": 2048}
    codes = {"embed_dim": 8, "num_embeddings": 16384, "projection_dim": 2048, "image_token_embed_dim": 2048}
    said = {"model_type": "janus", "image_token_id": 100581, "text_config": text}
    file = tmp_path / "config.json"
    file.write_text(json.dumps(said | {"vision_config": vision, "vq_config": codes}))
    vocabulary = Vocabulary(102400, 100000, 100001, 100002, 100016, 100593, 100581, (1,), (2,))
    conf = Path(__file__).parents[3] / "conf" / "backbone"
    small = OmegaConf.load(conf / "janus_pro_1b.yaml")
    assert small.layout.vocabulary == vocabulary.size

    def ours(yaml: DictConfig) -> JanusConfig:
        parts = (instantiate(yaml[name]) for name in ("language", "vision", "image_tokenizer"))
        return joined_config(*parts, vocabulary)

    check_config(file, ours(small))
    large = OmegaConf.merge(small, OmegaConf.load(conf / "janus_pro_7b.yaml"))
    assert isinstance(large, DictConfig)
    with pytest.raises(WeightsError, match=r"text_config.hidden_size is 2048, expected 4096"):
        check_config(file, ours(large))
    grown = {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 30, "head_dim": 128}
    heads = {"num_attention_heads": 32, "num_key_value_heads": 32}
    change(file, lambda content: content["text_config"].update(grown | heads))
    check_config(file, ours(large))


def change(file: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    said = json.loads(file.read_text())
    edit(said)
    file.write_text(json.dumps(said))


@pytest.mark.parametrize(
    ("part", "key", "value", "message"),
    [
        (None, "model_type", "multi_modality", "model_type is 'multi_modality', expected 'janus'"),
        (
            "text_config",
            "num_attention_heads",
            2,
            r"heads is 2, expected 4 \(backbone.language.num_a",
        ),
        ("text_config", "rms_norm_eps", 1e-5, "text_config.rms_norm_eps is 1e-05, expected 1e-06"),
        ("text_config", "hidden_size", 64, r"text_config.hidden_size is 64, expected 48"),
        ("vision_config", "num_attention_heads", 3, "vision_config.num_attention_heads is 3, expected 2"),
        ("vq_config", "channel_multiplier", [1, 2, 2], r"vq_config.channel_multiplier is \[1, 2, 2\]"),
        (None, "image_token_id", 7, r"image_token_id is 7, expected 1155 \(backbone.layout.tokenizer\)"),
        ("text_config", "hidden_size", "wide", "not a configuration of Janus"),
    ],
)
def test_a_wrong_configuration_is_one_line_that_names_the_file(
    folder: Path, part: str | None, key: str, value: object, message: str
) -> None:
    file = folder / "config.json"
    change(file, lambda said: (said[part] if part else said).update({key: value}))
    with pytest.raises(WeightsError, match=message):
        make_janus(weights=str(folder), lively=False)
    assert refused(folder).startswith(f"{file}: ")


def test_another_rotary_base_is_one_line(folder: Path) -> None:
    parameters = {"rope_type": "default", "rope_theta": 5000.0}
    change(folder / "config.json", lambda said: said["text_config"].update(rope_parameters=parameters))
    assert "rope_parameters is 5000.0, expected 10000.0 (backbone.language.rope_theta)" in refused(folder)


@pytest.mark.parametrize("content", [None, "no json", "[1]"])
def test_a_folder_without_its_configuration_is_one_line(folder: Path, content: str | None) -> None:
    file = folder / "config.json"
    file.unlink()
    if content is not None:
        file.write_text(content)
    assert refused(folder).startswith(f"{file}: ")


def test_a_missing_shard_and_a_truncated_file_are_one_line(
    model: Janus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "SHARD_BYTES", 200_000)
    folder = model.write_weights(tmp_path)
    shard = sorted(folder.glob("model-*.safetensors"))[1]
    whole = shard.read_bytes()
    shard.write_bytes(whole[:500])
    assert refused(folder).startswith(f"{shard}: truncated")
    shard.unlink()
    assert f"names the shard {shard.name!r}, which is no file beside it" in refused(folder)


def test_missing_other_and_tied_tensors_are_one_line(folder: Path) -> None:
    file = folder / "model.safetensors"
    tensors = {name: tensor.clone() for name, tensor in load_file(file).items()}

    def write(edit: Callable[[dict[str, torch.Tensor]], object]) -> str:
        changed = dict(tensors)
        edit(changed)
        save_file(changed, file, metadata={"format": "pt"})
        return refused(folder)

    assert "head tied to the table" in write(lambda state: state.pop("lm_head.weight"))
    norm = "model.language_model.norm.weight"
    assert f"1 tensor ({norm}) missing" in write(lambda state: state.pop(norm))
    assert "1 tensor (extra) unexpected" in write(lambda state: state.update(extra=torch.ones(2)))
    wide = "model.generation_head.vision_head.weight"
    assert f"{wide} has shape (40, 48), expected (32, 48)" in write(
        lambda state: state.update({wide: torch.ones(40, 48)})
    )
    assert make_janus(weights=str(_restored(file, tensors)), lively=False).network.input_table.shape[1] == 48


def _restored(file: Path, tensors: dict[str, torch.Tensor]) -> Path:
    left_over = {"model.vision_model.embeddings.position_ids": torch.arange(16)[None]}
    save_file({**tensors, **left_over}, file, metadata={"format": "pt"})
    return file.parent


def test_a_loaded_tokenizer_keeps_its_template(model: Janus, tmp_path: Path) -> None:
    folder = model.write_weights(tmp_path)
    (folder / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    layout = JanusLayout(str(folder), None, 16, 4, 32, 512, 0.0)
    assert layout.vocabulary == tiny_layout().vocabulary
    again = make_janus(layout, lively=False).write_weights(tmp_path / "again")
    assert (again / "chat_template.jinja").read_text() == "{{ messages[0]['content'] }}"
