"""Rules of what trains, by name."""

from __future__ import annotations

from typing import Any

import pytest
from unitoken_makers import make_unitoken

from unictk.errors import UserError
from unictk.modules.freezing import Named, freeze, matches, optimizer_groups, print_summary, summary
from unictk.modules.unitoken import FROZEN, Alignment

KEY = "stages.s1"


def frozen(backbone: Any, trains: tuple[str, ...], freezes: tuple[str, ...] = FROZEN) -> list[Named]:
    return freeze(backbone, KEY, trains, freezes, {}, ())


def test_only_what_is_named_has_gradients() -> None:
    backbone = make_unitoken()
    named = frozen(backbone, Alignment.trains)
    wants = {name for name, p in backbone.named_parameters() if p.requires_grad}
    assert wants == {
        name
        for name, _ in backbone.named_parameters()
        if name.startswith(("network.vit.", "network.adapter."))
        and not name.startswith("network.vit.embeddings.")
    }
    assert len(wants) == sum(one.trains for one in named)
    frozen(backbone, ("connector",))
    assert {name for name, p in backbone.named_parameters() if p.requires_grad} == {
        f"network.adapter.{place}.{kind}" for place in (0, 2) for kind in ("weight", "bias")
    }, "rules of before are forgotten"


def test_rules() -> None:
    name = "vision.encoder.layers.0.mlp.fc1.bias"
    assert matches("vision", name)
    assert matches("vision.encoder.layers.0", name)
    assert matches("*.bias", name)
    assert matches("vision.*.mlp.*", name)
    assert not matches("vision.encoder.layer", name)
    assert not matches("vis", name)


def test_rates_and_decay_make_groups() -> None:
    rates = {"vision.post_layernorm": 0.5, "vision": 0.01}
    named = freeze(make_unitoken(), KEY, ("vision", "connector"), FROZEN, rates, ("*.bias", "*norm*"))
    groups = {(rate, decayed): len(some) for some, rate, decayed in optimizer_groups(named)}
    assert groups[0.5, False] == 2
    assert groups[1.0, True] == groups[1.0, False] == 2
    assert set(groups) == {(0.5, False), (0.01, True), (0.01, False), (1.0, True), (1.0, False)}
    assert sum(groups.values()) == sum(one.trains for one in named)
    assert {row[0]: row[3] for row in summary(named)}["vision"] == "0.01, 0.5"


def test_the_printed_table(capsys: pytest.CaptureFixture[str]) -> None:
    named = frozen(make_unitoken(), ("connector",))
    print_summary(named, "s1: Alignment")
    lines = capsys.readouterr().out.splitlines()
    connector = next(line.split() for line in lines if "connector" in line)
    count = sum(p.numel() for p in make_unitoken().network.adapter.parameters())
    assert connector == ["connector", f"{count:,}", "0", "1"]
    assert next(line.split() for line in lines if "vision" in line)[1] == "0"


@pytest.mark.parametrize(
    ("trains", "freezes", "reason"),
    [
        (("visoin",), (), "stages.s1.trains: 'visoin' is not a choice; nearest: vision. All: "),
        (("vision.head",), (), "stages.s1.trains: 'vision.head' names no parameter; nearest: vision"),
        (("vision",), ("tokeniser",), "stages.s1.freezes: 'tokeniser' is not a choice; nearest: tokenizer"),
        (("*",), (), "stages.s1.trains: tokenizer."),
        (("vision",), ("vision",), "stages.s1.freezes: nothing is left to train of vision"),
    ],
)
def test_a_wrong_rule_is_one_line(trains: tuple[str, ...], freezes: tuple[str, ...], reason: str) -> None:
    with pytest.raises(UserError) as caught:
        frozen(make_unitoken(), trains, freezes)
    assert str(caught.value).startswith(reason)
