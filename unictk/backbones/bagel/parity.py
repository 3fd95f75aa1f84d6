"""Every quantity of BAGEL's golden numbers, computed by our network (``python -m unictk.parity``)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unictk.backbones.bagel.answering import answer
from unictk.backbones.bagel.autoencoder import FluxAutoencoder
from unictk.backbones.bagel.context import Context, read
from unictk.backbones.bagel.drawing import Canvas, Conditions, draw
from unictk.backbones.bagel.guidance import Guidance, Schedule
from unictk.backbones.bagel.names import FIXED_TABLES, ours, published
from unictk.backbones.bagel.network import BagelNetwork
from unictk.backbones.bagel.packing import LatentPart, Packer, Part, PicturePart, TextPart
from unictk.backbones.bagel.sizes import Sizes, SpecialIds, qwen2_config, siglip_config
from unictk.backbones.bagel.training import TokenLosses, shifted_time, token_losses
from unictk.errors import WeightsError
from unictk.parity import attempt, attempt_several, read_tensors

TEXT_LENGTH = 12
"""Tokens of the golden text, its bos included, unless ``meta.json`` says otherwise (``max_length``)."""

TABLE_TOLERANCE = 1e-5

FIXED = {
    ("llm", "qk_norm"): True,
    ("llm", "layer_module"): "Qwen2MoTDecoderLayer",
    ("llm", "tie_word_embeddings"): False,
    ("llm", "hidden_act"): "silu",
    ("vit", "rope"): False,
    ("vit", "hidden_act"): "gelu_pytorch_tanh",
    ("vit", "num_channels"): 3,
    ("bagel", "connector_act"): "gelu_pytorch_tanh",
    ("bagel", "interpolate_pos"): False,
}
"""Options of the published configuration with one value only."""


class Golden:
    """The golden model and its inputs; one method per kind of quantity."""

    def __init__(self, directory: Path, meta: Mapping[str, Any], inputs: Mapping[str, Tensor]) -> None:
        self.directory, self.meta, self.inputs = directory, meta, inputs
        _check_options(meta)
        tokens, names = meta["bagel"], meta["special_ids"]
        self.sizes = Sizes(
            tokens["latent_patch_size"],
            meta["vae"]["z_channels"],
            tokens["max_latent_size"],
            tokens["vit_max_num_patch_per_side"],
        )
        self.special = SpecialIds(
            names["bos_token_id"], names["eos_token_id"], names["start_of_image"], names["end_of_image"]
        )
        self.packer = Packer(self.special, self.sizes, meta["vit"]["patch_size"])
        self.network = BagelNetwork(
            qwen2_config(**_sizes(meta, "llm")), siglip_config(**_sizes(meta, "vit")), self.sizes
        )
        self.tables = _fill(self.network, directory / "model.safetensors")
        self.network.requires_grad_(False).eval()

    # -- training ----------------------------------------------------------------------------------------

    def samples(self) -> list[list[Part]]:
        """Picture, question, answer; and caption, noised latent."""
        return [[*self._asked(), self._text("answer", target=True)], [self._text("caption"), self._noised()]]

    def _text(self, name: str, target: bool = False) -> TextPart:
        return TextPart(self.inputs[f"train.{name}_ids"].tolist(), target)

    def _asked(self) -> list[Part]:
        return [PicturePart(self.inputs["train.und_pixels"]), self._text("question")]

    def _noised(self) -> LatentPart:
        logits = self.inputs["train.timestep_logit"]
        time = shifted_time(logits.sigmoid(), self.meta["bagel"]["train_timestep_shift"])
        return LatentPart(self.inputs["train.latent"][0], self.inputs["train.noise"], time)

    def allowed(self, number: int) -> Tensor:
        """(L, L) of 0 and 1."""
        pack = self.packer.pack([self.samples()[number]])
        return pack.marks.dense()[0].to(torch.uint8)

    def position_ids(self) -> Tensor:
        """(T,) of the whole pack."""
        return self.packer.pack(self.samples()).positions[0]

    @cached_property
    def losses(self) -> TokenLosses:
        """Of the whole pack."""
        return token_losses(self.network, self.packer.pack(self.samples()))

    def cross_entropy(self) -> Tensor:
        """One number a target."""
        self._needs("vit_pos_embed.pos_embed")
        return self.losses.text

    def squared_error(self) -> Tensor:
        """(latent tokens, latent width)."""
        self._needs("latent_pos_embed.pos_embed")
        return self.losses.image

    # -- sampling ----------------------------------------------------------------------------------------

    def draw(self, renormalisation: str | None) -> Tensor:
        """Latent tokens of the one image; without renormalisation there is no guidance."""
        self._needs("latent_pos_embed.pos_embed")
        given, noise = self.meta["generate"], self.inputs["generate_image.init_noise"]
        prompt = [[TextPart(self.inputs["generate_image.prompt_ids"].tolist())]]
        conditions = Conditions(read(self.network, self.packer, prompt), Context.empty(self.network, 1))
        schedule = Schedule(given["num_timesteps"], given["timestep_shift"], tuple(given["cfg_interval"]))
        guidance = Guidance(1.0)
        if renormalisation is not None:
            scale, least = given["cfg_text_scale"], given["cfg_renorm_min"]
            guidance = Guidance(scale, 1.0, renormalisation, least)  # type: ignore[arg-type]
        canvas = Canvas([noise], [self._grid()])
        return draw(self.network, self.special, conditions, canvas, schedule, guidance)[0]

    def _grid(self) -> tuple[int, int]:
        size, cell = self.meta["image_size"], self.meta["vae"]["downsample"] * self.sizes.latent_patch
        height, width = size if isinstance(size, list) else (size, size)
        return height // cell, width // cell

    def write(self) -> Tensor:
        """Greedy ids after picture and question, bos first."""
        self._needs("vit_pos_embed.pos_embed")
        context = read(self.network, self.packer, [self._asked()])
        length = self.meta["generate"].get("max_length", TEXT_LENGTH)
        found = answer(self.network, self.special, context, [length - 1], [0.0], [0])
        return torch.tensor([self.special.bos, *found[0]])

    # -- autoencoder -------------------------------------------------------------------------------------

    @torch.no_grad()
    def autoencoder(self) -> dict[str, Tensor]:
        """Latents of the pixels, and what becomes of them."""
        sizes = self.meta["vae"]
        made = FluxAutoencoder(
            sizes["ch"],
            sizes["ch_mult"],
            sizes["num_res_blocks"],
            sizes["z_channels"],
            sizes["scale_factor"],
            sizes["shift_factor"],
        )
        if made.downsample != sizes["downsample"]:
            raise WeightsError(
                f"meta.json: vae.downsample is {sizes['downsample']}, ch_mult makes it {made.downsample}"
            )
        made.load_state_dict(read_tensors(self.directory / "ae.safetensors"))
        mean = made.encode(self.inputs["vae.pixels"]).mean
        return {"vae.latent_mean": mean, "vae.decoded": made.decode(mean)}

    def _needs(self, table: str) -> None:
        """Refuse where the stored table is not the one our formula gives."""
        worst = self.tables.get(table, 0.0)
        if not worst <= TABLE_TOLERANCE:
            raise WeightsError(f"{table} of model.safetensors differs from its formula by {worst:.3g}")


def _check_options(meta: Mapping[str, Any]) -> None:
    for (group, key), value in FIXED.items():
        if meta[group].get(key, value) != value:
            raise WeightsError(
                f"meta.json: {group}.{key} is {meta[group][key]!r}; only {value!r} exists here"
            )


def _sizes(meta: Mapping[str, Any], group: str) -> dict[str, Any]:
    return {key: value for key, value in meta[group].items() if (group, key) not in FIXED}


def _fill(network: BagelNetwork, file: Path) -> dict[str, float]:
    """Give the network the file's tensors; how far each stored table is from its formula."""
    tensors = read_tensors(file)
    apart = {}
    for name, buffer in FIXED_TABLES.items():
        stored = tensors.pop(name, None)
        if stored is not None:
            own = getattr(network, buffer)
            apart[name] = float((stored - own).abs().max()) if stored.shape == own.shape else float("inf")
    expected = {published(name) for name in network.state_dict()}
    if missing := sorted(expected - tensors.keys()):
        raise WeightsError(f"{file}: {len(missing)} tensors missing, first {missing[0]}")
    if extra := sorted(tensors.keys() - expected):
        raise WeightsError(f"{file}: {len(extra)} tensors unexpected, first {extra[0]}")
    network.load_state_dict({ours(name): tensor for name, tensor in tensors.items()})
    return apart


def compute(
    directory: Path, meta: Mapping[str, Any], inputs: Mapping[str, Tensor]
) -> dict[str, Tensor | Exception]:
    """Every output of ``meta``; a quantity that cannot be computed is its exception."""
    golden = Golden(directory, meta, inputs)
    single: dict[str, Callable[[], Tensor]] = {
        "train.allowed.sample1": partial(golden.allowed, 0),
        "train.allowed.sample2": partial(golden.allowed, 1),
        "train.position_ids": golden.position_ids,
        "train.ce": golden.cross_entropy,
        "train.mse": golden.squared_error,
        "generate_text.tokens": golden.write,
        "generate_image.nocfg.latent_tokens": partial(golden.draw, None),
    }
    for name in meta["outputs"]:
        if match := re.fullmatch(r"generate_image\.cfg_(global|channel|text_channel)\.latent_tokens", name):
            single[name] = partial(golden.draw, match[1])
    found: dict[str, Tensor | Exception] = {name: attempt(work) for name, work in single.items()}
    return found | attempt_several(golden.autoencoder, [n for n in meta["outputs"] if n.startswith("vae.")])
