import pytest
from concept_makers import make_concept, random_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from unictk.backbones.base import RowShape
from unictk.concepts.prompts import ask, bridge_prompt, definition, expand, photo_of
from unictk.concepts.tokens import ConceptTokens
from unictk.errors import UserError


def tokens(first: int, last: int) -> str:
    return "".join(f"<token_{index}>" for index in range(first, last + 1))


@pytest.mark.parametrize(
    ("stage", "text"),
    [
        (1, f"<bo> is {tokens(0, 15)}."),
        (2, f"<bo> is {tokens(0, 15)}."),
        (3, f"<bo> is {tokens(0, 15)}{tokens(24, 31)}."),
    ],
)
def test_case_14_definition_of_each_stage(stage: int, text: str):
    concept = make_concept(stage)
    assert definition(concept) == text
    assert ask(concept, "Is <bo> here?") == f"{text}\nIs <bo> here?"


@pytest.mark.parametrize(("stage", "last"), [(1, 15), (2, 23), (3, 23)])
def test_case_14_caption_of_each_stage(stage: int, last: int):
    assert photo_of(make_concept(stage)) == f"A photo of {tokens(0, last)} <bo>."


@pytest.mark.parametrize("stage", [2, 3])
def test_evaluation_prompts(stage: int):
    concept = make_concept(stage)
    drawn = f"{tokens(0, 23)} <bo>"
    assert expand("a <sks> in the jungle", concept) == f"a {drawn} in the jungle"
    assert expand("A photo of <bo> wearing its hat.", concept) == f"A photo of {drawn} wearing its hat."
    assert expand("<bo>, <sks>", concept) == f"{drawn}, {drawn}"


def test_evaluation_prompt_without_the_concept():
    with pytest.raises(UserError, match="does not name the concept; expected <bo> or <sks>"):
        expand("a dog in the jungle", make_concept())


def test_bridge_prompts():
    concept = make_concept(2)
    start = f"A photo of {tokens(0, 23)} <bo>"
    assert bridge_prompt(concept, human=True) == f"{start}'s face in detail."
    assert bridge_prompt(concept, human=False) == f"{start} in the middle of the photo."


def test_a_concept_that_is_only_its_name():
    concept = ConceptTokens("bo", RowShape(6, True))
    concept.grow("identifier", random_rows(1))
    assert definition(concept) == ""
    assert ask(concept, "Who is <bo>?") == "Who is <bo>?"
    assert photo_of(concept) == "A photo of <bo>."
    assert expand("a <sks>", concept) == "a <bo>"


def concept_named(name: str, drawing: int) -> ConceptTokens:
    concept = ConceptTokens(name, RowShape(6, True))
    concept.grow("identifier", random_rows(1))
    if drawing:
        concept.grow("shared", random_rows(drawing))
    return concept


@settings(database=None, deadline=None)  # a busy machine is not a slow function
@given(
    st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,6}", fullmatch=True).filter(lambda name: name != "sks"),
    st.integers(0, 3),
    st.lists(st.sampled_from(["<sks>", "<C>", " on a", "<", ">", "photo "]), min_size=1),
)
def test_expanding_keeps_the_words_and_does_nothing_twice(name, drawing, pieces):
    concept = concept_named(name, drawing)
    prompt = "".join(pieces).replace("<C>", str(concept))
    if str(concept) not in prompt.replace("<sks>", str(concept)):
        return
    expanded = expand(prompt, concept)
    assert expand(expanded, concept) == expanded
    lead = f"{concept.soft('shared')} " if drawing else ""
    assert expanded.replace(lead, "") == prompt.replace("<sks>", str(concept))
    assert expanded.count(str(concept)) == expanded.count(f"{lead}{concept}")
    assert "<sks>" not in expanded
