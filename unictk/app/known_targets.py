"""Bounds that the signatures of other people's classes do not state, and their hidden keywords.

An entry replaces what the signature gives for that parameter. Our own classes say their bounds with
``typing.Annotated`` in the signature and do not appear here.
"""

from __future__ import annotations

from typing import Any

_COUNT = {"type": "integer", "minimum": 1}
_FROM_ZERO = {"type": "integer", "minimum": 0}
_NULL = {"type": "null"}
_FLAG = {"type": "boolean"}
_SHARE = {"type": "number", "minimum": 0, "exclusiveMaximum": 1}


def _or_null(*specs: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [*specs, _NULL]}


_LIMIT = _or_null({"type": "number", "minimum": 0})
_ADAM = {
    "lr": {"type": "number", "exclusiveMinimum": 0},
    "weight_decay": {"type": "number", "minimum": 0},
    "eps": {"type": "number", "exclusiveMinimum": 0},
    "betas": {"type": "array", "items": _SHARE, "minItems": 2},
}

CONSTRAINTS: dict[str, dict[str, dict[str, Any]]] = {
    "lightning.pytorch.Trainer": {
        "accelerator": {"enum": ["auto", "cpu", "gpu", "cuda", "mps"]},
        "devices": {
            "anyOf": [_COUNT, {"type": "array", "items": _FROM_ZERO, "minItems": 1}, {"enum": ["auto"]}]
        },
        "num_nodes": _COUNT,
        # Rows and image codes are fp32 whatever the products are.
        "precision": {"enum": ["32-true", "bf16-mixed", "16-mixed"]},
        "max_epochs": _COUNT,  # each stage has an end
        "min_epochs": _or_null(_FROM_ZERO),
        "max_steps": {"anyOf": [_COUNT, {"enum": [-1]}]},  # -1: as many as the epochs have
        "min_steps": _or_null(_FROM_ZERO),
        "accumulate_grad_batches": _COUNT,
        "log_every_n_steps": _or_null(_FROM_ZERO),
        "check_val_every_n_epoch": _or_null(_COUNT),
        "num_sanity_val_steps": _or_null({"type": "integer", "minimum": -1}),
        "gradient_clip_val": _or_null({"type": "number", "minimum": 0}),
        "limit_train_batches": _LIMIT,
        "limit_val_batches": _LIMIT,
        "limit_test_batches": _LIMIT,
        "limit_predict_batches": _LIMIT,
    },
    "lightning.pytorch.strategies.DDPStrategy": {
        "find_unused_parameters": _FLAG,
        "gradient_as_bucket_view": _FLAG,
        "static_graph": _FLAG,
        "process_group_backend": _or_null({"enum": ["nccl", "gloo", "mpi"]}),
    },
    "lightning.pytorch.strategies.ModelParallelStrategy": {
        "data_parallel_size": {"anyOf": [_COUNT, {"enum": ["auto"]}]},
        "tensor_parallel_size": {"anyOf": [_COUNT, {"enum": ["auto"]}]},
    },
    "torch.optim.AdamW": _ADAM,
    "torch.optim.Adam": _ADAM,
    "torch.optim.SGD": {
        "lr": {"type": "number", "exclusiveMinimum": 0},
        "weight_decay": {"type": "number", "minimum": 0},
        "momentum": _SHARE,
    },
    "lightning.pytorch.loggers.CSVLogger": {"flush_logs_every_n_steps": _COUNT},
    "lightning.pytorch.loggers.TensorBoardLogger": {},
}
"""Target -> parameter -> spec. A listed target with ``**kwargs`` takes its own and these, nothing else."""
