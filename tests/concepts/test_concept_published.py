import io
from pathlib import Path

import pytest
import torch
from concept_makers import make_concept
from hypothesis import given, settings
from hypothesis import strategies as st

from unictk.backbones.base import RowShape
from unictk.concepts.published import (
    export_published,
    import_published,
    published_rows,
    stages_by_count,
    to_published,
    to_virtual,
)
from unictk.concepts.tokens import ConceptTokens
from unictk.errors import UserError, WeightsError

V, FIRST, MASK = 58498, 50305, 58497


def write(folder: Path, n: int, epoch: int = 15, hidden: int = 6, head_rows: int | None = None) -> None:
    """What the published training script leaves behind: three bare tensors by plain torch.save."""
    generator = torch.Generator().manual_seed(n)
    folder.mkdir(exist_ok=True)
    torch.save(torch.randn(n, hidden, generator=generator), folder / f"epoch_{epoch}_embed.pt")
    head = torch.randn(n if head_rows is None else head_rows, hidden, generator=generator)
    torch.save(head, folder / f"epoch_{epoch}_lm_head_weight.pt")
    torch.save(torch.randn(n, generator=generator), folder / f"epoch_{epoch}_lm_head_bias.pt")


@pytest.mark.parametrize(("n", "stage"), [(17, 1), (25, 2), (33, 3)])
def test_case_30_round_trip_bit_for_bit(tmp_path: Path, n: int, stage: int):
    """Case 30: load, export, compare the bytes of the tensors; the stage follows from the row count."""
    write(tmp_path / "in", n)
    concept = import_published(tmp_path / "in", "bo")
    assert concept.stage == stage
    assert concept.tokens() == ["<bo>"] + [f"<token_{i}>" for i in range(n - 1)]
    paths = export_published(concept, tmp_path / "out", 15)
    assert [path.name for path in paths] == [
        "epoch_15_embed.pt",
        "epoch_15_lm_head_weight.pt",
        "epoch_15_lm_head_bias.pt",
    ]
    assert sorted(tmp_path.joinpath("out").iterdir()) == sorted(paths)
    for path in paths:
        assert path.read_bytes() == (tmp_path / "in" / path.name).read_bytes()
        assert type(torch.load(path, weights_only=True)) is torch.Tensor


def test_rows_land_in_their_groups(tmp_path: Path):
    write(tmp_path, 33)
    embed = torch.load(tmp_path / "epoch_15_embed.pt", weights_only=True)
    bias = torch.load(tmp_path / "epoch_15_lm_head_bias.pt", weights_only=True)
    concept = import_published(tmp_path, "bo")
    assert torch.equal(concept.get_parameter("identifier.input"), embed[:1])
    assert torch.equal(concept.get_parameter("generation.input"), embed[17:25])
    assert torch.equal(concept.get_parameter("understanding.bias"), bias[25:])


def test_the_latest_epoch_is_taken_by_number(tmp_path: Path):
    for epoch, n in ((5, 17), (15, 25), (100, 33)):
        write(tmp_path, n, epoch)
    assert len(import_published(tmp_path, "bo")) == 33
    assert len(import_published(tmp_path, "bo", epoch=15)) == 25
    with pytest.raises(WeightsError, match=r"no rows of epoch 20; nearest: 15\. All: 5, 15, 100"):
        import_published(tmp_path, "bo", epoch=20)


def test_sizes_of_ones_own(tmp_path: Path):
    write(tmp_path, 7)
    sizes = {"identifier": 1, "shared": 4, "generation": 2, "understanding": 3}
    concept = import_published(tmp_path, "bo", groups=sizes, spelling="<{name}:{index}>")
    assert concept.groups == {"identifier": 1, "shared": 4, "generation": 2}
    assert concept.tokens()[-1] == "<bo:5>"
    assert list(stages_by_count(sizes)) == [5, 7, 10]


def test_case_30_a_stage_the_file_does_not_have(tmp_path: Path):
    write(tmp_path, 25)
    assert import_published(tmp_path, "bo", stage=2).stage == 2
    with pytest.raises(
        WeightsError, match=r"25 rows \(stage 2\), not those of stage 3; all: .*33 \(stage 3\)"
    ):
        import_published(tmp_path, "bo", stage=3)


@pytest.mark.parametrize("n", [1, 16, 18, 32, 34])
def test_row_counts_no_stage_has(tmp_path: Path, n: int):
    write(tmp_path, n)
    words = rf"epoch_15_embed\.pt: has {n} rows.*17 \(stage 1\), 25 \(stage 2\), 33 \(stage 3\)"
    with pytest.raises(WeightsError, match=words):
        import_published(tmp_path, "bo")


def test_files_that_disagree_are_both_named(tmp_path: Path):
    write(tmp_path, 25, head_rows=17)
    with pytest.raises(
        WeightsError, match=r"epoch_15_embed\.pt: has 25 rows, but epoch_15_lm_head_weight.pt has 17"
    ):
        import_published(tmp_path, "bo")
    write(tmp_path, 25)
    torch.save(torch.zeros(33), tmp_path / "epoch_15_lm_head_bias.pt")
    with pytest.raises(WeightsError, match=r"has 25 rows, but epoch_15_lm_head_bias.pt has 33"):
        import_published(tmp_path, "bo")


def test_shapes_that_do_not_fit(tmp_path: Path):
    write(tmp_path, 25)
    with pytest.raises(WeightsError, match="hidden size 6, but the backbone's is 2048"):
        import_published(tmp_path, "bo", shape=RowShape(2048, True))
    with pytest.raises(WeightsError, match="backbone has no head bias"):
        import_published(tmp_path, "bo", shape=RowShape(6, False))
    torch.save(torch.zeros(25, 7), tmp_path / "epoch_15_lm_head_weight.pt")
    with pytest.raises(WeightsError, match=r"hidden size 6, but epoch_15_lm_head_weight\.pt has 7"):
        import_published(tmp_path, "bo")
    torch.save(torch.zeros(25, 1), tmp_path / "epoch_15_lm_head_bias.pt")
    with pytest.raises(WeightsError, match=r"lm_head_bias\.pt: has shape \(25, 1\); expected 1 dim"):
        import_published(tmp_path, "bo")


@pytest.mark.parametrize("kind", ["embed", "lm_head_weight", "lm_head_bias"])
def test_missing_and_truncated_files(tmp_path: Path, kind: str):
    write(tmp_path, 25)
    path = tmp_path / f"epoch_15_{kind}.pt"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(WeightsError, match=rf"epoch_15_{kind}\.pt: cannot be read"):
        import_published(tmp_path, "bo")
    path.unlink()
    with pytest.raises(WeightsError, match=rf"epoch_15_{kind}\.pt: is missing"):
        import_published(tmp_path, "bo")


def test_folders_without_rows(tmp_path: Path):
    with pytest.raises(WeightsError, match="holds no published rows"):
        import_published(tmp_path, "bo")
    with pytest.raises(WeightsError, match="no such folder"):
        import_published(tmp_path / "none", "bo")


class Harmful:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("content", [{"a": torch.zeros(25, 6)}, [1.0], torch.zeros(25, 6, dtype=torch.int64)])
def test_what_is_no_bare_float_tensor(tmp_path: Path, content):
    write(tmp_path, 25)
    torch.save(content, tmp_path / "epoch_15_embed.pt")
    with pytest.raises(WeightsError, match="expected one bare float tensor"):
        import_published(tmp_path, "bo")


def test_a_file_runs_no_code(tmp_path: Path):
    write(tmp_path, 25)
    torch.save(Harmful(tmp_path / "ran"), tmp_path / "epoch_15_embed.pt")
    with pytest.raises(WeightsError, match="cannot be read"):
        import_published(tmp_path, "bo")
    assert not (tmp_path / "ran").exists()


def saved(tensor: torch.Tensor) -> bytes:
    buffer = io.BytesIO()
    torch.save(tensor, buffer)
    return buffer.getvalue()


@settings(max_examples=40, deadline=None, database=None)
@given(data=st.data())
def test_damage_is_one_line_or_still_a_tensor(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    write(folder, 25)
    content = bytearray(saved(torch.zeros(25, 6)))
    position = data.draw(st.integers(0, len(content) - 1))
    content[position : position + data.draw(st.integers(1, 64))] = data.draw(st.binary(max_size=64))
    (folder / "epoch_15_embed.pt").write_bytes(bytes(content))
    lines = []
    try:
        assert len(import_published(folder, "bo")) == 25
    except WeightsError as error:
        lines = str(error).splitlines()
    assert len(lines) <= 1


def test_concepts_the_published_form_cannot_hold(tmp_path: Path):
    with pytest.raises(UserError, match="no head bias"):
        export_published(make_concept(bias=False), tmp_path, 1)
    rows = make_concept(2).rows()
    gap = ConceptTokens.from_rows(
        "bo", RowShape(6, True), {"identifier": 1, "shared": 16, "understanding": 8}, rows
    )
    with pytest.raises(UserError, match="without a gap"):
        export_published(gap, tmp_path, 1)
    assert list(tmp_path.iterdir()) == []


def test_case_11_where_the_published_tables_rows_come_from():
    """Case 11: 37 rows, 20 of them text, 2 new ones."""
    assert published_rows(37, 20, 2).tolist() == [*range(20), 20, 21, *range(20, 37)]
    assert published_rows(37, 20, 0).tolist() == list(range(37))
    with pytest.raises(ValueError, match="18 new rows do not fit"):
        published_rows(37, 20, 18)


@pytest.mark.parametrize(
    ("n", "code_0", "code_8191", "mask"),
    [(25, 50330, 58521, 58522), (33, 50338, 58529, 58530), (0, FIRST, 58496, MASK)],
)
def test_case_12_published_ids(n: int, code_0: int, code_8191: int, mask: int):
    """Case 12."""
    ours = torch.tensor([0, FIRST - 1, FIRST, FIRST + 8191, MASK])
    published = torch.tensor([0, FIRST - 1, code_0, code_8191, mask])
    assert torch.equal(to_published(ours, V, FIRST, n), published)
    assert torch.equal(to_virtual(published, V, FIRST, n), ours)
    concept = torch.arange(n)
    assert torch.equal(to_virtual(FIRST + concept, V, FIRST, n), V + concept)
    assert torch.equal(to_published(V + concept, V, FIRST, n), FIRST + concept)


def test_ids_to_ignore_stay_and_others_are_checked():
    ids = torch.tensor([[-100, 50305], [-100, 50330]])
    assert to_virtual(ids, V, FIRST, 25).tolist() == [[-100, V], [-100, FIRST]]
    for convert in (to_virtual, to_published):
        with pytest.raises(ValueError, match="58523 is outside a vocabulary of 58523"):
            convert(torch.tensor([58523]), V, FIRST, 25)
        assert convert(torch.zeros(0, dtype=torch.long), V, FIRST, 25).shape == (0,)


@settings(database=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 20))
def test_the_two_numberings_are_inverse_and_agree_with_the_table(first: int, images: int, n: int):
    vocabulary = first + images
    everything = torch.arange(vocabulary + n)
    ours = to_virtual(everything, vocabulary, first, n)
    assert torch.equal(to_published(ours, vocabulary, first, n), everything)
    assert torch.equal(ours.sort().values, everything)
    if n <= images:  # outside the concept rows, a published row holds the base row of our id
        model = ours < vocabulary
        assert torch.equal(published_rows(vocabulary, first, n)[model], ours[model])
