"""A concept of the sprites world, written in the published UniCTokens layout and read like any photos.

Beside the published files lies :data:`TRUTH`, which the reader ignores: who the concept is, its facts, the
scene of every picture and what each knowledge-driven prompt must show, for whoever scores.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge, Interval
from PIL import Image

from unictk.errors import UserError
from unictk.sprites import at_length, story
from unictk.sprites.album import ConceptAlbum, concept_album
from unictk.sprites.render import render
from unictk.sprites.scenes import Scene
from unictk.sprites.splits import concept_facts, concept_identity, part_of_seed

if TYPE_CHECKING:
    from unictk.datamodules.concept_data import ConceptData

TRUTH = "sprites.json"
"""File name of the truth, in the concept's own data set folder."""

LONGEST_EXAM = 10

CLASS_NOUN = "character"
"""The class word of every sprite: it tells no attribute."""

Files = Mapping[str, object]
"""Path with forward slashes -> pixels (a uint8 array) or the content of a JSON file."""


def sprite_concept(
    root: str,
    seed: Annotated[int, Ge(0)] = 0,
    holdout: Annotated[float, Interval(ge=0, lt=1)] = 0.25,
    exam: Annotated[int, Interval(ge=1, le=LONGEST_EXAM)] = 1,
) -> ConceptData:
    """Concept ``sprite<seed>``, written below ``root`` on first use.

    ``exam`` times the usual test pictures: from 5 on every metric has at least forty items. What is taught
    stays the same.

    Its folder is named after what is in it, so one that an earlier version wrote is never taken for it.

    Raises:
        UserError: ``seed`` is not a whole number from 0 on, or nothing can be written below ``root``.
    """
    from unictk.datamodules.concept_data import read_concept

    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise UserError(f"concept.seed: {seed!r} is not a concept; expected a whole number from 0 on")
    if isinstance(exam, bool) or not isinstance(exam, int) or not 1 <= exam <= LONGEST_EXAM:
        raise UserError(
            f"concept.exam: {exam!r} is no length; expected a whole number from 1 to {LONGEST_EXAM}"
        )
    files = concept_files(seed, exam)
    folder = Path(root) / f"{name_of(seed)}-{_digest(files)}"
    try:
        if not folder.exists():
            _write(folder, files)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UserError(f"concept.root: {root!r} cannot be written ({reason}); expected a folder") from error
    return read_concept(folder, name_of(seed), holdout)


def name_of(seed: int) -> str:
    """The concept's name, without brackets."""
    return f"sprite{seed}"


def concept_files(seed: int, exam: int = 1) -> dict[str, object]:
    """Every file of the concept's data set; equal seeds give equal files."""
    album, name = concept_album(seed, exam), name_of(seed)
    scenes = dict(_shelved(album, name))
    files: dict[str, object] = {path: render(scene) for path, scene in scenes.items()}
    files["black_512x512.png"] = np.zeros((512, 512, 3), np.uint8)
    files["concepts_list.json"] = [name]
    files["template.json"] = _template()
    files["concept/train/train_images.json"] = {name: _numbered(album.photos)}
    files |= {f"concept/train/{name}/{file}": content for file, content in _taught(seed, album).items()}
    files |= {
        f"concept/test/{name}/{file}": content for file, content in _examined(seed, album, exam).items()
    }
    files[TRUTH] = _truth(seed, scenes)
    return files


def _shelved(album: ConceptAlbum, name: str) -> Iterator[tuple[str, Scene]]:
    """Every picture's path and scene."""
    train = f"concept/train/{name}"
    for folder, scenes in (
        (train, album.photos),
        (f"{train}/cropped", album.closer),
        (f"{train}/negative_example", album.look_alikes),
        (f"concept/test/{name}", album.test_photos),
        (f"concept/test/{name}/negative_example", album.test_look_alikes),
        (f"concept/test/{name}/random_images", album.test_strangers),
        ("random_images", album.strangers),
    ):
        yield from zip((f"{folder}/{file}" for file in _numbered(scenes)), scenes, strict=True)


def _numbered(scenes: Sequence[Scene]) -> list[str]:
    return [f"{number}.png" for number in range(len(scenes))]


def _taught(seed: int, album: ConceptAlbum) -> dict[str, object]:
    """The concept's own training files: what it is, and everything said about it."""
    name, identity, facts = f"<{name_of(seed)}>", concept_identity(seed), concept_facts(seed)
    known, held_out = (story.fact_sentences(name, facts, side) for side in ("training", "evaluation"))
    looks = story.about_looks(name, identity)
    talks: dict[str, list[dict[str, str]]] = {}
    for turn, (file, scene) in enumerate(zip(_numbered(album.photos), album.photos, strict=True)):
        # Two questions about looks a photo, by turns: each is asked of several photos.
        mine = [looks[(2 * turn + i) % len(looks)] for i in range(2)]
        talks[file] = _pairs(story.about_picture(name, scene, "training", turn) + mine)
    for folder, scenes in (("", album.photos), ("negative_example/", album.look_alikes)):
        for number, said in enumerate(at_length.comparisons(name, identity, scenes)):
            talks.setdefault(f"{folder}{number}.png", []).extend(_pairs([said]))
    told = story.telling(name, facts) + story.about_facts(name, facts, "training")
    talks["text_only"] = _pairs(told + at_length.descriptions(name, album.photos))
    asked = story.recognition(name, here=False)
    strangers = {f: _pairs([asked[i % len(asked)]]) for i, f in enumerate(_numbered(album.strangers))}
    return {
        "info.json": {
            "class": CLASS_NOUN,
            "info": story.description(name, identity),
            "conversation_type": "character",
            "generation_type": "live_subject",
            "extra_info": known + held_out,
            "num_testing_info": len(held_out),
        },
        "conversations.json": talks,
        "positive_recognitions.json": {
            file: _pairs(story.recognition(name, here=True)) for file in _numbered(album.photos)
        },
        "random_recognitions.json": strangers,
    }


def _examined(seed: int, album: ConceptAlbum, exam: int) -> dict[str, object]:
    """The concept's own evaluation files; a long examination asks two questions a photo, not all."""
    name, facts = f"<{name_of(seed)}>", concept_facts(seed)
    drawn = story.prompts(name, facts)
    seen = {}
    for turn, (file, scene) in enumerate(zip(_numbered(album.test_photos), album.test_photos, strict=True)):
        asked = story.about_picture(name, scene, "evaluation")
        mine = asked if exam == 1 else [asked[(2 * turn + i) % len(asked)] for i in range(2)]
        seen[file] = _pairs(mine)
    return {
        "vqa.json": seen,
        "text_only.json": _pairs(story.about_facts(name, facts, "evaluation", 2 * exam)),
        "t2i_conditions.json": {
            "personalized_driven_generation": [prompt.implicit for prompt in drawn],
            "explicit_personalized_driven_generation": [prompt.explicit for prompt in drawn],
        },
    }


def _truth(seed: int, scenes: Mapping[str, Scene]) -> dict[str, object]:
    """The identity, the facts, each picture's scene, and what each prompt must show.

    A prompt's ``setting`` is null and an attribute of its one character absent where anything is right;
    ``knowledge`` lists what only the facts tell.
    """
    identity, facts = concept_identity(seed), concept_facts(seed)
    return {
        "name": name_of(seed),
        "seed": seed,
        "part": part_of_seed(seed),
        "identity": asdict(identity),
        "facts": asdict(facts),
        "pictures": {path: scene_as_data(scene) for path, scene in scenes.items()},
        "conditions": [
            {
                "prompt": prompt.implicit,
                "explicit": prompt.explicit,
                "setting": prompt.expected.get("setting"),
                "characters": [
                    asdict(identity) | {k: v for k, v in prompt.expected.items() if k != "setting"}
                ],
                "knowledge": sorted(prompt.expected),
            }
            for prompt in story.prompts(f"<{name_of(seed)}>", facts)
        ],
    }


def scene_as_data(scene: Scene) -> dict[str, object]:
    """The scene in JSON's types: its setting and every attribute of its characters."""
    return {"setting": scene.setting, "characters": [one.attributes() for one in scene.characters]}


def _template() -> list[object]:
    return [
        {
            "type": kind,
            "conversations": {
                "questions": [question for question, _ in story.recognition("<sks>", here)],
                "answers": [answer for _, answer in story.recognition("<sks>", here)],
            },
        }
        for kind, here in (("positive", True), ("negative", False))
    ]


def _pairs(exchanges: Sequence[story.Exchange]) -> list[dict[str, str]]:
    return [{"query": question, "answer": answer} for question, answer in exchanges]


def _digest(files: Files) -> str:
    """Of pixels and texts, not of encoded files: the same whichever library encodes them."""
    content = hashlib.blake2b(digest_size=4)
    for path in sorted(files):
        what = files[path]
        content.update(path.encode())
        content.update(what.tobytes() if isinstance(what, np.ndarray) else _json(what).encode())
    return content.hexdigest()


def _write(folder: Path, files: Files) -> None:
    """Write the files. They appear together or not at all; whoever comes second finds the first one's."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for path, content in files.items():
            file = draft / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, np.ndarray):
                Image.fromarray(content).save(file)
            else:
                file.write_text(_json(content), encoding="utf-8")
        os.chmod(draft, 0o755)
        try:
            os.rename(draft, folder)
        except OSError:
            if not (folder / TRUTH).is_file():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _json(content: object) -> str:
    return json.dumps(content, indent=1) + "\n"
