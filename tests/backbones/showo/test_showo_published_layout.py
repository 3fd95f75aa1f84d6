"""A small model written exactly as the published ones are, and read through the same path as those."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from showo_makers import make_concept, make_showo, picture

from unictk.backbones.showo.backbone import Showo
from unictk.backbones.showo.weights import write_published
from unictk.errors import UserError, WeightsError
from unictk.samples import Request, Sampling, Text

CONFIG = {
    "_class_name": "Showo",
    "vocab_size": 0,
    "llm_vocab_size": 0,
    "codebook_size": 64,
    "num_vq_tokens": 16,
}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Showo, Path, Path]:
    backbone = make_showo()
    root = tmp_path_factory.mktemp("published")
    vocabulary = backbone.vocabulary
    config = {**CONFIG, "vocab_size": vocabulary.size, "llm_vocab_size": vocabulary.text}
    write_published(root / "show-o", backbone.network.phi.state_dict(), config)
    write_published(root / "magvitv2", backbone.image_tokenizer.state_dict(), {"ch": 32}, prefix="")
    return backbone, root / "show-o", root / "magvitv2"


def test_the_published_layout_gives_the_same_model(published: tuple[Showo, Path, Path]) -> None:
    original, language, images = published
    read = make_showo(weights=str(language), image_weights=str(images))
    with torch.no_grad():  # make_showo makes random weights livelier; these were written after that
        for parameter in read.network.parameters():
            if parameter.ndim == 2:
                parameter.div_(4)
    for (name, ours), theirs in zip(read.state_dict().items(), original.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs), name
    assert read.layout.codes.fingerprint == original.layout.codes.fingerprint
    request = Request(Text("A cup."), seed=1, sampling=Sampling(steps=3, guidance=1.0))
    assert torch.equal(read.generate_images([request])[0].codes, original.generate_images([request])[0].codes)


def test_case_31_and_32_parameter_counts_of_the_published_sizes() -> None:
    from unictk.backbones.showo.magvit import MagvitV2
    from unictk.backbones.showo.network import ShowoNetwork, phi_config

    with torch.device("meta"):
        network = ShowoNetwork(phi_config(), 58498)
        tokenizer = MagvitV2()
    assert sum(p.numel() for p in network.parameters()) == 1_448_176_770
    assert sum(p.numel() for p in tokenizer.parameters()) == 95_387_004
    names = set(network.phi.state_dict())
    assert {
        "model.embed_tokens.weight",
        "lm_head.bias",
        "model.layers.23.self_attn.q_layernorm.bias",
    } <= names
    assert tokenizer.downsample == 16


def test_wrong_vocabulary_names_both_sizes(published: tuple[Showo, Path, Path], tmp_path: Path) -> None:
    original, _, images = published
    state = dict(original.network.phi.state_dict())
    for name in ("model.embed_tokens.weight", "lm_head.weight", "lm_head.bias"):
        state[name] = state[name][:-7]
    write_published(tmp_path, state, CONFIG)
    size = original.vocabulary.size
    with pytest.raises(WeightsError, match=rf"a vocabulary of {size - 7} rows, expected {size}"):
        make_showo(weights=str(tmp_path), image_weights=str(images))


def test_sizes_that_disagree_are_refused() -> None:
    from unictk.backbones.showo.layout import ShowoLayout
    from unictk.backbones.showo.magvit import MagvitV2
    from unictk.backbones.showo.network import phi_config

    tokenizer = MagvitV2(32, (1, 1, 2), (1, 1, 1), (1, 1, 2), (1, 1, 1), z_channels=6)
    layout = ShowoLayout(image_size=16, patch=4, codebook=128, positions=256)
    with pytest.raises(
        UserError, match=r"layout\.codebook is 128, image_tokenizer's codes 64; they must be equal"
    ):
        Showo(layout, phi_config(64, 1, 4, 64, max_position_embeddings=256), tokenizer)


def test_two_concepts_live_in_one_model_and_collisions_are_named() -> None:
    backbone = make_showo()
    bo, coco = make_concept(backbone, "bo"), make_concept(backbone, "coco")
    backbone.attach([bo, coco])
    size = backbone.vocabulary.size
    assert backbone.layout.codec.encode("<coco><bo:0>") == (size + len(bo), size + 1)
    rows = backbone.concept_rows()
    assert rows is not None
    assert len(rows) == len(bo) + len(coco)
    assert torch.equal(rows.input[len(bo)], coco.rows().input[0])
    with pytest.raises(UserError, match="<bo>: its token <bo> belongs to <bo> already"):
        backbone.attach([bo, make_concept(backbone, "bo")])


def test_a_concept_of_another_size_is_refused() -> None:
    from unictk.backbones.base import RowShape
    from unictk.concepts.tokens import ConceptTokens

    with pytest.raises(UserError, match=r"hidden=32.*hidden=64"):
        make_showo().attach([ConceptTokens("bo", RowShape(32, True))])


def test_codes_are_computed_once_and_kept_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image as PILImage

    from unictk.samples import Image, Sample, View

    photo = tmp_path / "photo.png"
    PILImage.fromarray(picture(7)).resize((40, 24)).save(photo)
    view = View(scale=1.5, crop="random", flip=0.5, seed=3)
    segments = [Image(photo, view=view, key="p"), Image(photo, key="p")]
    first = make_showo(code_folder=str(tmp_path / "codes"))
    expected, _ = first.encode(segments)
    assert not torch.equal(expected[0], expected[1]), "the crop must matter"
    second = make_showo(code_folder=str(tmp_path / "codes"))

    def refuse(pixels: torch.Tensor) -> torch.Tensor:
        raise AssertionError("encoded again")

    monkeypatch.setattr(second.image_tokenizer, "codes", refuse)
    assert torch.equal(second.encode(segments)[0], expected)
    batch = second.layout.collate([Sample(Text("x"), Image(photo, True, view, key="p"), seed=1)])
    assert not len(batch.parts.pictures.unknown), "the loader sends codes, not pixels"
    PILImage.fromarray(picture(8)).save(photo)
    with pytest.raises(AssertionError, match="encoded again"):
        second.encode(segments[1:])


def test_impossible_sizes_are_one_line() -> None:
    from unictk.backbones.showo.layout import ShowoLayout
    from unictk.backbones.showo.magvit import MagvitV2
    from unictk.backbones.showo.network import phi_config

    with pytest.raises(
        UserError, match=r"hidden_size 128 and num_attention_heads 3; expected heads of an even"
    ):
        phi_config(128, 2, 3, 256)
    tokenizer = MagvitV2(32, (1, 1, 2), (1, 1, 1), (1, 1, 2), (1, 1, 1), z_channels=6)
    layout = ShowoLayout(image_size=18, patch=4, codebook=64, positions=256)
    with pytest.raises(
        UserError, match=r"image_size: 18 is not a multiple of the image tokenizer's 4; nearest: 16"
    ):
        Showo(layout, phi_config(64, 1, 4, 64, max_position_embeddings=256), tokenizer)
