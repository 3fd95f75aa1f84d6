"""What a model reads in a conversation, what is forgotten, and what is drawn."""

import json

import numpy as np
import pytest
from PIL import Image as PILImage
from showo_makers import make_concept, make_showo, picture
from talkers import Room, Talker, concept, texts

from unictk.conversation.context import Turn, context, drawing_words
from unictk.conversation.conversation import FORGETS, Conversation
from unictk.errors import DataError, UserError
from unictk.samples import Image, Request, Sampling, Text

SHORT = Sampling(max_new_tokens=3, steps=5, guidance=1.0)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "samples" / "chat"


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "my photo.png"
    PILImage.new("RGB", (20, 10), "red").save(path)
    return path


def talking(folder, **more) -> Conversation:
    return Conversation(Talker(**more), SHORT, 7, folder)


def test_every_question_carries_what_was_said_before(folder):
    talk = talking(folder, reply=lambda request: f"answer {len(texts(request))}")
    said = [talk.ask(f"question {n}").answer for n in range(3)]
    assert said == ["answer 1", "answer 3", "answer 5"]
    assert texts(talk.backbone.asked[2]) == [
        ("question 0", False),
        ("answer 1", True),
        ("question 1", False),
        ("answer 3", True),
        ("question 2", False),
    ]
    assert len({request.seed for request in talk.backbone.asked}) == 3
    talk.reset()
    talk.ask("again")
    assert texts(talk.backbone.asked[-1]) == [("again", False)]


def test_definitions_stand_before_the_first_question_only():
    bo, ann = concept("bo", shared=2), concept("ann", shared=1, understanding=1)
    turns = [Turn("Who?", "Bo.")]
    (first, _, second) = context(None, [bo], turns, "And <ann>?")
    assert first == Text("<bo> is <bo:0><bo:1>.\nWho?")
    assert second == Text("And <ann>?")
    assert context(None, [concept("plain")], [], "Who?") == [Text("Who?")]
    told = context(None, [bo, ann], turns, "And <ann>?")
    assert told[0] == Text("<ann> is <ann:0><ann:1>.\nWho?")
    assert context(None, [bo, ann], [], "Who?") == [Text("Who?")]
    both = context(None, [bo, ann], [], "<ann> or <bo>?")
    assert both == [Text("<bo> is <bo:0><bo:1>.\n<ann> is <ann:0><ann:1>.\n<ann> or <bo>?")]


def test_the_oldest_turns_are_forgotten_and_that_is_said_once(folder):
    talk = talking(folder, layout=Room(14))
    replies = [talk.ask(f"one two {n}") for n in range(6)]
    # Each turn takes four words and an answer has room for three: two turns fit beside a question.
    assert [reply.notice for reply in replies] == ["", "", "", FORGETS, "", ""]
    assert [len(texts(request)) for request in talk.backbone.asked] == [1, 3, 5, 5, 5, 5]
    assert texts(talk.backbone.asked[-1])[0] == ("one two 3", False)
    assert len(talk.turns) == 6
    talk.reset()
    assert [talk.ask(f"one two {n}").notice for n in range(4)][-1] == FORGETS


def test_a_question_that_never_fits_changes_nothing(folder):
    talk = talking(folder, layout=Room(10))
    talk.ask("short one")
    with pytest.raises(UserError, match="question: too long: it needs 11 positions and the limit is 10"):
        talk.ask("much " * 11)
    assert talk.turns == [Turn("short one", "yes")]
    assert talk.ask("word " * 9).answer == "yes"  # a long one without room for a long answer is still asked
    assert len(texts(talk.backbone.asked[-1])) == 1


def test_a_new_picture_begins_a_new_context(folder, photo):
    talk = talking(folder)
    talk.ask("before")
    talk.look(photo)
    talk.ask("after")
    shown, words = talk.backbone.asked[-1].segments
    assert np.array_equal(shown.source, np.full((10, 20, 3), (255, 0, 0), np.uint8))
    assert words == Text("after")
    assert talk.shown == str(photo)
    with pytest.raises(DataError, match="there is no such picture"):
        talk.look(photo.with_name("other.png"))
    assert talk.shown == str(photo)
    assert [turn.question for turn in talk.turns] == ["after"]
    talk.look(None)
    talk.ask("nothing")
    assert talk.backbone.asked[-1].segments == (Text("nothing"),)


def test_a_concept_is_asked_about_before_a_black_picture(folder):
    talk = talking(folder, concepts=[concept("bo")])
    talk.ask("Who?")
    black = talk.backbone.asked[0].segments[0]
    assert isinstance(black, Image)
    assert not black.source.any()


def test_drawings_are_numbered_and_so_are_their_seeds(folder):
    talk = talking(folder)
    one, two = talk.draw("a star"), talk.draw("a star", steps=2, guidance=0.0)
    assert [d.path.name for d in (one, two)] == ["0000.png", "0001.png"]
    assert [d.seed for d in (one, two)] == [7, 8]
    assert (one.picture.pixels[0, 0, 0] * 255).round() == 7
    later = talking(folder)
    three = later.draw("a star", seed=3)
    assert (three.path.name, three.seed, later.next_number()) == ("0002.png", 3, 3)
    assert PILImage.open(folder / "0001.png").getpixel((0, 0)) == (8, 8, 8)
    lines = [json.loads(line) for line in (folder / "drawn.jsonl").read_text().splitlines()]
    assert lines[1] == {"file": "0001.png", "prompt": "a star", "seed": 8, "steps": 2, "guidance": 0.0}
    assert [line["steps"] for line in lines] == [5, 2, 5]
    assert [request.sampling.steps for request in talk.backbone.drawn] == [5, 2]


def test_what_was_drawn_can_be_looked_at(folder):
    talk = talking(folder)
    with pytest.raises(UserError, match="nothing was drawn yet"):
        talk.look_at_last()
    drawing = talk.draw("a star")
    talk.look_at_last()
    talk.ask("What is it?")
    shown = talk.backbone.asked[-1].segments[0]
    assert shown.codes is drawing.picture.codes
    assert talk.shown == str(drawing.path)


def test_prompts_get_the_tokens_of_every_concept_they_name():
    bo, ann = concept("bo", shared=1, generation=1), concept("ann", shared=1)
    assert drawing_words("<bo> and <ann>", [bo, ann]) == "<bo:0><bo:1> <bo> and <ann:0> <ann>"
    assert drawing_words("a <sks>", [bo]) == "a <bo:0><bo:1> <bo>"
    assert drawing_words("a star", [bo]) == "a star"
    with pytest.raises(UserError, match="<sks> stands for the one concept; attached: <bo>, <ann>"):
        drawing_words("a <sks>", [bo, ann])
    with pytest.raises(UserError, match="attached: none"):
        drawing_words("a <sks>", [])


@pytest.mark.parametrize("shown", [True, False])
def test_a_conversation_is_laid_out_as_one_that_is_trained_on(shown):
    backbone = make_showo()
    bo = make_concept(backbone)
    backbone.attach([bo])
    seen = Image(picture(1)) if shown else None
    turns = [Turn("Is <bo> red?", "No."), Turn("And blue?", "A little.")]
    request = Request(*context(seen, [bo], turns, "Where?"))
    options = ["in the sea", "here"]
    layout, found = backbone.layout, backbone.choose([request], options)[0]
    for option, score in zip(options, found.tolist(), strict=True):
        sample = request.answered(Text(option))
        whole = -backbone.loss(layout.collate([sample])).text_sum.item()
        before = [Request(*request.segments[: 2 * n + 1 + shown]) for n in range(2)]
        earlier = [
            backbone.choose([one], [turn.answer])[0, 0].item()
            for one, turn in zip(before, turns, strict=True)
        ]
        assert whole == pytest.approx(score + sum(earlier), abs=1e-3)
    together = backbone.generate_text([request, Request(Text("Who?"))])
    assert together[0] == backbone.generate_text([request])[0]


def test_requests_end_with_what_is_asked():
    Request(Text("q"), Text("a", target=True), Text("q"))
    for wrong in ([Text("q"), Text("a", target=True)], [Image(None, target=True), Text("q")]):
        with pytest.raises(ValueError, match="a request has no target at its end"):
            Request(*wrong)


def test_the_bundled_model_remembers(tmp_path):
    """Questions in a row about one picture are answered as each alone is."""
    from hydra.utils import instantiate

    from unictk.app.composition import composed, composer
    from unictk.app.request import Request as Words
    from unictk.app.resolvers import register
    from unictk.sprites.render import render
    from unictk.sprites.scenes import Character, Identity, Scene

    register()
    with composer(Words(overrides=())):
        backbone = instantiate(composed(Words(overrides=()), []).plain["backbone"])
    who = Identity("star", "red", "blue", "striped", "round", "long")
    file = tmp_path / "scene.png"
    scene = Scene("snow", (Character(who, "hat", "green", "left", "top", "big"),))
    PILImage.fromarray(render(scene)).save(file)
    talk = Conversation(backbone, Sampling(max_new_tokens=8), 0, tmp_path)
    talk.look(file)
    asked = ["What colour is the character?", "What shape is it?", "How many characters are there?"]
    assert [talk.ask(question).answer for question in asked] == ["red", "star", "one"]
    assert len(talk.turns) == 3
