"""CLIP models through open_clip: named ones, and folders in the layout of hub repositories."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image as PILImage
from PIL import ImageOps
from torch import Tensor, nn
from torch.nn import functional

from unictk.errors import UserError, WeightsError, nearest, not_a_choice

if TYPE_CHECKING:
    from types import ModuleType

ASSETS = Path(__file__).parents[1] / "assets"
BUNDLED = ASSETS / "sprites" / "clip"
CONFIG = "open_clip_config.json"
WEIGHTS = "open_clip_model.safetensors"
BATCH = 64

Config = dict[str, Any]


class Clip:
    """An open_clip model with its own preprocessing and tokenizer.

    Args:
        model: open_clip's; :meth:`images` and :meth:`texts` never train it.
        preprocess: a PIL picture -> (3, S, S), as open_clip evaluates.
        tokenizer: texts -> (B, context) ids; longer texts are cut.
        config: what open_clip's configuration file holds; None for models named in open_clip.
        washed_out: brighten every picture first, as the published UniCTokens script does by mistake: only
            for comparison with its numbers.
    """

    def __init__(
        self,
        model: nn.Module,
        preprocess: Callable[[PILImage.Image], Tensor],
        tokenizer: Callable[[list[str]], Tensor],
        config: Config | None = None,
        washed_out: bool = False,
    ) -> None:
        self.model, self.preprocess, self.tokenizer = model, preprocess, tokenizer
        self.config, self.washed_out = config, washed_out

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.model.parameters()).device

    @torch.no_grad()
    def images(self, pictures: Tensor | Sequence[PILImage.Image]) -> Tensor:
        """(B, D) float32 unit vectors of pictures: PIL ones, or (B, 3, H, W) in [0, 1]."""
        shown = _as_pil(pictures) if isinstance(pictures, Tensor) else pictures
        made = []
        for part in _parts(shown):
            ready = [self.preprocess(washed_out(one) if self.washed_out else one) for one in part]
            made.append(self.encode_image(torch.stack(ready).to(self.device)))
        return torch.cat(made)

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Tensor:
        """(B, D) float32 unit vectors of texts."""
        return torch.cat([self.encode_text(self.tokenizer(list(part))) for part in _parts(texts)])

    def encode_image(self, pixels: Tensor) -> Tensor:
        """(B, D) float32 unit vectors of preprocessed pixels (B, 3, S, S), with gradients."""
        return functional.normalize(self.model.encode_image(pixels).float(), dim=-1)  # type: ignore[operator]

    def encode_text(self, ids: Tensor) -> Tensor:
        """(B, D) float32 unit vectors of token ids (B, context), with gradients."""
        vectors = self.model.encode_text(ids.to(self.device))  # type: ignore[operator]
        return functional.normalize(vectors.float(), dim=-1)


def load_clip(
    model: str | None = None,
    pretrained: str | None = None,
    device: str | torch.device = "cpu",
    washed_out: bool = False,
) -> Clip:
    """A CLIP for scoring.

    Args:
        model: a name of open_clip's such as ``ViT-B-32``; a folder with ``open_clip_config.json`` and
            ``open_clip_model.safetensors``; or None or ``bundled`` for the small one of the sprites world.
        pretrained: which weights of a named model (a tag such as ``openai``, or a file); a tag's weights are
            downloaded by open_clip when they are not cached.
        device: where it runs.
        washed_out: see :class:`Clip`.

    Raises:
        UserError: open_clip is not installed; no such model, or no such weights of it.
        WeightsError: the folder or the weights cannot be loaded.
    """
    library = open_clip_library()
    if model in (None, "bundled"):
        return _from_folder(library, BUNDLED, device, washed_out)
    assert model is not None
    if os.sep in model or Path(model).is_dir():
        return _from_folder(library, Path(model), device, washed_out)
    names = library.list_models()
    if model not in names:
        raise not_a_choice("clip model", model, ["bundled", *names], "or a folder that holds " + CONFIG)
    return _named(library, model, pretrained, device, washed_out)


def washed_out(picture: PILImage.Image) -> PILImage.Image:
    """512 pixels square, black lifted to middle grey: the published script's second un-normalisation."""
    square = ImageOps.fit(picture.convert("RGB"), (512, 512), PILImage.Resampling.BILINEAR)
    return square.point(lambda value: (value + 256) // 2)


def open_clip_library() -> ModuleType:
    """open_clip, which takes seconds to import.

    Raises:
        UserError: it is not installed.
    """
    try:
        import open_clip
    except ImportError as error:
        raise UserError(
            f"clip: open_clip cannot be imported ({error}); expected the extra unictk[clip]"
        ) from error
    return open_clip


def _from_folder(library: ModuleType, folder: Path, device: str | torch.device, washed_out: bool) -> Clip:
    _there(folder, "a folder that holds " + CONFIG)
    for name in (CONFIG, WEIGHTS):
        _there(folder / name, "the layout of hub repositories")
    place = f"local-dir:{folder}"
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        model, _, preprocess = library.create_model_and_transforms(place, device=device)
        tokenizer = library.get_tokenizer(place)
    except Exception as error:
        raise WeightsError(f"{folder}: open_clip cannot load it ({_one_line(error)})") from error
    return Clip(model.eval(), preprocess, tokenizer, config, washed_out)


def _named(
    library: ModuleType, name: str, pretrained: str | None, device: str | torch.device, washed_out: bool
) -> Clip:
    tags = library.list_pretrained_tags_by_model(name)
    if pretrained is None or (pretrained not in tags and not Path(pretrained).is_file()):
        raise not_a_choice(f"clip pretrained of {name}", pretrained, tags, "or a file")
    # Weights trained with the quick GELU need it; open_clip only warns when the name does not say so.
    quick = bool((library.get_pretrained_cfg(name, pretrained) or {}).get("quick_gelu"))
    try:
        model, _, preprocess = library.create_model_and_transforms(
            name, pretrained=pretrained, device=device, force_quick_gelu=quick
        )
        tokenizer = library.get_tokenizer(name)
    except Exception as error:
        raise WeightsError(f"{name} {pretrained}: open_clip cannot load it ({_one_line(error)})") from error
    return Clip(model.eval(), preprocess, tokenizer, None, washed_out)


def _there(place: Path, expected: str) -> None:
    if not place.exists():
        best = nearest(place.name, [entry.name for entry in place.parent.glob("*")])
        hint = f"; nearest: {best}" if best else ""
        raise WeightsError(f"{place}: not there; expected {expected}{hint}")


def _as_pil(pixels: Tensor) -> list[PILImage.Image]:
    rounded = (pixels.detach().float().clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu()
    return [PILImage.fromarray(one.numpy()) for one in rounded]


def _parts(things: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for first in range(0, len(things), BATCH):
        yield things[first : first + BATCH]


def _one_line(error: Exception) -> str:
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= 200 else words[:197] + "..."
