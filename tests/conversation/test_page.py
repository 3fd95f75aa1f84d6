"""The page: what happens behind it, and in a browser where gradio and one are installed."""

import importlib.util
import socket

import pytest
from PIL import Image as PILImage
from talkers import Talker, concept, texts

from unictk.conversation.commands import Commands
from unictk.conversation.conversation import Conversation
from unictk.conversation.page import HOST, Page, check_page, launch
from unictk.errors import UserError
from unictk.samples import Sampling

EVIL = '<img src=x onerror="document.title=1">**bold** <script>document.title=2</script>'
ESCAPED = EVIL.replace("<", "&lt;").replace(">", "&gt;")
WITHOUT = importlib.util.find_spec("gradio") is None


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind((HOST, 0))
        return trial.getsockname()[1]


@pytest.fixture
def commands(tmp_path) -> Commands:
    talker = Talker(reply=lambda request: f"{len(texts(request))} {EVIL}", concepts=[concept("bo", shared=2)])
    return Commands(Conversation(talker, Sampling(steps=4, guidance=1.5), 5, tmp_path / "chat"))


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    PILImage.new("RGB", (16, 16), "blue").save(path)
    return path


def test_lines_become_messages(commands):
    page = Page(commands)
    assert page.say("Who?") == ""
    assert page.messages == [
        {"role": "user", "content": "Who?"},
        {"role": "assistant", "content": f"1 {ESCAPED}"},
    ]
    page.say("/draw <bo>")
    assert page.messages[-1]["content"]["path"] == str(commands.conversation.folder / "0000.png")
    page.say("/quit")
    assert "Ctrl-C" in page.messages[-1]["content"]
    count = len(page.messages)
    page.say("  ")
    assert len(page.messages) == count
    page.begin_anew()
    assert page.messages == []
    assert commands.conversation.turns == []


def test_pictures_are_shown_and_taken_away(commands, photo):
    page = Page(commands)
    page.look(str(photo))
    assert "Looking at photo.png" in page.messages[-1]["content"]
    assert commands.conversation.shown == "photo.png"
    photo.write_text("no picture")
    page.look(str(photo))
    assert "cannot be decoded" in page.messages[-1]["content"]
    assert commands.conversation.shown == "photo.png"
    page.look(None)
    assert commands.conversation.shown is None


def test_drawings_have_their_settings_and_seeds_go_on(commands):
    page = Page(commands)
    path, told, seed = page.draw("a star", 3.0, 0.5, 11.0)
    assert path == str(commands.conversation.folder / "0000.png")
    assert told.endswith("0000.png (seed 11)")
    assert seed == 12
    (request,) = commands.conversation.backbone.drawn
    assert (request.seed, request.sampling.steps, request.sampling.guidance) == (11, 3, 0.5)
    page.draw("a star", None, None, None)
    request = commands.conversation.backbone.drawn[-1]
    assert (request.seed, request.sampling.steps, request.sampling.guidance) == (6, 4, 1.5)
    assert page.draw(" ", 3.0, 0.5, 11.0) == (
        None,
        "prompt: empty; for example: A photo of a red star.",
        11.0,
    )


@pytest.mark.skipif(not WITHOUT, reason="gradio is installed")
def test_without_gradio_its_extra_is_named():
    with pytest.raises(UserError, match=r"task.page: gradio is not installed; pip install 'unictk\[chat\]'"):
        check_page(free_port())


def test_a_taken_port_is_told(monkeypatch):
    monkeypatch.setattr("unictk.conversation.page.find_spec", lambda name: name)
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(
            UserError, match=rf"task.port: {port} is taken; another one, for example {port + 1}"
        ):
            check_page(port)
    check_page(free_port())


@pytest.mark.skipif(WITHOUT, reason="gradio is not installed: pip install 'unictk[chat]'")
def test_the_page_in_a_browser(commands, photo, tmp_path):
    from browser import browsing, chromium

    port = free_port()
    blocks = launch(commands, port, str(tmp_path / "uploads"))
    try:
        assert blocks.server.config.host == HOST
        assert not blocks.share
        with browsing(chromium(), tmp_path / "profile") as tab:
            tab.open(f"http://{HOST}:{port}")
            tab.wait('document.querySelector("#concepts textarea")?.value == "<bo>: 1 identifier, 2 shared"')
            tab.type("#line textarea", "Who?", enter=True)
            tab.wait(f'document.querySelector("#conversation").innerText.includes({EVIL!r})')
            tab.type("#line textarea", "/help", enter=True)
            tab.wait(r'/end\s*$/.test(document.querySelector("#conversation").innerText.trim())')
            assert tab.value(r'/list\n\/quit/.test(document.querySelector("#conversation").innerText)')
            tab.type("#line textarea", "Where?", enter=True)
            tab.wait('document.querySelector("#conversation").innerText.includes("3 <img")')
            tab.upload("#picture input[type=file]", photo)
            tab.wait('document.querySelector("#conversation").innerText.includes("Looking at photo.png")')
            assert commands.conversation.shown == "photo.png"
            tab.type("#line textarea", "/draw a star", enter=True)
            tab.wait('[...document.querySelectorAll("#conversation img")].some(i => i.naturalWidth == 8)')
            share = (
                "[...document.querySelectorAll('button')].filter(b => /share/i.test(b.ariaLabel + b.title))"
            )
            assert tab.value(f"{share}.some(b => b.offsetParent)") is False
            tab.click('[...document.querySelectorAll("button[role=tab]")].find(b => b.innerText == "Draw")')
            tab.wait('document.querySelector("#prompt textarea")?.offsetParent != null')
            tab.type("#prompt textarea", "A photo of <sks>.")
            tab.type("#seed input", "40")
            tab.click('document.querySelector("#draw")')
            tab.wait('document.querySelector("#drawn img")?.naturalWidth == 8')
            tab.wait('document.querySelector("#seed input").value == "41"')
            assert tab.value("document.title") == "unictk", "no script of the model's words ran"
            assert tab.value('document.querySelectorAll("#conversation strong").length') == 0
            hosts = {request.split("/")[2] for request in tab.requests if request.startswith("http")}
            assert hosts == {f"{HOST}:{port}"}, "nothing is loaded from elsewhere"
            tab.open(f"http://{HOST}:{port}")  # another window shows the same conversation
            tab.wait('document.querySelector("#conversation")?.innerText.includes("Looking at photo.png")')
            tab.click('document.querySelector("#anew")')
            tab.wait('!document.querySelector("#conversation").innerText.includes("photo.png")')
            assert commands.conversation.turns == []
    finally:
        blocks.close(verbose=False)
    assert [request.seed for request in commands.conversation.backbone.drawn] == [5, 40]
    assert commands.conversation.backbone.drawn[1].sampling.steps == 4
