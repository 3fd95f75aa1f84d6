"""Prompt files, the trees of the scorers, and drawing what is missing."""

import json
from dataclasses import dataclass, field

import pytest
import torch
from PIL import Image

from unictk.backbones.base import Rows, RowShape
from unictk.concepts.tokens import ConceptTokens
from unictk.drawing.draw import draw_sheets, grid, seeds_of
from unictk.drawing.layouts import LAYOUTS, Sheet, unique
from unictk.drawing.prompt_files import PromptRow, read_prompts
from unictk.drawing.wording import wording
from unictk.errors import DataError, UserError
from unictk.samples import GeneratedImage, Sampling


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.txt", "a cat\n\n  a dog \n"),
        ("p.csv", "id,prompt\n1,a cat\n2,a dog\n"),
        ("p.jsonl", '{"prompt": "a cat", "id": 1}\n\n{"Prompt": "a dog"}\n'),
        ("p.json", '["a cat", {"prompt": "a dog"}]'),
        ("p.csv", "\ufeffprompt\na cat\na dog\n"),
    ],
)
def test_prompts_of_a_file(tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding="utf-8")
    rows = read_prompts(tmp_path / name)
    assert [(row.number, row.text) for row in rows] == [(0, "a cat"), (1, "a dog")]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("p.xls", "x", "nearest|All: .txt, .csv"),
        ("p.txt", "\n", "has no prompts"),
        ("p.csv", "id,words\n1,a\n", "row 0 has id, words; expected one of prompt"),
        ("p.jsonl", '{"prompt": "a"}\n{', "line 2 is not JSON"),
        ("p.jsonl", "[1]", "row 0 is \\[1\\]; expected an object"),
        ("p.json", '{"a": 1}', "holds no list"),
        ("p.csv", "prompt\n \n", "expected one of prompt"),
    ],
)
def test_wrong_files_are_one_line(tmp_path, name, content, reason):
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=reason) as error:
        read_prompts(tmp_path / name)
    assert "\n" not in str(error.value)


def rows(*content):
    return [PromptRow(n, one.get("prompt", "p"), one) for n, one in enumerate(content)]


def paths(layout, content, count=None):
    tree = LAYOUTS[layout]("mine")
    return [sheet.path for sheet in unique(tree.sheets(rows(*content), count or tree.count))]


def test_the_trees_of_the_scorers():
    assert paths("plain", [{}, {}], 2) == ["0000-000.png", "0000-001.png", "0001-000.png", "0001-001.png"]
    both = {"short_description": "s", "long_description": "l"}
    assert paths("tiif", [{"type": "text"} | both, {"type": "style"} | both, {"type": "text"} | both]) == [
        "text/mine/short_description/0.png",
        "text/mine/long_description/0.png",
        "style/mine/short_description/0.png",
        "style/mine/long_description/0.png",
        "text/mine/short_description/1.png",
        "text/mine/long_description/1.png",
    ]
    assert paths("dpg", [{"prompt_file_name": "coco7.txt"}, {"item_id": "0"}]) == ["coco7.png", "0.png"]
    assert paths("geneval", [{"tag": "colors"}], 2) == ["00000/samples/00000.png", "00000/samples/00001.png"]
    assert paths("wise", [{"prompt_id": 401}]) == ["401.png"]
    assert paths("oneig", [{"category": "Portrait", "id": "007"}]) == ["human/mine/007.webp"]
    assert paths("compbench", [{"prompt": "a red cup"}, {"prompt": "a cat"}])[9:12] == [
        "samples/a red cup_000009.png",
        "samples/a cat_000010.png",
        "samples/a cat_000011.png",
    ]


def test_counts_and_texts_are_those_of_the_scorers():
    assert {name: layout.count for name, layout in LAYOUTS.items()} == {
        "plain": 4, "tiif": 1, "dpg": 4, "geneval": 4, "wise": 1, "oneig": 4, "compbench": 10,
    }  # fmt: skip
    (sheet,) = LAYOUTS["dpg"]("m").sheets(rows({"item_id": "a"}), 4)
    assert sheet.count == 4
    row = {"tag": "colors", "include": [{"class": "cup", "count": 1}], "prompt": "a cup"}
    texts = LAYOUTS["geneval"]("m").texts(rows(row))
    assert {path: json.loads(text) for path, text in texts.items()} == {"00000/metadata.jsonl": row}


@pytest.mark.parametrize(
    ("layout", "content", "reason"),
    [
        ("wise", [{"Prompt": "p"}], "this layout needs prompt_id"),
        ("wise", [{"prompt_id": 1}, {"prompt_id": 1}], "1.png: 2 prompts would be drawn"),
        ("wise", [{"prompt_id": "../1"}], "not a file name"),
        ("oneig", [{"category": "Portrai", "id": "1"}], "nearest: Portrait"),
        ("compbench", [{"prompt": "a/b"}], "cannot be in a file name"),
        ("tiif", [{"type": "..", "short_description": "s", "long_description": "l"}], "not a file name"),
        ("geneval", [{"prompt": "p"}], "needs tag"),
    ],
)
def test_rows_that_do_not_fit_a_layout(layout, content, reason):
    def both():
        paths(layout, content)
        LAYOUTS[layout]("m").texts(rows(*content))

    with pytest.raises(UserError, match=reason):
        both()


@dataclass
class Draws:
    """Draws a flat picture whose brightness is a digit of its seed."""

    sizes: list[int] = field(default_factory=list)

    def generate_images(self, requests):
        self.sizes.append(len(requests))
        return [
            GeneratedImage(torch.full((3, 2, 2), request.seed % 10 / 10), torch.zeros(1), {})
            for request in requests
        ]


def test_what_is_there_is_not_drawn_again(tmp_path):
    sheets = [Sheet("a/0.png", "x", 0, 0), Sheet("a/1.png", "x", 0, 1), Sheet("g.webp", "y", 1, 0, 4)]
    backbone, heard = Draws(), []

    def draw(found):
        return draw_sheets(backbone, found, str, Sampling(), 0, tmp_path, 4, lambda *said: heard.append(said))

    assert draw(sheets[:1]) == 1
    assert draw(sheets) == 2
    assert draw(sheets) == 0
    assert backbone.sizes == [1, 4, 1]
    assert heard[-1] == (6, 6)
    brightness = Image.open(tmp_path / "a/1.png").getpixel((0, 0))[0]
    assert brightness == round(seeds_of(sheets[1], 0)[0] % 10 / 10 * 255)
    assert Image.open(tmp_path / "g.webp").size == (4, 4)
    corners = [Image.open(tmp_path / "g.webp").getpixel(at)[0] for at in ((0, 0), (3, 0), (0, 3), (3, 3))]
    assert corners == [round(seed % 10 / 10 * 255) for seed in seeds_of(sheets[2], 0)]
    assert not list(tmp_path.rglob(".*"))


def test_grids_are_row_by_row():
    pictures = [torch.full((1, 1, 1), float(n)) for n in range(1, 4)]
    assert grid(pictures)[0].tolist() == [[1, 2], [3, 0]]
    assert grid(pictures[:1])[0].tolist() == [[1]]


def test_words_with_and_without_a_concept():
    concept = ConceptTokens("bo", RowShape(4, False))
    concept.grow("identifier", Rows(torch.zeros(1, 4), torch.zeros(1, 4), None))
    concept.grow("shared", Rows(torch.zeros(1, 4), torch.zeros(1, 4), None))
    assert wording(concept, named=True)("a <sks>") == "a <bo:0> <bo>"
    assert wording(concept, named=False)("a cat") == "a cat"
    assert wording(None, named=True)("a cat") == "a cat"
    with pytest.raises(UserError, match="does not name the concept"):
        wording(concept, named=True)("a cat")
    with pytest.raises(UserError, match="saved: null"):
        wording(None, named=False)("a <sks>")
    assert issubclass(DataError, UserError)
