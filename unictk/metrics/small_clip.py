"""A CLIP small enough to ship: made here, trained on the sprites world, written as hub repositories are."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
from annotated_types import Ge

from unictk.errors import UserError
from unictk.metrics.clip_model import ASSETS, CONFIG, WEIGHTS, Clip, Config, open_clip_library
from unictk.sprites.settings import SIDE

END = "<|endoftext|>"
Count = Annotated[int, Ge(1)]


def make_clip(
    dim: Count = 96,
    patch: Count = 12,
    image_width: Count = 64,
    image_layers: Count = 3,
    text_width: Count = 64,
    text_layers: Count = 3,
    heads: Count = 4,
    context: Count = 72,
) -> Clip:
    """A small untrained CLIP for pictures of the sprites world (48 pixels), with the bundled tokenizer.

    Args:
        dim: size of the common vectors.
        patch: side of an image patch in pixels; divides 48. At 12, the pitch of the places characters stand
            on, a character falls into patches in the same way wherever it stands.
        image_width: of the image tower.
        image_layers: of the image tower.
        text_width: of the text tower.
        text_layers: of the text tower.
        heads: of both towers; divides both widths.
        context: tokens of a text, the end included; the longest prompt of two characters has 66.

    Raises:
        UserError: open_clip is not installed, or sizes that do not divide.
    """
    library = open_clip_library()
    for name, whole, part in (
        ("patch", SIDE, patch),
        ("heads", image_width, heads),
        ("heads", text_width, heads),
    ):
        if whole % part:
            raise UserError(f"{name}: {part} does not divide {whole}; expected a divisor")
    tokenizer = _bundled_tokenizer(context)
    model_cfg: Config = {
        "embed_dim": dim,
        "vision_cfg": {
            "image_size": SIDE,
            "patch_size": patch,
            "width": image_width,
            "layers": image_layers,
            "head_width": image_width // heads,
        },
        "text_cfg": {
            "context_length": context,
            "vocab_size": len(tokenizer.tokenizer),
            "width": text_width,
            "heads": heads,
            "layers": text_layers,
            # Any name selects a tokenizer in this format; in a local folder the files beside this one serve.
            "hf_tokenizer_name": "clip_sprites",
        },
    }
    preprocess_cfg = {"mean": [0.5] * 3, "std": [0.25] * 3, "interpolation": "bicubic"}
    model = library.CLIP(**model_cfg)
    transform = library.transform
    settings = transform.PreprocessCfg(size=SIDE, **preprocess_cfg)
    library.model.set_model_preprocess_cfg(model, asdict(settings))
    preprocess = transform.image_transform_v2(settings, is_train=False)
    return Clip(model, preprocess, tokenizer, {"model_cfg": model_cfg, "preprocess_cfg": preprocess_cfg})


def save_clip(clip: Clip, folder: str | Path, dtype: torch.dtype = torch.float16) -> None:
    """Write the layout of hub repositories: configuration, weights as ``dtype``, tokenizer; no machine paths.

    Raises:
        ValueError: ``clip`` was not made by :func:`make_clip` or loaded from a folder.
    """
    from safetensors.torch import save_file

    if clip.config is None:
        raise ValueError("clip: a model named in open_clip has no configuration of its own to write")
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    (place / CONFIG).write_text(json.dumps(clip.config, indent=2) + "\n", encoding="utf-8")
    weights = {name: value.to("cpu", dtype).contiguous() for name, value in clip.model.state_dict().items()}
    save_file(weights, place / WEIGHTS)
    clip.tokenizer.tokenizer.save_pretrained(place)  # type: ignore[attr-defined]


def _bundled_tokenizer(context: int) -> Any:
    """The bundled vocabulary with what CLIP needs: an end at every text, and a pad (both the same token)."""
    from open_clip.tokenizer import HFTokenizer
    from tokenizers.processors import TemplateProcessing

    tokenizer = HFTokenizer(str(ASSETS / "tokenizer"), context_length=context, pad_token=END)
    backend = tokenizer.tokenizer.backend_tokenizer
    number = backend.token_to_id(END)
    backend.post_processor = TemplateProcessing(single=f"$A {END}", special_tokens=[(END, number)])
    return tokenizer
