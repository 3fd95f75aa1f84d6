"""``strategy=fsdp``: Lightning's FSDP2 strategy, with the checkpoints of every other strategy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, cast

from lightning.pytorch.strategies import ModelParallelStrategy
from lightning.pytorch.strategies.parallel import ParallelStrategy
from torch.optim import Optimizer

from unictk.sharding import cut_state, joined_state, joined_up, like


class FullyShardedStrategy(ModelParallelStrategy):
    """Parameters, gradients and optimizer state are cut up over all processes of the run.

    The module cuts itself up in ``configure_model`` (:func:`unictk.sharding.shard`). Checkpoints are single
    files that hold whole tensors under the names and numbers that one process would give them, so a run goes
    on with another strategy or number of processes.

    Args:
        process_group_backend: None: what suits the device.
    """

    def __init__(self, process_group_backend: Literal["nccl", "gloo"] | None = None) -> None:
        super().__init__(save_distributed_checkpoint=False, process_group_backend=process_group_backend)

    @property
    def lightning_restore_optimizer(self) -> bool:
        """Lightning's loop hands the optimizer's state over: see :meth:`load_optimizer_state_dict`."""
        return True

    def setup_environment(self) -> None:
        """Begin with all processes along one axis: left to itself, Lightning would split layers instead."""
        self._data_parallel_size, self._tensor_parallel_size = self.num_processes * self.num_nodes, 1
        super().setup_environment()

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """The module's whole tensors, of those that its checkpoints hold; all processes together."""
        module = self.lightning_module
        assert module is not None
        state = module.state_dict()
        named = getattr(module, "owned", None)
        owned = set(state) if named is None else cast("Callable[[], set[str]]", named)()
        return {name: joined_up(value) for name, value in state.items() if name in owned}

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        """Give the module its part of each tensor."""
        module = self.lightning_module
        assert module is not None
        current = module.state_dict()
        state = checkpoint["state_dict"]
        cut = {
            name: like(value, current[name]) if name in current else value for name, value in state.items()
        }
        module.load_state_dict(cut, strict=strict)

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """The optimizer's state with whole tensors; all processes together."""
        return joined_state(ParallelStrategy.optimizer_state(self, optimizer))

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Give each optimizer its part of each tensor."""
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            optimizer.load_state_dict(cut_state(state, optimizer))

    def load_checkpoint(
        self, checkpoint_path: str | Path, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """The file's content, whole, in every process."""
        return ParallelStrategy.load_checkpoint(self, checkpoint_path, weights_only=weights_only)
