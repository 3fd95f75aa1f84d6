"""Lessons: what they ask is true of what they show, they fit the model, and no held-out thing is in them."""

import random
import re

import pytest
import torch

from unictk.backbones.showo.layout import ShowoLayout
from unictk.samples import Image, Text
from unictk.sprites.coded import Album, Sizes, blend, make_album, spoil
from unictk.sprites.grammar import knowledge, questions, recall
from unictk.sprites.grammar.categories import categories, fits
from unictk.sprites.grammar.descriptions import canonical
from unictk.sprites.grammar.parse import parse, parse_scene
from unictk.sprites.grammar.selfplay import parse_proposal
from unictk.sprites.grammar.verdicts import CLEAR, parse_verdict, score_of
from unictk.sprites.known import known_characters
from unictk.sprites.lessons.curriculum import (
    LATE_SHARES,
    LATE_TURNS,
    SHARES,
    TURNS,
    WEIGHTS,
    WRITERS,
)
from unictk.sprites.lessons.parts import ROWS, SOFT
from unictk.sprites.oracle import Reading, score
from unictk.sprites.render import canvas, covered
from unictk.sprites.scenes import IDENTITY, SHAPES
from unictk.sprites.settings import background
from unictk.sprites.variants import fits_part

CELLS = 144
SEATED = (3, 14, 15, 92, 65, 35)
SIZES = Sizes(singles=24, pairs=24, variants=20, spoilt=6, blends=6, known=2, own=4, look_alikes=2)


def encode(pixels: torch.Tensor) -> torch.Tensor:
    """Codes that tell pictures apart: their brightness, cell by cell."""
    cells = torch.nn.functional.avg_pool2d(pixels.mean(1, keepdim=True), 4)
    return ((cells.flatten(1) + 1) * 2047).long()


def decode(codes: torch.Tensor) -> torch.Tensor:
    grey = codes.view(-1, 1, 12, 12).float() / 4095
    return torch.nn.functional.interpolate(grey, scale_factor=4).expand(-1, 3, -1, -1)


@pytest.fixture(scope="module")
def album() -> Album:
    return make_album(encode, decode, 0, SIZES)


@pytest.fixture(scope="module")
def layout() -> ShowoLayout:
    layout = ShowoLayout(None, 48, 4, 4096, positions=640)
    names = [f"<c{slot}>" for slot in range(6)]
    soft = [f"<c{slot}:{n}>" for slot in range(6) for n in range(sum(ROWS.values()) - 1)]
    layout.codec.attach(dict.fromkeys((*names, *soft), "known"))
    return layout


def lessons(kind: str, album: Album, count: int = 60):
    chance = random.Random(len(kind))
    return [WRITERS[kind](chance, album, SEATED) for _ in range(count)]


def test_every_kind_has_a_share_and_a_weight():
    assert set(WRITERS) == set(SHARES) | set(LATE_SHARES) == set(WEIGHTS)
    for shares, turns in ((SHARES, TURNS), (LATE_SHARES, LATE_TURNS)):
        in_turn = [kind for group in turns for kind in group]
        assert len(set(in_turn)) == sum(len(set(group)) for group in turns), "of one group only"
        assert set(in_turn) < set(shares)


@pytest.mark.parametrize("kind", WRITERS)
def test_lessons_fit_the_model_and_end_in_a_target(kind, album, layout):
    for sample in lessons(kind, album):
        assert layout.supports(sample) is None
        assert sample.segments[-1].target
        assert sample.seed is not None


@pytest.mark.parametrize("kind", WRITERS)
def test_no_prompt_to_draw_is_cut(kind, album, layout):
    for sample in lessons(kind, album):
        if all(isinstance(segment, Text) for segment in sample.segments[:-1]) and isinstance(
            sample.segments[-1], Image
        ):
            text = "\n".join(segment.text for segment in sample if isinstance(segment, Text))
            assert len(layout.codec.drawing_prompt(text, 10_000)) <= layout.prompt_length


@pytest.mark.parametrize("kind", WRITERS)
def test_no_evaluation_phrasing_is_taught(kind, album):
    held_out = [
        recall.HOME.evaluation[0],
        recall.OWN.evaluation[0].split("{accessory}")[1].strip(),
        knowledge.HERE.evaluation[0].split("{name}")[1].strip(),
        questions.TRUE.evaluation[0].split(".")[1].strip(),
    ]
    for sample in lessons(kind, album, 200):
        text = " ".join(segment.text for segment in sample if isinstance(segment, Text))
        assert not any(phrase in text for phrase in held_out if len(phrase.split()) > 2)


def test_pictures_are_of_the_pretraining_part(album):
    whole = [*album.singles, *album.pairs, *(one for both in album.variants for one in both)]
    whole += [one for group in (*album.known, *album.own, *album.look_alikes) for one in group]
    assert all(fits_part(one.scene, "pretraining") for one in whole)
    assert len({one.number for one in whole}) == len(set(map(id, whole)))


def test_own_pictures_show_the_facts(album):
    for known, pictures in zip(known_characters(), album.own, strict=True):
        for one in pictures:
            (who,) = one.scene.characters
            assert who.identity == known.identity
            at_home = one.scene.setting == known.facts.home
            own = (who.accessory, who.item) == (known.facts.accessory, known.facts.item)
            assert at_home or own


def test_look_alikes_are_somebody_else(album):
    for known, pictures in zip(known_characters(), album.look_alikes, strict=True):
        assert all(one.scene.characters[0].identity != known.identity for one in pictures)


def test_recognition_is_balanced_and_true(album):
    yes = no = 0
    shown = {one.image().key: one for group in (*album.known, *album.own) for one in group}
    shown |= {one.image().key: one for group in album.look_alikes for one in group}
    for sample in lessons("recognition", album, 200):
        picture, question, answer = sample.segments[:3]
        who = known_characters()[SEATED[int(re.match(r"<c(\d)>", question.text).group(1))]]
        here = shown[picture.key].scene.characters[0].identity == who.identity
        assert answer.text == ("Yes." if here else "No.")
        yes, no = yes + here, no + (not here)
    assert 0.35 < yes / (yes + no) < 0.65


def scenes_by_key(album):
    whole = [*album.singles, *album.pairs]
    whole += [one for group in (*album.known, *album.own, *album.look_alikes) for one in group]
    return {one.image().key: one.scene for one in whole}


def test_inpainting_hides_characters_and_shows_the_rest(album, layout):
    shown = scenes_by_key(album)
    partly = 0
    for sample in lessons("inpainting", album):
        picture = sample.segments[-1]
        scene, hidden = shown[picture.key], picture.masked.view(12, 12)
        drawn = (canvas(scene) != background(scene.setting)).any(-1).reshape(12, 4, 12, 4).any((1, 3))
        assert 0 < int(hidden.sum()) < 144
        assert not bool((hidden & ~torch.from_numpy(covered(scene, 12))).any())
        missed = bool((torch.from_numpy(drawn) & ~hidden).any())
        partly += missed
        assert torch.equal(layout.tape(sample).slots[-1].masked, picture.masked)
        assert layout.counts(sample).image == int(hidden.sum()) + 2
    assert 0.2 < partly / 60 < 0.6


def test_matching_says_what_is_told_and_what_is_seen(album):
    shown, same, known = scenes_by_key(album), [], 0
    for sample in lessons("matching", album, 100):
        picture, *turns = sample.segments
        seen = shown[picture.key].characters[0].identity
        assert len(turns) == 4, "two are asked about"
        for question, answer in zip(turns[0::2], turns[1::2], strict=True):
            told, asked = question.text.split("\n")
            assert asked.endswith("? Compare first.")
            *values, said = answer.text.split(". ")
            found = [re.fullmatch(r"(\w+): (\w+), (\w+), (same|other)", value) for value in values]
            labels = [one[1].replace("feet", "second") for one in found]
            assert labels == list(IDENTITY)
            assert [one[3] for one in found] == [getattr(seen, label) for label in labels]
            assert [one[4] == "same" for one in found] == [one[2] == one[3] for one in found]
            assert said == ("Yes." if all(one[4] == "same" for one in found) else "No.")
            same.append(said == "Yes.")
            if slot := re.match(r"<c(\d)> is", told):
                who = known_characters()[SEATED[int(slot[1])]].identity
                assert [one[2] for one in found] == [getattr(who, label) for label in labels]
                known += 1
            else:
                colour = found[labels.index("colour")][2]
                assert colour in told
    assert 0.15 < sum(same) / len(same) < 0.35, "half of the first ones"
    assert known > 130


def test_plans_fulfil_their_prompts(album):
    asked = refused = 0
    for sample in lessons("planning", album, 100):
        for question, answer in zip(sample.segments[0::2], sample.segments[1::2], strict=True):
            scene = parse_scene(answer.text)
            assert scene is not None
            assert canonical(scene) == answer.text
            wanted = parse(question.text.split("asks for: ")[-1])
            assert wanted is not None
            asked, refused = asked + 1, refused + bool(wanted.refused)
            assert score(wanted, Reading(scene, 0.0, True)).all_right, question.text
    assert asked == 200
    assert refused > 40


def test_plans_about_a_known_character_show_it(album):
    known = 0
    for sample in lessons("planning_known", album, 100):
        for question, answer in zip(sample.segments[0::2], sample.segments[1::2], strict=True):
            scene = parse_scene(answer.text)
            assert scene is not None
            if slot := re.match(r"<c(\d)> is", question.text):
                (one,) = scene.characters
                assert one.identity == known_characters()[SEATED[int(slot[1])]].identity
                known += 1
    assert known > 100


def test_claims_are_true_of_the_definition_and_balanced(album):
    yes = no = checked = 0
    for sample in lessons("claims", album, 200):
        told, _ = sample.segments[0].text.split("\n")
        for asked, answer in zip(sample.segments[0::2], sample.segments[1::2], strict=True):
            right = answer.text == "Yes."
            yes, no = yes + right, no + (not right)
            if found := re.search(r"(\w+) (eyes|ears)\b", asked.text.split("\n")[-1]):
                assert (found.group() in told) == right, (told, asked.text)
                checked += 1
    assert 0.45 < yes / (yes + no) < 0.55
    assert checked > 100


def test_sentences_and_words_are_compared_rightly(album):
    for sample in lessons("words", album):
        for asked, answer in zip(sample.segments[0::2], sample.segments[1::2], strict=True):
            one, other = re.fullmatch(r"Is (.+) the same as (.+)\?", asked.text).groups()
            assert answer.text == ("Yes." if one == other else "No.")
    checked = 0
    for sample in lessons("statements", album):
        said = ""
        for asked, answer in zip(sample.segments[0::2], sample.segments[1::2], strict=True):
            if "\n" in asked.text:
                said = asked.text.split("\n")[0]
            claimed = asked.text.split("\n")[-1]
            if found := re.search(r"\w+ (?:eyes|ears)\b", claimed):
                assert (answer.text == "Yes.") == (found.group() in said), (said, claimed)
                checked += 1
    assert checked > 50


def test_soft_tokens_come_in_the_sizes_a_concept_may_have(album):
    seen = set()
    for sample in lessons("drawing_known", album, 200):
        tokens = re.findall(r"<c\d:(\d+)>", sample.segments[0].text)
        shared = [int(n) for n in tokens if int(n) < ROWS["shared"]]
        own = [int(n) for n in tokens if int(n) >= ROWS["shared"]]
        assert len(shared) in SOFT["shared"]
        assert len(own) in SOFT["generation"]
        assert all(n < ROWS["shared"] + ROWS["generation"] for n in own)
        seen.add((len(shared), len(own)))
    assert len(seen) == 9


def test_prompts_of_facts_are_fulfilled_by_the_picture(album):
    """Everything that a prompt about a defined stranger asks is so in the target."""
    wanted = {one.image().key: one.scene for one in album.singles}
    for sample in lessons("drawing_defined", album, 200):
        scene = wanted[sample.segments[-1].key]
        who = scene.characters[0]
        told, _, text = sample.segments[0].text.partition("\n")
        if any(phrase in text for phrase in recall.HOME.training):
            assert scene.setting in told
        for thing in re.findall(r"its (hat|scarf|balloon)", text):
            assert thing == who.accessory
            assert f"{who.item} {thing}" in told or re.search(rf"{thing} (of \w+ )?is {who.item}", told)


def test_told_scenes_are_the_ones_asked_about(album):
    told = {canonical(one.scene): one.scene for one in (*album.singles, *album.pairs)}
    colours = 0
    for sample in lessons("told", album, 60):
        text, _, first = sample.segments[0].text.partition("\n")
        scene = told[text]
        questions = [first, *(segment.text for segment in sample.segments[2::2])]
        for question, answer in zip(questions, sample.segments[1::2], strict=True):
            named = re.match(r"(?:What|Which) colour (?:is|does) the (\w+)(?: have)?\?", question)
            if named and named[1] in SHAPES:
                (who,) = [one for one in scene.characters if one.identity.shape == named[1]]
                assert answer.text == who.identity.colour
                colours += 1
    assert colours > 5


def test_rewritten_prompts_hold_the_facts_that_were_told(album):
    for sample in lessons("rewriting", album, 60):
        told = sample.segments[0].text.partition("\n")[0]
        for question, answer in zip(sample.segments[::2], sample.segments[1::2], strict=True):
            asked = question.text.partition(": ")[2]
            thing = re.search(r"its (hat|scarf|balloon)", asked)
            if thing:
                colour = re.search(rf"(\w+) {thing[1]}", answer.text)[1]
                assert re.search(rf"{thing[1]} (of \w+ )?is {colour}|{colour} {thing[1]}", told)
            assert not re.search(r"\bits (hat|scarf|balloon|home)\b|at home|where it lives", answer.text)


def test_verdicts_are_those_of_a_perfect_reader(album):
    readings = {}
    for one in (*album.singles, *album.pairs):
        readings[one.image().key] = one.reading()
    for both in (*album.variants, *album.spoilt, *album.blends):
        for one in both:
            readings[one.image().key] = one.reading()
    wrong = right = twice = looked = unclear = 0
    for sample in lessons("judging", album, 150):
        (picture,) = [one for one in sample if isinstance(one, Image)]
        words = [one for one in sample if isinstance(one, Text)]
        reading = readings[picture.key]
        if words[0].text in CLEAR.training:
            assert words[1].text == ("Yes." if reading.readable else "No.")
            words, looked = words[2:], looked + 1
        twice += len(words) == 4
        for question, answer in zip(words[::2], words[1::2], strict=True):
            asked = parse(question.text.partition("Prompt: ")[2])
            verdict = parse_verdict(answer.text)
            truth = score(asked, reading).each
            assert verdict.complete(asked)
            assert verdict.clear is reading.readable
            assert verdict.each(asked) == truth
            assert verdict.score == (score_of(truth) if reading.readable else 0)
            right, wrong = right + sum(truth.values()), wrong + sum(not v for v in truth.values())
            unclear += not verdict.clear
    assert twice > 30
    assert 50 < looked < 100
    assert unclear > 20
    assert wrong > 0.15 * (right + wrong)


def test_proposals_parse_and_belong_to_their_category(album):
    seen = set()
    for sample in lessons("proposing", album, 150):
        question, answer = sample.segments
        made = parse_proposal(answer.text)
        assert fits(made.category, made.prompt)
        assert f"{made.category}" in question.text
        seen.add(made.category)
    assert seen == set(categories())


def test_reflection_ends_in_what_was_meant(album):
    meant = {}
    for one in (*album.singles, *album.pairs, *(one for both in album.variants for one in both)):
        meant[one.image().key] = one
    for sample in lessons("reflecting", album, 100):
        losing, words, target = sample.segments
        assert target.target
        assert not losing.target
        assert losing.key != target.key
        text = re.split(r"again: |Prompt: ", words.text)[-1]
        asked = parse(text.partition(" Wrong:")[0].partition(" Nothing is")[0])
        assert asked is not None
        assert all(score(asked, meant[target.key].reading()).each.values())


@pytest.mark.parametrize("seed", range(30))
def test_spoilt_codes_differ_and_come_from_the_two_pictures(seed):
    chance = random.Random(seed)
    codes, other = torch.arange(CELLS), torch.arange(CELLS) + 1000
    left = spoil(chance, codes, other)
    assert left.shape == codes.shape
    assert not torch.equal(left, codes)
    assert set(left.tolist()) <= set(codes.tolist()) | set(other.tolist())
    assert torch.equal(codes, torch.arange(CELLS))


def test_a_blend_takes_each_cell_from_one_of_the_pictures():
    chance = random.Random(0)
    codes, *alike = (torch.full((CELLS,), number) for number in range(5))
    kept = []
    for _ in range(60):
        found = blend(chance, codes, alike)
        assert set(found.tolist()) <= set(range(5))
        kept.append(float((found == 0).float().mean()))
    assert min(kept) < 0.1
    assert max(kept) > 0.85


def test_blends_are_of_pictures_told_alike(album):
    pictures = {tuple(one.codes.tolist()): one for one in (*album.singles, *album.pairs)}
    for whole, left in album.blends:
        alike = [
            one.codes
            for one in pictures.values()
            if one.scene.setting == whole.scene.setting
            and one.scene.characters[0].identity.shape == whole.scene.characters[0].identity.shape
            and len(one.scene.characters) == len(whole.scene.characters)
        ]
        assert all(bool((torch.stack(alike)[:, cell] == left.codes[cell]).any()) for cell in range(CELLS))
