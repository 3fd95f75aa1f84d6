"""What trains in which stage at the published sizes, and how fast."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn
from unitoken_makers import make_unitoken

from unictk.backbones.unitoken.configs import language_config, vision_config
from unictk.backbones.unitoken.network import UniTokenNetwork
from unictk.backbones.unitoken.vq import VQTokenizer
from unictk.modules.freezing import Named, freeze, optimizer_groups, summary
from unictk.modules.unitoken import learning_rate

STAGES = Path(__file__).parents[3] / "conf" / "stage"


@lru_cache(maxsize=1)
def full_size() -> Any:
    """The published sizes, without memory."""
    with torch.device("meta"):
        network = UniTokenNetwork(language_config(), vision_config(), 65_536)
        tokenizer = VQTokenizer()
    parts = {
        "tables": nn.ModuleList([network.model.embed_tokens, network.lm_head]),
        "language": nn.ModuleList([*network.blocks, network.model.norm]),
        "vision": network.vit,
        "connector": network.adapter,
        "tokenizer": tokenizer,
    }
    return SimpleNamespace(parts=lambda: parts)


def stage(name: str) -> Any:
    return OmegaConf.load(STAGES / f"unitoken_{name}.yaml")


def named(backbone: Any, name: str) -> list[Named]:
    """As the stage's own file says."""
    written = stage(name)
    rules = (list(written.trains), list(written.freezes), dict(written.rates), list(written.undecayed))
    return freeze(backbone, "stages.s1", *rules)


def test_case_18_what_alignment_trains() -> None:
    found = named(full_size(), "alignment")
    rows = {row[0]: row[1:3] for row in summary(found)}
    assert rows["vision"] == (412_987_248 - 678_528 - 839_808, 678_528 + 839_808 + 15_238_352)
    assert rows["connector"] == (21_504_000, 0)
    assert rows["tables"][0] == rows["language"][0] == rows["tokenizer"][0] == 0
    tower = [one.name for one in found if one.part == "vision"]
    still = {"vision.embeddings.patch_embedding.weight", "vision.embeddings.patch_embedding.bias"}
    still |= {"vision.embeddings.position_embedding.weight"}
    still |= {name for name in tower if name.startswith("vision.head.")}
    assert len(still) == 3 + 11
    adapter = {f"connector.{place}.{kind}" for place in (0, 2) for kind in ("weight", "bias")}
    assert {one.name for one in found if one.trains} == set(tower) - still | adapter


@pytest.mark.parametrize("name", ["joint", "instruction"])
def test_case_18_what_the_other_stages_train(name: str) -> None:
    rows = {row[0]: row[1:3] for row in summary(named(full_size(), name))}
    assert rows["tables"][0] + rows["language"][0] == 7_013_158_912
    assert rows["tables"][1] == rows["language"][1] == rows["connector"][1] == 0
    assert rows["vision"] == (412_987_248 - 678_528 - 839_808, 678_528 + 839_808 + 15_238_352)
    assert rows["tokenizer"][0] == 0 < rows["tokenizer"][1]


@pytest.mark.parametrize("name", ["alignment", "joint", "instruction"])
def test_case_18_the_image_tokenizer_is_in_no_optimizer(name: str) -> None:
    backbone = make_unitoken()
    groups = optimizer_groups(named(backbone, name))
    moves = {id(parameter) for parameters, _, _ in groups for parameter in parameters}
    assert moves
    assert not moves & {id(parameter) for parameter in backbone.image_tokenizer.parameters()}
    assert moves == {id(parameter) for parameter in backbone.parameters() if parameter.requires_grad}


def test_case_17_the_tower_moves_at_a_hundredth_in_alignment_and_like_the_rest_afterwards() -> None:
    """And the rate at the places of an epoch that the specification lists."""
    wanted = {0.005: 5.0e-4, 0.01: 1e-3, 0.25: 8.618670e-4, 0.5: 5.079330e-4, 0.75: 1.492626e-4, 1.0: 0.0}
    for name, scale, base in (("alignment", 0.01, 1e-3), ("joint", 1.0, 1e-5), ("instruction", 1.0, 1e-5)):
        written = stage(name)
        assert (written.optimizer.lr, written.warmup) == (base, 0.01)
        assert list(written.optimizer.betas) == [0.9, 0.95]
        assert written.optimizer.weight_decay == 0.1
        rates = {one.part: one.rate for one in named(make_unitoken(), name) if one.trains}
        assert rates.pop("vision") == scale
        assert set(rates.values()) == {1.0}
        for done, value in wanted.items():
            rate = learning_rate(done, written.warmup, 1) * written.optimizer.lr
            assert rate == pytest.approx(value * base / 1e-3, abs=1e-9)
    assert learning_rate(1.0, 0.01, 2) == pytest.approx(0.503947, abs=1e-6), "half-way of two epochs"
