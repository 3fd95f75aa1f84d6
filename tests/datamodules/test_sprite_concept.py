import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unictk.datamodules import sprite
from unictk.datamodules.check import check_dataset
from unictk.datamodules.concept_data import ConceptData
from unictk.datamodules.sprite import TRUTH, concept_files, sprite_concept
from unictk.errors import UserError
from unictk.metrics.answers import exact_match
from unictk.sprites import story
from unictk.sprites.grammar.knowledge import TOLD
from unictk.sprites.grammar.parse import parse_scene
from unictk.sprites.render import render
from unictk.sprites.scenes import IDENTITY, Character, Identity, Scene
from unictk.sprites.settings import SIDE
from unictk.sprites.splits import concept_facts, concept_identity, hard_negatives
from unictk.sprites.story import about_facts, about_picture, every_question, fact_sentences, prompts

SEED = 3
MANY = range(0, 1000, 25)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> ConceptData:
    return sprite_concept(str(tmp_path_factory.mktemp("sprites")), SEED)


@pytest.fixture(scope="module")
def truth(data) -> dict:
    return json.loads((data.root / TRUTH).read_text())


def scene_of(written: dict) -> Scene:
    """The scene of the truth file, built without the code that wrote it."""
    cast = []
    for one in written["characters"]:
        who = Identity(**{name: one[name] for name in IDENTITY})
        cast.append(Character(who, **{name: value for name, value in one.items() if name not in IDENTITY}))
    return Scene(written["setting"], tuple(cast))


def shelf(truth: dict, start: str) -> dict[str, Scene]:
    """Scenes of the pictures right in this folder."""
    found = {path: scene_of(scene) for path, scene in truth["pictures"].items()}
    return {path: scene for path, scene in found.items() if path.rpartition("/")[0] == start}


def test_the_folder_is_a_faultless_data_set(data):
    assert check_dataset(data.root) == []
    assert (data.name, data.class_noun, data.generation_type) == ("sprite3", "character", "live_subject")
    assert not data.is_human
    shelves = (data.photos, data.crops, data.test_photos, data.hard_negatives, data.random_images)
    assert [len(paths) for paths in shelves] == [10, 10, 8, 20, 32]
    assert {Image.open(path).size for paths in shelves for path in paths} == {(SIDE, SIDE)}
    assert [path.name for path in data.photos] == [path.name for path in data.crops]


def test_pixels_are_what_the_truth_says(data, truth):
    written = {path.relative_to(data.root).as_posix() for path in data.root.rglob("*.png")}
    assert written == {*truth["pictures"], "black_512x512.png"}
    for path, scene in truth["pictures"].items():
        assert np.array_equal(np.asarray(Image.open(data.root / path)), render(scene_of(scene))), path


def test_photos_show_the_concept_and_never_its_facts(truth):
    mine = Identity(**truth["identity"])
    assert mine == concept_identity(SEED)
    assert truth["facts"] == asdict(concept_facts(SEED))
    for folder in ("train/sprite3", "train/sprite3/cropped", "test/sprite3"):
        assert {scene.characters[0].identity for scene in shelf(truth, f"concept/{folder}").values()} == {
            mine
        }


@pytest.mark.parametrize("seed", MANY)
def test_no_picture_of_any_concept_tells_a_fact(seed):
    truth = concept_files(seed)[TRUTH]
    facts = truth["facts"]
    for scene in truth["pictures"].values():
        (one,) = scene["characters"]
        assert one["accessory"] != facts["accessory"]
        assert scene["setting"] != facts["home"]


@pytest.mark.parametrize("seed", MANY)
def test_photos_of_training_and_test_all_differ(seed):
    files = concept_files(seed)
    name = f"sprite{seed}"
    for shelves in (
        (f"concept/train/{name}", f"concept/test/{name}"),
        (f"concept/train/{name}/negative_example",),
        ("random_images",),
    ):
        shown = [
            files[path].tobytes() for path in files[TRUTH]["pictures"] if path.rpartition("/")[0] in shelves
        ]
        assert len(set(shown)) == len(shown) >= 18
    photos = [files[f"concept/test/{name}/{number}.png"].tobytes() for number in range(8)]
    crops = [files[f"concept/train/{name}/cropped/{number}.png"].tobytes() for number in range(10)]
    assert not set(photos) & set(crops)


def test_photos_vary(truth):
    for folder in ("concept/train/sprite3", "concept/test/sprite3"):
        values = defaultdict(set)
        for scene in shelf(truth, folder).values():
            for name, value in scene.characters[0].attributes().items():
                values[name].add(value)
            values["setting"].add(scene.setting)
        assert len(values["setting"]) == 7  # all but its home
        assert [len(values[name]) for name in ("accessory", "column", "row", "size")] == [3, 3, 3, 2]
        assert len(values["item"]) >= 5


def test_a_closer_look_is_the_same_place_with_a_big_character(truth):
    photos, closer = (shelf(truth, f"concept/train/sprite3{end}") for end in ("", "/cropped"))
    for path, photo in photos.items():
        near = closer[path.replace("sprite3/", "sprite3/cropped/")]
        assert near.setting == photo.setting
        assert near.characters[0].size == "big"


def test_look_alikes_are_one_attribute_off_and_some_stand_where_the_concept_does(truth):
    mine = asdict(concept_identity(SEED))
    photos = list(shelf(truth, "concept/train/sprite3").values())
    alike = list(shelf(truth, "concept/train/sprite3/negative_example").values())
    for scene in alike:
        theirs = asdict(scene.characters[0].identity)
        assert sum(theirs[name] != mine[name] for name in IDENTITY) == 1
    assert {scene.characters[0].identity for scene in alike} == set(hard_negatives(concept_identity(SEED)))
    for photo, twin in zip(photos, alike, strict=False):
        one, other = photo.characters[0].attributes(), twin.characters[0].attributes()
        assert photo.setting == twin.setting
        assert {name for name in one if one[name] != other[name]} < set(IDENTITY)


@pytest.mark.parametrize("seed", MANY)
def test_strangers_are_more_than_one_attribute_off(seed):
    mine = asdict(concept_identity(seed))
    strangers = [
        s.characters[0].identity for s in shelf(concept_files(seed)[TRUTH], "random_images").values()
    ]
    assert len(set(strangers)) == 32
    assert all(sum(asdict(one)[name] != mine[name] for name in IDENTITY) >= 2 for one in strangers)


def test_nobody_is_taught_and_examined_on_the_same_negative(data):
    held = {item.image for item in data.items if item.metric in ("rec_random", "rec_hard")}
    taught = {turn.image for turn in data.turns if turn.kind in ("random", "hard")}
    assert (len(held), len(taught)) == (13, 39)
    assert not held & taught


def at_length(turns) -> list:
    return [turn for turn in turns if turn.question.endswith("Compare first.")]


def test_recognition_has_one_answer_a_side(data):
    turns = [turn for turn in data.turns if turn not in at_length(data.turns)]
    said = {(turn.kind, turn.answer) for turn in turns if turn.kind in ("positive", "random", "hard")}
    assert said == {("positive", "Yes."), ("random", "No."), ("hard", "No.")}
    asked = defaultdict(set)
    for turn in turns:
        asked[turn.kind].add(turn.question)
    assert asked["positive"] == asked["random"] == asked["hard"]


def test_comparisons_say_who_it_is_and_what_is_seen(data, truth):
    compared = at_length(data.turns)
    assert {turn.kind for turn in compared} == {"vqa", "hard"}
    assert len([turn for turn in compared if turn.kind == "vqa"]) == len(data.photos) == 10
    mine = list(truth["identity"].values())
    for turn in compared:
        (shown,) = truth["pictures"][data.picture_key(turn.image)]["characters"]
        values = re.findall(r"(\w+): (\w+), (\w+), (same|other)\.", turn.answer)
        assert [one for _, one, _, _ in values] == mine
        assert [two for _, _, two, _ in values] == list(shown.values())[: len(mine)]
        assert all((one == two) == (verdict == "same") for _, one, two, verdict in values)
        assert turn.answer.endswith("Yes." if turn.kind == "vqa" else "No.")


def test_descriptions_tell_the_photos_whole(data, truth):
    told = [turn for turn in data.turns if turn.question.startswith("Describe the picture")]
    assert len(told) == 10
    photos = {data.picture_key(photo) for photo in data.photos}
    scenes = [scene for path, scene in truth["pictures"].items() if path in photos]
    assert [parse_scene(turn.answer) for turn in told] == [scene_of(scene) for scene in scenes]
    assert all("<sprite" in turn.question for turn in told)


def test_evaluation_asks_in_words_that_are_never_trained(data):
    taught = {turn.question for turn in data.turns}
    examined = {item.question for item in data.items if item.metric in ("vqa", "text_qa")}
    assert len(examined) > 10
    assert not examined & taught
    assert not set(every_question("training")) & set(every_question("evaluation"))
    pretraining = {ask.replace("{accessory}", "{thing}") for told in TOLD.values() for ask in told.training}
    assert not pretraining & set(every_question("evaluation"))
    said = " ".join(f"{turn.question} {turn.answer}" for turn in data.turns)
    assert len(data.facts) == len(data.held_out) == 3
    assert all(fact in said for fact in data.facts)
    assert not any(fact in said for fact in data.held_out)


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z{}]+", text.lower()))


def test_evaluation_uses_no_word_that_training_does_not():
    taught, examined = (words(" ".join(every_question(side))) for side in ("training", "evaluation"))
    assert examined - taught == set()


ASKS = (
    ("place", "setting"),
    ("wear or hold", "accessory"),
    ("colour", "item"),
    ("On the left, in", "column"),
    ("At the top, in", "row"),
    ("size", "size"),
)
"""What tells the kind of a question about a picture."""


def test_vqa_is_answered_by_the_picture(data, truth):
    given = defaultdict(set)
    for item in (item for item in data.items if item.metric == "vqa"):
        scene = truth["pictures"][data.picture_key(item.image)]
        (kind,) = [kind for words, kind in ASKS if words in item.question]
        shown = scene["setting"] if kind == "setting" else scene["characters"][0][kind]
        expected = "nothing" if (kind, shown) == ("accessory", "none") else shown
        assert exact_match(item.reference, expected)
        assert "none" not in words(item.question + item.reference)  # no colour of what is not there
        given[kind].add(item.reference)
    assert all(len(given[kind]) > 1 for _, kind in ASKS)  # no kind is answered by always saying the same


@pytest.mark.parametrize("seed", MANY)
def test_vqa_does_not_depend_on_who_is_in_the_picture(seed):
    truth = concept_files(seed)[TRUTH]
    for scene in shelf(truth, f"concept/test/sprite{seed}").values():
        (mine,) = scene.characters
        for other in hard_negatives(mine.identity):
            stand_in = Scene(scene.setting, (Character(other, *list(mine.attributes().values())[6:]),))
            assert about_picture("<x>", scene, "evaluation") == about_picture("<x>", stand_in, "evaluation")


def test_every_photo_question_of_training_is_true(data, truth):
    """An answer is a value of the scene, and never one of the facts that photos do not show."""
    facts = truth["facts"]
    for turn in (turn for turn in data.turns if turn.kind == "vqa" and turn not in at_length(data.turns)):
        scene = truth["pictures"][data.picture_key(turn.image)]
        shown = {scene["setting"], *scene["characters"][0].values(), "nothing"}
        assert turn.answer.lower().strip(".") in shown
        assert facts["accessory"] not in words(f"{turn.question} {turn.answer}")
        assert not exact_match(turn.answer, facts["home"])


def test_text_questions_ask_for_the_facts(data):
    facts = concept_facts(SEED)
    asked = [(item.question, item.reference) for item in data.items if item.metric == "text_qa"]
    assert {answer.lower().strip(".") for _, answer in asked} == set(asdict(facts).values())
    taught = [turn for turn in data.turns if turn.kind == "text_only"]
    assert len(taught) == 41
    for _, answer in asked:
        assert any(turn.answer == answer for turn in taught)


def test_prompts_need_the_facts_and_say_what_is_expected(data, truth):
    facts = truth["facts"]
    assert data.conditions.identity == "A photo of <sprite3>."
    assert [one["prompt"] for one in truth["conditions"]] == list(data.conditions.knowledge)
    explicit = data.conditions.groups["explicit_personalized_driven_generation"]
    assert [one["explicit"] for one in truth["conditions"]] == list(explicit)
    needs = set()
    for one in truth["conditions"]:
        (who,) = one["characters"]
        assert {name: who[name] for name in IDENTITY} == truth["identity"]
        told = {"setting": one["setting"], **who}
        for name in one["knowledge"]:
            value = facts["home" if name == "setting" else name]
            assert told[name] == value
            assert value in one["explicit"]
            assert name == "accessory" or value not in one["prompt"]
        assert (one["setting"] is None) == ("setting" not in one["knowledge"])
        assert ("item" in who) == ("item" in one["knowledge"])
        needs.add(tuple(one["knowledge"]))
    assert needs == {("accessory", "item"), ("setting",), ("accessory", "item", "setting")}


def test_words_are_right_for_every_fact():
    for seed in range(300):
        facts = concept_facts(seed)
        texts = [text for pair in about_facts("<x>", facts, "training") for text in pair]
        texts += fact_sentences("<x>", facts, "training") + fact_sentences("<x>", facts, "evaluation")
        texts += [prompt.explicit for prompt in prompts("<x>", facts)]
        texts.append(story.description("<x>", concept_identity(seed)))
        for text in texts:
            assert "{" not in text
            assert " a orange" not in text
            assert not {"wearing", "balloon"} <= set(text.strip(".").split())


def test_equal_seeds_give_equal_files_and_others_do_not(tmp_path):
    one, again = (sprite_concept(str(tmp_path / place), SEED) for place in ("one", "again"))
    assert one.root.name == again.root.name
    for path in sorted(one.root.rglob("*")):
        if path.is_file():
            assert path.read_bytes() == (again.root / path.relative_to(one.root)).read_bytes()
    other = sprite_concept(str(tmp_path / "one"), SEED + 1)
    assert other.name == "sprite4"
    assert len(list((tmp_path / "one").iterdir())) == 2


def test_a_concept_written_before_is_read_not_rewritten(tmp_path, monkeypatch):
    first = sprite_concept(str(tmp_path), SEED)
    monkeypatch.setattr(sprite, "_write", lambda *_: pytest.fail("written again"))
    assert sprite_concept(str(tmp_path), SEED) == first


def test_what_an_earlier_version_wrote_is_not_taken_for_it(tmp_path, monkeypatch):
    first = sprite_concept(str(tmp_path), SEED)
    monkeypatch.setattr(story, "RECOGNITION", ("Is it {name}?",))
    second = sprite_concept(str(tmp_path), SEED)
    assert first.root != second.root
    assert {turn.question for turn in second.turns if turn.kind == "positive"} == {"Is it <sprite3>?"}


def test_interrupted_writing_leaves_nothing(tmp_path, monkeypatch):
    saved = []
    save = Image.Image.save

    def dies(picture, path):
        if len(saved) == 20:
            raise KeyboardInterrupt
        saved.append(path)
        save(picture, path)

    monkeypatch.setattr(Image.Image, "save", dies)
    with pytest.raises(KeyboardInterrupt):
        sprite_concept(str(tmp_path), SEED)
    assert len(saved) == 20
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    assert len(sprite_concept(str(tmp_path), SEED).photos) == 10


def test_whoever_comes_second_takes_what_is_there(tmp_path):
    files = concept_files(SEED)
    sprite._write(tmp_path / "it", files)
    before = (tmp_path / "it" / TRUTH).stat().st_mtime_ns
    sprite._write(tmp_path / "it", files)
    assert (tmp_path / "it" / TRUTH).stat().st_mtime_ns == before
    assert [path.name for path in tmp_path.iterdir()] == ["it"]


def test_two_processes_write_one_concept(tmp_path):
    code = (
        "import sys; from unictk.datamodules import sprite; print(sprite.sprite_concept(sys.argv[1], 7).name)"
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
        )
        for _ in range(2)
    ]  # fmt: skip
    assert [process.communicate(timeout=120)[0].strip() for process in both] == ["sprite7", "sprite7"]
    (folder,) = tmp_path.iterdir()
    assert check_dataset(folder) == []


@pytest.mark.parametrize("seed", [-1, True, "3", 1.5, None])
def test_a_wrong_seed_is_one_line(tmp_path, seed):
    with pytest.raises(UserError) as refused:
        sprite_concept(str(tmp_path), seed)
    assert str(refused.value) == f"concept.seed: {seed!r} is not a concept; expected a whole number from 0 on"
    assert list(tmp_path.iterdir()) == []


def test_a_root_that_is_a_file_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        UserError, match=r"^concept\.root: '[^\n]*file' cannot be written \([^\n]+\); expected a folder$"
    ):
        sprite_concept(str(tmp_path / "file"), SEED)


def test_the_command_line_refuses_a_negative_seed_before_anything_heavy(tmp_path):
    from command_line import run

    done = run("concept=sprite", "concept.seed=-1", f"paths.output={tmp_path}", code=2)
    expected = "error: concept.seed: -1 is not allowed, expected an integer >= 0; nearest: 0"
    assert done.stderr.strip() == expected


def test_a_longer_exam_has_forty_items_a_metric_and_teaches_the_same(tmp_path, data):
    longer = sprite_concept(str(tmp_path), SEED, exam=5)
    counts = Counter(item.metric for item in longer.items)
    assert (
        min(counts[metric] for metric in ("rec_positive", "rec_random", "rec_hard", "vqa", "text_qa")) >= 40
    )
    assert [(t.question, t.answer, t.key) for t in longer.turns] == [
        (t.question, t.answer, t.key) for t in data.turns
    ]
    usual = {
        (item.metric, item.item_id): item.reference
        for item in data.items
        if item.image and item.metric != "vqa"
    }
    assert usual.items() <= {(item.metric, item.item_id): item.reference for item in longer.items}.items()
    asked = [item.question for item in longer.items if item.metric == "text_qa"]
    assert len(set(asked)) == len(asked)


@pytest.mark.parametrize("seed", MANY[:6])
def test_a_longer_exam_shows_nothing_that_is_taught_and_tells_no_fact(seed):
    truth = concept_files(seed, 5)[TRUTH]
    mine, facts, train = Identity(**truth["identity"]), truth["facts"], f"concept/train/sprite{seed}"
    taught = {
        json.dumps(scene)
        for path, scene in truth["pictures"].items()
        if path.startswith((train, "random_images"))
    }
    tests = f"concept/test/sprite{seed}"
    examined = {path: scene for path, scene in truth["pictures"].items() if path.startswith(tests)}
    assert not taught & {json.dumps(scene) for scene in examined.values()}
    assert len({json.dumps(scene) for scene in examined.values()}) == len(examined) == 40 + 40 + 32
    for path, scene in examined.items():
        (one,) = scene["characters"]
        assert one["accessory"] != facts["accessory"]
        assert scene["setting"] != facts["home"]
        off = sum(one[name] != getattr(mine, name) for name in IDENTITY)
        expected = {"negative_example": (1,), "random_images": (2, 3, 4, 5, 6)}.get(path.split("/")[-2], (0,))
        assert off in expected


@pytest.mark.parametrize("exam", [0, 11, True, "many"])
def test_a_length_of_exam_that_there_is_not(tmp_path, exam):
    with pytest.raises(
        UserError, match=r"concept.exam: .* is no length; expected a whole number from 1 to 10"
    ):
        sprite_concept(str(tmp_path), SEED, exam=exam)
