from __future__ import annotations

import json
import re
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unictk.selfplay.answers import judgement_text, read_judgement, read_proposal

GOOD = '{"analysis": "All there.", "score": 8}'
NONE = None

MALFORMED = [
    # (answer, score, status)
    (GOOD, 8, "ok"),
    (f"  \n{GOOD}\n", 8, "ok"),
    (f"```json\n{GOOD}\n```", 8, "ok"),
    (f"```\n{GOOD}", 8, "ok"),
    (f"Here is my verdict:\n{GOOD}\nI hope this helps!", 8, "ok"),
    ('{"analysis": "x", "score": 7.5}', 7.5, "ok"),
    ('{"analysis": "x", "score": "7.5"}', 7.5, "ok"),
    ('{"analysis": "x", "score": "8/10"}', 8, "ok"),
    ('{"analysis": "x", "score": " 8 / 10 "}', 8, "ok"),
    ('{"analysis": "x", "score": 0}', 0, "ok"),
    ('{"analysis": "x", "score": 10.0}', 10, "ok"),
    ('{"Analysis": "x", "Score": 6}', 6, "ok"),
    ('{"score": 6}', 6, "ok"),
    ('{"analysis": "a {brace} in it", "score": 5}', 5, "ok"),
    ('{"verdict": {"analysis": "x", "score": 4}}', 4, "ok"),
    ('{"analysis": "x", "score": 3} {"analysis": "on second thoughts", "score": 9}', 9, "ok"),
    ('{"analysis": "x", "score": 3} {not json}', 3, "ok"),
    ("{'analysis': 'x', 'score': 7}", 7, "ok"),
    ('{"analysis": "x" "score": 7}', 7, "ok"),
    ('{"analysis": "an "inner" quote", "score": 7}', 7, "ok"),
    ('{"analysis": "x", "score": 7,', 7, "ok"),
    ('{"analysis": "x", "score": 8/10}', 8, "ok"),
    ("Score: 7.", 7, "ok"),
    ("**Score:** 7", 7, "ok"),
    ("**Score: 7**", 7, "ok"),
    ("**Score:** none, but 8/10 I would say", NONE, "unparsed"),
    ("I give it 8/10.", 8, "ok"),
    ("8/10", 8, "ok"),
    ("Out of 3/4 of the things, 7.5 / 10", 7.5, "ok"),
    ('{"analysis": "x", "score": 11}', NONE, "out_of_range"),
    ('{"analysis": "x", "score": -1}', NONE, "out_of_range"),
    ('{"analysis": "x", "score": "10.5"}', NONE, "out_of_range"),
    ("score: 85", NONE, "out_of_range"),
    ("12/10", NONE, "out_of_range"),
    ('{"analysis": "x", "score": 1' + "0" * 400 + "}", NONE, "out_of_range"),
    ('{"analysis": "x", "score": null}', NONE, "unparsed"),
    ('{"analysis": "8/10 for colour", "score": "high"}', NONE, "unparsed"),
    ('{"analysis": "x", "score": true}', NONE, "unparsed"),
    ('{"analysis": "x", "score": NaN}', NONE, "unparsed"),
    ('{"analysis": "x", "score": Infinity}', NONE, "unparsed"),
    ('{"analysis": "x", "score": [8]}', NONE, "unparsed"),
    ('{"analysis": "x", "score": "80/100"}', NONE, "unparsed"),
    ('{"analysis": "x", "score": 8/100}', NONE, "unparsed"),
    ('{"analysis": "x", "score": 7,5}', NONE, "unparsed"),
    ('{"analysis": "x", "score": 0 to 10}', NONE, "unparsed"),
    ('{"analysis": "x", "score": <0-10>}', NONE, "unparsed"),
    ('{"analysis": "x", "score": 1e1}', 10, "ok"),
    ('{"analysis": "x" "score": 1e1}', NONE, "unparsed"),
    ('{"analysis": "x", "score": 3, "score": 9}', NONE, "unparsed"),
    ('{"analysis": "x", "score": 1', NONE, "unparsed"),
    ('{"analysis": "x", "score": ', NONE, "unparsed"),
    ('{"analysis": "the score is good, about eight', NONE, "unparsed"),
    ("score: 3 for colour, score: 9 for shape", NONE, "unparsed"),
    ("3/10 at first, 9/10 now", NONE, "unparsed"),
    ("drawn on 1/10/2024", NONE, "unparsed"),
    ("8", NONE, "unparsed"),
    ("The picture is perfect.", NONE, "unparsed"),
    ("", NONE, "unparsed"),
    ("{" * 3000, NONE, "unparsed"),
    ("[" * 3000, NONE, "unparsed"),
    ('{"score": {"score": {"score": 5}}}', NONE, "unparsed"),
]


@pytest.mark.parametrize(("text", "score", "status"), MALFORMED)
def test_case_23_a_judges_answer_is_read_down_the_ladder(text, score, status):
    found = read_judgement(text)
    assert (found.score, found.status) == (score, status)


def test_case_23_has_at_least_forty_answers():
    assert len({text for text, *_ in MALFORMED}) == len(MALFORMED) >= 40
    assert Counter(status for *_, status in MALFORMED).keys() == {"ok", "out_of_range", "unparsed"}


@pytest.mark.parametrize(
    ("text", "rung", "analysis"),
    [
        (GOOD, "json", "All there."),
        (f"So: {GOOD}", "object", "All there."),
        ('{"analysis": "x" "score": 7}', "field", ""),
        ("7/10", "fraction", ""),
        ("nothing", "", ""),
    ],
)
def test_the_rung_and_the_reasons_are_told(text, rung, analysis):
    found = read_judgement(text)
    assert (found.rung, found.analysis) == (rung, analysis)


def test_the_taught_form_is_read_back():
    for score in (0, 7, 7.5, 10.0):
        found = read_judgement(judgement_text('He said "no": {x}\n', score))
        assert (found.score, found.rung, found.analysis) == (score, "json", 'He said "no": {x}')
    assert judgement_text("x", 8.0) == '{"analysis": "x", "score": 8}', "as the small model was taught"


PROPOSAL = {"major_category": "Counting", "subcategory": "few", "prompt": "Three  red\ncups."}


@pytest.mark.parametrize(
    ("text", "prompt", "status"),
    [
        (json.dumps(PROPOSAL), "Three red cups.", "ok"),
        (f"Sure!\n```json\n{json.dumps(PROPOSAL, indent=1)}\n```", "Three red cups.", "ok"),
        (json.dumps({"prompts": [PROPOSAL]}), "Three red cups.", "ok"),
        (json.dumps(PROPOSAL) + json.dumps(PROPOSAL | {"prompt": "Two."}), "Two.", "ok"),
        (json.dumps({"major_category": "Counting", "prompt": "Two."}), "Two.", "ok"),
        (json.dumps(PROPOSAL | {"prompt": ""}), "", "incomplete"),
        (json.dumps(PROPOSAL | {"prompt": ["a", "b"]}), "", "incomplete"),
        (json.dumps({"prompt": "Two."}), "", "incomplete"),
        (json.dumps(PROPOSAL | {"major_category": 3}), "", "incomplete"),
        (json.dumps(PROPOSAL)[:-3], "", "unparsed"),
        ("Three red cups.", "", "unparsed"),
        ('{"prompt": "x", "prompt": "y", "major_category": "Counting"}', "", "incomplete"),
        ("", "", "unparsed"),
    ],
)
def test_proposals(text, prompt, status):
    found = read_proposal(text)
    assert (found.prompt, found.status) == (prompt, status)


SCRAPS = st.sampled_from(
    [
        *('"score"', "score", ":", " ", "{", "}", '"', "'", "/10", "7", "7.5", "11", "-1", "1e3", "null"),
        *("```json", "\n", "\\", ",", "[", "]", "NaN", "to", "10", '"analysis": "', '"prompt": "', "\u0000"),
    ]
)


@st.composite
def broken(draw, whole):
    """An answer that was well formed until something was cut, repeated, put in or taken out."""
    text = draw(whole)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(text)))
        change = draw(st.sampled_from(["cut", "head", "insert", "remove", "repeat"]))
        if change == "cut":
            text = text[:at]
        elif change == "head":
            text = text[at:]
        elif change == "insert":
            text = text[:at] + draw(st.one_of(SCRAPS, st.text(max_size=5))) + text[at:]
        elif change == "remove":
            text = text[:at] + text[at + draw(st.integers(1, 4)) :]
        else:
            text += text[at:]
    return text


def judged():
    scores = st.one_of(st.integers(-3, 13), st.floats(0, 10).map(lambda x: round(x, 2)), st.just("8/10"))
    return st.builds(
        lambda words, score: json.dumps({"analysis": words, "score": score}), st.text(max_size=30), scores
    )


ANSWERS = st.one_of(broken(judged()), st.lists(SCRAPS, max_size=12).map("".join), st.text(max_size=60))
PROPOSALS = st.one_of(
    broken(st.builds(lambda text: json.dumps(PROPOSAL | {"prompt": text}), st.text(max_size=30))),
    st.lists(SCRAPS, max_size=12).map("".join),
)
MANY = settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@MANY
@given(ANSWERS)
def test_a_thousand_broken_judgements_no_crash_and_no_invented_score(text):
    found = read_judgement(text)
    assert (found.score is not None) == (found.status == "ok")
    if found.score is not None:
        assert 0 <= found.score <= 10
        numbers = re.findall(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?", text)
        assert found.score in map(float, numbers), "a score that the answer does not contain"


@MANY
@given(PROPOSALS)
def test_a_thousand_broken_proposals_no_crash_and_no_invented_prompt(text):
    found = read_proposal(text)
    assert bool(found.prompt) == (found.status == "ok")
    if found.status == "ok":
        words = re.sub(r"\\u[0-9a-f]{4}|\\.", " ", text)
        assert all(part in text for part in found.prompt.split() if part.isascii() and part.isalnum()), words


@given(st.integers(0, 10), st.text(alphabet="ab {}\":,'", max_size=12))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_a_cut_answer_never_has_another_score(score, words):
    whole = json.dumps({"analysis": words, "score": score})
    for end in range(len(whole)):
        assert read_judgement(whole[:end]).score in (None, score)
        assert read_judgement(whole[:end]).score is None or end == len(whole) - 1
