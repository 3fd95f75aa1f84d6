"""A real-photo concept without a download: the cat ``chelsea`` of the scikit-image wheel.

``python -m unictk.datamodules.chelsea FOLDER`` writes it in the published UniCTokens layout: framings of the
photo in changing light as the concept's photos, other cats made of it by recolouring as look-alikes, pieces
of the wheel's other pictures as anything else. The pictures are made, not shipped.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval
from PIL import Image, ImageEnhance, ImageOps

from unictk.errors import UserError

if TYPE_CHECKING:
    from unictk.datamodules.concept_data import ConceptData

NAME = "chelsea"
SIZE = 256

Framing = tuple[float, float, float, float, float]
"""Centre across and down and side, as shares of the photo's width and height; brightness; warmth."""

TRAIN: Sequence[Framing] = (
    (0.50, 0.50, 1.00, 1.00, 0.00),
    (0.38, 0.50, 1.00, 1.15, 0.10),
    (0.62, 0.50, 1.00, 0.80, -0.10),
    (0.45, 0.45, 0.85, 1.10, -0.05),
    (0.55, 0.55, 0.85, 0.90, 0.15),
    (0.48, 0.42, 0.72, 1.25, 0.05),
    (0.56, 0.48, 0.72, 0.75, 0.00),
    (0.50, 0.56, 0.78, 1.00, 0.20),
    (0.42, 0.52, 0.92, 0.85, -0.15),
    (0.60, 0.46, 0.92, 1.20, 0.10),
)
TEST: Sequence[Framing] = (
    (0.53, 0.50, 0.95, 1.05, -0.08),
    (0.46, 0.50, 0.80, 0.95, 0.12),
    (0.51, 0.47, 0.88, 1.18, 0.02),
    (0.58, 0.52, 0.98, 0.88, 0.06),
)
CROPPED = 0.7
"""Side of a crop as a share of the photo's own framing."""

OTHER_CATS = ("grey", "dark", "blue", "pale")
ANYTHING_ELSE = (
    "coffee", "astronaut", "rocket", "motorcycle_left", "retina", "hubble_deep_field", "brick", "grass",
    "gravel", "coins", "camera", "moon", "motorcycle_right", "page", "ihc", "clock_motion",
)  # fmt: skip

SEEN = {
    "What kind of animal is <chelsea>?": "<chelsea> is a cat.",
    "What pattern does the fur of <chelsea> have?": "It is striped.",
    "What color is the nose of <chelsea>?": "Pink.",
    "What color are the whiskers of <chelsea>?": "They are white.",
}
FACTS = {
    "<chelsea> has a green collar.": ("What color is the collar of <chelsea>?", "Green."),
    "<chelsea> plays with a paper ball.": ("What does <chelsea> play with?", "A paper ball."),
    "<chelsea> sleeps in a wooden box.": ("Where does <chelsea> sleep?", "In a wooden box."),
}
EXAMINED = {"What animal is in the photo?": "A cat.", "Does <chelsea> have stripes?": "Yes."}
ASKED_AGAIN = {
    "Which color does the collar of <chelsea> have?": "Green.",
    "<chelsea> likes to play. With what?": "A paper ball.",
    "What is the bed of <chelsea>?": "A wooden box.",
}
DRAWN = (
    "A photo of <chelsea>.",
    "A photo of <chelsea> wearing its collar.",
    "A photo of <chelsea> playing with its toy.",
    "A photo of <chelsea> in its bed.",
)


def chelsea_concept(root: str, holdout: Annotated[float, Interval(ge=0, lt=1)] = 0.25) -> ConceptData:
    """The concept, written to ``root`` on first use.

    Raises:
        UserError: scikit-image is not installed.
    """
    from unictk.datamodules.concept_data import read_concept

    folder = Path(root)
    if not folder.exists():
        write_chelsea(folder)
    return read_concept(folder, NAME, holdout)


def write_chelsea(folder: Path) -> None:
    """Write the data set. It appears whole or not at all; whoever comes second finds the first one's."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        _write(draft)
        os.chmod(draft, 0o755)
        os.rename(draft, folder)
    except OSError:
        if not (folder / "concept").is_dir():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write(root: Path) -> None:
    cat = _picture("chelsea")
    train, test = root / "concept/train" / NAME, root / "concept/test" / NAME
    for number, framing in enumerate(TRAIN):
        _save(_framed(cat, framing), train / f"{number}.png")
        across, down, side, light, warmth = framing
        _save(_framed(cat, (across, down, side * CROPPED, light, warmth)), train / f"cropped/{number}.png")
    for number, framing in enumerate(TEST):
        _save(_framed(cat, framing), test / f"{number}.png")
    for number, colour in enumerate(OTHER_CATS):
        framing = TRAIN[2 * number + 1]
        _save(_recoloured(_framed(cat, framing), colour), train / f"negative_example/{number}.png")
    for number, name in enumerate(ANYTHING_ELSE):
        _save(_framed(_picture(name), (0.5, 0.5, 1.0, 1.0, 0.0)), root / f"random_images/{number}.png")
    _save(Image.new("RGB", (512, 512)), root / "black_512x512.png")
    _write_words(root, train, test)


def _write_words(root: Path, train: Path, test: Path) -> None:
    photos = [f"{number}.png" for number in range(len(TRAIN))]
    facts = [{"query": "Tell me a fact about <chelsea>.", "answer": fact} for fact in FACTS]
    asked = [{"query": question, "answer": answer} for question, answer in FACTS.values()]
    here, not_here = "Yes, <chelsea> is in this photo.", "No, <chelsea> is not in this photo."
    question = "Is <chelsea> in this photo?"
    _json(root / "concepts_list.json", [NAME])
    _json(root / "template.json", _template())
    _json(root / "concept/train/train_images.json", {NAME: photos})
    _json(
        train / "info.json",
        {
            "class": "cat",
            "info": "<chelsea> is a striped brown cat with green eyes and a pink nose.",
            "conversation_type": "animal",
            "generation_type": "live_subject",
            "extra_info": list(FACTS),
        },
    )
    _json(train / "conversations.json", {**{p: _pairs(SEEN) for p in photos}, "text_only": facts + asked})
    _json(train / "positive_recognitions.json", {p: _pairs({question: here}) for p in photos})
    _json(
        train / "random_recognitions.json",
        {f"{number}.png": _pairs({question: not_here}) for number in range(len(ANYTHING_ELSE))},
    )
    _json(test / "vqa.json", {f"{number}.png": _pairs(EXAMINED) for number in range(len(TEST))})
    _json(test / "text_only.json", _pairs(ASKED_AGAIN))
    _json(test / "t2i_conditions.json", list(DRAWN))


def _template() -> list[object]:
    questions = ["Is <sks> in this photo?", "Can you see <sks> here?", "Does this picture show <sks>?"]
    answers = {
        "positive": ["Yes, <sks> is in this photo.", "Yes, I can see <sks>.", "Yes."],
        "negative": ["No, <sks> is not in this photo.", "No, I cannot see <sks>.", "No."],
    }
    return [
        {"type": kind, "conversations": {"questions": questions, "answers": lines}}
        for kind, lines in answers.items()
    ]


def _pairs(asked: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"query": question, "answer": answer} for question, answer in asked.items()]


def _picture(name: str) -> Image.Image:
    """A picture that lies inside the wheel; scikit-image would download others."""
    try:
        import skimage
    except ImportError as error:
        raise UserError(
            "concept: chelsea is made from the pictures inside scikit-image; pip install scikit-image"
        ) from error
    folder = Path(skimage.__file__).parent / "data"
    for ending in (".png", ".jpg"):
        if (folder / f"{name}{ending}").is_file():
            return Image.open(folder / f"{name}{ending}").convert("RGB")
    raise UserError(f"concept: chelsea needs {name} in {folder}; this scikit-image does not have it")


def _framed(photo: Image.Image, framing: Framing) -> Image.Image:
    """A square of the photo (``side`` of its short edge), relit."""
    across, down, share, light, warmth = framing
    side = share * min(photo.size)
    left = min(max(across * photo.width - side / 2, 0), photo.width - side)
    top = min(max(down * photo.height - side / 2, 0), photo.height - side)
    square = photo.resize((SIZE, SIZE), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
    red, green, blue = ImageEnhance.Brightness(square).enhance(light).split()
    return Image.merge(
        "RGB", (red.point(lambda v: v * (1 + warmth)), green, blue.point(lambda v: v * (1 - warmth)))
    )


def _recoloured(picture: Image.Image, colour: str) -> Image.Image:
    """Another cat: the same form, mirrored, in fur that chelsea does not have."""
    plain = ImageOps.mirror(ImageOps.grayscale(picture))
    shades = {
        "grey": ("#101010", "#c8c8c8"),
        "dark": ("#000000", "#6a5f58"),
        "blue": ("#0a1020", "#a9b8cc"),
        "pale": ("#7a6a58", "#fff6e8"),
    }
    black, white = shades[colour]
    return ImageOps.colorize(plain, black, white)


def _save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def _json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def main() -> int:
    """``python -m unictk.datamodules.chelsea FOLDER``."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print("usage: python -m unictk.datamodules.chelsea FOLDER", file=sys.stderr)
        return 2
    folder = Path(sys.argv[1])
    try:
        if folder.exists():
            raise UserError(f"{folder}: exists already; expected a new folder")
        write_chelsea(folder)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{NAME} in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
