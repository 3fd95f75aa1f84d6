import pytest
from hypothesis import given
from hypothesis import strategies as st

from unictk.metrics.answers import conclusion, exact_match, normalise, right_choice, yes_or_no


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("Yes.", "yes"),
        ("yes, it is.", "yes"),
        ("No", "no"),
        ("NO!", "no"),
        ("Well: no.", "no"),
        ("I do not know", None),
        ("It is another one, now nothing.", None),
        ("Yesterday I noticed", None),
        ("Yes and no.", None),
        ("No. Yes.", None),
        ("yes yes", "yes"),
        ("", None),
        ("y", None),
    ],
)
def test_case_24_only_a_strict_yes_or_no_counts(answer: str, said: str | None) -> None:
    assert yes_or_no(answer) == said


@pytest.mark.parametrize(
    ("answer", "normal"),
    [
        ("  Red. ", "red"),
        ("RED!!", "red"),
        ("<bo> is  red\n.", "is red"),
        ("Red, Bo.", "red"),
        ("Boat", "boat"),
        ("A red hat.", "a red hat"),
        ("3.5", "3.5"),
        ("Is it <bo>?", "is it"),
        ("rouge…", "rouge"),
    ],
)
def test_normal_form(answer: str, normal: str) -> None:
    assert normalise(answer, "bo") == normal


@given(st.text(), st.sampled_from(["bo", "dog6", "a.b", "", "x_y-z"]))
def test_normal_form_is_stable_and_ignores_case_ends_and_spaces(text: str, name: str) -> None:
    once = normalise(text, name)
    assert normalise(once, name) == once
    assert normalise(f"  {text} . ", name) == once
    assert exact_match(text, text, name)


@given(st.text(alphabet="abc <>.,", max_size=12), st.text(alphabet="abc <>.,", max_size=12))
def test_match_is_equality_of_normal_forms(answer: str, reference: str) -> None:
    if normalise(reference, "b"):
        assert exact_match(answer, reference, "b") == (normalise(answer, "b") == normalise(reference, "b"))


def test_a_reference_that_is_only_the_name_asks_for_the_name() -> None:
    assert exact_match("<bo>", "<bo>.", "bo")
    assert not exact_match("", "<bo>.", "bo")
    assert not exact_match("a dog", "<bo>.", "bo")


@pytest.mark.parametrize(
    ("answer", "reference", "right"),
    [
        ("A", "A", True),
        ("The answer is A", "A", True),
        ("The answer is A", "B", False),
        ("B. dark blue", "B", True),
        ("The answer is (C).", "C", True),
        ("(C) green", "(C)", True),
        ("A cat is in the picture so green it is", "A", False),
        ("A or B", "A", False),
        ("Anna's answer", "A", False),
        ("", "A", False),
        ("I think it is dark blue.", "dark blue", True),
        ("darkest blue", "dark blue", False),
        ("bluebird", "blue", False),
        ("anything", "", False),
        ("Both A and C.", "C", False),
        ("A is right", "A", True),
        ("A but not a cat", "A", True),
    ],
)
def test_choice(answer: str, reference: str, right: bool) -> None:
    assert right_choice(answer, reference) is right


@pytest.mark.parametrize(
    ("answer", "concluded"),
    [
        ("shape: star, drop, other. No.", "no"),
        ("Its ears are not round. Yes, it is the one.", "yes"),
        ("No, the hat differs; still, yes", "yes"),
        ("NO", "no"),
        ("nothing of the kind is known", None),
        ("", None),
    ],
)
def test_the_last_yes_or_no_is_the_conclusion(answer: str, concluded: str | None) -> None:
    assert conclusion(answer) == concluded
