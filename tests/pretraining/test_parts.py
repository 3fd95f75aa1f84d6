"""Parts of pretraining: what they write is what the backbone goes on with, and what it reads back."""

from functools import partial

import pytest
import torch
from lightning import Trainer
from safetensors import safe_open
from torch.optim import AdamW

from unictk.backbones.showo.backbone import Showo
from unictk.backbones.showo.layout import ShowoLayout
from unictk.backbones.showo.magvit import MagvitV2
from unictk.backbones.showo.network import phi_config
from unictk.concepts.known_rows import load_known, load_values
from unictk.errors import WeightsError
from unictk.pretraining.clip import ClipPart
from unictk.pretraining.language import KNOWN_ROWS, LanguagePart
from unictk.pretraining.refinement import RefinementPart
from unictk.pretraining.tokenizer import TokenizerPart
from unictk.samples import Sampling
from unictk.sprites.coded import Sizes

FEW = Sizes(singles=12, pairs=12, variants=8, spoilt=2, blends=3, known=1, own=1, look_alikes=1)


def showo(seed: int = 0, **weights: str) -> Showo:
    tokenizer = MagvitV2(8, (1, 2, 2), (0, 1, 1), (1, 1, 2), (0, 1, 1), z_channels=12, groups=8)
    layout = ShowoLayout(None, 48, 4, 4096, positions=640)
    return Showo(
        layout, phi_config(32, 1, 2, 64, max_position_embeddings=640), tokenizer, seed=seed, **weights
    )


def train(part, backbone, folder, steps: int = 2, place: str = "part") -> None:
    module, data = part.begin(backbone, 0, folder / "checkpoints" / place, folder / "weights")
    trainer = Trainer(
        accelerator="cpu", max_steps=steps, max_epochs=-1, logger=False, enable_progress_bar=False,
        enable_checkpointing=False, enable_model_summary=False, default_root_dir=folder,
        precision=part.precision, gradient_clip_val=part.clip,
    )  # fmt: skip
    trainer.fit(module, data)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Tokenizer and language model after two steps each, and the backbone they were trained in."""
    folder = tmp_path_factory.mktemp("pretraining")
    backbone = showo()
    tokenizer = TokenizerPart(partial(AdamW, lr=1e-3), pool=8, batch=4)
    train(tokenizer, backbone, folder)
    assert tokenizer.write(folder / "weights") == {}
    tokenizer.read(folder / "weights", backbone)
    language = LanguagePart(pictures=FEW, kept=3, slots=2, compile_blocks=False)
    before = backbone.network.phi.lm_head.weight.clone()
    train(language, backbone, folder)
    language.write(folder / "weights")
    language.read(folder / "weights", backbone)
    assert not torch.equal(before, backbone.network.phi.lm_head.weight)
    return folder, backbone


def assert_equal(one: Showo, other: Showo) -> None:
    mine, its = one.state_dict(), other.state_dict()
    assert mine.keys() == its.keys()
    for name, value in mine.items():
        assert torch.equal(value, its[name]), name


def test_the_backbone_goes_on_with_what_was_written(weights):
    folder, backbone = weights
    read = showo(9, weights=str(folder / "weights/showo"), image_weights=str(folder / "weights/magvit"))
    assert_equal(backbone, read)
    assert not any(parameter.requires_grad for parameter in backbone.parameters())


def test_a_part_that_is_done_is_read_back(weights):
    folder, backbone = weights
    other = showo(5)
    TokenizerPart(partial(AdamW, lr=1e-3)).read(folder / "weights", other)
    LanguagePart().read(folder / "weights", other)
    assert_equal(backbone, other)


def test_codes_of_the_tokenizer_that_was_are_forgotten(weights, tmp_path):
    """On disk as in memory: a run that goes on, or another one, starts from the same untrained tokenizer."""
    folder, _ = weights
    untrained = showo(5, code_folder=str(tmp_path))
    untrained.layout.codes.put("picture", torch.zeros(144, dtype=torch.int64))
    TokenizerPart(partial(AdamW, lr=1e-3)).read(folder / "weights", untrained)
    assert untrained.layout.codes.get("picture") is None
    untrained.layout.codes.put("picture", torch.ones(144, dtype=torch.int64))
    trained = showo(7, image_weights=str(folder / "weights/magvit"), code_folder=str(tmp_path))
    assert torch.equal(trained.layout.codes.get("picture"), torch.ones(144, dtype=torch.int64))


def test_known_rows_and_weights_are_half_precision(weights):
    folder, backbone = weights
    known = load_known(folder / "weights" / KNOWN_ROWS, backbone.row_shape, backbone.fresh_rows)
    assert [str(one) for one in known] == ["<c0>", "<c1>", "<c2>"]
    for place in ("showo", "magvit"):
        with safe_open(folder / f"weights/{place}/model.safetensors", "pt") as opened:
            kinds = {opened.get_slice(name).get_dtype() for name in opened.keys()}  # noqa: SIM118
            assert "BF16" in kinds
            assert "F32" not in kinds


def test_the_album_is_kept_for_the_next_process(weights, monkeypatch):
    folder, _ = weights
    backbone = showo()
    TokenizerPart(partial(AdamW, lr=1e-3)).read(folder / "weights", backbone)
    part = LanguagePart(pictures=FEW, kept=3, slots=2)
    _, lessons = part.begin(backbone, 0, folder / "checkpoints/another", folder / "weights")
    monkeypatch.setattr("unictk.pretraining.language.make_album", lambda *_: pytest.fail("made again"))
    kept = lessons.world
    groups = (kept.singles, kept.pairs, kept.variants, kept.spoilt, kept.blends)
    assert [len(group) for group in groups] == [12, 12, 8, 2, 3]
    assert kept.variants[0][1].scene.characters
    assert len(kept.known) == len(kept.own) == len(kept.look_alikes) == 160


def refinement(**others) -> RefinementPart:
    """Of the smallest album, with four drawings of its own."""
    how = Sampling(steps=2, guidance=0.0)
    return RefinementPart(pictures=FEW, slots=2, drawn=4, sampling=how, compile_blocks=False, **others)


def test_a_training_goes_on_from_weights_that_are_there(weights, tmp_path):
    folder, backbone = weights
    other = showo(5, image_weights=str(folder / "weights/magvit"))
    part = refinement(start=str(folder / "weights/showo"))
    module, _ = part.begin(other, 0, folder / "checkpoints/further", tmp_path / "nothing here")
    mine, its = backbone.network.phi, other.network.phi
    assert torch.equal(mine.lm_head.weight, its.lm_head.weight)
    assert torch.equal(mine.model.embed_tokens.weight, its.model.embed_tokens.weight)
    for block, same in zip(mine.model.layers.parameters(), its.model.layers.parameters(), strict=True):
        assert torch.equal(block, same)
    kept = load_values(folder / "weights" / KNOWN_ROWS, module.known.sizes)
    assert torch.equal(module.known.table[:3], kept)
    assert torch.allclose(module.known.table[3:], kept.mean(0).expand(157, -1, -1))
    assert all(parameter.requires_grad for parameter in its.model.layers.parameters())
    with pytest.raises(WeightsError, match=r"nowhere: no such folder"):
        refinement(start="nowhere").begin(showo(), 0, tmp_path, tmp_path)


def test_a_model_is_taught_on_its_own_drawings(weights, monkeypatch):
    """Made once by the model as it is when the part begins, read by the oracle, and trained on."""
    folder, _ = weights
    place = folder / "checkpoints/refinement"
    backbone = showo(5, weights=str(folder / "weights/showo"), image_weights=str(folder / "weights/magvit"))
    _, lessons = refinement().begin(backbone, 0, place, folder / "weights")
    drawn = lessons.world.drawn
    assert len(drawn) == 4
    assert lessons.world.singles[0].number == 0
    meant = {one.number for one in (*lessons.world.singles, *lessons.world.pairs)}
    assert all(wanted.number in meant for wanted, _ in drawn)
    assert len({own.number for _, own in drawn} | meant) == 4 + len(meant)
    assert not any(own.readable for _, own in drawn), "a model of two steps draws nothing that can be read"

    monkeypatch.setattr("unictk.pretraining.refinement.draw_own", lambda *_: pytest.fail("drawn again"))
    again = showo(5, weights=str(folder / "weights/showo"), image_weights=str(folder / "weights/magvit"))
    part = refinement(kept=2)
    train(part, again, folder, place="refinement")
    part.write(folder / "refined")
    assert len(load_known(folder / "refined" / KNOWN_ROWS, again.row_shape, again.fresh_rows)) == 2
    part.read(folder / "refined", again)
    assert not torch.equal(again.network.phi.lm_head.weight, backbone.network.phi.lm_head.weight)


def test_writing_before_training_is_refused(tmp_path):
    for part in (TokenizerPart(partial(AdamW, lr=1e-3)), LanguagePart(), RefinementPart(), ClipPart()):
        with pytest.raises(RuntimeError, match="has not begun"):
            part.write(tmp_path)
