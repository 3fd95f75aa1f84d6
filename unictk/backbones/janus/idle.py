"""Parts of the network that a batch has no use for.

Every process of a group needs gradients of the same parameters in every step, and sharded layers must be
gathered by all of them, while one may have only drawings to learn and another only answers.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from unictk.backbones.base import Rows
from unictk.backbones.janus.batch import JanusBatch
from unictk.backbones.janus.network import JanusNetwork
from unictk.backbones.sequences import IGNORED


def idle_zero(network: JanusNetwork, batch: JanusBatch, states: Tensor, rows: Rows | None) -> Tensor:
    """Zero, () fp32, whose gradients reach all parts that train and that the batch does not use.

    Args:
        network: what trains is what requires gradients.
        batch: says what is used.
        states: (B, L, hidden) of the batch, from which heads are run.
        rows: the attached concepts' rows; their head rows are part of the text head.
    """
    model, zero, state = network.stock.model, states.new_zeros((), dtype=torch.float32), states[:1, :1]
    found: list[Tensor] = []
    if not len(batch.seen.squares) and _trains(model.vision_model, model.aligner):
        blank = torch.zeros(1, *batch.seen.squares.shape[1:], device=states.device)
        found.append(network.features(blank))
    if not len(batch.drawn.codes):
        if _trains(model.generation_embeddings, model.generation_aligner):
            found.append(network.code_vectors(torch.zeros(1, dtype=torch.long, device=states.device)))
        if _trains(model.generation_head):
            found.append(network.code_logits(state))
    with_rows = rows is not None and rows.head.requires_grad
    if not bool((batch.sequences.targets != IGNORED).any()) and (with_rows or _trains(network.stock.lm_head)):
        found.append(network.logits(state, rows))
    return sum((0.0 * values.float().sum() for values in found), zero)


def _trains(*parts: nn.Module) -> bool:
    parameters: Iterable[nn.Parameter] = (parameter for part in parts for parameter in part.parameters())
    return any(parameter.requires_grad for parameter in parameters)
