"""A module whose parameters are cut up over the processes that train it (FSDP2).

All parameters are one group: gathered when a training step begins, cut up again when its backward pass is
over, with their gradients. The module between knows nothing of it. One group and not one a layer, because
every process must gather the same things in the same order, and how often a step runs through the layers
depends on its samples: one process may have a drawing, another an answer behind a picture.

So weights at rest, gradients after the step and the optimizer's state take 1/n of the memory; the gathered
weights and their gradients of one step are there whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

from unictk.errors import UserError


def shard(module: LightningModule) -> None:
    """Cut the module's parameters up over the data-parallel processes; without a mesh, or again: nothing.

    To be called in ``configure_model``. ``training_step`` then sees whole parameters.

    Raises:
        UserError: a parameter that is a single number, which cannot be cut.
    """
    if module.device_mesh is None or isinstance(module, FSDPModule):
        return
    for name, parameter in module.named_parameters():
        if parameter.dim() == 0:
            raise UserError(f"strategy: fsdp cannot cut up {name}, a single number; nearest: strategy=ddp")
        if not parameter.is_contiguous():
            parameter.data = parameter.data.contiguous()
    step = module.training_step

    def with_every_gradient(*arguments: Any) -> Tensor:
        # Processes add up gradients of the same parameters: one that a batch does not use has zeros.
        loss = cast(Tensor, step(*arguments))
        return loss + 0.0 * sum((p.sum() for p in module.parameters() if p.requires_grad), loss.new_zeros(()))

    module.training_step = with_every_gradient  # type: ignore[method-assign]
    fully_shard(module, mesh=module.device_mesh["data_parallel"])
    register_fsdp_forward_method(module, "training_step")


@contextmanager
def whole(module: nn.Module) -> Iterator[None]:
    """Inside, the module has whole parameters, so that one process alone may ask it; no training inside.

    All processes must enter together.
    """
    if not isinstance(module, FSDPModule):
        yield
        return
    module.unshard()
    try:
        yield
    finally:
        module.reshard()


def mend(module: nn.Module) -> None:
    """Give the module whole parameters for good; all processes together."""
    if not isinstance(module, FSDPModule):
        return
    module.reshard()
    mended: dict[int, nn.Parameter] = {}
    for part in module.modules():
        for name, parameter in list(part._parameters.items()):
            if isinstance(parameter, DTensor):
                if id(parameter) not in mended:  # tied ones stay tied
                    full = cast(Tensor, parameter.full_tensor()).detach()
                    mended[id(parameter)] = nn.Parameter(full, requires_grad=parameter.requires_grad)
                part.register_parameter(name, mended[id(parameter)])


def like(value: Tensor, model: Tensor) -> Tensor:
    """A whole tensor cut up as ``model`` is, if it is: each process keeps its part."""
    if not isinstance(model, DTensor) or isinstance(value, DTensor):
        return value
    value = value.to(model.device)
    return distribute_tensor(value, model.device_mesh, model.placements, src_data_rank=None)


def joined_up(tensor: Tensor) -> Tensor:
    """The whole of a tensor on the CPU, without gradient; all processes together if it is cut up."""
    full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full.detach().to("cpu", copy=True)


def joined_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """An optimizer's state with whole tensors."""
    return {
        "state": {
            number: {
                name: joined_up(value) if isinstance(value, Tensor) else value for name, value in own.items()
            }
            for number, own in state["state"].items()
        },
        "param_groups": state["param_groups"],
    }


def cut_state(state: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """An optimizer's state as its parameters are cut up; tensors of other shapes (step counts) stay whole."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    return {
        "state": {
            number: {
                name: like(value, parameters[number])
                if isinstance(value, Tensor) and value.shape == parameters[number].shape
                else value
                for name, value in own.items()
            }
            for number, own in state["state"].items()
        },
        "param_groups": state["param_groups"],
    }
