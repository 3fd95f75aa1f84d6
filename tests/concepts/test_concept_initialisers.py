import warnings

import pytest
import torch
from sklearn.cluster import KMeans

from unictk.concepts.initialisers import class_word, description_words, kmeans_rows, weighted_kmeans
from unictk.errors import UserError
from unictk.samples import Vectors


class PiecesOfTwoLetters:
    """Gives a word one vector for every two letters: (first letter, length of the piece)."""

    def words(self, text: str) -> torch.Tensor:
        pieces = [text[i : i + 2] for i in range(0, len(text), 2)]
        return torch.tensor([[ord(piece[0]), len(piece)] for piece in pieces], dtype=torch.bfloat16)


def test_class_word_is_the_mean_of_its_pieces():
    found = class_word(PiecesOfTwoLetters(), "abd")
    assert found.dtype == torch.float32
    assert found.tolist() == [(ord("a") + ord("d")) / 2, 1.5]


def test_description_weighs_words_and_not_pieces():
    found = description_words(PiecesOfTwoLetters(), "abd", "b  bb")
    a_word = torch.tensor([(ord("a") + ord("d")) / 2, 1.5])
    expected = (a_word + torch.tensor([ord("b"), 1.0]) + torch.tensor([ord("b"), 2.0])) / 3
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("noun", ["", "  "])
def test_nothing_to_start_from(noun):
    with pytest.raises(UserError, match="concept class"):
        class_word(PiecesOfTwoLetters(), noun)
    with pytest.raises(UserError, match="concept description"):
        description_words(PiecesOfTwoLetters(), noun, " ")


@pytest.mark.parametrize("seed", range(4))
def test_case_22_weighted_kmeans_equals_kmeans_on_repeated_vectors(seed: int):
    """Case 22: same starting centres, same centres (1e-4) and inertia, at scikit-learn's own defaults."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(300, 8, generator=generator) * torch.linspace(0.1, 3, 300)[:, None]
    weights = torch.randint(1, 40, (300,), generator=generator)
    start = points[torch.randperm(300, generator=generator)[:16]]
    plain = KMeans(n_clusters=16, init=start.numpy(), n_init=1, random_state=0)
    plain.fit(points.repeat_interleave(weights, dim=0).numpy())
    centres, inertia = weighted_kmeans(points, weights, 16, start=start)
    torch.testing.assert_close(centres, torch.from_numpy(plain.cluster_centers_), atol=1e-4, rtol=0)
    assert inertia == pytest.approx(plain.inertia_, rel=1e-5)


def clustered_vectors() -> Vectors:
    """Three tight clumps of ten codes; every code occurs, in two pictures of 60 cells."""
    generator = torch.Generator().manual_seed(1)
    table = torch.cat([torch.randn(10, 4, generator=generator) * 0.01 + 10 * step for step in range(3)])
    unused = torch.full((5, 4), 1e6)  # codes no cell has: they must not draw a centre
    index = torch.arange(120).reshape(2, 60) % 30
    return Vectors(torch.cat([table, unused]), index)


def test_centres_lie_in_the_clumps_and_are_repeatable():
    vectors = clustered_vectors()
    rows = kmeans_rows(vectors, 3, seed=5)
    assert rows.shape == (3, 4)
    assert rows.dtype == torch.float32
    assert sorted(round(float(row.mean())) for row in rows) == [0, 10, 20]
    assert torch.equal(rows, kmeans_rows(vectors, 3, seed=5))


def test_only_kept_cells_count():
    vectors = clustered_vectors()
    rows = kmeans_rows(vectors, 2, keep=vectors.index < 10)
    assert rows.abs().max() < 0.1


def test_centres_do_not_depend_on_the_order_of_the_table():
    vectors = clustered_vectors()
    order = torch.randperm(35, generator=torch.Generator().manual_seed(2))
    shuffled = Vectors(vectors.table[order], torch.argsort(order)[vectors.index])
    assert torch.equal(kmeans_rows(vectors, 4), kmeans_rows(shuffled, 4))


@pytest.mark.parametrize("distinct", [1, 2, 3])
def test_fewer_vectors_than_centres_repeat_the_commonest_first(distinct: int):
    table = torch.tensor([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]])
    index = torch.tensor([[0] * 2 + [1] * 5 + [2] * 3]).clamp(max=distinct - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = kmeans_rows(Vectors(table, index), 5)
    expected = {1: [1, 1, 1, 1, 1], 2: [2, 1, 2, 1, 2], 3: [2, 3, 1, 2, 3]}[distinct]
    assert rows[:, 0].tolist() == expected


def test_equal_rows_of_the_table_are_one_vector():
    table = torch.tensor([[1.0], [1.0], [2.0], [5.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = kmeans_rows(Vectors(table, torch.tensor([[0, 1, 2, 2, 2, 3]])), 4)
    assert rows.flatten().tolist() == [2, 1, 5, 2]


def test_no_cells_kept():
    vectors = clustered_vectors()
    with pytest.raises(UserError, match="no picture cells"):
        kmeans_rows(vectors, 2, keep=torch.zeros_like(vectors.index, dtype=torch.bool))
