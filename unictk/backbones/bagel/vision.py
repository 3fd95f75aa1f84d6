"""The ViT that reads pictures: SigLIP's layers over patches of pictures of any shape."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import SiglipVisionConfig
from transformers.models.siglip.modeling_siglip import SiglipEncoderLayer


class VisionTower(nn.Module):
    """Patches to features, without pooling. Pictures do not see each other.

    Args:
        config: from :func:`~unictk.backbones.bagel.sizes.siglip_config`.
    """

    def __init__(self, config: SiglipVisionConfig) -> None:
        super().__init__()
        width, patch, size = config.hidden_size, config.patch_size, config.image_size
        assert isinstance(patch, int)  # transformers allows oblong ones, siglip_config does not
        assert isinstance(size, int)
        self.patch_embedding = nn.Linear(3 * patch * patch, width)
        self.position_embedding = nn.Embedding((size // patch) ** 2, width)
        self.layers = nn.ModuleList(SiglipEncoderLayer(config) for _ in range(config.num_hidden_layers))
        self.post_layernorm = nn.LayerNorm(width, eps=config.layer_norm_eps)

    def forward(self, patches: Sequence[Tensor], places: Sequence[Tensor]) -> list[Tensor]:
        """Per picture: patches (n, 3 * patch * patch) and their places in the table -> (n, width)."""
        lengths = [len(picture) for picture in patches]
        hidden = self.patch_embedding(pad_sequence(list(patches), batch_first=True))
        hidden = hidden + self.position_embedding(pad_sequence(list(places), batch_first=True))
        seen = None
        if min(lengths) < max(lengths):
            limits = torch.tensor(lengths, device=hidden.device)[:, None]
            seen = (torch.arange(max(lengths), device=hidden.device) < limits)[:, None, None]
            seen = seen.expand(-1, 1, max(lengths), -1)
        for layer in self.layers:
            hidden = layer(hidden, seen)
        hidden = self.post_layernorm(hidden)
        return [row[:length] for row, length in zip(hidden, lengths, strict=True)]


class Connector(nn.Module):
    """ViT features to input vectors of the language model: linear, GELU (tanh), linear."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width_in, width)
        self.fc2 = nn.Linear(width, width)

    def forward(self, features: Tensor) -> Tensor:
        """(n, width_in) -> (n, width)."""
        return self.fc2(nn.functional.gelu(self.fc1(features), approximate="tanh"))
