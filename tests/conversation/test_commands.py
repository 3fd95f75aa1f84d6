"""Lines and commands: what each says, and that a wrong one is one line and loses nothing."""

import io
import sys

import pytest
from PIL import Image as PILImage
from talkers import Talker, concept, texts

from unictk.conversation.commands import HELP, NAMES, Commands
from unictk.conversation.conversation import Conversation
from unictk.conversation.terminal import converse, printable
from unictk.samples import Sampling


@pytest.fixture
def commands(tmp_path) -> Commands:
    talker = Talker(reply=lambda request: f"heard {len(texts(request))}", concepts=[concept("bo", shared=2)])
    return Commands(Conversation(talker, Sampling(), 0, tmp_path / "chat"))


def test_questions_are_answered_and_empty_lines_say_nothing(commands):
    assert [commands.answer(line).text for line in ("Who?", "  ", "Where?")] == ["heard 1", "", "heard 3"]


def test_help_lists_every_command(commands):
    told = commands.answer("/help").text.splitlines()
    assert [line.split()[0] for line in told] == list(NAMES)
    assert len(told) == len(HELP)
    for name in NAMES:
        assert commands.answer(name).text.count("\n") <= len(HELP)


def test_quit_ends(commands):
    assert commands.answer(" /quit ").ends
    assert not commands.answer("quit").ends


def test_concepts_are_told_with_their_groups(commands):
    assert commands.answer("/concepts").text == "<bo>: 1 identifier, 2 shared"
    commands.conversation.backbone.attach([])
    assert "task.saved" in commands.answer("/concepts").text


def test_a_picture_with_spaces_and_quotes_in_its_path(commands, tmp_path):
    path = tmp_path / "my photo.png"
    PILImage.new("RGB", (4, 4)).save(path)
    for typed in (str(path), f"'{path}'", f'"{path}"'):
        assert commands.answer(f"/image {typed}").text == f"Looking at {path}; the conversation begins anew."
    assert commands.answer("/image").text == f"Looking at {path}."
    assert commands.answer("/image none").text == "No picture; the conversation begins anew."
    assert commands.answer("/image").text.startswith("No picture.")


def test_drawing_says_where_and_from_what(commands):
    said = commands.answer("/draw A photo of <sks>.")
    assert said.picture == commands.conversation.folder / "0000.png"
    assert said.text == f"{said.picture} (seed 0)"
    assert said.picture.is_file()
    assert commands.answer("/image last").text.startswith(f"Looking at {said.picture}")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("/imge x.png", "/imge: no such command; nearest: /image. /help lists them"),
        ("/?", "/?: no such command. /help lists them"),
        ("/image nowhere.png", "nowhere.png: there is no such picture"),
        ("/image last", "image: nothing was drawn yet; /draw PROMPT draws something"),
        ("/draw", "/draw: what? For example: /draw A photo of a red star."),
    ],
)
def test_what_is_wrong_is_one_line_and_loses_nothing(commands, line, told):
    commands.answer("Who?")
    assert commands.answer(line).text == told
    assert commands.answer("Where?").text == "heard 3"


def test_reset_forgets(commands):
    commands.answer("Who?")
    assert commands.answer("/reset").text == "Forgotten."
    assert commands.answer("Who?").text == "heard 1"


@pytest.mark.parametrize("end", ["", "/quit\nnever"])
def test_a_pipe_is_answered_line_by_line(commands, capsys, monkeypatch, end):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"Who?\n\n/nothing\nWhere?\n{end}"))
    converse(commands)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "<bo>: 1 identifier, 2 shared"
    assert said[2:] == ["heard 1", "/nothing: no such command. /help lists them", "heard 3"]


def test_ctrl_c_ends_even_while_the_model_answers(commands, capsys, monkeypatch):
    def interrupted(request):
        raise KeyboardInterrupt

    commands.conversation.backbone.reply = interrupted
    monkeypatch.setattr(sys, "stdin", io.StringIO("Who?\nWhere?\n"))
    converse(commands)
    assert commands.conversation.turns == []


def test_what_a_model_says_does_not_rule_the_terminal():
    assert printable("a\x1b[2J\x07b\nc\r") == "a[2Jb\nc"
