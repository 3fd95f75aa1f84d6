"""Makes small data sets in the UniCTokens layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

TEMPLATE = [
    {
        "type": "positive",
        "conversations": {
            "questions": ["Is <sks> here?", "Do you see <sks>?"],
            "answers": ["Yes, <sks> is."],
        },
    },
    {
        "type": "negative",
        "conversations": {
            "questions": ["Is <sks> here?", "Do you see <sks>?"],
            "answers": ["No, not <sks>.", "No."],
        },
    },
]


def write_json(path: Path, content: Any) -> None:
    """The content as JSON; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


def write_picture(path: Path, number: int) -> None:
    """A picture of noise; equal numbers give equal pictures. Folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(number).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)


def says(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    """Questions and answers as the layout's own files have them."""
    return [{"query": question, "answer": answer} for question, answer in pairs]


def talk(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    """Questions and answers as generated files have them."""
    turns = []
    for number, (question, answer) in enumerate(pairs):
        opening = "" if number else "<image>\n"
        turns += [{"from": "human", "value": opening + question}, {"from": "gpt", "value": answer}]
    return turns


def write_bare_concept(root: Path, name: str = "bo", photos: int = 2, first: int = 0) -> Path:
    """The least: photos and ``info.json``. Gives the training folder."""
    train = root / "concept" / "train" / name
    for i in range(photos):
        write_picture(train / f"{i}.png", first + i)
    write_json(train / "info.json", {"class": "dog", "info": f"<{name}> is a small dog."})
    return train


def write_negatives(root: Path, name: str = "bo", random: int = 8, hard: int = 4) -> None:
    """``random_images`` and ``negative_example``."""
    for i in range(random):
        write_picture(root / "random_images" / f"{i}.png", 1000 + i)
    for i in range(hard):
        write_picture(root / "concept" / "train" / name / "negative_example" / f"{i}.png", 2000 + i)


def write_whole_concept(root: Path, name: str = "bo") -> Path:
    """Everything the layout's own files can say of a concept. Gives the training folder."""
    train = write_bare_concept(root, name, photos=3)
    test = root / "concept" / "test" / name
    write_negatives(root, name)
    for i in range(3):
        write_picture(train / "cropped" / f"{i}.png", 100 + i)
    for i in range(2):
        write_picture(test / f"{i}.png", 200 + i)
    write_picture(root / "black_512x512.png", 300)
    write_json(root / "concepts_list.json", [name])
    write_json(root / "template.json", TEMPLATE)
    write_json(root / "concept" / "train" / "train_images.json", {name: ["2.png", "0.png"]})
    info = {
        "class": "dog",
        "info": "<sks> is a small dog.",
        "conversation_type": "animal",
        "generation_type": "live_subject",
        "extra_info": ["<sks> has a red hat.", "<sks> has a ball.", "<sks> likes tea."],
        "num_testing_info": 1,
    }
    write_json(train / "info.json", info)
    yes, no = ("Is <sks> in this photo?", "Yes."), ("Is <sks> in this photo?", "No.")
    write_json(train / "positive_recognitions.json", {f"{i}.png": says(yes) for i in (0, 2)})
    write_json(train / "random_recognitions.json", {f"{i}.png": says(no) for i in range(8)})
    conversations = {"0.png": says(("What fur?", "White."), ("Which ears?", "Long."))}
    facts = {"text_only": says(("What hat has <sks>?", "A red hat."))}
    write_json(train / "conversations.json", conversations | facts)
    write_json(test / "vqa.json", {"1.png": says(("Where is <sks>?", "On grass."))})
    write_json(test / "text_only.json", says(("What does <sks> play with?", "A ball.")))
    write_json(test / "t2i_conditions.json", ["A photo of <sks>.", f"A photo of <{name}> in its hat."])
    return train
