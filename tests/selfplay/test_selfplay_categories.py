from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from unictk.errors import DataError, UserError
from unictk.selfplay.categories import even, folded, load_categories, read_categories
from unictk.sprites.grammar.categories import categories as of_the_grammar

ONE = {"name": "Counting", "rule": "Count.", "subcategories": ["few"], "criteria": ["the number"]}


def written(folder: Path, entries: object) -> Path:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(entries))
    return path


def test_the_papers_ten():
    found = load_categories("paper")
    assert found.names == (
        *("General Object", "Object Relations", "General Knowledge", "Spatio Reasoning"),
        *("Temporal Reasoning", "Text Rendering", "Natural Science", "Portrait", "Stylization", "Counting"),
    )
    assert [len(one.subcategories) for one in found] == [5, 4, 5, 4, 2, 3, 4, 3, 2, 0]
    assert all(len(one.criteria) >= 3 for one in found)
    assert found["Counting"].knows("anything")
    assert found["Portrait"].knows("Close-Up")
    assert not found["Portrait"].knows("landscape")


def test_the_sprites_set_is_what_the_model_was_taught():
    found, taught = load_categories("sprites"), of_the_grammar()
    assert found.names == tuple(taught)
    for one in found:
        assert one.rule == taught[one.name].rule
        assert one.subcategories == tuple(sub.name for sub in taught[one.name].subcategories)
        assert one.criteria


def test_rules_of_the_sprites_set_stay_word_for_word():
    """Weights were trained on these words: changing one makes proposing worse."""
    assert load_categories("sprites")["relations"].rule == (
        "Two or three characters, one left of, above or bigger than the other."
    )
    assert load_categories("sprites").names == (
        *("single", "pattern", "face", "accessories", "positions", "sizes", "relations", "counting"),
        *("negation", "two characters"),
    )


def test_a_file_of_ones_own(tmp_path):
    found = load_categories(str(written(tmp_path, [ONE, {**ONE, "name": "Two Words", "subcategories": []}])))
    assert (found.name, found.names) == ("mine", ("Counting", "Two Words"))
    assert found["Two Words"].slug == "two-words"


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([], "expected a list of categories"),
        ({"name": "x"}, "expected a list of categories"),
        (["x"], "entry 0 is 'x'; expected a mapping"),
        ([{**ONE, "rules": "x"}], "'rules' is not a choice; nearest: rule"),
        ([{**ONE, "rule": 3}], "rule is 3; expected text"),
        ([{**ONE, "name": "--"}], "name is '--'; expected text"),
        ([{**ONE, "criteria": []}], "criteria is []; expected at least one text"),
        ([{key: ONE[key] for key in ("name", "rule")}], "criteria is None"),
        ([{**ONE, "subcategories": [1]}], "subcategories is [1]; expected texts"),
        ([{**ONE, "subcategories": ["close up", "close_up"]}], "subcategories has one text twice"),
        ([ONE, {**ONE, "name": "counting"}], "2 categories are called 'Counting'"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path, entries, said):
    with pytest.raises(UserError) as caught:
        read_categories(written(tmp_path, entries), "mine")
    assert said in str(caught.value)
    assert "mine.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_yaml_and_no_file(tmp_path):
    (tmp_path / "x.yaml").write_text("a: [")
    with pytest.raises(DataError, match="cannot be read as YAML"):
        load_categories(str(tmp_path / "x.yaml"))
    with pytest.raises(UserError, match="'papers' is not a choice; nearest: paper"):
        load_categories("papers")


def test_only_some():
    found = load_categories("paper").only(["Counting", "Portrait"])
    assert found.names == ("Portrait", "Counting")
    assert found.only(None) is found
    with pytest.raises(UserError, match="nearest: Counting"):
        found.only(["counting"])


def test_even_shares():
    assert even(7, ("a", "b", "c")) == {"a": 3, "b": 2, "c": 2}
    assert sum(load_categories("paper").shares(5003).values()) == 5003
    assert folded("Close-Up") == folded("close_up") == "closeup"
