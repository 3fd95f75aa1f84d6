"""Talking to the bundled model from a pipe, and what is refused before it is loaded."""

from __future__ import annotations

import importlib.util
import signal
import socket
import subprocess
import urllib.request
from pathlib import Path

import pytest
import torch
from command_line import command, environment, only_run
from PIL import Image as PILImage

from unictk.app.main import run as in_process
from unictk.backbones.base import Rows, RowShape
from unictk.concepts.files import save_concept
from unictk.concepts.tokens import ConceptTokens
from unictk.sprites.render import render
from unictk.sprites.scenes import Character, Identity, Scene

WITHOUT = importlib.util.find_spec("gradio") is None
HIDDEN = 224
"""Of the bundled model."""


def saved(folder: Path, name: str, **groups: int) -> Path:
    """A concept folder with small random rows."""
    concept = ConceptTokens(name, RowShape(HIDDEN, True))
    chance = torch.Generator().manual_seed(len(name))
    for group, count in {"identifier": 1, **groups}.items():
        rows = torch.randn(2, count, HIDDEN, generator=chance) * 0.02
        concept.grow(group, Rows(rows[0], rows[1], torch.full((count,), -9.0)))
    facts = {"backbone": "b", "seed": 0, "config_hash": "", "metrics": {}, "class_noun": "character"}
    return save_concept(folder / name / "concept", concept, **facts)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    who = Identity("star", "red", "blue", "striped", "round", "long")
    scene = Scene("snow", (Character(who, "hat", "green", "left", "top", "big"),))
    PILImage.fromarray(render(scene)).save(tmp_path / "a star.png")
    return tmp_path / "a star.png"


def test_a_scripted_conversation(tmp_path: Path, photo: Path) -> None:
    one, two = saved(tmp_path, "bo", shared=4), saved(tmp_path, "anna", shared=2, generation=2)
    words = ["task=chat", f"task.saved=[{one},{two}]", "seed=5", "sampling.steps=2", "sampling.guidance=1"]
    words += ["sampling.max_new_tokens=8", f"paths.output={tmp_path}/out"]
    lines = [
        "/concepts",
        f"/image {photo}",
        "What colour is the character?",
        "/image nowhere.png",
        "/drow x",
        "What shape is it?",
        "/draw A photo of <bo> and <anna>.",
        "/draw A photo of <sks>.",
        "/draw A red star.",
    ]

    def talk() -> subprocess.CompletedProcess[str]:
        said = "\n".join(lines) + "\n"
        return subprocess.run(
            command(*words), input=said, capture_output=True, text=True, timeout=280, env=environment()
        )

    done = talk()
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    folder = only_run(tmp_path / "out")
    said = done.stdout[done.stdout.index("<bo>:") :].splitlines()
    drawn = folder / "samples" / "chat"
    concepts = ["<bo>: 1 identifier, 4 shared", "<anna>: 1 identifier, 2 shared, 2 generation"]
    assert said == [
        *concepts,
        "Ask away; /help lists the commands.",
        *concepts,
        f"Looking at {photo}; the conversation begins anew.",
        "red",
        "nowhere.png: there is no such picture",
        "/drow: no such command; nearest: /draw. /help lists them",
        "star",
        f"{drawn}/0000.png (seed 5)",
        "prompt: <sks> stands for the one concept; attached: <bo>, <anna>",
        f"{drawn}/0001.png (seed 6)",
    ]
    assert PILImage.open(drawn / "0001.png").size == (48, 48)
    lines[:] = ["/draw A red star.", "/quit", "/draw never"]
    again = talk()
    assert again.returncode == 0, again.stderr
    assert only_run(tmp_path / "out") == folder
    assert [path.name for path in sorted(drawn.glob("*.png"))] == ["0000.png", "0001.png", "0002.png"]


def test_ctrl_c_ends_a_conversation_cleanly(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("task=chat", f"paths.output={tmp_path}"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stdout is not None
    assert process.stdin is not None
    for line in process.stdout:
        if "Ask away" in line:
            break
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert (process.returncode, said) == (0, "")
    assert '"state": "done"' in (only_run(tmp_path) / "status.json").read_text()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["task.saved=nowhere"], "task.saved: 'nowhere' is not a concept folder: it has no concept.json"),
        (["task.saved=[nowhere]"], "task.saved: 'nowhere' is not a concept folder: it has no concept.json"),
        (["task.image=nowhere.png"], "task.image: 'nowhere.png' is not a file; expected a picture"),
        (["task.port=0"], "task.port: 0 is not allowed, expected an integer >= 1 and <= 65535; nearest: 1"),
        (["task.pages=true"], "task.pages: true is given, but task has no 'pages'; nearest: task.page."),
        (["rerun=kept"], "rerun: 'kept' is not allowed, expected true or false or keep; nearest: keep"),
    ],
)  # fmt: skip
def test_wrong_requests_are_one_line(tmp_path: Path, capsys, words: list[str], reason: str) -> None:
    assert in_process(["task=chat", *words, f"paths.output={tmp_path / 'out'}"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {reason}")
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(WITHOUT, reason="gradio is not installed: pip install 'unictk[chat]'")
def test_the_page_serves_until_ctrl_c(tmp_path: Path) -> None:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    process = subprocess.Popen(
        command("task=chat", "task.page=true", f"task.port={port}", f"paths.output={tmp_path}"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stdout is not None
    address = next(line.split()[0] for line in process.stdout if line.startswith("http"))
    with urllib.request.urlopen(address, timeout=60) as page:
        assert "unictk" in page.read().decode()
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 0


@pytest.mark.skipif(not WITHOUT, reason="gradio is installed")
def test_a_page_without_gradio_is_one_line(tmp_path: Path, capsys) -> None:
    assert in_process(["task=chat", "task.page=true", f"paths.output={tmp_path}"]) == 2
    said = capsys.readouterr().err
    assert said == "error: task.page: gradio is not installed; pip install 'unictk[chat]'\n"


def test_adapters_serve_one_concept_only(tmp_path: Path) -> None:
    from types import SimpleNamespace

    from unictk.assembly import attach_saved
    from unictk.errors import UserError

    one, two = saved(tmp_path, "bo"), saved(tmp_path, "anna")
    (two.parent / "adapters.safetensors").touch()
    with pytest.raises(UserError, match=r"anna/concept needs the adapters in .*give it alone"):
        attach_saved(SimpleNamespace(row_shape=RowShape(HIDDEN, True)), [str(one), str(two)])
