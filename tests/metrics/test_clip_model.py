"""CLIP models through open_clip: its own encoders, files and names."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PILImage
from torch.nn import functional

from unictk.errors import UserError, WeightsError
from unictk.metrics.clip_model import CONFIG, WEIGHTS, Clip, load_clip, washed_out
from unictk.metrics.small_clip import make_clip, save_clip
from unictk.sprites.clip_report import HELD_OUT
from unictk.sprites.grammar.descriptions import canonical, prompt
from unictk.sprites.render import PITCH, render
from unictk.sprites.splits import random_scene

open_clip = pytest.importorskip("open_clip")
TEXTS = ["A photo of a small red star.", "In the forest: a big blue drop.", "x " * 200]


@pytest.fixture(scope="module")
def clip() -> Clip:
    torch.manual_seed(0)
    return make_clip()


@pytest.fixture(scope="module")
def folder(clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("clip") / "saved"
    save_clip(clip, place, torch.float32)
    return place


def pictures(count: int = 3, side: int = 48) -> list[PILImage.Image]:
    chance = np.random.default_rng(0)
    return [PILImage.fromarray(chance.integers(0, 256, (side, side, 3), np.uint8)) for _ in range(count)]


def test_the_default_fits_its_budget_and_has_a_patch_for_each_place(clip: Clip) -> None:
    assert sum(p.numel() for p in clip.model.parameters()) <= 420_000
    assert clip.model.visual.grid_size == (4, 4)
    assert clip.model.visual.patch_size == (PITCH, PITCH)


def test_vectors_are_those_of_open_clips_own_encoders(clip: Clip) -> None:
    seen, said = clip.images(pictures()), clip.texts(TEXTS)
    assert seen.shape == said.shape == (3, 96)
    assert torch.allclose(seen.norm(dim=-1), torch.ones(3))
    ready = torch.stack([clip.preprocess(one) for one in pictures()])
    with torch.no_grad():
        assert torch.allclose(seen, clip.model.encode_image(ready, normalize=True), atol=1e-6)
        assert torch.allclose(said, clip.model.encode_text(clip.tokenizer(TEXTS), normalize=True), atol=1e-6)
    assert not seen.requires_grad


def test_tensors_are_pictures_too_and_batches_do_not_matter(clip: Clip) -> None:
    many = pictures(70)
    pixels = torch.stack([torch.from_numpy(np.array(one)).permute(2, 0, 1) / 255 for one in many])
    assert torch.equal(clip.images(pixels), clip.images(many))
    assert torch.allclose(clip.images(many)[66:], clip.images(many[66:]), atol=1e-6)
    nearly = torch.full((1, 3, 48, 48), 0.999)
    assert torch.equal(clip.images(nearly), clip.images([PILImage.new("RGB", (48, 48), "white")]))


def test_every_text_ends_and_prompts_of_two_characters_fit(clip: Clip) -> None:
    chance = random.Random(0)
    texts = []
    for _ in range(200):
        scene = random_scene(chance, HELD_OUT, 2)
        texts += [canonical(scene), prompt(chance, scene, "dense", "evaluation")[0]]
    ids = clip.tokenizer([*texts, TEXTS[2]])
    end = ids.max()
    assert ids.shape[1] == 72
    assert (ids[:-1, -1] == end).all()  # padded, so nothing was cut
    assert ids[-1, -1] == end
    assert ids[-1, -2] != end  # cut, and ended all the same
    first = (ids == end).int().argmax(1)
    assert (first[:-1] < 71).all()
    assert clip.tokenizer.tokenizer.decode(ids[0, : first[0]]) == texts[0]


def test_open_clip_loads_what_was_saved(clip: Clip, folder: Path) -> None:
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    with torch.no_grad():
        seen = model.eval().encode_image(torch.stack([preprocess(one) for one in pictures(side=60)]), True)
        said = model.encode_text(tokenizer(TEXTS), True)
    again = load_clip(str(folder))
    for one in (clip, again):
        assert torch.allclose(one.images(pictures(side=60)), seen, atol=1e-6)
        assert torch.allclose(one.texts(TEXTS), said, atol=1e-6)
    assert again.config == clip.config
    assert not again.model.training


def test_half_precision_files_are_small_and_name_no_folder(clip: Clip, tmp_path: Path) -> None:
    save_clip(clip, tmp_path / "half")
    assert (tmp_path / "half" / WEIGHTS).stat().st_size <= 850_000
    again = load_clip(str(tmp_path / "half"))
    assert torch.allclose(again.texts(TEXTS), clip.texts(TEXTS), atol=2e-3)
    assert not torch.equal(again.texts(TEXTS), clip.texts(TEXTS))
    (tmp_path / "half").rename(tmp_path / "moved")
    for file in (tmp_path / "moved").glob("*.json"):
        assert str(Path(__file__).parents[2]) not in file.read_text()
        assert str(tmp_path) not in file.read_text()
    assert torch.equal(load_clip(str(tmp_path / "moved")).texts(TEXTS), again.texts(TEXTS))


def one_line(error: pytest.ExceptionInfo[UserError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_wrong_names_and_folders_are_refused_in_one_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        load_clip("ViT-B32", "openai")
    assert "'ViT-B32' is not a choice; nearest: ViT-B-32" in one_line(error)
    for tag in ("opena", None):
        with pytest.raises(UserError) as error:
            load_clip("ViT-B-32", tag)
        assert one_line(error).startswith("clip pretrained of ViT-B-32: ")
        assert "openai" in str(error.value)
    with pytest.raises(WeightsError) as error:
        load_clip(str(folder.parent / "save"))
    assert one_line(error).endswith(f"expected a folder that holds {CONFIG}; nearest: saved")
    with pytest.raises(WeightsError) as error:
        load_clip(str(tmp_path))
    assert one_line(error).startswith(f"{tmp_path / CONFIG}: not there")
    (tmp_path / CONFIG).write_text((folder / CONFIG).read_text())
    with pytest.raises(WeightsError) as error:
        load_clip(str(tmp_path))
    assert one_line(error).startswith(f"{tmp_path / WEIGHTS}: not there")


@pytest.mark.parametrize("broken", ["config", "shape", "weights"])
def test_files_that_do_not_load_are_refused_in_one_line(clip: Clip, tmp_path: Path, broken: str) -> None:
    save_clip(clip, tmp_path)
    if broken == "config":
        (tmp_path / CONFIG).write_text("{")
    elif broken == "weights":
        (tmp_path / WEIGHTS).write_bytes(b"not a safetensors file")
    else:
        config = json.loads((tmp_path / CONFIG).read_text())
        config["model_cfg"]["embed_dim"] = 48
        (tmp_path / CONFIG).write_text(json.dumps(config))
    with pytest.raises(WeightsError) as error:
        load_clip(str(tmp_path))
    assert one_line(error).startswith(f"{tmp_path}: open_clip cannot load it (")


def test_without_open_clip_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(UserError) as error:
        load_clip()
    assert one_line(error).endswith("expected the extra unictk[clip]")


def test_sizes_that_do_not_divide_are_refused() -> None:
    for wrong in ({"patch": 7}, {"image_width": 60, "heads": 8}, {"text_width": 66}):
        with pytest.raises(UserError, match="does not divide"):
            make_clip(**wrong)


def test_a_named_model_gets_the_activation_of_its_weights(
    clip: Clip, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights tagged with the quick GELU, under a name that does not say so: the published trap."""
    sizes = json.loads((folder / CONFIG).read_text())["model_cfg"]
    sizes["text_cfg"] = {**sizes["text_cfg"], "hf_tokenizer_name": str(folder)}
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "tiny-test", sizes)
    plain = load_clip("tiny-test", str(folder / WEIGHTS))
    assert torch.allclose(plain.texts(TEXTS), clip.texts(TEXTS), atol=1e-6)
    assert plain.config is None
    with pytest.raises(ValueError, match="no configuration"):
        save_clip(plain, folder / "again")
    tagged = {"file": str(folder / WEIGHTS), "quick_gelu": True}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny-test", {"tag": tagged})
    monkeypatch.setattr(open_clip.factory, "download_pretrained", lambda cfg, **_: cfg["file"])
    quick = load_clip("tiny-test", "tag")
    activations = {
        type(module).__name__ for module in quick.model.modules() if "GELU" in type(module).__name__
    }
    assert activations == {"QuickGELU"}
    config = open_clip.factory.deepcopy(sizes) | {"quick_gelu": True}
    wanted = open_clip.CLIP(**config)
    wanted.load_state_dict(clip.model.state_dict())
    with torch.no_grad():
        said = functional.normalize(wanted.encode_text(clip.tokenizer(TEXTS)), dim=-1)
    assert torch.allclose(quick.texts(TEXTS), said, atol=1e-6)
    assert not torch.allclose(quick.texts(TEXTS), clip.texts(TEXTS), atol=1e-4)


def test_the_published_tag_wants_the_quick_gelu() -> None:
    assert open_clip.get_pretrained_cfg("ViT-B-32", "openai")["quick_gelu"] is True
    assert not open_clip.get_model_config("ViT-B-32").get("quick_gelu")


def test_washed_out_pictures_start_at_middle_grey(clip: Clip, folder: Path) -> None:
    for given, wanted in ((0, 128), (255, 255)):
        flat = PILImage.new("RGB", (40, 30), (given,) * 3)
        assert np.unique(np.asarray(washed_out(flat))).tolist() == [wanted]
    assert washed_out(flat).size == (512, 512)
    legacy = load_clip(str(folder), washed_out=True)
    shown = [PILImage.fromarray(render(random_scene(random.Random(1), HELD_OUT)))]
    assert torch.allclose(legacy.images(shown), clip.images([washed_out(shown[0])]), atol=1e-6)
    assert not torch.allclose(legacy.images(shown), clip.images(shown), atol=1e-3)
