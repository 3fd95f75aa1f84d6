"""One concept's folders and files in the published UniCTokens layout, read but not yet interpreted.

::

    concepts_list.json  template.json  random_images/  black_512x512.png
    concept/train/train_images.json
    concept/train/<name>/      photos, info.json, conversations.json, positive_recognitions.json,
                               random_recognitions.json, cropped/, negative_example/
    concept/test/<name>/       photos, vqa.json, text_only.json, t2i_conditions.json
    showo_training_data_stage_1/<name>.json, ..._3/<name>.json, test_data/<name>.json   (generated)

Only ``info.json`` and one photo are required.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from unictk.datamodules.conditions import Conditions, default_conditions, read_conditions
from unictk.datamodules.problems import Problem
from unictk.datamodules.schemas import (
    Info,
    JsonFile,
    Pairs,
    read_exchanges,
    read_info,
    read_template,
    shown,
)
from unictk.errors import nearest

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
BLACK = "black_512x512.png"
"""Named by generated files where a question has no picture."""
_ANCHORS = ("concept", "random_images")
_KINDS = "png, jpg, jpeg or webp"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about a picture of the data set, or about none; ``type`` as in evaluation files."""

    picture: Path | None
    question: str
    answer: str
    type: str = ""


@dataclass(frozen=True, slots=True)
class ConceptFolder:
    """Where a concept's files are."""

    root: Path
    name: str

    @property
    def train(self) -> Path:
        """Training photos, facts and questions."""
        return self.root / "concept" / "train" / self.name

    @property
    def test(self) -> Path:
        """Test photos, questions and prompts."""
        return self.root / "concept" / "test" / self.name

    @property
    def crops(self) -> Path:
        """Training photos cut to the concept."""
        return self.train / "cropped"

    @property
    def hard_negatives(self) -> Path:
        """Pictures that look like the concept."""
        return self.train / "negative_example"

    @property
    def test_hard_negatives(self) -> Path:
        """Look-alikes that are examined and never taught (beyond the published layout)."""
        return self.test / "negative_example"

    @property
    def test_random_images(self) -> Path:
        """Pictures of anything else that are examined and never taught (beyond the published layout)."""
        return self.test / "random_images"

    @property
    def random_images(self) -> Path:
        """Pictures of anything else, shared by all concepts."""
        return self.root / "random_images"

    @property
    def folders(self) -> tuple[Path, ...]:
        """Every folder that may hold pictures."""
        taught = self.train, self.crops, self.hard_negatives, self.random_images
        return *taught, self.test, self.test_hard_negatives, self.test_random_images

    def sources(self) -> dict[str, tuple[Path, Path]]:
        """Name -> (file of questions, folder in which it names pictures)."""
        return {
            "positive": (self.train / "positive_recognitions.json", self.train),
            "random": (self.train / "random_recognitions.json", self.random_images),
            "conversations": (self.train / "conversations.json", self.train),
            "stage_1": (self.root / "showo_training_data_stage_1" / f"{self.name}.json", self.train),
            "stage_3": (self.root / "showo_training_data_stage_3" / f"{self.name}.json", self.train),
            "vqa": (self.test / "vqa.json", self.test),
            "text_only": (self.test / "text_only.json", self.test),
            "test_data": (self.root / "test_data" / f"{self.name}.json", self.test),
        }


@dataclass(frozen=True, slots=True)
class ConceptFiles:
    """What a concept's files say. ``questions`` has only the sources that are there."""

    folder: ConceptFolder
    info: Info
    photos: tuple[Path, ...]
    crops: tuple[Path, ...]
    test_photos: tuple[Path, ...]
    hard_negatives: tuple[Path, ...]
    random_images: tuple[Path, ...]
    test_hard_negatives: tuple[Path, ...]
    test_random_images: tuple[Path, ...]
    questions: dict[str, tuple[Asked, ...]]
    template: dict[str, Pairs]
    conditions: Conditions

    def picture_key(self, path: Path) -> str:
        """The picture's path in the data set, the same on every machine."""
        return path.relative_to(self.folder.root).as_posix()


def concept_names(root: Path) -> list[str]:
    """The concepts that have a training folder, sorted."""
    train = root / "concept" / "train"
    if not train.is_dir():
        return []
    return sorted(path.name for path in train.iterdir() if path.is_dir() and not path.name.startswith("."))


def pictures_in(folder: Path) -> tuple[Path, ...]:
    """Everything in the folder that is called a picture, in natural order (2.png before 10.png)."""
    if not folder.is_dir():
        return ()
    found = [p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
    return tuple(sorted(found, key=lambda path: _natural(path.name)))


def _natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    pieces = re.findall(r"\d+|\D+", name)
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in pieces], name


def read_files(root: Path, name: str, problems: list[Problem]) -> ConceptFiles | None:
    """Read all files of a concept; None when it has no usable ``info.json``.

    Everything wrong with files, names and folders is added to ``problems``; pictures are not opened.
    """
    folder = ConceptFolder(root, name)
    _no_empty_folders(folder, problems)
    info = _info(folder, problems)
    photos = _photos(folder, problems)
    template = JsonFile(root / "template.json", name, problems)
    conditions = JsonFile(folder.test / "t2i_conditions.json", name, problems)
    asked = {
        source: _asked(folder, JsonFile(path, name, problems), home, typed=source == "test_data")
        for source, (path, home) in folder.sources().items()
        if path.exists()
    }
    prompts = read_conditions(conditions) if conditions.path.exists() else default_conditions(name)
    pairs = read_template(template) if template.path.exists() else {}
    if info is None:
        return None
    return ConceptFiles(
        folder,
        info,
        photos,
        pictures_in(folder.crops) or photos,
        pictures_in(folder.test),
        pictures_in(folder.hard_negatives),
        pictures_in(folder.random_images),
        pictures_in(folder.test_hard_negatives),
        pictures_in(folder.test_random_images),
        asked,
        pairs,
        prompts,
    )


def _no_empty_folders(folder: ConceptFolder, problems: list[Problem]) -> None:
    for place in folder.folders:
        if place.is_dir() and _bare(place):
            problems.append(Problem(place, f"pictures ({_KINDS})", "an empty folder"))


def _bare(folder: Path) -> bool:
    return all(path.name.startswith(".") for path in folder.iterdir())


def _info(folder: ConceptFolder, problems: list[Problem]) -> Info | None:
    file = JsonFile(folder.train / "info.json", folder.name, problems)
    if file.path.exists():
        return read_info(file)
    file.wrong("a file with the keys class and info", "no file")
    return None


def _photos(folder: ConceptFolder, problems: list[Problem]) -> tuple[Path, ...]:
    """The photos that ``train_images.json`` lists, in its order; without a list, all of the folder."""
    there = pictures_in(folder.train)
    if not there:
        if not _bare(folder.train):  # an empty folder is a problem of its own
            problems.append(Problem(folder.train, f"at least one photo ({_KINDS})", "none"))
        return ()
    file = JsonFile(folder.root / "concept" / "train" / "train_images.json", folder.name, problems)
    content = file.content() if file.path.exists() else {}
    if not isinstance(content, dict):
        if content is not None:
            file.wrong("an object {concept: [photo, ...]}", shown(content))
        return there
    if folder.name not in content:
        return there
    listed = file.texts(content[folder.name], folder.name)
    for name, count in Counter(listed).items():
        if count > 1:
            file.wrong(f"{name!r} once for {folder.name}", f"it {count} times")
    if not listed:
        file.wrong(f"at least one photo for {folder.name}", "an empty list")
    found = [_locate(file, folder, folder.train, name) for name in listed]
    return tuple(path for path in found if path is not None)


def _asked(folder: ConceptFolder, file: JsonFile, home: Path, typed: bool) -> tuple[Asked, ...]:
    found = []
    placed: dict[str, Path | None] = {}
    for exchange in read_exchanges(file, typed):
        image = exchange.image
        if image is not None and _parts(image)[-1:] == (BLACK,):
            image = None
        if image is not None and image not in placed:
            placed[image] = _locate(file, folder, home, image)
        picture = placed[image] if image is not None else None
        if image is None or picture is not None:
            found.append(Asked(picture, exchange.question, exchange.answer, exchange.type))
    return tuple(found)


def _locate(file: JsonFile, folder: ConceptFolder, home: Path, written: str) -> Path | None:
    """The picture that a file names: within ``home``, within the data set, or by the end of a long path.

    Generated files hold paths of the machine that made them; what follows ``concept`` or
    ``random_images`` is the same everywhere.
    """
    parts = _parts(written)
    if ".." in parts:
        file.wrong("pictures inside the data set", f"the path {written!r}")
        return None
    tails = [parts[i:] for i, part in enumerate(parts) if part in _ANCHORS]
    absolute = not parts or re.match(r"[/\\]|[A-Za-z]:", written) is not None
    places = [] if absolute else [home.joinpath(*parts), folder.root.joinpath(*parts)]
    places += [folder.root.joinpath(*tail) for tail in tails]
    for place in places:
        if _is_file(place):
            return place
    there = {path.stem: path.name for path in pictures_in(home)}  # suffixes make all names alike
    best = nearest(Path(parts[-1]).stem, there) if parts else None
    hint = f"; nearest: {there[best]}" if best else ""
    file.wrong(f"pictures that are in {_short(home, folder.root)}", f"{written!r}, which is not there{hint}")
    return None


def _parts(written: str) -> tuple[str, ...]:
    return PurePosixPath(written.replace("\\", "/")).parts


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no file system takes is a name of no file
        return False


def _short(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
