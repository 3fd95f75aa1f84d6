"""What trains and what does not, said by name: ``vision``, ``vision.embeddings``, ``*.bias``.

A parameter is called by its part of the backbone and its own name in it, such as
``vision.encoder.layers.0.mlp.fc1.weight``, so that a rule reads the same for every backbone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from rich import box
from rich.console import Console
from rich.table import Table
from torch import nn

from unictk.backbones.base import Backbone, LeavesUnread
from unictk.errors import UserError, not_a_choice

TOKENIZER = "tokenizer"
"""The part that says what a picture is made of: codes of another one would mean other pictures."""


@dataclass(frozen=True, slots=True)
class Named:
    """A parameter with its name, whether it trains, and by how much its learning rate is scaled."""

    name: str
    parameter: nn.Parameter
    trains: bool
    rate: float
    decayed: bool

    @property
    def part(self) -> str:
        """The part of the backbone that it belongs to."""
        return self.name.partition(".")[0]


def matches(rule: str, name: str) -> bool:
    """Whether a rule is the name, its beginning up to a point, or a pattern of it."""
    return name == rule or name.startswith(f"{rule}.") or fnmatchcase(name, rule)


def by_name(backbone: Backbone) -> dict[str, nn.Parameter]:
    """Every parameter by its part's name and its own in it."""
    parts = backbone.parts().items()
    return {f"{part}.{name}": p for part, module in parts for name, p in module.named_parameters()}


def freeze(
    backbone: Backbone,
    key: str,
    trains: Sequence[str],
    freezes: Sequence[str],
    rates: Mapping[str, float],
    undecayed: Sequence[str],
) -> list[Named]:
    """Let train what ``trains`` names and ``freezes`` does not, and nothing else; never what is unread.

    Args:
        backbone: whose parameters.
        key: of the stage in the configuration, for errors.
        trains: rules; each must name something.
        freezes: rules that win over those.
        rates: by rule, what the learning rate is multiplied by; the first that fits counts.
        undecayed: rules for what has no weight decay.

    Raises:
        UserError: a rule of another model, one that would train the image tokenizer, or nothing to train.
    """
    parts = backbone.parts()
    named = by_name(backbone)
    for place, rules in (
        ("trains", trains),
        ("freezes", freezes),
        ("rates", rates),
        ("undecayed", undecayed),
    ):
        for rule in rules:
            first = rule.partition(".")[0]
            if first not in parts and "*" not in first:
                raise not_a_choice(f"{key}.{place}", first, sorted(parts))
            if place == "trains" and not any(matches(rule, name) for name in named):
                raise UserError(f"{key}.trains: {rule!r} names no parameter; nearest: {first}")
    unread: Mapping[str, str] = backbone.unread() if isinstance(backbone, LeavesUnread) else {}
    found = []
    for module in parts.values():
        module.requires_grad_(False)
    for name, parameter in named.items():
        chosen = _any(trains, name) and not _any(freezes, name) and name.partition(".")[0] not in unread
        if chosen and name.startswith(f"{TOKENIZER}."):
            raise UserError(
                f"{key}.trains: {name} is of the image tokenizer, which does not train; "
                f"add {TOKENIZER} to {key}.freezes"
            )
        parameter.requires_grad_(chosen)
        rate = next((value for rule, value in rates.items() if matches(rule, name)), 1.0)
        found.append(Named(name, parameter, chosen, rate, not _any(undecayed, name)))
    if not any(one.trains for one in found):
        if unread:
            reason = next(iter(unread.values()))
            raise UserError(
                f"{key}.trains: nothing is left to train of {', '.join(trains) or 'nothing'}: {reason} "
                f"leaves {', '.join(unread)} unread"
            )
        raise UserError(f"{key}.freezes: nothing is left to train of {', '.join(trains) or 'nothing'}")
    return found


def optimizer_groups(named: Sequence[Named]) -> list[tuple[list[nn.Parameter], float, bool]]:
    """(parameters, scale of the learning rate, whether they decay) of what trains."""
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for one in named:
        if one.trains:
            groups.setdefault((one.rate, one.decayed), []).append(one.parameter)
    return [(parameters, rate, decayed) for (rate, decayed), parameters in groups.items()]


def summary(named: Sequence[Named]) -> list[tuple[str, int, int, str]]:
    """(part, parameters that train, parameters that do not, scales of the learning rate) of every part."""
    rows = []
    for part in dict.fromkeys(one.part for one in named):
        mine = [one for one in named if one.part == part]
        counts = [sum(one.parameter.numel() for one in mine if one.trains is flag) for flag in (True, False)]
        rates = sorted({one.rate for one in mine if one.trains})
        rows.append((part, counts[0], counts[1], ", ".join(f"{rate:g}" for rate in rates)))
    return rows


def print_summary(named: Sequence[Named], title: str) -> None:
    """The summary as a table, with a line for the whole."""
    table = Table(title=title, box=box.SIMPLE, title_justify="left")
    for column in ("part", "trains", "frozen", "learning rate x"):
        table.add_column(column, justify="left" if column == "part" else "right")
    rows = summary(named)
    for part, some, rest, rates in rows:
        table.add_row(part, f"{some:,}", f"{rest:,}", rates or "-")
    table.add_row("whole", f"{sum(row[1] for row in rows):,}", f"{sum(row[2] for row in rows):,}", "")
    Console().print(table, markup=False)


def _any(rules: Sequence[str], name: str) -> bool:
    return any(matches(rule, name) for rule in rules)
