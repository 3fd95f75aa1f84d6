"""The image tokenizer from nothing: it learns pictures, and its codes tell what they show."""

import random
from functools import partial

import numpy as np
import pytest
import torch
from lightning import Trainer
from lightning.pytorch.callbacks import Callback
from torch.optim import AdamW

from unictk.backbones.showo.magvit import MagvitV2
from unictk.datamodules.scenes import READ, ScenePictures, _Stream, visible
from unictk.modules.code_alignment import CodeAlignment, Shown
from unictk.modules.tokenizer_pretraining import AlignmentWeights, TokenizerPretraining, binary
from unictk.sprites.render import render
from unictk.sprites.scenes import IDENTITY, MOST, SETTINGS
from unictk.sprites.splits import random_scene

SIZES = {name: len(values) for name, values in READ.items()}


def trainer(tmp_path, steps: int, told: Callback) -> Trainer:
    return Trainer(
        accelerator="cpu", callbacks=[told], max_steps=steps, max_epochs=-1, logger=False,
        enable_progress_bar=False, enable_checkpointing=False, enable_model_summary=False,
        default_root_dir=tmp_path,
    )  # fmt: skip


def test_binary_codes_are_signs_with_a_gradient():
    hidden = torch.tensor([-2.0, -0.1, 0.0, 0.3], requires_grad=True)
    code = binary(hidden)
    assert code.tolist() == [-1, -1, -1, 1]
    code.sum().backward()
    assert torch.allclose(hidden.grad, 1 - torch.tanh(hidden.detach()) ** 2)


class Told(Callback):
    """The first and the last value of everything logged."""

    def __init__(self) -> None:
        self.first: dict[str, float] = {}
        self.last: dict[str, float] = {}

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.last = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.first = self.first or self.last


def make_module(**options) -> TokenizerPretraining:
    torch.manual_seed(0)
    tokenizer = MagvitV2(8, (1, 2, 2), (0, 1, 1), (1, 1, 2), (0, 1, 1), z_channels=6, groups=4)
    readouts = CodeAlignment(6, len(SETTINGS), SIZES)
    return TokenizerPretraining(tokenizer, partial(AdamW, lr=3e-3), readouts, warmup=2, **options)


def test_the_tokenizer_learns_pictures_and_what_they_show(tmp_path):
    told = Told()
    trainer(tmp_path, 40, told).fit(make_module(), ScenePictures(0, pool=32, batch=8))
    assert told.last["tokenizer/psnr"] > 11
    for name in ("loss", "attributes", "character", "colour", "setting"):
        assert told.last[f"tokenizer/{name}"] < told.first[f"tokenizer/{name}"], name


def test_readouts_of_weight_nought_leave_the_tokenizer_alone():
    data = ScenePictures(0, pool=4, batch=4)
    data.setup("fit")
    batch = next(iter(_Stream(data, 0)))
    module = make_module(weights=AlignmentWeights(0, 0, 0, 0))
    module.log = lambda *_, **__: None
    module.training_step(batch, 0).backward()
    assert all(not p.grad.any() for p in module.alignment.parameters() if p.grad is not None)
    assert any(p.grad.any() for p in module.tokenizer.parameters() if p.grad is not None)


def codes_that_tell(shown: Shown, cells: int = 12) -> torch.Tensor:
    """(B, 4, 12, 12): the first two bits spell a character's size, the third says that one is there."""
    share = torch.nn.functional.avg_pool2d(shown.characters.float(), 48 // cells) > 0
    size = shown.attributes[..., list(READ).index("size")]
    bits = torch.full((len(share), 4, cells, cells), -1.0)
    for at in range(MOST):
        here = share[:, at]
        big = (size[:, at] == 1)[:, None, None] & here
        bits[:, 0][here] = -1.0
        bits[:, 0][big] = 1.0
        bits[:, 2][here] = 1.0
    return bits


def test_readouts_find_what_single_codes_tell_and_nothing_else():
    data = ScenePictures(0, pool=64, batch=64, counts={1: 0.5, 2: 0.5})
    data.setup("fit")
    pixels, shown = next(iter(_Stream(data, 0)))
    wanted = pixels.float() / 127.5 - 1
    code, weight = codes_that_tell(shown), torch.ones(len(pixels), 1, 48, 48)
    torch.manual_seed(0)
    readouts = CodeAlignment(4, len(SETTINGS), SIZES)
    optimizer = torch.optim.Adam(readouts.parameters(), lr=0.1)
    for _ in range(80):
        read = readouts(code, wanted, weight, shown)
        optimizer.zero_grad()
        (read["attributes"] + read["character"]).backward()
        optimizer.step()
    assert read["read/size"] > 0.95
    assert read["character"] < 0.3
    assert read["read/shape"] < 0.5, "the bits say nothing of it"


def test_absent_characters_are_not_asked_about():
    data = ScenePictures(1, pool=8, batch=8, counts={1: 1.0})
    data.setup("fit")
    pixels, shown = next(iter(_Stream(data, 0)))
    assert (shown.attributes[:, 1:] == -1).all()
    assert not shown.characters[:, 1:].any()
    wanted, weight = pixels.float() / 127.5 - 1, torch.ones(8, 1, 48, 48)
    code = torch.where(torch.rand(8, 6, 12, 12) < 0.5, -1.0, 1.0)
    read = CodeAlignment(6, len(SETTINGS), SIZES)(code, wanted, weight, shown)
    assert all(torch.isfinite(value) for value in read.values())


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_visible_pixels_of_a_character_are_those_that_change_without_it(count):
    scene = random_scene(random.Random(count), "pretraining", count)
    picture = render(scene)
    masks = [visible(scene, at, picture) for at in range(count)]
    assert all(80 < mask.sum() < 24 * 24 for mask in masks)
    for at, mask in enumerate(masks):
        others = [other for place, other in enumerate(masks) if place != at]
        assert (mask & ~np.any(others, axis=0)).any() if others else mask.any()


def test_labels_and_masks_belong_together():
    data = ScenePictures(5, pool=24, batch=6)
    data.setup("fit")
    assert set(READ) == {*IDENTITY, "accessory", "item", "column", "row", "size"}
    there = data.attributes[..., 0] >= 0
    assert (data.characters.any((2, 3)) == there).all()
    by_name = {name: data.attributes[..., at][there] for at, name in enumerate(READ)}
    assert ((by_name["accessory"] == 0) == (by_name["item"] == 0)).all(), "no accessory, no colour of one"
    rows = np.arange(48)[:, None] * np.ones((1, 48))
    middle = np.array([rows[mask].mean() for mask in data.characters[there]])
    assert middle[by_name["row"] == 0].max() < middle[by_name["row"] == 2].min()


def test_pictures_come_in_a_fixed_order_from_any_step_on():
    data = ScenePictures(3, pool=12, batch=4)
    data.setup("fit")
    whole = [pixels for pixels, _ in (batch for batch, _ in zip(_Stream(data, 0), range(7), strict=False))]
    later = [pixels for pixels, _ in (batch for batch, _ in zip(_Stream(data, 4), range(3), strict=False))]
    for one, other in zip(whole[4:], later, strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(whole[0], whole[3])
