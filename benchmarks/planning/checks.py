"""The plan's formulas against small models that are really run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from hydra.utils import instantiate
from torch import Tensor, nn

from benchmarks.planning.amounts import count, key_bytes, operations, optimizer_bytes, parameters
from benchmarks.planning.backbones import model
from benchmarks.planning.models import Model
from benchmarks.planning.traces import KINDS, RANK, Kind, counting, kept_bytes, traced
from unictk.backbones.keyvalues import Recorder, size_in_bytes
from unictk.concepts.lora import LoraSettings, add_lora
from unictk.concepts.tokens import DEFAULT_SIZES, ConceptTokens

SMALL = ("showo_tiny", "janus_tiny", "bagel_tiny", "unitoken_tiny")
TOLERANCE = 0.05
"""By how much the bytes kept may differ from what was measured; everything else is exact."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One quantity, planned and measured."""

    name: str
    planned: float
    measured: float
    tolerance: float = 0.0

    @property
    def ok(self) -> bool:
        """Within the tolerance."""
        return abs(self.planned - self.measured) <= self.tolerance * self.measured

    def __str__(self) -> str:
        allowed = f"within {self.tolerance:.0%}" if self.tolerance else "exact"
        verdict = "ok" if self.ok else "DIFFERS"
        return (
            f"{self.name}: planned {self.planned:,.0f}, measured {self.measured:,.0f} ({allowed}) {verdict}"
        )


def small_backbone(plan: Model) -> Any:
    """The real backbone of the option, random weights, nothing kept on disk."""
    absent = {key: None for key in ("weights", "image_weights", "code_folder") if key in plan.config}
    return instantiate({**plan.config, **absent})


def prepared(plan: Model, kind: Kind) -> tuple[Any, list[nn.Parameter]]:
    """A real backbone and what trains of it."""
    backbone = small_backbone(plan)
    if kind == "full":
        for part, module in backbone.parts().items():
            module.requires_grad_(part != "tokenizer")
        return backbone, [p for p in backbone.parameters() if p.requires_grad]
    adapters: list[nn.Parameter] = []
    if kind == "lora":
        adapters = add_lora(backbone, LoraSettings(RANK, 2 * RANK, plan.lora_targets))
    rows = backbone.fresh_rows(sum(DEFAULT_SIZES.values()))
    concept = ConceptTokens.from_rows("bo", backbone.row_shape, DEFAULT_SIZES, rows)
    backbone.attach([concept])
    return backbone, [*adapters, *concept.parameters()]


def kept(plan: Model, kind: Kind) -> float:
    """Bytes that the real loss of a drawing and an answer keeps, fp32."""
    backbone, trained = prepared(plan, kind)
    batch = backbone.layout.collate(plan.samples)
    backbone.loss(batch)  # codes and latents are made once
    known: list[Tensor] = [*backbone.parameters(), *backbone.buffers(), *trained]

    def run() -> Tensor:
        loss = backbone.loss(batch)
        return cast(Tensor, loss.text_sum + loss.image_sum)

    return kept_bytes(run, known)[1]


def optimizer_measured(trained: Sequence[nn.Parameter]) -> int:
    """Bytes of AdamW's state after one step."""
    optimizer = torch.optim.AdamW(trained)
    for parameter in trained:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    state = [value for kept_ in optimizer.state.values() for value in kept_.values()]
    return sum(value.nbytes for value in state)


@torch.no_grad()
def read_measured(plan: Model, network: Any, positions: int) -> tuple[int, int]:
    """Bytes of keys and values after reading, and operations that reading takes."""
    recorder = Recorder()
    vectors = torch.zeros(1, positions, plan.hidden)
    with counting() as counter:
        plan.read(network, vectors, recorder)
    return size_in_bytes(recorder.layers), counter.get_total_flops()


def compared(name: str, kinds: Sequence[Kind] = KINDS) -> list[Compared]:
    """All quantities of one small model."""
    plan = model(name)
    backbone = small_backbone(plan)
    numbers = sum(p.numel() for p in backbone.parameters())
    found = [Compared(f"{name}: parameters", count(plan), numbers)]
    keys, work = read_measured(plan, backbone.network, plan.answer)
    found += [
        Compared(f"{name}: bytes of keys", key_bytes(plan, plan.answer, torch.float32), keys),
        Compared(f"{name}: operations of reading", operations(plan, plan.answer, plan.answer), work),
    ]
    for kind in kinds:
        trained = [p for p in parameters(plan, kind, torch.float32) if p.trains]
        real = prepared(plan, kind)[1]
        numbers = sum(p.numel() * p.element_size() for p in real)
        found += [
            Compared(f"{name}, {kind}: bytes of gradients", sum(p.bytes for p in trained), numbers),
            Compared(
                f"{name}, {kind}: bytes of optimizer", optimizer_bytes(trained), optimizer_measured(real)
            ),
            Compared(
                f"{name}, {kind}: bytes kept for backward",
                traced(plan, kind, torch.float32, autocast=False).whole.kept,
                kept(plan, kind),
                TOLERANCE,
            ),
        ]
    return found
