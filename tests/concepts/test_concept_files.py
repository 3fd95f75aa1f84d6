import json
import math
from pathlib import Path

import pytest
import torch
from concept_makers import make_concept
from safetensors.torch import load_file, save_file

from unictk.backbones.base import RowShape
from unictk.concepts import files
from unictk.concepts.card import plain
from unictk.concepts.files import load_concept, read_metadata, save_concept
from unictk.concepts.tokens import ConceptTokens
from unictk.errors import UserError, WeightsError


def save(directory: Path, concept: ConceptTokens | None = None, class_noun: str = "dog") -> Path:
    return save_concept(
        directory,
        make_concept() if concept is None else concept,
        backbone="showo_tiny",
        seed=3,
        config_hash="abc123",
        metrics={"unifybench/rec": 0.123456789, "face": math.nan},
        class_noun=class_noun,
    )


def change(directory: Path, **values: object) -> None:
    path = directory / "concept.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize("stage", [1, 2, 3])
@pytest.mark.parametrize("bias", [True, False])
def test_round_trip_bit_for_bit(tmp_path: Path, stage: int, bias: bool):
    concept = make_concept(stage, bias=bias, spelling="<{name}:{index}>")
    path = save(tmp_path / "runs" / "bo", concept)
    loaded = load_concept(path, RowShape(6, bias))
    assert loaded.tokens() == concept.tokens()
    assert loaded.groups == concept.groups
    assert loaded.stage == stage
    assert loaded.state_dict().keys() == concept.state_dict().keys()
    for key, value in concept.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value)


def test_metadata(tmp_path: Path):
    data = read_metadata(save(tmp_path / "bo", make_concept(1)))
    assert (data.name, data.class_noun, data.backbone) == ("bo", "dog", "showo_tiny")
    assert (data.seed, data.config_hash, data.stage) == (3, "abc123", 1)
    assert data.shape == RowShape(6, True)
    assert data.groups == {"identifier": 1, "shared": 16}
    assert data.tokens == ("<bo>", *(f"<token_{i}>" for i in range(16)))
    assert data.metrics["unifybench/rec"] == 0.12346
    assert math.isnan(data.metrics["face"])


def test_files_are_the_three_and_equal_for_equal_concepts(tmp_path: Path):
    for name in ("a", "b"):
        save(tmp_path / name / "concept")
    names = sorted(path.name for path in (tmp_path / "a" / "concept").iterdir())
    assert names == ["README.md", "concept.json", "concept.safetensors"]
    for name in names:
        assert (tmp_path / "a/concept" / name).read_bytes() == (tmp_path / "b/concept" / name).read_bytes()
    assert "NaN" not in (tmp_path / "a/concept/concept.json").read_text()


def test_saving_replaces_an_earlier_concept(tmp_path: Path):
    save(tmp_path / "bo", make_concept(1))
    save(tmp_path / "bo", make_concept(2))
    assert load_concept(tmp_path / "bo").stage == 2
    assert [path.name for path in tmp_path.iterdir()] == ["bo"]


@pytest.mark.parametrize("fails", ["card", "rename"])
def test_a_save_that_fails_leaves_the_earlier_concept(tmp_path: Path, monkeypatch, fails: str):
    save(tmp_path / "bo", make_concept(1))
    if fails == "card":
        monkeypatch.setattr(files, "card", lambda metadata: 1 / 0)
    else:
        rename = Path.rename

        def refuse_fresh(path: Path, target: Path) -> Path:
            if path.name == "fresh":
                raise OSError("no space")
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", refuse_fresh)
    with pytest.raises((ZeroDivisionError, OSError)):
        save(tmp_path / "bo", make_concept(2))
    assert load_concept(tmp_path / "bo").stage == 1
    assert [path.name for path in tmp_path.iterdir()] == ["bo"]


def test_nothing_of_the_users_is_replaced(tmp_path: Path):
    (tmp_path / "bo").mkdir()
    (tmp_path / "bo" / "thesis.tex").touch()
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"holds 'thesis.tex'"):
        save(tmp_path / "bo")
    with pytest.raises(UserError, match="is a file"):
        save(tmp_path / "file")
    assert (tmp_path / "bo" / "thesis.tex").exists()


@pytest.mark.parametrize("name", ["concept.json", "concept.safetensors"])
def test_a_missing_file_is_named(tmp_path: Path, name: str):
    (save(tmp_path / "bo") / name).unlink()
    with pytest.raises(WeightsError, match=rf"{name}: is missing"):
        load_concept(tmp_path / "bo")


def test_a_missing_directory_names_the_nearest(tmp_path: Path):
    save(tmp_path / "rc_car")
    with pytest.raises(WeightsError, match=r"rc_cat: there is no such concept directory; nearest: rc_car$"):
        load_concept(tmp_path / "rc_cat")
    with pytest.raises(WeightsError, match="is missing"):
        load_concept(tmp_path / "none" / "rc_cat")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"schema_version": 2}, "schema_version 2; expected 1"),
        ({"schema_version": None}, "schema_version None; expected 1"),
        (
            {"groups": {"identifier": 1, "shared": 15, "generation": 8, "understanding": 8}},
            r"\(33, 6\).*\(32, 6\)",
        ),
        ({"groups": {"identifier": 1, "shared": 10**12}}, "but concept.json says"),
        ({"row_shape": {"hidden": 7, "head_bias": True}}, r"\(33, 6\).*\(33, 7\)"),
        ({"row_shape": {"hidden": 6, "head_bias": False}}, "'bias'.*but concept.json says"),
        ({"tokens": ["<bo>"]}, "do not follow from its groups"),
        ({"stage": 2}, "stage 2 do not follow"),
        ({"seed": "three"}, "wrong type"),
        ({"seed": float("inf")}, "wrong type"),
        ({"groups": [1, 16]}, "wrong type"),
        ({"groups": {"identifier": 1, "shard": 32}}, "'shard' is not a choice; nearest: shared"),
        ({"groups": {"identifier": 1, "shared": 33, "generation": -1}}, "-1 rows"),
        ({"name": "../bo"}, "is not a name"),
        ({"spelling": "<{name.__class__}{index}>"}, "concept spelling"),
    ],
)
def test_json_that_does_not_fit(tmp_path: Path, values, words: str):
    change(save(tmp_path / "bo"), **values)
    with pytest.raises(UserError, match=words) as caught:
        load_concept(tmp_path / "bo")
    assert "\n" not in str(caught.value)


def test_damaged_files(tmp_path: Path):
    path = save(tmp_path / "bo")
    (path / "concept.safetensors").write_bytes((path / "concept.safetensors").read_bytes()[:-9])
    with pytest.raises(WeightsError, match=r"concept\.safetensors: cannot be read"):
        load_concept(path)
    data = json.loads((path / "concept.json").read_text())
    del data["seed"]
    (path / "concept.json").write_text(json.dumps(data))
    with pytest.raises(WeightsError, match=r"concept\.json: seed is missing"):
        load_concept(path)
    for text in ("{", "[1]", "\x00"):
        (path / "concept.json").write_text(text)
        with pytest.raises(WeightsError, match=r"concept\.json: "):
            load_concept(path)


def test_rows_of_another_shape_than_the_json(tmp_path: Path):
    path = save(tmp_path / "bo")
    tensors = load_file(path / "concept.safetensors")
    save_file({**tensors, "extra": torch.zeros(1)}, path / "concept.safetensors")
    with pytest.raises(WeightsError, match="extra"):
        load_concept(path)


def test_another_backbone_is_refused_with_both_values(tmp_path: Path):
    path = save(tmp_path / "bo")
    with pytest.raises(WeightsError, match="hidden size 6, but the backbone's is 2048"):
        load_concept(path, RowShape(2048, True))
    with pytest.raises(WeightsError, match="a head bias, but the backbone has no head bias"):
        load_concept(path, RowShape(6, False))


def test_card_shows_groups_and_scores(tmp_path: Path):
    text = (save(tmp_path / "bo", make_concept(2)) / "README.md").read_text()
    assert text.startswith("# bo\n")
    assert r"| shared | 16 | &lt;token\_0&gt; to &lt;token\_15&gt; |" in text
    assert r"| generation | 8 | &lt;token\_16&gt; to &lt;token\_23&gt; |" in text
    assert "| identifier | 1 | &lt;bo&gt; |" in text
    assert "| unifybench/rec | 0.12346 |" in text
    assert "nan" not in text
    assert "(dog)" in text


def test_card_lets_no_markup_through(tmp_path: Path):
    noun = "<script>alert(1)</script>\n\n# [dog](javascript:x) `![i](http://x)` | a"
    text = (save(tmp_path / "bo", class_noun=noun) / "README.md").read_text()
    assert "<" not in text
    assert "](" not in text
    assert sum(line.startswith("#") for line in text.splitlines()) == 2
    assert plain("a|b\n`c` <d>") == r"a\|b \`c\` &lt;d&gt;"
