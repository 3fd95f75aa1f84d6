"""A concept without tokens: called by a word, and told of in words."""

import pytest
from concept_makers import make_concept, random_rows

from unictk.backbones.base import RowShape
from unictk.concepts.prompts import ask, ask_of, definition, expand, heard, named_in, spoken
from unictk.concepts.told import ToldConcept
from unictk.errors import UserError

SHAPE = RowShape(6, True)


def told(word: str | None = None, *sentences: str) -> ToldConcept:
    return ToldConcept("bo", SHAPE, word, sentences)


def test_nothing_is_told_of_it_unless_asked_for():
    concept = told()
    assert (len(concept), concept.tokens(), concept.stage) == (0, [], 0)
    assert definition(concept) == ""
    assert ask(concept, "Is <bo> here?") == "Is bo here?"
    assert expand("a <sks> in the snow", concept) == "a bo in the snow"
    assert concept.summary() == "<bo> is no token of the model; prompts call it bo and tell nothing of it"


def test_what_is_told_stands_where_the_definition_would():
    concept = told("Mika", "<bo> is a brown dog.", " <bo> owns a red hat.")
    words = "Mika is a brown dog. Mika owns a red hat."
    assert definition(concept) == words
    assert ask(concept, "Is <bo> here?") == f"{words}\nIs Mika here?"
    drawn = f"{words}\na photo of Mika"
    assert expand("a photo of <bo>", concept) == drawn
    assert expand(drawn, concept) == drawn, "expanding twice changes nothing more"
    assert concept.summary().endswith(f"prompts call it Mika and begin with: {words}")
    with pytest.raises(UserError, match="does not name the concept; expected <bo> or <sks>"):
        expand("a dog", concept)


def test_its_word_is_understood_as_its_name():
    concept = told("Mika")
    assert heard("Mika, mikado and Mikas; not <Mika>.", concept) == "<bo>, mikado and Mikas; not <Mika>."
    assert heard("the bo of <bo>, a turbo", told()) == "the <bo> of <bo>, a turbo"
    assert heard(spoken("<bo> and <bo>", concept), concept) == "<bo> and <bo>"
    tokens = make_concept()
    assert spoken("<bo> and bo", tokens) == heard("<bo> and bo", tokens) == "<bo> and bo"


def test_several_concepts_in_one_text():
    words, tokens = told("Mika", "<bo> is brown."), make_concept(1, "mam", "<{name}:{index}>")
    assert named_in("Mika and <mam>", [tokens, words]) == [tokens, words]
    assert named_in("<bo>", [tokens, words]) == [words]
    soft = tokens.soft("shared")
    assert ask_of([words, tokens], "Who is <bo>?") == f"Mika is brown.\n<mam> is {soft}.\nWho is Mika?"


@pytest.mark.parametrize("word", ["", "  ", "<bo>", "a\nb"])
def test_words_that_cannot_be_its_name(word: str):
    with pytest.raises(UserError, match=r"task\.called: .* cannot stand for <bo>"):
        told(word)


def test_it_takes_no_rows():
    with pytest.raises(ValueError, match="is told in words"):
        told().grow("identifier", random_rows(1))
