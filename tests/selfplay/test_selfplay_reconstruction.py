from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
import torch
from selfplay_groups import group
from selfplay_players import CATEGORIES, whole_round

from unictk.errors import DataError
from unictk.samples import Image, Text
from unictk.selfplay.answers import read_judgement
from unictk.selfplay.categories import Category, load_categories
from unictk.selfplay.choosing import ReconstructionRules, choose
from unictk.selfplay.groups import read_groups
from unictk.selfplay.paper_wording import CAPTIONS, REDRAW, PaperWording
from unictk.selfplay.quotas import Quotas
from unictk.selfplay.reconstruction import KINDS, Writer, sample_of
from unictk.selfplay.sprites_wording import SpritesWording
from unictk.selfplay.wording import Demonstration, Wording, flavour_of
from unictk.sprites.grammar.verdicts import parse_verdict

RULES = ReconstructionRules()
GROUPS = [group([9, 2, 5, 8], name, n) for name in CATEGORIES.names for n in range(4)]


def lessons(groups=GROUPS, quotas=None, wording: Wording | None = None, seed=1, **rules):
    chosen = choose(groups, CATEGORIES.names, ReconstructionRules(**rules), seed, quotas)
    return list(Writer(chosen, CATEGORIES, wording or PaperWording(), RULES, seed).lessons(groups))


def written(root, groups=GROUPS):
    for row in (row for one in groups for row in one.rollouts):
        (root / row.image).parent.mkdir(parents=True, exist_ok=True)
        (root / row.image).write_bytes(b"a picture")
    return root


def kind(name, **changes):
    return next(one for one in lessons(**changes) if one.kind == name)


def test_every_kind_has_its_form(tmp_path):
    root = written(tmp_path)
    forms = {}
    for name in KINDS:
        sample = sample_of(kind(name), root)
        forms[name] = [(type(one), one.target) for one in sample]
        assert sample.key.endswith(f"-{name}")
    text, image = Text, Image
    assert forms == {
        "generation": [(text, False), (image, True)],
        "caption": [(image, False), (text, False), (text, True)],
        "judgement": [(text, False), (image, False), (text, True)],
        "reflection": [(image, False), (text, False), (image, True)],
    }


def test_generation_draws_the_winner_as_it_was_drawn(tmp_path):
    lesson = kind("generation")
    prompt, picture = sample_of(lesson, written(tmp_path))
    assert prompt.text == GROUPS[0].prompt
    assert picture.key == lesson.winner == GROUPS[0].rollouts[0].sample_id
    assert torch.equal(picture.codes, torch.tensor([0, 0]))
    assert picture.source == tmp_path / GROUPS[0].rollouts[0].image


def test_a_caption_is_the_prompt_word_for_word():
    for lesson in lessons():
        if lesson.kind == "caption":
            assert lesson.segments[2].text == lesson.prompt
            assert lesson.segments[1].text in CAPTIONS["caption"]


def test_a_judgement_is_taught_as_it_was_asked_and_given():
    lesson = kind("judgement")
    question, picture, answer = lesson.segments
    assert question.text == PaperWording().judge(CATEGORIES["Counting"], lesson.prompt, random.Random()).text
    said = GROUPS[0].of(int(lesson.winner[-2:]))[1]
    assert json.loads(answer.text) == {"analysis": said.analysis, "score": said.score}
    assert read_judgement(answer.text).rung == "json"
    assert list(json.loads(answer.text)) == ["analysis", "score"], "reasons come before the score"
    assert picture.key == lesson.winner


def test_reflection_goes_from_the_loser_and_its_critique_to_the_winner():
    lesson = kind("reflection")
    loser, asked, winner = lesson.segments
    assert loser.key == lesson.loser == GROUPS[0].rollouts[1].sample_id
    assert winner.key == lesson.winner == GROUPS[0].rollouts[0].sample_id
    assert "Rollout 1 is so." in asked.text
    assert lesson.prompt in asked.text
    assert (lesson.gap, lesson.score) == (7, 9)


@pytest.mark.parametrize("seed", range(4))
def test_lessons_depend_on_records_and_seed_alone(seed):
    one = lessons(seed=seed)
    assert lessons(seed=seed) == one
    assert lessons(seed=seed + 1) != one
    keys = [lesson.sample_id for lesson in one]
    assert len(set(keys)) == len(keys)


def test_ablations_leave_a_kind_out():
    whole = {name: [one for one in lessons() if one.kind == name] for name in KINDS}
    for name in KINDS[1:]:
        counts = dict.fromkeys(KINDS, 12) | {name: 0}
        less = lessons(quotas=Quotas(**counts))
        assert {one.kind for one in less} == set(KINDS) - {name}
        assert [one for one in less if one.kind == "generation"] == whole["generation"]


def test_flavours_of_captions():
    chance = random.Random(0)
    for prompt in ("Generate an image of a cat.", "please DRAW me a small\nphoto of it", "render: picture"):
        assert flavour_of(prompt, chance) == "prompt"
    for prompt in ("A cat draws a picture frame", "A picture of a cat.", "imagegenerate", "Draw a cat."):
        assert flavour_of(prompt, chance) == "caption"
    assert flavour_of("Draw " + "very " * 9 + "nice picture", chance) == "caption", "too far apart"
    share = sum(flavour_of("A cat.", chance, 0.2) == "prompt" for _ in range(2000)) / 2000
    assert share == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize("spoil", ["absent", "outside", "absolute", "empty"])
def test_a_picture_that_is_not_there_is_named(tmp_path, spoil):
    lesson = kind("caption")
    path = {"absent": "selfplay/none.png", "outside": "../x.png", "absolute": "/etc/hosts", "empty": ""}[
        spoil
    ]
    broken = replace(lesson, segments=(replace(lesson.segments[0], image=path), *lesson.segments[1:]))
    with pytest.raises(DataError, match=lesson.sample_id):
        sample_of(broken, written(tmp_path))


def test_every_lesson_of_a_round_is_a_sample(tmp_path):
    folder = whole_round(tmp_path, 12)
    rows = list(folder.lessons)
    images = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")}
    groups = {one.prompt_uid: one for one in read_groups(folder.rollouts, folder.judgements, 0)}
    assert len(rows) > 20
    for row in rows:
        sample = sample_of(row, tmp_path)
        assert sum(segment.target for segment in sample) == 1
        assert {one.image for one in row.segments if one.image} <= images
        for picture in sample.images:
            (rollout,) = [one for one in groups[row.prompt_uid].rollouts if one.sample_id == picture.key]
            assert torch.equal(picture.codes, torch.tensor(list(unpack(rollout))))
        if row.loser:
            best, worst = (groups[row.prompt_uid].of(int(key[-2:]))[0] for key in (row.winner, row.loser))
            assert best.image_sha256 != worst.image_sha256


def unpack(rollout):
    width = {"uint8": 1, "uint16": 2}[rollout.codes_dtype]
    return (int.from_bytes(rollout.codes[at : at + width], "little") for at in range(0, 4 * width, width))


def test_rollouts_without_judgements_are_not_a_round(tmp_path):
    folder = whole_round(tmp_path, 6)
    name = folder.judgements.names()[-1]
    rows = list(folder.judgements.read(name))
    folder.judgements.write(name, rows[:-1], "judged")
    with pytest.raises(DataError, match="has no judgement"):
        list(read_groups(folder.rollouts, folder.judgements, 0))
    (folder.judgements.folder / f"judgements-{name}.json").unlink()
    with pytest.raises(DataError, match="have no judgements"):
        list(read_groups(folder.rollouts, folder.judgements, 0))


SOME = [Demonstration("u", "close_up", 'A "quoted" {face}.'), Demonstration("v", "full_body", "Someone.")]


def test_the_papers_question_to_the_proposer():
    asked = PaperWording().propose(CATEGORIES["Portrait"], "half_body", SOME, random.Random(0))
    assert "Category: Portrait" in asked.system
    assert "Someone." in asked.system
    shown = [
        json.loads(line)
        for line in asked.system.splitlines()
        if line.startswith('{"major') and "<" not in line
    ]
    assert shown[0] == {"major_category": "Portrait", "subcategory": "close_up", "prompt": SOME[0].prompt}
    assert "Subcategory: half_body" in asked.user
    assert "exactly one" in asked.user
    assert asked.text == f"{asked.system}\n\n{asked.user}"
    bare = PaperWording().propose(CATEGORIES["Counting"], "", (), random.Random(0))
    assert "Examples" not in bare.text
    assert "Subcategory: any" in bare.user


def test_the_papers_question_to_the_judge_is_in_the_papers_order():
    text = PaperWording().judge(load_categories("paper")["Counting"], "Three {cups}.", random.Random(0)).text
    places = [text.index(part) for part in ("1. the number", "Scores:", '"analysis"', "Category: Counting")]
    assert places == sorted(places)
    assert text.index("Prompt: Three {cups}.") > places[-1]
    assert text.endswith("Picture:")


def test_instructions_are_many_and_hold_their_place():
    assert len(set(REDRAW)) == len(REDRAW) >= 12
    assert all("{prompt}" in one and "{analysis}" in one for one in REDRAW)
    assert all(len(set(some)) == len(some) >= 12 for some in CAPTIONS.values())
    assert not set(CAPTIONS["caption"]) & set(CAPTIONS["prompt"])
    told = {PaperWording().redraw("P.", "{analysis}", random.Random(n)) for n in range(200)}
    assert len(told) == len(REDRAW)
    assert all("{analysis}" in one for one in told), "braces of the judge's words stay as they are"


def test_the_sprites_words_are_those_it_was_taught():
    wording = SpritesWording()
    category: Category = load_categories("sprites")["relations"]
    said = "first colour: red, wrong. not second accessory: hat, wrong. count: two, right."
    assert parse_verdict(json.dumps({"analysis": said, "score": 3})) is not None
    asked = wording.redraw("A red star.", said, random.Random(0))
    assert "the first colour should be red, the second accessory should not be hat." in asked
    assert "count" not in asked
    assert "It is blue." in wording.redraw("A red star.", "It is blue.", random.Random(0))
    judged = wording.judge(category, "A red star.", random.Random(3)).text
    assert "score from 0 to 10. Prompt: A red star." in judged
    assert wording.rate(category, "A red star.") is None
    assert "prompt" in wording.caption("caption", random.Random(0))
