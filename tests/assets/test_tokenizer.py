"""The bundled tokenizer, and the published layout through the same way of loading."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from unictk.assets.make_tokenizer import END_OF_TEXT, ENTRIES, corpus, write_tokenizer
from unictk.backbones.checkpoints import BUNDLED_TOKENIZER, load_tokenizer
from unictk.errors import WeightsError

ORDINARY = """
The children are playing football on the grass behind their school.
My sister left her blue umbrella on the bus again this morning.
We walked along the river until it became too dark to see the road.
An old man with a white beard is reading a newspaper in front of the shop.
How many plates are on the table, and which of them is the largest?
It was cold outside, so they stayed at home and watched a film.
The black cat looks at the bird through the open window.
Can you describe what happened after the train left the station?
""".strip().splitlines()


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer()


def ids(tokenizer, text: str) -> list[int]:
    return tokenizer(text).input_ids


def test_size_and_end_of_text(tokenizer):
    assert len(tokenizer) == ENTRIES == 1152
    assert tokenizer.eos_token == tokenizer.bos_token == END_OF_TEXT
    assert tokenizer.eos_token_id == ENTRIES - 1
    assert ids(tokenizer, f"Yes.{END_OF_TEXT}")[-1] == ENTRIES - 1
    assert ids(tokenizer, "Yes.")[-1] != ENTRIES - 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "  two  spaces ,  and\n\ta tab .",
        "é 漢字 🙂 \u200d \ufffd",
        "".join(map(chr, range(0x250))),
        '{"score": 10, "analysis": "it\'s <bo>"}',
        *ORDINARY,
    ],
)
def test_every_text_round_trips(tokenizer, text):
    assert tokenizer.decode(ids(tokenizer, text)) == text


def test_every_byte_is_an_entry(tokenizer):
    from tokenizers.pre_tokenizers import ByteLevel

    assert set(ByteLevel.alphabet()) <= set(tokenizer.get_vocab())
    assert len(ByteLevel.alphabet()) == 256


def test_a_space_belongs_to_the_word_after_it(tokenizer):
    assert tokenizer.tokenize("A red cat") == ["A", "Ġred", "Ġcat"]
    a, b = ids(tokenizer, "What is it?"), ids(tokenizer, " It is red.")
    assert ids(tokenizer, "What is it? It is red.") == a + b, "an answer splits off at its leading space"


def test_ordinary_sentences_take_more_than_three_characters_a_token(tokenizer):
    pieces = sum(len(ids(tokenizer, line)) for line in ORDINARY)
    assert sum(map(len, ORDINARY)) / pieces > 3.0
    unseen = list(corpus(400, seed=1))
    assert sum(map(len, unseen)) / sum(len(ids(tokenizer, line)) for line in unseen) > 3.3


def test_making_it_again_gives_the_same_bytes(tmp_path):
    write_tokenizer(tmp_path / "here")
    program = [sys.executable, "-m", "unictk.assets.make_tokenizer", str(tmp_path / "there")]
    subprocess.run(program, check=True)
    names = sorted(path.name for path in BUNDLED_TOKENIZER.iterdir())
    assert names == ["tokenizer.json", "tokenizer_config.json"]
    for name in names:
        bundled = (BUNDLED_TOKENIZER / name).read_bytes()
        assert (tmp_path / "here" / name).read_bytes() == bundled
        assert (tmp_path / "there" / name).read_bytes() == bundled


def test_it_loads_without_any_connection():
    program = (
        "import socket\n"
        "def refuse(*a, **k): raise AssertionError('connection')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from unictk.backbones.checkpoints import load_tokenizer\n"
        "print(len(load_tokenizer()))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "1152\n"


def published(folder: Path) -> None:
    """Our vocabulary in the form of phi-1.5: vocab.json, merges.txt, added tokens, a CodeGen config."""
    model = json.loads((BUNDLED_TOKENIZER / "tokenizer.json").read_text())["model"]
    merges = "\n".join(" ".join(pair) for pair in model["merges"])
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps(model["vocab"] | {END_OF_TEXT: ENTRIES - 1}))
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}\n")
    (folder / "added_tokens.json").write_text(json.dumps({"  ": ENTRIES, "\t\t": ENTRIES + 1}))
    config = {
        "tokenizer_class": "CodeGenTokenizer",
        "add_prefix_space": False,
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "unk_token": END_OF_TEXT,
        "model_max_length": 2048,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def test_published_layout_loads_the_same_way(tmp_path, tokenizer):
    published(tmp_path / "phi")
    other = load_tokenizer(tmp_path / "phi")
    assert len(other) == ENTRIES + 2
    assert other.eos_token_id == ENTRIES - 1
    for line in [*ORDINARY, '{"score": 4}', "é 漢字"]:
        assert ids(other, line) == ids(tokenizer, line)
    assert ids(other, "a  b")[1] == ENTRIES
    assert other.decode(ids(other, "a  b\t\t.")) == "a  b\t\t."


@pytest.mark.parametrize("files", [[], ["vocab.json"], ["merges.txt"]])
def test_folder_without_a_tokenizer_is_one_line(tmp_path, files):
    for name in files:
        (tmp_path / name).write_text("{}")
    with pytest.raises(
        WeightsError, match=r"no tokenizer here; looked for tokenizer\.json, or vocab\.json"
    ) as caught:
        load_tokenizer(tmp_path)
    assert "\n" not in str(caught.value)


def test_broken_or_absent_tokenizer_is_one_line(tmp_path):
    (tmp_path / "tokenizer.json").write_text('{"model": ')
    with pytest.raises(WeightsError, match="not a tokenizer that can be read") as caught:
        load_tokenizer(tmp_path)
    assert "\n" not in str(caught.value)
    with pytest.raises(WeightsError, match="no such folder"):
        load_tokenizer(tmp_path / "gone")
