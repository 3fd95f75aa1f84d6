"""Starting values for concept rows: the class word, a description, the centres of the photos' vectors.

The published recipe (UniCTokens, stage 1 with ``need_init`` and ``init_by_images``) starts the
identifier at its class word and the shared tokens at k-means centres of the training photos' codes,
looked up in the model's own input table.
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits
from torch import Tensor

from unictk.backbones.base import Backbone
from unictk.chance import generator
from unictk.errors import UserError
from unictk.samples import Vectors

TOLERANCE = 1e-4
MAX_ITERATIONS = 300


def class_word(backbone: Backbone, noun: str) -> Tensor:
    """(hidden,) fp32: the mean input vector of the noun's pieces, for the identifier.

    Raises:
        UserError: the noun has no pieces.
    """
    if not noun.strip():
        raise UserError(f"concept class: {noun!r} is empty; expected a noun such as 'dog'")
    return backbone.words(noun).detach().float().mean(dim=0)


def description_words(backbone: Backbone, noun: str, description: str) -> Tensor:
    """(hidden,) fp32: the mean over the words of class and description of each word's mean vector.

    The published start of every soft token when no photos are used (``need_init`` alone). Words are
    split at white space and weigh the same however many pieces they have.
    """
    words = f"{noun} {description}".split()
    if not words:
        raise UserError("concept description: '' is empty; expected a class or a sentence")
    return torch.stack([class_word(backbone, word) for word in words]).mean(dim=0)


def random_rows(backbone: Backbone, noun: str, count: int, seed: int) -> Tensor:
    """(count, hidden) fp32 normal draws with the mean and the spread of the noun's input vectors."""
    like = backbone.words(noun).detach().float()
    chance = generator(seed, "random rows", noun)
    drawn = torch.randn(count, like.shape[1], generator=chance).to(like.device)
    return like.mean() + like.std() * drawn


def kmeans_rows(vectors: Vectors, count: int, keep: Tensor | None = None, seed: int = 0) -> Tensor:
    """(count, hidden) fp32 centres of the pictures' cells, for the shared or understanding tokens.

    Equal cells are equal vectors, so each distinct vector is clustered once, weighted by how often it
    occurs: the same problem as clustering every cell, with far fewer points.

    Args:
        vectors: the cells of some pictures.
        count: number of centres.
        keep: bool, shape of ``vectors.index``: the cells to use; all without it.
        seed: of the k-means++ start.

    With no more distinct vectors than centres, the rows are these vectors, commonest first, repeated in
    that order until there are ``count``.

    Raises:
        UserError: no cell is kept.
    """
    counts = vectors.counts(keep)
    used = counts > 0
    if not bool(used.any()):
        raise UserError("k-means start: no picture cells to cluster; expected at least one")
    table = vectors.table.detach().float()
    points, weights = _merged(table[used].cpu(), counts[used].cpu())
    if len(points) <= count:
        commonest = torch.argsort(weights, descending=True, stable=True)
        rows = points[commonest[torch.arange(count) % len(points)]]
    else:
        rows, _ = weighted_kmeans(points, weights, count, seed=seed)
    return rows.to(table.device)


def _merged(points: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Distinct points with summed counts, in an order that does not depend on the table's."""
    distinct, where = torch.unique(points, dim=0, return_inverse=True)
    return distinct, torch.zeros(len(distinct), dtype=counts.dtype).index_add_(0, where, counts)


def weighted_kmeans(
    points: Tensor, weights: Tensor, count: int, *, seed: int = 0, start: Tensor | None = None
) -> tuple[Tensor, float]:
    """Lloyd's k-means on weighted points: centres (count, hidden) fp32 and the weighted inertia.

    From the same ``start`` this gives the centres and the inertia that scikit-learn's defaults give on
    each point repeated ``weight`` times, including when to stop.

    Args:
        points: (n, hidden), distinct.
        weights: (n,), how often each occurs.
        count: number of centres, at most n.
        seed: of the k-means++ start when ``start`` is not given.
        start: (count, hidden) first centres.
    """
    data = points.numpy().astype(np.float32)
    weight = weights.numpy().astype(np.float32)
    means = KMeans(
        n_clusters=count,
        init="k-means++" if start is None else start.numpy().astype(np.float32),
        n_init=1,
        max_iter=MAX_ITERATIONS,
        tol=TOLERANCE * _variance_ratio(data, weight),
        random_state=seed,
    )
    # Several threads add their sums in whatever order they finish: one thread gives one answer.
    with threadpool_limits(limits=1):
        means.fit(data, sample_weight=weight)
    return torch.from_numpy(means.cluster_centers_.astype(np.float32)), float(means.inertia_)


def _variance_ratio(data: np.ndarray, weight: np.ndarray) -> float:
    """Variance of the repeated points over the distinct ones': scikit-learn scales ``tol`` by the latter."""
    share = weight / weight.sum()
    mean = share @ data
    repeated = float((share @ np.square(data - mean)).mean())
    distinct = float(np.var(data, axis=0).mean())
    return repeated / distinct if distinct > 0 else 1.0
