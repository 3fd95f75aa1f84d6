# ruff: noqa: E501  (a whole message is one line)
"""Rows of known characters on disk."""

import pytest
import torch
from safetensors.torch import save_file
from showo_makers import make_showo

from unictk.concepts.known_rows import FORMAT, load_known, save_known
from unictk.concepts.slots import KnownConcepts
from unictk.errors import WeightsError
from unictk.samples import Image, Request, Text

SIZES = {"identifier": 1, "shared": 2, "generation": 1, "understanding": 1}


@pytest.fixture(scope="module")
def backbone():
    return make_showo()


def load(path, backbone):
    return load_known(path, backbone.row_shape, backbone.fresh_rows)


def test_what_was_saved_is_read_back(tmp_path, backbone):
    table = torch.randn(3, 5, 64)
    save_known(tmp_path / "deep" / "known.safetensors", table, SIZES)
    found = load(tmp_path / "deep" / "known.safetensors", backbone)
    assert [str(one) for one in found] == ["<c0>", "<c1>", "<c2>"]
    assert found[1].tokens() == ["<c1>", "<c1:0>", "<c1:1>", "<c1:2>", "<c1:3>"]
    assert all(one.groups == SIZES for one in found)
    assert torch.equal(found[2].rows().input, table[2].bfloat16().float())
    head = backbone.fresh_rows(5)
    assert torch.equal(found[2].rows().head, head.head)
    assert torch.equal(found[2].rows().bias, head.bias)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["known.safetensors"]


def test_they_answer_as_in_their_slots(tmp_path, backbone):
    known = KnownConcepts(3, 1, SIZES, backbone.row_shape, backbone.fresh_rows(5), spread=0.5)
    known.table.data = known.table.data.bfloat16().float()
    save_known(tmp_path / "known.safetensors", known.table, SIZES)
    request = Request(Image(None, codes=torch.arange(16)), Text("{0} is {1}. Is {0} here?"))

    def scores(concepts, name):
        backbone.attach(concepts)
        words = f"<{name}> is <{name}:0><{name}:3>. Is <{name}> here?"
        return backbone.choose([Request(request.segments[0], Text(words))], ["Yes.", "No."])

    with torch.no_grad():
        known.seat([2])
        in_slot = scores(known.slots, "c0")
        assert torch.allclose(scores([load(tmp_path / "known.safetensors", backbone)[2]], "c2"), in_slot)


def test_sizes_must_add_up(tmp_path):
    with pytest.raises(ValueError, match="for groups of 5"):
        save_known(tmp_path / "known", torch.zeros(3, 4, 64), SIZES)


@pytest.mark.parametrize(
    ("tensors", "facts", "reason"),
    [
        (None, {}, "there is no such file"),
        (b"no safetensors", {}, "cannot be read as safetensors"),
        ({"input": (2, 5, 64)}, {}, "format None; expected"),
        ({"input": (2, 5, 64)}, {"format": FORMAT}, "groups '' cannot be read"),
        ({"input": (2, 5, 64)}, {"format": FORMAT, "groups": '{"shard": 5}'}, "cannot be read; expected sizes"),
        ({"input": (2, 5, 64)}, {"format": FORMAT, "groups": '{"shared": 4}'}, "are (2, 5, 64); expected"),
        ({"rows": (2, 5, 64)}, {"format": FORMAT, "groups": '{"shared": 5}'}, "are None; expected"),
        ({"input": (2, 5, 32)}, {"format": FORMAT, "groups": '{"shared": 5}'}, "hidden size 32, but the backbone's is 64"),
    ],
)  # fmt: skip
def test_a_file_that_does_not_fit(tmp_path, backbone, tensors, facts, reason):
    path = tmp_path / "known.safetensors"
    if isinstance(tensors, bytes):
        path.write_bytes(tensors)
    elif tensors is not None:
        save_file({name: torch.zeros(shape) for name, shape in tensors.items()}, path, metadata=facts)
    with pytest.raises(WeightsError) as told:
        load(path, backbone)
    assert reason in str(told.value)
    assert str(path) in str(told.value)
    assert "\n" not in str(told.value)
