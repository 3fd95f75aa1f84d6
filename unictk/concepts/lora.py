"""Low-rank adapters on the language model: an option of UniCTokens' first stage, off by default.

peft puts the adapters into the language part in place. The keys of that part change (``q_proj.weight``
becomes ``q_proj.base_layer.weight``), so load published weights first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from peft import (
    LoraConfig,
    get_peft_model_state_dict,
    inject_adapter_in_model,
    set_peft_model_state_dict,
)
from peft.tuners.lora import LoraLayer
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from unictk.backbones.base import Backbone
from unictk.chance import seed_of
from unictk.concepts.tokens import gathered
from unictk.errors import UserError, WeightsError, not_a_choice

PART = "language"


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """Rank, scale (alpha / r) and which linear layers, by their last name; as published, without dropout."""

    r: int = 8
    alpha: float = 16
    targets: tuple[str, ...] = ("fc1", "fc2", "q_proj", "k_proj", "v_proj")


def add_lora(backbone: Backbone, settings: LoraSettings, seed: int = 0) -> list[nn.Parameter]:
    """Put adapters into the language part and freeze the rest of that part; returns their parameters.

    The model computes what it computed before: adapters start at zero. Other parts keep their state.

    Args:
        backbone: has a part named ``language``.
        settings: the adapters.
        seed: of the adapters' first values.

    Raises:
        UserError: no language part, a rank below 1, a target that names no linear layer, or adapters
            that are there already.
    """
    language = _language(backbone)
    if _has_lora(language):
        raise UserError("lora: the language part has adapters already; expected none")
    if settings.r < 1:
        raise UserError(f"lora.r: {settings.r} is not a rank; expected 1 or more")
    linear = {
        name.rpartition(".")[2] for name, part in language.named_modules() if isinstance(part, nn.Linear)
    }
    for target in settings.targets:
        if target not in linear:
            raise not_a_choice("lora.targets", target, sorted(linear))
    config = LoraConfig(
        r=settings.r,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]
        target_modules=list(settings.targets),
        lora_dropout=0.0,
    )
    # peft draws from the global generator: lend it a seed, and put back what was there.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed_of(seed, "lora"))
        inject_adapter_in_model(config, language)
    return [parameter for name, parameter in language.named_parameters() if ".lora_" in name]


def lora_state(backbone: Backbone) -> dict[str, Tensor]:
    """The adapters' tensors on the CPU, by peft's names. With sharded weights every rank must call this.

    Raises:
        UserError: there are no adapters.
    """
    language = _adapted(backbone)
    return {name: gathered(tensor) for name, tensor in get_peft_model_state_dict(language).items()}


def load_lora(backbone: Backbone, state: Mapping[str, Tensor]) -> None:
    """Set the adapters that :func:`add_lora` made to what :func:`lora_state` gave.

    Raises:
        UserError: there are no adapters.
        WeightsError: a tensor is missing, unknown, or of another shape (both shapes are named).
    """
    language = _adapted(backbone)
    here = {name: tuple(tensor.shape) for name, tensor in get_peft_model_state_dict(language).items()}
    for name in sorted(here.keys() | state.keys()):
        if name not in state or name not in here:
            where = "the model" if name not in here else "the file"
            raise WeightsError(f"lora: {name} is not in {where}; expected the same layers in both")
        if tuple(state[name].shape) != here[name]:
            raise WeightsError(
                f"lora: {name} has shape {tuple(state[name].shape)}, but the model's is {here[name]}"
            )
    set_peft_model_state_dict(language, dict(state))


def save_adapters(state: Mapping[str, Tensor], settings: LoraSettings, path: Path) -> None:
    """Write adapters with their settings as safetensors."""
    save_file(dict(state), path, metadata={"settings": json.dumps(asdict(settings))})


def read_adapters(backbone: Backbone, path: Path) -> None:
    """Give the backbone the adapters of a file, adding them first where it has none.

    Raises:
        WeightsError: the file has no settings, or its adapters do not fit.
    """
    with safe_open(path, framework="pt") as file:
        text = (file.metadata() or {}).get("settings")
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if text is None:
        raise WeightsError(f"{path}: has no adapter settings; expected a file written with a concept")
    if not has_lora(backbone):
        settings = json.loads(text)
        add_lora(backbone, LoraSettings(**{**settings, "targets": tuple(settings["targets"])}))
    load_lora(backbone, state)


def settings_of(backbone: Backbone) -> LoraSettings:
    """What :func:`add_lora` was given, read from the adapters themselves."""
    adapted = [(n, m) for n, m in _adapted(backbone).named_modules() if isinstance(m, LoraLayer)]
    (key,) = adapted[0][1].r
    layer = adapted[0][1]
    return LoraSettings(
        r=layer.r[key],
        alpha=float(layer.lora_alpha[key]),
        targets=tuple(sorted({name.rpartition(".")[2] for name, _ in adapted})),
    )


def _language(backbone: Backbone) -> nn.Module:
    parts = backbone.parts()
    if PART not in parts:
        raise not_a_choice("lora: part", PART, sorted(parts))
    return parts[PART]


def has_lora(backbone: Backbone) -> bool:
    """Whether the language part has adapters."""
    return _has_lora(_language(backbone))


def _has_lora(language: nn.Module) -> bool:
    return any(".lora_" in name for name, _ in language.named_parameters())


def _adapted(backbone: Backbone) -> nn.Module:
    language = _language(backbone)
    if not _has_lora(language):
        raise UserError("lora: the language part has no adapters; expected add_lora first")
    return language
