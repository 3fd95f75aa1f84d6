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
from unictk.drawing.order import Order
from unictk.drawing.prompt_files import PromptRow, read_prompts
from unictk.drawing.wording import Wording
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
        words = {"x": "x", "y": "y"}
        return draw_sheets(
            backbone, found, words, Sampling(), 0, tmp_path, 4, lambda *said: heard.append(said)
        )

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


def somebody(name: str, spelling: str = "<{name}:{index}>") -> ConceptTokens:
    concept = ConceptTokens(name, RowShape(4, False), spelling)
    concept.grow("identifier", Rows(torch.zeros(1, 4), torch.zeros(1, 4), None))
    concept.grow("shared", Rows(torch.zeros(1, 4), torch.zeros(1, 4), None))
    return concept


def read(wording: Wording, prompt: str) -> str:
    return wording.drawn(wording.plain(prompt))


def test_words_with_and_without_a_concept():
    alone = [somebody("bo")]
    assert read(Wording(alone, must_name=True), "a <sks>") == "a <bo:0> <bo>"
    assert read(Wording(alone, must_name=False), "a cat") == "a cat"
    assert read(Wording([], must_name=True), "a cat") == "a cat"
    assert read(Wording([], must_name=False), "a <b>bold</b> cat") == "a <b>bold</b> cat"
    with pytest.raises(UserError, match="does not name the concept; expected <bo> or <sks>"):
        read(Wording(alone, must_name=True), "a cat")
    with pytest.raises(UserError, match="saved: null"):
        read(Wording([], must_name=False), "a <sks>")
    assert issubclass(DataError, UserError)


def test_several_concepts_are_each_called_by_name():
    both = Wording([somebody("bo"), somebody("mam")], must_name=True)
    assert read(both, "<mam> and <bo>") == "<mam:0> <mam> and <bo:0> <bo>"
    assert read(both, "<mam> and <mam>") == "<mam:0> <mam> and <mam:0> <mam>"
    with pytest.raises(UserError, match="<sks>, which may be any of <bo>, <mam>; name one"):
        both.plain("a <sks>")
    with pytest.raises(
        UserError, match=r"names <mama>, which is no concept here; nearest: <mam>\. All: <bo>, <mam>"
    ):
        both.plain("<bo> and <mama>")
    with pytest.raises(UserError, match=r"does not name the concept; expected <bo> or <mam>$"):
        both.plain("a cat")


def test_a_published_soft_token_is_no_unknown_name():
    wording = Wording([somebody("bo", "<token_{index}>")], must_name=True)
    assert read(wording, "<token_0> <bo>") == "<token_0> <bo>"
    with pytest.raises(UserError, match="names <token_1>"):
        wording.plain("<token_1> <bo>")


@dataclass
class Rewrites(Draws):
    """Draws, and answers a question for a rewritten prompt by a table of what it ends with."""

    table: dict[str, str] = field(default_factory=dict)
    read: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def generate_images(self, requests):
        self.read += [request.segments[0].text for request in requests]
        return super().generate_images(requests)

    def generate_text(self, requests):
        self.asked += [request.segments[0].text for request in requests]
        return [
            next(said for end, said in self.table.items() if text.endswith(end))
            for text in (request.segments[0].text for request in requests)
        ]


TABLE = {"its hat.": "<bo> wearing a red hat. ", "home.": "In the forest.", "a tree.": "?"}


def order(prompts, layout="plain", concepts=(), count=2, must_name=False):
    return Order(
        LAYOUTS[layout]("m"), rows(*({"prompt": one} for one in prompts)), count, concepts, must_name
    )


def listed(file):
    return json.loads(file.read_text())["images"]


def test_a_replayed_prompt_is_drawn_as_the_model_rewrote_it_and_kept_beside_the_picture(tmp_path):
    backbone = Rewrites(table=TABLE)
    prompts = ["<sks> wearing its hat.", "<bo> at home.", "a tree."]
    made = order(prompts, concepts=[somebody("bo")])
    assert made.draw(backbone, Sampling(rewrite="replay"), 0, tmp_path, 4) == 6
    assert backbone.asked == [
        "<bo> is <bo:0>.\nRewrite the prompt with the facts: <bo> wearing its hat.",
        "<bo> is <bo:0>.\nRewrite the prompt with the facts: <bo> at home.",
    ], "once a prompt, and none that names nobody"
    hat, home, tree = "<bo:0> <bo> wearing a red hat.", "<bo:0> <bo> at home.", "a tree."
    assert backbone.read == [hat, hat, home, home, tree, tree]
    found = listed(tmp_path / "samples.json")
    assert [(one["file"], one["prompt"], one["drawn"]) for one in found[::2]] == [
        ("0000-000.png", "<sks> wearing its hat.", "<bo> wearing a red hat."),
        ("0001-000.png", "<bo> at home.", "<bo> at home."),
        ("0002-000.png", "a tree.", "a tree."),
    ]
    assert found[1]["seeds"] == seeds_of(made.sheets[1], 0)


def test_what_was_rewritten_is_not_asked_again(tmp_path):
    made = order(["<bo> wearing its hat."], concepts=[somebody("bo")])
    made.draw(Rewrites(table=TABLE), Sampling(rewrite="replay"), 0, tmp_path, 4)
    (tmp_path / "0000-001.png").unlink()
    again = Rewrites(table={"its hat.": "<bo> in another mood"})
    assert made.draw(again, Sampling(rewrite="replay"), 0, tmp_path, 4) == 1
    assert again.asked == []
    assert again.read == ["<bo:0> <bo> wearing a red hat."]


def test_without_replay_the_prompt_is_drawn(tmp_path):
    backbone = Rewrites(table=TABLE)
    order(["<bo> wearing its hat."], concepts=[somebody("bo")], count=1).draw(
        backbone, Sampling(), 0, tmp_path, 4
    )
    assert (backbone.asked, backbone.read) == ([], ["<bo:0> <bo> wearing its hat."])
    assert "drawn" not in listed(tmp_path / "samples.json")[0]


def test_no_listing_lies_in_a_scorers_tree(tmp_path):
    tree = tmp_path / "generate"
    tree.mkdir()
    made = Order(LAYOUTS["wise"]("m"), rows({"prompt_id": 7, "prompt": "p"}), 1, [], False)
    made.draw(Rewrites(), Sampling(), 0, tree, 4)
    assert [path.name for path in tree.rglob("*")] == ["7.png"]
    assert listed(tmp_path / "generate.json")[0]["file"] == "7.png"


def test_an_order_is_refused_whole():
    with pytest.raises(UserError, match="names <mam>"):
        order(["<bo>", "<mam>"], concepts=[somebody("bo")])
