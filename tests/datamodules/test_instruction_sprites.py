"""The sprites world written as instruction data: true, the same every time, and read like anybody's files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage

from unictk.datamodules.instructions.sources import opened
from unictk.datamodules.instructions.sprites import FILES, SpriteInstructions, main
from unictk.sprites.grammar.parse import parse, parse_scene
from unictk.sprites.render import render


def lines(folder: Path, name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


def test_what_is_said_is_true_of_the_pictures(tmp_path: Path) -> None:
    assert main([str(tmp_path / "made"), "--scenes", "6", "--seed", "3"]) == 0
    captions = lines(tmp_path / "made", "captions")
    assert len(captions) == len(lines(tmp_path / "made", "conversations")) == 6
    for record in captions[::2]:  # of one character: no order in which they hide each other
        scene = parse_scene(str(record["text"]))
        assert scene is not None
        shown = np.asarray(PILImage.open(tmp_path / "made" / str(record["image"])))
        assert np.array_equal(shown, render(scene))
    assert all(parse(str(record["text"])) for record in lines(tmp_path / "made", "drawings"))


def test_every_record_is_read(tmp_path: Path) -> None:
    data = SpriteInstructions(str(tmp_path), scenes=4, conversations=2.0)
    data.prepare()
    found = opened(data.sources(), data.root, None, 20.0, refuse=True)
    assert [(one.name, one.source.task, one.source.weight, len(one)) for one in found] == [
        ("captions", "understanding", 1.0, 4),
        ("conversations", "understanding", 2.0, 4),
        ("drawings", "generation", 1.0, 4),
    ]
    talk = found[1].sample(3, "k", 1)
    assert [one.target for one in talk] == [False, *[False, True] * 3]
    assert found[2].sample(0, "k", 1).images[0].target


def test_the_same_twice_and_another_with_another_seed(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        main([str(tmp_path / name), "--scenes", "2", "--seed", str(seed)])
    files = [*(f"{name}.jsonl" for name in FILES), "images/000001.png"]
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)
    assert not any((tmp_path / "a" / f).read_bytes() == (tmp_path / "c" / f).read_bytes() for f in files)


def test_a_wrong_command_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([str(tmp_path)], [str(tmp_path / "new"), "--scenes", "0"]):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 2
    assert "is there already" in capsys.readouterr().err
