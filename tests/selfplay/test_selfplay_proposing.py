from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selfplay_players import CATEGORIES, RULES, Folder, Model, propose_all

from unictk.errors import DataError
from unictk.selfplay.categories import Category, load_categories
from unictk.selfplay.paper_wording import PaperWording
from unictk.selfplay.proposer import propose, streams
from unictk.selfplay.proposers import GrammarProposer
from unictk.selfplay.proposing import Ask, ProposerRules, Stream
from unictk.selfplay.seeding import Rated, chosen, drawn
from unictk.selfplay.similarity import Library, normal_form
from unictk.selfplay.sprites_wording import SpritesWording
from unictk.selfplay.wording import Demonstration, Question

COUNTING, TWO, PORTRAIT = CATEGORIES


def run(stream: Stream, model: Model, size: int = 4, shuffled: random.Random | None = None) -> list:
    """To the end; the rows of all steps."""
    rows = []
    while not stream.done:
        asks = stream.wanted()
        assert asks, "nothing is wanted and it is not done"
        if shuffled:
            shuffled.shuffle(asks)
            asks = asks[: shuffled.randint(1, len(asks))]
        for first in range(0, len(asks), size):
            batch = asks[first : first + size]
            stream.tell(dict(zip((ask.key for ask in batch), model.say(batch), strict=True)))
        rows += [row for step in stream.take() for row in step.rows]
    return rows


def stream(category: Category = PORTRAIT, quota: int = 13, seed: int = 1, **changes) -> Stream:
    return Stream(category, quota, PaperWording(), replace(RULES, **changes), seed)


def accepted(rows: list) -> list[str]:
    return [row.prompt for row in rows if getattr(row, "status", "") == "accepted"]


@pytest.mark.parametrize("category", list(CATEGORIES))
def test_quotas_are_met_exactly(category):
    found = stream(category, 13)
    rows = run(found, Model())
    assert len(accepted(rows)) == 13
    if category.subcategories:
        counts = Counter(row.subcategory for row in rows if row.status == "accepted")
        assert max(counts.values()) - min(counts.values()) <= 1
        assert set(counts) == set(category.subcategories)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(1, 9), st.sampled_from(list(CATEGORIES)))
def test_the_order_and_size_of_batches_leave_no_trace(seed, size, category):
    plain = run(stream(category, 11, seed), Model(), 1)
    assert run(stream(category, 11, seed), Model(), size) == plain
    assert run(stream(category, 11, seed), Model(), size, random.Random(size)) == plain
    assert run(stream(category, 11, seed + 1), Model(), size) != plain


def test_nothing_is_asked_twice_or_in_vain():
    model = Model()
    rows = run(stream(), model, 3)
    seeds = [seed for _, seed in model.asked]
    proposals = [row for row in rows if hasattr(row, "slot")]
    ratings = [row for row in rows if hasattr(row, "event")]
    assert len(set(zip(model.asked, range(len(seeds)), strict=True))) == len(model.asked)
    asked_again = sum(row.again_text is not None for row in ratings)
    assert len(seeds) == len(proposals) + len(ratings) + asked_again


def test_prompts_are_new_among_themselves():
    rows = run(stream(quota=30), Model())
    prompts = accepted(rows)
    library = Library()
    for prompt in prompts:
        assert not library.has(prompt)
        assert library.near(prompt) is None
        library.add(prompt)
    assert {"duplicate", "near_duplicate"} & {row.status for row in rows if hasattr(row, "slot")} or prompts


class Parrot(Model):
    """Says the same prompt whatever it is asked."""

    def one(self, question, seed):
        self.asked.append((question, seed))
        if "score" in question:
            return '{"analysis": "x", "score": 5}'
        subcategory = question.split("Subcategory: ")[-1].split("\n")[0]
        return json.dumps({"major_category": "Portrait", "subcategory": subcategory, "prompt": "A face."})


def test_a_proposer_with_one_idea_comes_to_an_end():
    found = stream(quota=10)
    rows = run(found, Parrot())
    assert accepted(rows) == ["A face."]
    assert found.done
    slots = {row.slot for row in rows}
    assert len(rows) == 1 + (len(slots) - 1) * RULES.attempts
    assert Counter(row.status for row in rows) == {"accepted": 1, "duplicate": len(rows) - 1}
    assert len(slots) <= RULES.passes * 10


def test_held_out_prompts_are_refused():
    prompts = accepted(run(stream(), Model()))
    held_out = {normal_form(prompts[0]), normal_form(prompts[5].upper())}
    found = Stream(PORTRAIT, 13, PaperWording(), RULES, 1, held_out=held_out)
    rows = run(found, Model())
    assert Counter(row.status for row in rows)["held_out"] >= 1
    assert not held_out & set(map(normal_form, accepted(rows)))
    assert len(accepted(rows)) == 13


def test_wrong_categories_and_subcategories_are_refused():
    class Wrong(Model):
        def one(self, question, seed):
            text = super().one(question, seed)
            chance = random.Random(seed)
            if "score" not in question and chance.random() < 0.5:
                return (
                    text.replace("Portrait", "Stylization")
                    if chance.random() < 0.5
                    else text.replace("_", "x")
                )
            return text

    rows = run(stream(quota=20), Wrong(broken=0.0))
    found = Counter(row.status for row in rows if hasattr(row, "slot"))
    assert found["wrong_category"] > 3
    for row in rows:
        if getattr(row, "status", "") == "accepted":
            assert json.loads(row.raw_text)["major_category"] == "Portrait"
            assert row.subcategory == row.asked_subcategory


def test_the_first_batch_has_no_examples_and_later_ones_do():
    rows = run(stream(), Model())
    proposals = [row for row in rows if hasattr(row, "slot")]
    ratings = [row for row in rows if hasattr(row, "event")]
    uids = [row.prompt_uid for row in proposals if row.number >= 0]
    assert uids == [f"00-portrait-{n:05d}" for n in range(13)]
    for row in proposals:
        before = sum(other.number >= 0 for other in proposals[: proposals.index(row)])
        event = 0 if before < 3 else 1 + (before - 3) // 4
        shown = [one for one in ratings if one.event == event - 1 and one.chosen >= 0]
        assert row.demonstrations == tuple(
            one.prompt_uid for one in sorted(shown, key=lambda one: one.chosen)
        )
        assert len(row.demonstrations) == (0, 1, 2)[min(event, 2)]


def test_case_27_a_crash_replays_every_demonstration(tmp_path):
    """Stopped after any number of answers, gone on with from the records: the same asks, the same files."""
    whole = Folder(tmp_path / "whole")
    model = Model()
    propose_all(whole, model, 24)
    shown = [(row.sample_id, row.demonstrations) for row in whole.proposals]
    for point in range(1, len(model.asked), 7):
        folder = Folder(tmp_path / str(point))

        class Crash(Model):
            def one(self, question, seed, last=point):
                if len(self.asked) == last:
                    raise KeyboardInterrupt
                return super().one(question, seed)

        crashing, second = Crash(), Model()
        with pytest.raises(KeyboardInterrupt):
            propose_all(folder, crashing, 24)
        propose_all(folder, second, 24)
        assert folder.files() == whole.files()
        assert [(row.sample_id, row.demonstrations) for row in folder.proposals] == shown
        assert set(crashing.asked) | set(second.asked) == set(model.asked)
        assert len(second.asked) < len(model.asked) or point < 8


def test_a_finished_stream_asks_nothing(tmp_path):
    folder, model = Folder(tmp_path), Model()
    propose_all(folder, model, 12)
    before, files = len(model.asked), folder.files()
    propose_all(folder, model, 12)
    assert (len(model.asked), folder.files()) == (before, files)


def test_records_of_another_model_or_version_are_refused(tmp_path):
    folder = Folder(tmp_path)
    (one,) = streams(CATEGORIES.only(["Counting"]), {"Counting": 5}, PaperWording(), RULES, 5)
    propose(one, folder.proposals, folder.ratings, Model().say, 4, "model a")
    again = Stream(COUNTING, 5, PaperWording(), RULES, 5)
    with pytest.raises(DataError, match="made of other work"):
        propose(again, folder.proposals, folder.ratings, Model().say, 4, "model b")
    name = folder.proposals.names()[0]
    rows = list(folder.proposals.read(name))
    changed = [replace(rows[0], status="held_out", prompt_uid="", number=-1), *rows[1:]]
    folder.proposals.write(name, changed, Stream(COUNTING, 5, PaperWording(), RULES, 5).content("model a"))
    again = Stream(COUNTING, 5, PaperWording(), RULES, 5)
    with pytest.raises(DataError, match="does not follow from its own answers"):
        propose(again, folder.proposals, folder.ratings, Model().say, 4, "model a")


def test_case_26_one_process_or_three_propose_the_same(tmp_path):
    folders = {}
    for world in (1, 3):
        folders[world] = Folder(tmp_path / str(world))
        for rank in reversed(range(world)):
            propose_all(folders[world], Model(), 24, rank, world)
    assert folders[1].files() == folders[3].files()
    assert len(list(folders[1].proposals)) > 24


def rated(number: int, score: str | None, prompt: str = "abc", again: str | None = None) -> Rated:
    first = score if score is None or not score.isdigit() else f'{{"analysis": "x", "score": {score}}}'
    return Rated(number, number, Demonstration(str(number), "", prompt), first, again)


def numbers(found: list[Rated]) -> list[int]:
    return [one.number for one in found]


def test_examples_are_the_best_then_the_longest_then_the_earliest():
    found = [
        rated(0, "5"),
        rated(1, "9"),
        rated(2, "9", "abcd"),
        rated(3, "9"),
        rated(4, "bad"),
        rated(5, None),
    ]
    assert numbers(chosen(found, 6, ())) == [2, 1, 3, 0, 4, 5]
    assert numbers(chosen(found, 2, ())) == [2, 1]
    assert numbers(chosen(found[4:], 1, ())) == [4], "without scores the order of the draw decides"
    assert chosen([], 3, ()) == []


def test_a_second_answer_counts_where_the_first_has_no_score():
    found = [rated(0, "5"), rated(1, "bad", again='{"analysis": "x", "score": 8}')]
    assert numbers(chosen(found, 1, ())) == [1]


def test_never_the_same_examples_twice_in_a_row():
    found = [rated(number, str(9 - number)) for number in range(4)]
    best = tuple(one.shown for one in chosen(found, 2, ()))
    assert numbers(chosen(found, 2, best)) == [0, 2]
    assert numbers(chosen(found, 2, best[::-1])) == [0, 2]
    assert numbers(chosen(found[:2], 2, best)) == [0, 1], "there is no other"


def test_draws():
    assert drawn(5, 3, 0, "x") == [0, 1, 2, 3, 4], "the first time all are looked at"
    assert len(set(drawn(50, 8, 1, "x"))) == 8
    assert drawn(50, 8, 1, "x") == drawn(50, 8, 1, "x") != drawn(50, 8, 2, "x")
    assert sorted(drawn(5, 8, 1, "x")) == [0, 1, 2, 3, 4]


class SmallModel(Model):
    """Answers the short question of the sprites world: it picks the subcategory itself, often the same.

    One prompt in ten says more than anybody can judge.
    """

    def one(self, question, seed):
        self.asked.append((question, seed))
        chance = random.Random(seed)
        (said,) = GrammarProposer().say([Ask((0, 0), Question(""), seed, 1.0)], "relations")
        words = json.loads(said)["prompt"] + " Upside down." * (chance.random() < 0.1)
        subcategory = chance.choice(("left", "left", "left", "above", "bigger", "sideways"))
        return json.dumps({"major_category": "relations", "subcategory": subcategory, "prompt": words})


def test_the_small_model_is_asked_in_its_own_words_and_chooses_subcategories():
    category, model = load_categories("sprites")["relations"], SmallModel()
    rules = ProposerRules(initial=4, period=8, demonstrations=2, slack=1.5, passes=6)
    found = Stream(category, 24, SpritesWording(), rules, 1)
    rows = run(found, model)
    assert len(accepted(rows)) == 24
    assert max(found.counts.values()) <= 12, "no subcategory gets more than 1.5 times its share"
    statuses = Counter(row.status for row in rows if hasattr(row, "slot"))
    assert statuses["wrong_category"] > 0
    assert statuses["full"] > 0
    assert statuses["impossible"] > 0
    assert not any("Upside down" in one.prompt for one in found.accepted)
    assert all("Two or three characters, one left of" in question for question, _ in model.asked)
    assert all("score" not in question for question, _ in model.asked), "it cannot rate prompts"
    ratings = [row for row in rows if hasattr(row, "event")]
    assert {row.status for row in ratings} == {"unasked"}
    assert {row.score for row in ratings} == {None}
    assert any("Examples:" in question for question, _ in model.asked)


def test_no_quota_is_nothing_to_do():
    empty = stream(quota=0)
    assert empty.done
    assert empty.wanted() == []
