import copy
import re
from string import ascii_letters, digits

import pytest
import torch
from concept_makers import make_concept, random_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from unictk.backbones.base import Rows, RowShape
from unictk.concepts.tokens import ConceptTokens, checked_name, checked_sizes, gathered
from unictk.errors import UserError

SHAPE = RowShape(6, True)


def test_growth_follows_the_three_stages():
    concept = ConceptTokens("bo", SHAPE)
    assert (concept.stage, len(concept), concept.tokens()) == (0, 0, [])
    assert concept.rows().input.shape == (0, 6)
    seen = []
    for group, size in (("identifier", 1), ("shared", 16), ("generation", 8), ("understanding", 8)):
        concept.grow(group, random_rows(size))
        seen.append((len(concept), concept.stage, len(concept.tokens())))
    assert seen == [(1, 1, 1), (17, 1, 17), (25, 2, 25), (33, 3, 33)]
    assert concept.groups == {"identifier": 1, "shared": 16, "generation": 8, "understanding": 8}
    assert list(concept.groups) == ["identifier", "shared", "generation", "understanding"]


def test_trainable_parameter_counts_of_show_o():
    """The published counts: 69,649, 102,425 and 36,873 trained numbers at hidden size 2048."""
    shape = RowShape(2048, True)
    concept = ConceptTokens("bo", shape)

    def trained() -> int:
        return sum(p.numel() for p in concept.parameters() if p.requires_grad)

    concept.grow("identifier", random_rows(1, 2048))
    concept.grow("shared", random_rows(16, 2048))
    assert trained() == 69_649
    concept.grow("generation", random_rows(8, 2048))
    assert trained() == 102_425
    concept.grow("understanding", random_rows(8, 2048))
    concept.train_only(["identifier", "understanding"])
    assert trained() == 36_873


def test_rows_are_concatenated_in_row_order_and_differentiable():
    rows = random_rows(33)
    sizes = {"understanding": 8, "generation": 8, "shared": 16, "identifier": 1}  # any order of asking
    concept = ConceptTokens.from_rows("bo", SHAPE, sizes, rows)
    found = concept.rows()
    assert torch.equal(found.input, rows.input)
    assert torch.equal(found.head, rows.head)
    assert torch.equal(found.bias, rows.bias)
    (found.input[25].sum() + 2 * found.head[0].sum() + 3 * found.bias[1]).backward()
    assert concept.get_parameter("understanding.input").grad[0].eq(1).all()
    assert concept.get_parameter("understanding.input").grad[1:].eq(0).all()
    assert concept.get_parameter("identifier.head").grad.eq(2).all()
    assert concept.get_parameter("shared.bias").grad.tolist() == [3.0] + [0.0] * 15


def test_growing_copies_the_given_rows():
    rows = random_rows(1)
    concept = ConceptTokens("bo", SHAPE)
    concept.grow("identifier", rows)
    rows.input.zero_()
    assert concept.rows().input.abs().sum() > 0


def test_row_ranges():
    concept = make_concept()
    ranges = {group: concept.row_range(group) for group in concept.groups}
    assert ranges == {
        "identifier": slice(0, 1),
        "shared": slice(1, 17),
        "generation": slice(17, 25),
        "understanding": slice(25, 33),
    }


def test_token_strings():
    published = make_concept().tokens()
    assert published == ["<bo>"] + [f"<token_{i}>" for i in range(32)]
    ours = make_concept(spelling="<{name}:{index}>", stage=1).tokens()
    assert ours == ["<bo>"] + [f"<bo:{i}>" for i in range(16)]


def test_soft_has_no_spaces_and_keeps_the_order_asked_for():
    concept = make_concept()
    shared = "".join(f"<token_{i}>" for i in range(16))
    understanding = "".join(f"<token_{i}>" for i in range(24, 32))
    assert concept.soft("shared", "understanding") == shared + understanding
    assert concept.soft("understanding", "shared") == understanding + shared
    assert concept.soft() == ""
    assert str(concept) == "<bo>"


def test_train_only_sets_exactly_these_groups():
    concept = make_concept()
    concept.train_only(["identifier", "understanding"])
    trained = {name for name, p in concept.named_parameters() if p.requires_grad}
    assert trained == {f"{g}.{k}" for g in ("identifier", "understanding") for k in ("input", "head", "bias")}
    concept.train_only(["shared"])
    assert {name for name, p in concept.named_parameters() if p.requires_grad} == {
        "shared.input",
        "shared.head",
        "shared.bias",
    }


def test_frozen_groups_stay_bitwise_under_weight_decay():
    """Case 20: after any number of stage-3 steps rows 1..24 equal what was loaded."""
    concept = make_concept()
    before = copy.deepcopy(concept).rows()
    concept.train_only(["identifier", "understanding"])
    optimizer = torch.optim.AdamW(
        [p for p in concept.parameters() if p.requires_grad], lr=0.1, weight_decay=0.1
    )
    for _ in range(3):
        optimizer.zero_grad()
        rows = concept.rows()
        (rows.input.square().sum() + rows.head.sum() + rows.bias.sum()).backward()
        optimizer.step()
    after = concept.rows()
    for name in ("input", "head", "bias"):
        old, new = getattr(before, name), getattr(after, name)
        assert torch.equal(old[1:25], new[1:25])
        moved = (old != new).reshape(33, -1).any(dim=1)
        assert moved.nonzero().flatten().tolist() == [0, *range(25, 33)]


@pytest.mark.parametrize("cast", [lambda m: m.to(torch.bfloat16), lambda m: m.half(), lambda m: m.double()])
def test_rows_stay_exact_fp32_when_the_model_is_cast(cast):
    concept = make_concept()
    before = {key: value.clone() for key, value in concept.state_dict().items()}
    concept.rows().input.sum().backward()
    model = nn.ModuleDict({"layer": nn.Linear(2, 2), "concept": concept})
    cast(model)
    assert model["layer"].weight.dtype != torch.float32
    for key, value in concept.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, before[key])
    assert concept.get_parameter("shared.input").grad.dtype == torch.float32


def test_rows_follow_the_device():
    concept = make_concept(stage=1).to("meta")
    assert {p.device.type for p in concept.parameters()} == {"meta"}
    concept.grow("generation", random_rows(8))
    assert concept.get_parameter("generation.input").device.type == "meta"


def test_state_dict_is_plain_and_loads():
    concept, other = make_concept(stage=2), make_concept(stage=2)
    assert list(concept.state_dict()) == [
        f"{group}.{kind}"
        for group in ("identifier", "shared", "generation")
        for kind in ("input", "head", "bias")
    ]
    with torch.no_grad():
        other.get_parameter("shared.input").zero_()
    other.load_state_dict(concept.state_dict())
    assert torch.equal(other.rows().input, concept.rows().input)


def test_no_head_bias():
    concept = make_concept(bias=False)
    assert concept.rows().bias is None
    assert "identifier.bias" not in concept.state_dict()


def test_snapshot_is_an_independent_copy():
    concept = make_concept(stage=2)
    copied = concept.snapshot()
    with torch.no_grad():
        concept.get_parameter("shared.input").zero_()
    assert copied.tokens() == concept.tokens()
    assert copied.rows().input[1:17].abs().min() > 0


def test_gathering_a_sharded_tensor(tmp_path):
    from torch import distributed
    from torch.distributed.tensor import DTensor, Shard, distribute_tensor

    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        mesh = distributed.device_mesh.init_device_mesh("cpu", (1,))
        sharded = distribute_tensor(torch.arange(6.0).reshape(3, 2), mesh, [Shard(0)])
        whole = gathered(sharded)
        assert not isinstance(whole, DTensor)
        assert torch.equal(whole, torch.arange(6.0).reshape(3, 2))
    finally:
        distributed.destroy_process_group()


@pytest.mark.parametrize(
    ("group", "rows", "error", "words"),
    [
        ("shard", random_rows(1), UserError, "nearest: shared"),
        ("shared", random_rows(2), ValueError, "there already"),
        ("identifier", random_rows(1), ValueError, "there already"),  # it would rename the others
        ("generation", random_rows(2, hidden=5), ValueError, "expected"),
        ("generation", random_rows(2, bias=False), ValueError, "expected"),
        ("generation", random_rows(0), ValueError, "at least one"),
        ("generation", Rows(torch.zeros(2, 6), torch.zeros(3, 6), torch.zeros(2)), ValueError, "expected"),
        ("generation", Rows(torch.zeros(2, 6), torch.zeros(2, 6), torch.zeros(3)), ValueError, "expected"),
    ],
)
def test_growth_that_is_refused(group, rows, error, words):
    concept = ConceptTokens("bo", SHAPE)
    concept.grow("shared", random_rows(2))
    with pytest.raises(error, match=words):
        concept.grow(group, rows)
    assert concept.groups == {"shared": 2}


def test_the_identifier_is_one_row():
    with pytest.raises(ValueError, match="one row, not 2"):
        ConceptTokens("bo", SHAPE).grow("identifier", random_rows(2))


def test_unknown_or_absent_group_names_the_nearest():
    concept = make_concept(stage=1)
    with pytest.raises(UserError, match="'identifer' is not a choice; nearest: identifier"):
        concept.train_only(["identifer"])
    with pytest.raises(UserError, match=r"'understanding'.*All: identifier, shared .of <bo>, stage 1"):
        concept.row_range("understanding")


@pytest.mark.parametrize("name", ["bo", "b_jordan", "rc-car.2", "0", "_x", "-"])
def test_names_that_are_fine(name):
    assert str(ConceptTokens(name, SHAPE)) == f"<{name}>"


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".bo", "a/b", "a\\b", "a b", "bo\n", "<bo>", "b:1", "bö", "a\0"]
)
def test_names_that_are_refused(name):
    with pytest.raises(UserError) as caught:
        ConceptTokens(name, SHAPE)
    message = str(caught.value)
    assert "concept.name" in message
    assert "\n" not in message


def test_a_refused_name_gets_a_valid_proposal():
    with pytest.raises(UserError, match=r"nearest: my_dog$"):
        checked_name("my dog")


@settings(database=None)
@given(st.text(max_size=12) | st.text(ascii_letters + "._-/ ", max_size=5))
def test_a_name_is_accepted_or_the_proposal_is(name: str):
    if set(name) <= set(ascii_letters + digits + "_-.") and name and name[0] != ".":
        assert checked_name(name) == name
        return
    with pytest.raises(UserError) as caught:
        checked_name(name)
    message = str(caught.value)
    found = re.search(r"nearest: (\S+)$", message)
    assert len(message.splitlines()) == 1
    assert found is None or checked_name(found[1])


@pytest.mark.parametrize(
    "spelling",
    ["<token>", "token_{index}", "<a {index}>", "<{index}", "<{name.__class__}{index}>", "<{0}{index}>"],
)
def test_spellings_that_are_refused(spelling):
    with pytest.raises(UserError, match="concept spelling"):
        ConceptTokens("bo", SHAPE, spelling)


def test_a_name_that_is_also_a_soft_token():
    concept = ConceptTokens("token_3", SHAPE, "<token_{index}>")
    with pytest.raises(UserError, match="rename"):
        concept.grow("shared", random_rows(16))


@pytest.mark.parametrize(
    ("sizes", "words"),
    [({"identifier": 2}, "expected 1"), ({"shared": -1}, "-1 rows"), ({"sharde": 1}, "nearest: shared")],
)
def test_sizes_that_are_refused(sizes, words):
    with pytest.raises(UserError, match=words):
        checked_sizes(sizes)


def test_rows_must_fill_the_groups():
    with pytest.raises(ValueError, match="3 rows for groups of 17"):
        ConceptTokens.from_rows("bo", SHAPE, {"identifier": 1, "shared": 16}, random_rows(3))
