"""The specification's three sequences: layout, embeddings, losses, with one tile and with many."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor
from unitoken_makers import (
    GENERATION,
    IMAGE,
    TEXT,
    UNDERSTANDING,
    VOCABULARY,
    formula_network,
    formula_pixels,
)

from unictk.backbones.losses import token_losses
from unictk.backbones.sequences import IGNORED
from unictk.backbones.unitoken.anyres import CANVASES, ContinuousHalf, tiled_half, whole_half
from unictk.backbones.unitoken.batch import Sequences, sequences
from unictk.backbones.unitoken.tape import Tape, splice


def tapes(halves: list[ContinuousHalf], legacy: bool = True) -> list[Tape]:
    pairs = [UNDERSTANDING, GENERATION, TEXT]
    return [
        splice(VOCABULARY, *pair, [half] if half else [], legacy)
        for pair, half in zip(pairs, [*halves, None], strict=True)
    ]


def base(legacy: bool = True) -> tuple[list[Tape], Sequences, Tensor]:
    found = tapes([whole_half(4), whole_half(4)], legacy)
    pixels = torch.cat([formula_pixels(1, 0.0), formula_pixels(1, 1.0)])
    return found, sequences(found, [], [0, 4], 0), formula_network().features(pixels)


def anyres(legacy: bool = True) -> tuple[list[Tape], Sequences, Tensor]:
    halves = [tiled_half(size, 28, 2, 8803, CANVASES) for size in ((50, 30), (40, 40))]
    found = tapes(halves, legacy)
    tiles = [formula_pixels(half.tiles, float(shift)) for shift, half in enumerate(halves)]
    starts = [0, 4 * halves[0].tiles]
    return found, sequences(found, [], starts, 0), formula_network().features(torch.cat(tiles))


def vectors(parts: tuple[list[Tape], Sequences, Tensor]) -> Tensor:
    _, batch, features = parts
    return batch.spliced(formula_network().embed(batch.ids, None), features)


def losses(parts: tuple[list[Tape], Sequences, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Cross entropy and z of every target, and the row it stands in."""
    network, batch = formula_network(), parts[1]
    positions = torch.arange(batch.ids.shape[1]).expand_as(batch.ids)
    states = network.trunk(vectors(parts), positions)
    chosen = batch.targets != IGNORED
    found = token_losses(partial(network.logits, rows=None), states[chosen], batch.targets[chosen])
    return found.cross_entropy, found.z, chosen.nonzero()[:, 0]


def supervised(tape: Tape) -> list[tuple[int, int]]:
    return [(place, label) for place, label in enumerate(tape.labels) if label != IGNORED]


def test_case_1_layout_of_one_tile() -> None:
    found, batch, _ = base()
    assert batch.ids.shape == (3, 22)
    assert supervised(found[0]) == [(10, 8198), (19, 500), (20, 501), (21, 8710)]
    drawn = [(4, 8197), (5, 8805), (6, 8805), (7, 10), (8, 11), (9, 8803), (10, 12), (11, 13), (12, 8803)]
    assert supervised(found[1]) == [*drawn, (13, 8198), (18, 8196), (19, 8710)]
    assert supervised(found[2]) == [(3, 600), (4, 601), (5, 602), (6, 8710)]
    assert vectors((found, batch, base()[2])).shape == (3, 22, 64)


def test_case_2_loss_of_one_tile() -> None:
    entropy, z, row = losses(base())
    assert len(entropy) == 20
    assert entropy.mean().item() == pytest.approx(9.157801, abs=1e-5)
    assert z.mean().item() == pytest.approx(85.143417, abs=1e-4)
    assert (entropy.mean() + 1e-5 * z.mean()).item() == pytest.approx(9.1586523, abs=1e-5)
    each = [entropy[row == one].mean().item() for one in range(3)]
    assert each == pytest.approx([8.897396, 9.249650, 9.142654], abs=1e-5)


def test_case_2_without_the_separator_as_a_target() -> None:
    entropy, _, _ = losses(base(legacy=False))
    assert len(entropy) == 18
    assert entropy.mean().item() == pytest.approx(9.204368, abs=1e-5)


def test_case_3_input_vectors_of_one_tile() -> None:
    found = vectors(base())
    norms = found[0, 10:16].norm(dim=-1).tolist()
    assert norms == pytest.approx([0.28835, 5.70625, 1.94321, 1.11503, 0.87507, 0.28666], abs=2e-5)
    assert found[0, 11, :4].tolist() == pytest.approx([0.906717, 0.572530, -0.727895, -0.678215], abs=1e-5)
    assert found.abs().sum().item() == pytest.approx(263.241474, abs=1e-3)


def test_case_4_logits_of_one_tile() -> None:
    network, parts = formula_network(), base()
    states = network.trunk(vectors(parts), torch.arange(22).expand(3, -1))
    logits = network.logits(states, None)
    assert logits[0, 5, :3].tolist() == pytest.approx([-0.583396, -0.170081, 0.543331], abs=1e-5)
    assert logits[1, 4].argmax().item() == 1718
    assert logits[1, 4].logsumexp(-1).item() == pytest.approx(9.2297268, abs=1e-5)


def test_case_5_layout_of_many_tiles() -> None:
    found, batch, _ = anyres()
    assert [len(slot.half) for tape in found for slot in tape.features] == [14, 24]
    assert [tape.length for tape in found] == [17 + 15, 15 + 25, 7]
    assert batch.ids.shape == (3, 40)
    assert [place for place, _ in supervised(found[0])] == [10, 29, 30, 31]
    assert [place for place, _ in supervised(found[1])][-3:] == [13, 38, 39]
    rows = vectors(anyres())[0].norm(dim=-1)
    assert rows[19].item() == pytest.approx(0.28578, abs=1e-5)
    table = formula_network().input_table[[8803, 8198, 8196, 0]].norm(dim=-1).tolist()
    assert table == pytest.approx([0.28578, 0.28835, 0.28666, 0.28694], abs=1e-5)


def test_case_5_loss_of_many_tiles() -> None:
    entropy, z, row = losses(anyres())
    assert entropy.mean().item() == pytest.approx(9.215425, abs=1e-5)
    assert z.mean().item() == pytest.approx(85.065765, abs=1e-4)
    each = [entropy[row == one].mean().item() for one in range(3)]
    assert each == pytest.approx([8.898882, 9.345197, 9.142654], abs=1e-5)
    assert losses(anyres(legacy=False))[0].mean().item() == pytest.approx(9.268395, abs=1e-5)


def test_case_20_neither_padding_nor_company_changes_a_loss() -> None:
    together, _, row = losses(base())
    for number, tape in enumerate(base()[0]):
        alone = sequences([tape], [], [0] * len(tape.features), 0)
        features = base()[2][min(number, 1) :]
        entropy, _, _ = losses(([tape], alone, features))
        assert torch.allclose(entropy, together[row == number], atol=2e-6)


def test_case_20_a_drawn_picture_needs_no_continuous_half() -> None:
    """What is predicted before the separator is the same without everything behind it."""
    whole, _, row = losses(base())
    ids, labels = GENERATION
    bare = Tape(VOCABULARY)
    bare.tokens(ids, labels=labels)
    entropy, _, _ = losses(([bare], sequences([bare], [], [], 0), base()[2]))
    codes = 9  # start, two sizes, two rows of two codes and a newline
    assert torch.allclose(whole[row == 1][:codes], entropy[:codes], atol=2e-6)


def test_several_pictures_in_one_sequence() -> None:
    ids = [0, *IMAGE, 200, *IMAGE, 8710]
    tape = splice(VOCABULARY, ids, [IGNORED] * len(ids), [whole_half(4), whole_half(4)], legacy=False)
    assert [slot.places for slot in tape.features] == [list(range(11, 15)), list(range(27, 31))]
    batch = sequences([tape], [], [4, 0], 0)
    features = torch.arange(8.0).view(2, 4, 1).expand(2, 4, 64)
    found = batch.spliced(torch.zeros(1, tape.length, 64), features)[0, :, 0]
    assert found[11:15].tolist() == [4, 5, 6, 7]
    assert found[27:31].tolist() == [0, 1, 2, 3]
    assert found.sum() == 28
    with pytest.raises(ValueError, match="2 images in the ids and 1 continuous"):
        splice(VOCABULARY, ids, [IGNORED] * len(ids), [whole_half(4)])
