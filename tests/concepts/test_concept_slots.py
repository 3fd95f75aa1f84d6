"""Known concepts seated in slots behave as attached concepts with the same rows."""

import pytest
import torch
from showo_makers import make_showo, picture

from unictk.concepts.slots import KnownConcepts, Slot
from unictk.concepts.tokens import ConceptTokens
from unictk.samples import Image, Sample, Text

SIZES = {"identifier": 1, "shared": 3}


@pytest.fixture
def backbone():
    return make_showo()


@pytest.fixture
def known(backbone):
    return KnownConcepts(5, 2, SIZES, backbone.row_shape, backbone.fresh_rows(4), spread=0.5)


def lesson(backbone, name):
    turns = Text(f"<{name}> is <{name}:0><{name}:1><{name}:2>. Is <{name}> here?"), Text("Yes.", target=True)
    return backbone.layout.collate([Sample(Image(picture(1), key="p"), *turns)])


def test_a_seated_concept_equals_an_attached_one(backbone, known):
    backbone.attach(known.slots)
    known.seat([3, 1])
    through_slot = backbone.loss(lesson(backbone, "c0")).text_sum
    rows = known.slots[0].rows()
    plain = ConceptTokens.from_rows("bo", backbone.row_shape, SIZES, rows)
    other = ConceptTokens.from_rows("mi", backbone.row_shape, SIZES, known.slots[1].rows())
    backbone.attach([plain, other])
    assert torch.allclose(through_slot, backbone.loss(lesson(backbone, "bo")).text_sum, rtol=1e-6)


def test_only_seated_concepts_of_the_text_get_gradients(backbone, known):
    backbone.attach(known.slots)
    known.seat([3, 1])
    backbone.loss(lesson(backbone, "c0")).text_sum.backward()
    touched = known.table.grad.abs().sum((1, 2)) > 0
    assert touched.tolist() == [False, False, False, True, False]


def test_an_empty_slot_says_so(backbone):
    slot = Slot("c0", backbone.row_shape, SIZES)
    assert slot.tokens() == ["<c0>", "<c0:0>", "<c0:1>", "<c0:2>"]
    with pytest.raises(RuntimeError, match="<c0>: no character is seated"):
        slot.rows()


def test_head_rows_must_fit(backbone):
    with pytest.raises(ValueError, match="3 head rows for 4 rows a concept"):
        KnownConcepts(5, 2, SIZES, backbone.row_shape, backbone.fresh_rows(3))
