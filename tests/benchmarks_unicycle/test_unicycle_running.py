"""The cycle with players that are always right, or always the same: scores, records, resumption."""

import json
from dataclasses import replace

import pytest
from cycle_players import SAMPLING, Perfect, Player

from unictk.benchmarks.base import ModelBenchmark
from unictk.benchmarks.unicycle.asking import picture_key
from unictk.benchmarks.unicycle.bench import SpritesUniCycle, UniCycle
from unictk.benchmarks.unicycle.questions import Cycle
from unictk.benchmarks.unicycle.running import several
from unictk.benchmarks.unicycle.sprites import sprites_cycles
from unictk.errors import DataError, UserError
from unictk.judges.base import Verdict
from unictk.judges.oracle import OracleJudge
from unictk.judges.rules import RulesJudge
from unictk.report.drawn import drawn_sections
from unictk.samples import Image, Text
from unictk.sprites.oracle import read

ROWS = [
    {
        "prompt_id": "cat",
        "category": "colour",
        "prompt": "A red cat left of a dog, under a sign GO ON.",
        "questions": [
            {"question": "What colour is the cat?", "answer": "red"},
            {"question": "Where is the cat?", "options": ["right", "left"], "answer": "left"},
            {"question": "What does the sign say?", "keywords": ["GO", "ON"]},
        ],
    },
    {
        "id": "bird",
        "type": "negation",
        "prompt": "No bird.",
        "yn_question_list": ["A bird?"],
        "yn_answer_list": ["no"],
    },
]


SEEN = {}
"""What the oracle read, by picture: grey ones come often and take it long."""


def remembered(image):
    key = image.numpy().tobytes()
    if key not in SEEN:
        SEEN[key] = read(image)
    return SEEN[key]


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Three prompts a group, and equal pictures are read once."""
    groups = {"one": 3, "two": 3, "relation": 3}
    monkeypatch.setattr("unictk.benchmarks.unicycle.sprites.GROUPS", groups)
    monkeypatch.setattr("unictk.judges.oracle.read", remembered)


@pytest.fixture
def cycles():
    return sprites_cycles(0, "full")


@pytest.fixture
def asked(tmp_path):
    file = tmp_path / "questions.jsonl"
    file.write_text("\n".join(map(json.dumps, ROWS)))
    return UniCycle(str(file), batch_size=1)


class Seen:
    """A judge that finds this and that wrong, without looking."""

    name = "seen"

    def __init__(self, wrong=()):
        self.wrong, self.judged = wrong, 0

    def judge(self, requests):
        self.judged += len(requests)
        verdicts = [{point: point not in self.wrong for point in one.expected.points()} for one in requests]
        return [Verdict(10.0 * sum(right.values()) / len(right), right) for right in verdicts]


def ask(bench, player, judge=None, seed=0, **options):
    return bench.evaluate(player, judge, SAMPLING, seed, phase="measure", **options)


def sprites(**options):
    return SpritesUniCycle("full", batch_size=2, **options)


def short(result):
    return {name.removeprefix("unicycle/"): value for name, value in result.metrics.items()}


def test_a_perfect_player_scores_one_everywhere(cycles):
    result = ask(sprites(), Perfect(cycles), OracleJudge())
    found = short(result)
    scores = {name: value for name, value in found.items() if not name.endswith("/n")}
    assert set(scores) == {
        *("yes_no", "multiple_choice", "open", "keywords"),
        *(
            f"{metric}{group}"
            for metric in ("soft", "hard", "truth_soft", "truth_hard", "agreement")
            for group in ("", "_one", "_two", "_relation")
        ),
    }
    assert set(scores.values()) == {1.0}
    assert (found["soft/n"], found["soft_one/n"], found["hard_relation/n"]) == (9, 3, 3)
    assert sum(found[f"{kind}/n"] for kind in ("yes_no", "multiple_choice", "open", "keywords")) == sum(
        len(one.questions) for one in cycles
    )
    assert result.remarks["unicycle/judge"] == "rules"
    assert result.remarks["unicycle/pictures_judge"] == "oracle"
    assert result.remarks["unicycle/questions"].startswith("unicycle_sprites, full: 9 pictures, ")


def test_always_yes_is_right_by_chance_and_never_hard(cycles):
    found = short(ask(sprites(), Player("Yes."), OracleJudge()))
    claims = [one.reference for cycle in cycles for one in cycle.questions if one.kind == "yes_no"]
    assert found["yes_no"] == pytest.approx(claims.count("Yes.") / len(claims))
    assert found["open"] == found["keywords"] == found["hard"] == found["truth_soft"] == 0
    assert found["hard_relation"] == 0
    assert 0 < found["soft"] < 0.5


def test_without_a_judge_of_pictures_there_is_no_truth(cycles):
    for judge in (None, RulesJudge()):
        found = short(ask(sprites(), Perfect(cycles), judge))
        assert not any(name.startswith(("truth", "agreement", "unparsable")) for name in found)
        assert found["soft"] == 1


def test_agreement_tells_the_model_that_says_what_it_was_asked_to_draw(cycles):
    found = short(ask(sprites(), Perfect(cycles, draws_right=False), OracleJudge()))
    assert found["soft"] == found["hard"] == 1
    assert found["truth_hard"] == 0
    assert 0 < found["truth_soft"] < 0.7
    assert found["agreement"] < 0.7


def test_agreement_is_counted_question_by_question(cycles):
    point = "0.colour"
    result = ask(sprites(), Perfect(cycles), Seen([point]))
    deciding = [question for one in cycles for question in one.questions if question.decides]
    wrong = [question for question in deciding if question.points == (point,)]
    assert wrong
    assert short(result)["agreement"] == pytest.approx(1 - len(wrong) / len(deciding))
    assert short(result)["agreement/n"] == len(deciding)


def test_every_metric_is_the_mean_of_its_records(cycles):
    player = Perfect(cycles)
    player.answer = lambda request: "red" if len(request.key) % 2 else Perfect.answer(player, request)
    result = ask(sprites(), player, OracleJudge())
    by_metric = {}
    for record in result.items:
        by_metric.setdefault(record.metric, []).append(record.score)
    assert set(by_metric) == {name for name in result.metrics if not name.endswith("/n")}
    for name, scores in by_metric.items():
        assert result.metrics[name] == pytest.approx(sum(scores) / len(scores), abs=1e-5)
        assert result.metrics[f"{name}/n"] == len(scores)
    assert 0 < result.metrics["unicycle/soft"] < 1
    assert len({record.key for record in result.items}) == len(result.items)


def test_no_word_of_the_prompt_and_no_other_picture_is_before_a_question(cycles):
    player = Perfect(cycles)
    ask(sprites(), player)
    questions = [one for one in player.requests if one.key.count("/") == 2]
    assert len(questions) == sum(len(one.questions) for one in cycles)
    for request in questions:
        picture, words = request
        assert isinstance(picture, Image)
        assert isinstance(words, Text)
        _, key, qid = request.key.split("/")
        assert player.pictures[int(picture.codes)] == f"unicycle/{key}"
        cycle = player.cycles[key]
        assert words.text == next(one.text for one in cycle.questions if one.qid == qid)
        assert cycle.prompt not in words.text


def test_every_picture_and_answer_has_a_seed_and_settings_of_its_own(cycles):
    player = Perfect(cycles)
    ask(sprites(), player)
    drawn = [one for one in player.requests if one.key.count("/") == 1]
    said = [one for one in player.requests if one.key.count("/") == 2]
    assert len({one.seed for one in player.requests}) == len(player.requests)
    assert {one.sampling for one in drawn} == {SAMPLING}
    longest = {one.sampling.max_new_tokens for one in said}
    assert longest == {12, 96}
    assert {one.sampling.text_temperature for one in said} == {0.0}
    other = Perfect(sprites_cycles(1, "full"))
    ask(sprites(), other, seed=1)
    assert {one.seed for one in other.requests}.isdisjoint(one.seed for one in player.requests)


def test_options_in_words_are_answered_by_letters(cycles):
    player = Perfect(cycles)
    result = ask(sprites(choices="said"), player)
    assert short(result)["multiple_choice"] == 1
    offered = [one for one in result.items if one.metric == "unicycle/multiple_choice"]
    assert all(len(one.answer) == 1 and "\nA. " in one.question for one in offered)
    assert all(one.answer in one.question for one in offered)


def test_several_pictures_of_a_prompt(cycles):
    every = several(cycles, 2)
    assert [one.key for one in every[:3]] == ["one-0000", "one-0000~1", "one-0001"]
    player = Perfect(every)
    result = ask(sprites(pictures=2), player)
    assert result.metrics["unicycle/soft/n"] == 18
    assert len({one.seed for one in player.requests}) == len(player.requests)


def test_pictures_are_kept_and_shown(cycles, tmp_path):
    result = ask(sprites(), Perfect(cycles), OracleJudge(), folder=tmp_path)
    whole = [one for one in result.items if one.metric == "unicycle/soft"]
    assert {one.image for one in whole} == {picture_key(one, "measure") for one in cycles}
    assert all((tmp_path / one.image).is_file() for one in whole)
    (section,) = drawn_sections(tmp_path, result.items, ["measure"])
    assert section.total == 9
    (picture,) = next(iter(section.prompts.values()))[0].pictures
    assert picture.scores["unicycle/soft"] == 1
    assert picture.drawing.judged


@pytest.mark.parametrize("strange", ["../../out", "a/b", "a b", "", ".hidden", "x" * 300])
def test_ids_from_files_stay_inside_the_folder(strange):
    key = picture_key(Cycle(strange, "p", "", ()), "measure")
    folder, name = key.rsplit("/", 1)
    assert folder == "drawn/measure/soft"
    assert not name.startswith(".")
    assert len(name) < 120
    assert key != picture_key(Cycle(f"{strange}_", "p", "", ()), "measure")


def stopping_after(saved, count):
    class Stopped(Exception):
        pass

    def save(records):
        saved.extend(records)
        if len(saved) >= count:
            raise Stopped

    return save, Stopped


def test_resuming_equals_one_run(cycles):
    whole = ask(sprites(), Perfect(cycles), OracleJudge())
    saved, again, progress = [], [], []
    save, stopped = stopping_after(saved, 100)
    with pytest.raises(stopped):
        ask(sprites(), Perfect(cycles), OracleJudge(), save=save)
    player = Perfect(cycles)
    found = ask(
        sprites(),
        player,
        OracleJudge(),
        done=saved,
        save=again.extend,
        progress=lambda *now: progress.append(now),
    )
    assert found == whole
    assert {one.key for one in saved}.isdisjoint(one.key for one in again)
    assert {one.key: one for one in (*saved, *again)} == {one.key: one for one in whole.items}
    assert 0 < len(player.asked) < len(cycles) + sum(len(one.questions) for one in cycles)
    assert progress[-1][0] == progress[-1][1] == sum(len(one.questions) for one in cycles)


def test_nothing_is_asked_twice_and_batches_change_nothing(cycles):
    whole = ask(sprites(), Perfect(cycles), OracleJudge())
    silent, blind = Player(), Seen()
    blind.name = "oracle"
    assert ask(sprites(), silent, blind, done=whole.items) == whole
    assert silent.asked == []
    assert blind.judged == 0
    one = SpritesUniCycle("full", batch_size=5)
    assert ask(one, Perfect(cycles), OracleJudge()) == whole


def test_what_has_changed_is_asked_again(cycles):
    whole = ask(sprites(), Perfect(cycles), OracleJudge()).items

    def asked_again(done, judge=None):
        player = Perfect(cycles)
        ask(sprites(), player, judge or OracleJudge(), done=done)
        return {one.split("/")[1] for one in player.asked}

    assert asked_again(whole) == set()
    assert asked_again(whole, Seen()) == {one.key for one in cycles}
    first = cycles[0].key
    for metric, changes in (
        ("soft", {"question": "Another prompt."}),
        ("soft", {"reference": "somebody: 3 questions"}),
        ("truth_soft", {"reference": "oracle: setting"}),
        (cycles[0].questions[0].kind, {"question": "Another question?"}),
        (cycles[0].questions[0].kind, {"reference": "another"}),
        ("soft", {"phase": "later"}),
    ):
        place = next(
            number
            for number, one in enumerate(whole)
            if one.metric == f"unicycle/{metric}" and one.item_id.split("/")[0] == first
        )
        changed = [*whole[:place], replace(whole[place], **changes), *whole[place + 1 :]]
        assert asked_again(changed) == {first}, (metric, changes)
        assert asked_again([*whole[:place], *whole[place + 1 :]]) == {first}, metric


# -- from a file ---------------------------------------------------------------------------------------


def test_questions_of_a_file(asked):
    result = ask(asked, Perfect(asked.cycles))
    found = short(result)
    assert {name: value for name, value in found.items() if name.endswith("/n")} == {
        **dict.fromkeys(("soft/n", "hard/n"), 2),
        **dict.fromkeys(("soft_colour/n", "hard_colour/n", "soft_negation/n", "hard_negation/n"), 1),
        **dict.fromkeys(("open/n", "multiple_choice/n", "keywords/n", "yes_no/n"), 1),
    }
    assert {value for name, value in found.items() if not name.endswith("/n")} == {1.0}
    assert result.remarks["unicycle/questions"].startswith(
        "UniCycle-style, questions.jsonl: 2 pictures, 4 questions, "
    )


def test_parts_of_it(asked):
    player = Perfect(asked.cycles)
    said = {"cat/1": "It is a red cat.", "cat/2": "A. right", "cat/3": "go", "bird/1": "Yes."}
    player.answer = lambda request: said[request.key.removeprefix("unicycle/")]
    found = short(ask(asked, player))
    assert (found["open"], found["multiple_choice"], found["keywords"], found["yes_no"]) == (1, 0, 0.5, 0)
    assert found["soft_colour"] == found["soft"] * 2 == pytest.approx(0.5)
    assert found["hard"] == 0


def test_a_threshold_for_keywords(asked):
    player = Perfect(asked.cycles)
    player.answer = lambda request: "go" if request.key.endswith("cat/3") else Perfect.answer(player, request)
    assert short(ask(asked, player))["hard"] == 0.5
    asked.keyword_threshold = 0.5
    lenient = ask(asked, player)
    assert short(lenient)["hard"] == 1
    assert short(lenient)["soft_colour"] == pytest.approx(2.5 / 3)
    told = next(one for one in lenient.items if one.metric == "unicycle/hard_colour")
    assert told.score == 1
    assert json.loads(told.answer)["right"] == {
        "1: What colour is the cat?": True,
        "2: Where is the cat?": True,
        "3: What does the sign say?": True,
    }


class Replies:
    """A judge that replies to conversations: yes, or what it is told to."""

    name = "openai/told"

    def __init__(self, reply='{"evaluation": "yes"}'):
        self.reply, self.asked = reply, []

    def grade(self, requests):
        raise AssertionError("it is asked in the benchmark's own words")

    def ask(self, conversations):
        self.asked += conversations
        return [self.reply for _ in conversations]


def test_an_external_judge_and_its_replies_are_recorded(asked):
    judge = Replies()
    result = ask(asked, Player("so so"), judge)
    found = short(result)
    assert (found["open"], found["multiple_choice"], found["yes_no"], found["keywords"]) == (1, 1, 1, 0)
    assert (found["unparsable"], found["unparsable/n"]) == (0.25, 4)
    assert result.remarks["unicycle/judge"] == "openai/told"
    replies = [one.answer for one in result.items if one.metric == "unicycle/unparsable"]
    assert replies == [judge.reply] * 4
    silent, other = Player(), Replies()
    assert ask(asked, silent, other, done=result.items) == result
    assert silent.asked == other.asked == []


def test_a_judge_of_pictures_is_refused(asked):
    with pytest.raises(UserError, match="judge: oracle grades no answers; use judge=rules"):
        ask(asked, Player(), OracleJudge())


def test_two_prompts_of_one_id_are_refused(asked):
    asked.cycles = [*asked.cycles, asked.cycles[0]]
    with pytest.raises(DataError, match="prompt 'cat': two prompts share this id"):
        ask(asked, Player())


def test_both_are_benchmarks_of_a_model(asked):
    assert isinstance(asked, ModelBenchmark)
    assert isinstance(sprites(), ModelBenchmark)
    assert not asked.needs_judge
