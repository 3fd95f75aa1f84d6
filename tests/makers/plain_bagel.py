"""BAGEL written as plainly as its formulas: one sample, whole sequences, float64, no cache and no batch.

Reads tensors by their published names, so it shares nothing with the network it checks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from bagel_makers import SPECIAL
from torch import Tensor
from torch.nn import functional as F

from unictk.backbones.bagel.packing import LatentPart, Part, PicturePart, TextPart


@dataclass
class Token:
    vector: Tensor
    drawn: bool
    position: int
    split: int
    mode: str


def rms(x: Tensor, weight: Tensor) -> Tensor:
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + 1e-6) * weight


def angle_row(position: int, count: int) -> list[float]:
    return [position / 10000 ** (i / count) for i in range(count)]


def grid_vector(row: int, column: int, width: int) -> Tensor:
    numbers: list[float] = []
    for position in (column, row):
        angles = angle_row(position, width // 4)
        numbers += [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
    return torch.tensor(numbers, dtype=torch.float64)


def cells(picture: Tensor, patch: int) -> list[tuple[int, int, Tensor]]:
    found = []
    for row in range(picture.shape[1] // patch):
        for column in range(picture.shape[2] // patch):
            square = picture[
                :, row * patch : (row + 1) * patch, column * patch : (column + 1) * patch
            ].double()
            numbers = [square[:, y, x] for y in range(patch) for x in range(patch)]
            found.append((row, column, torch.cat(numbers)))
    return found


class PlainBagel:
    def __init__(
        self, state: dict[str, Tensor], heads: int = 4, key_heads: int = 2, vit_heads: int = 4
    ) -> None:
        self.state = {name: tensor.double() for name, tensor in state.items()}
        self.heads, self.key_heads, self.vit_heads = heads, key_heads, vit_heads
        self.width = self.state["language_model.model.norm.weight"].shape[0]
        self.vision_side, self.patch, self.latent_patch = 4, 14, 2

    def linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self.state[f"{name}.weight"], self.state.get(f"{name}.bias"))

    # -- tokens ------------------------------------------------------------------------------------------

    def tokens(self, parts: Sequence[Part]) -> list[Token]:
        found: list[Token] = []
        position = 0
        for number, part in enumerate(parts):
            if isinstance(part, TextPart):
                if part.dropped:
                    continue
                for token in (SPECIAL.bos, *part.ids, SPECIAL.eos):
                    found.append(Token(self.word(token), False, position, number, "causal"))
                    position += 1
                continue
            noised = isinstance(part, LatentPart) and part.noise is not None
            if not part.dropped:
                found += self.image(part, position, number, "noise" if noised else "full")
            position += 0 if noised else 1
        return found

    def image(self, part: Part, position: int, number: int, mode: str) -> list[Token]:
        if isinstance(part, PicturePart):
            inside = [(vector, False) for vector in self.vision(part.pixels)]
        else:
            assert isinstance(part, LatentPart)
            inside = [(vector, True) for vector in self.latent(part)]
        framed = [
            (self.word(SPECIAL.start_of_image), False),
            *inside,
            (self.word(SPECIAL.end_of_image), False),
        ]
        return [Token(vector, drawn, position, number, mode) for vector, drawn in framed]

    def word(self, token: int) -> Tensor:
        return self.state["language_model.model.embed_tokens.weight"][token]

    def latent(self, part: LatentPart) -> list[Tensor]:
        found = []
        for index, (row, column, numbers) in enumerate(cells(part.latent, self.latent_patch)):
            time = 0.0
            if part.noise is not None:
                time = float(part.time)
                numbers = (1 - time) * numbers + time * part.noise[index].double()
            angles = [time * w for w in angle_row(1, 128)]
            features = torch.tensor([*map(math.cos, angles), *map(math.sin, angles)], dtype=torch.float64)
            clock = self.linear("time_embedder.mlp.2", F.silu(self.linear("time_embedder.mlp.0", features)))
            found.append(self.linear("vae2llm", numbers) + clock + grid_vector(row, column, self.width))
        return found

    def vision(self, pixels: Tensor) -> list[Tensor]:
        root = "vit_model.vision_model."
        squares = cells(pixels, self.patch)
        table = self.state[f"{root}embeddings.position_embedding.weight"]
        x = torch.stack(
            [
                self.linear(f"{root}embeddings.patch_embedding", numbers)
                + table[row * self.vision_side + column]
                for row, column, numbers in squares
            ]
        )
        layer = 0
        while f"{root}encoder.layers.{layer}.mlp.fc1.weight" in self.state:
            x = self.vision_layer(f"{root}encoder.layers.{layer}.", x)
            layer += 1
        x = self.layer_norm(f"{root}post_layernorm", x)
        x = self.linear("connector.fc2", F.gelu(self.linear("connector.fc1", x), approximate="tanh"))
        return [
            vector + grid_vector(row, column, self.width)
            for vector, (row, column, _) in zip(x, squares, strict=True)
        ]

    def layer_norm(self, name: str, x: Tensor) -> Tensor:
        return F.layer_norm(
            x, x.shape[-1:], self.state[f"{name}.weight"], self.state[f"{name}.bias"], eps=1e-6
        )

    def vision_layer(self, name: str, x: Tensor) -> Tensor:
        h = self.layer_norm(f"{name}layer_norm1", x)
        q, k, v = (
            self.linear(f"{name}self_attn.{p}_proj", h).view(len(h), self.vit_heads, -1).transpose(0, 1)
            for p in "qkv"
        )
        weights = (q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])).softmax(-1)
        x = x + self.linear(f"{name}self_attn.out_proj", (weights @ v).transpose(0, 1).reshape(len(h), -1))
        h = self.linear(f"{name}mlp.fc1", self.layer_norm(f"{name}layer_norm2", x))
        return x + self.linear(f"{name}mlp.fc2", F.gelu(h, approximate="tanh"))

    # -- the language model ------------------------------------------------------------------------------

    def allowed(self, tokens: Sequence[Token]) -> Tensor:
        mask = torch.zeros(len(tokens), len(tokens), dtype=torch.bool)
        for q, query in enumerate(tokens):
            for k, key in enumerate(tokens):
                same = query.split == key.split
                inside = q >= k if query.mode == "causal" else True
                mask[q, k] = inside if same else (k < q and key.mode != "noise")
        return mask

    def states(self, tokens: Sequence[Token]) -> Tensor:
        mask = self.allowed(tokens)
        suffixes = ["_moe_gen" if token.drawn else "" for token in tokens]
        x = torch.stack([token.vector for token in tokens])
        layer = 0
        while f"language_model.model.layers.{layer}.input_layernorm.weight" in self.state:
            x = self.layer(f"language_model.model.layers.{layer}.", x, suffixes, tokens, mask)
            layer += 1
        norm = "language_model.model.norm"
        return torch.stack(
            [rms(row, self.state[f"{norm}{s}.weight"]) for row, s in zip(x, suffixes, strict=True)]
        )

    def layer(
        self, name: str, x: Tensor, suffixes: list[str], tokens: Sequence[Token], mask: Tensor
    ) -> Tensor:
        queries, keys, values = [], [], []
        for row, suffix, token in zip(x, suffixes, tokens, strict=True):
            h = rms(row, self.state[f"{name}input_layernorm{suffix}.weight"])
            q, k, v = (self.linear(f"{name}self_attn.{p}_proj{suffix}", h) for p in "qkv")
            q = rms(q.view(self.heads, -1), self.state[f"{name}self_attn.q_norm{suffix}.weight"])
            k = rms(k.view(self.key_heads, -1), self.state[f"{name}self_attn.k_norm{suffix}.weight"])
            queries.append(self.rotate(q, token.position))
            keys.append(self.rotate(k, token.position))
            values.append(v.view(self.key_heads, -1))
        each = self.heads // self.key_heads
        k, v = (torch.stack(part).repeat_interleave(each, 1) for part in (keys, values))
        scores = torch.einsum("qhd,khd->hqk", torch.stack(queries), k) / math.sqrt(k.shape[-1])
        weights = scores.masked_fill(~mask, -math.inf).softmax(-1)
        mixed = torch.einsum("hqk,khd->qhd", weights, v).flatten(1)
        rows = []
        for row, suffix, mix in zip(x, suffixes, mixed, strict=True):
            row = row + self.linear(f"{name}self_attn.o_proj{suffix}", mix)
            h = rms(row, self.state[f"{name}post_attention_layernorm{suffix}.weight"])
            gate = F.silu(self.linear(f"{name}mlp{suffix}.gate_proj", h))
            up = self.linear(f"{name}mlp{suffix}.up_proj", h)
            rows.append(row + self.linear(f"{name}mlp{suffix}.down_proj", gate * up))
        return torch.stack(rows)

    def rotate(self, x: Tensor, position: int) -> Tensor:
        half = x.shape[-1] // 2
        angles = torch.tensor([position / 1e6 ** (i / half) for i in range(half)], dtype=torch.float64)
        one, other = x[..., :half], x[..., half:]
        cos, sin = angles.cos(), angles.sin()
        return torch.cat([one * cos - other * sin, other * cos + one * sin], dim=-1)

    # -- what it says and draws --------------------------------------------------------------------------

    def velocity(self, parts: Sequence[Part]) -> Tensor:
        tokens = self.tokens(parts)
        states = self.states(tokens)
        drawn = [token.drawn and token.mode == "noise" for token in tokens]
        return self.linear("llm2vae", states[torch.tensor(drawn)])

    def cross_entropies(self, parts: Sequence[Part]) -> Tensor:
        logits = self.linear("language_model.lm_head", self.states(self.tokens(parts)))
        found, at = [], 0
        for number, part in enumerate(parts):
            length = sum(token.split == number for token in self.tokens(parts))
            if isinstance(part, TextPart) and part.target:
                goals = torch.tensor([*part.ids, SPECIAL.eos])
                found.append(F.cross_entropy(logits[at : at + length - 1], goals, reduction="none"))
            at += length
        return torch.cat(found)

    def greedy(self, parts: Sequence[Part], most: int) -> list[int]:
        before = self.tokens(parts)
        position = sum(
            (0 if part.dropped else len(part.ids) + 2) if isinstance(part, TextPart) else 1 for part in parts
        )
        ids = [SPECIAL.bos]
        while len(ids) <= most:
            new = [
                Token(self.word(token), False, position + i, len(parts), "causal")
                for i, token in enumerate(ids)
            ]
            logits = self.linear("language_model.lm_head", self.states([*before, *new])[-1])
            token = int(logits.argmax())
            if token == SPECIAL.eos:
                break
            ids.append(token)
        return ids[1:]
