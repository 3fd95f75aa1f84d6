"""The sprites world as instruction data: ``python -m unictk.datamodules.instructions.sprites FOLDER``.

``captions.jsonl`` (pictures with their complete caption), ``conversations.jsonl`` (questions about
pictures), ``drawings.jsonl`` (prompts with a picture that fulfils them) and ``images/*.png``: files as
anybody's are, read by the same reader.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge
from PIL import Image as PILImage

from unictk.chance import seed_of
from unictk.datamodules.instructions.sources import QUESTION, Source
from unictk.errors import UserError
from unictk.sprites.grammar.descriptions import canonical, prompt
from unictk.sprites.lessons.parts import detail, question
from unictk.sprites.render import render
from unictk.sprites.scenes import Scene
from unictk.sprites.splits import random_scene

VERSION = 1
"""Of what is written; another one is another folder."""

QUESTIONS = 3
"""About each picture, in one conversation."""

FILES = ("captions", "conversations", "drawings")


class SpriteInstructions:
    """Instruction data of the sprites world, written below ``root`` on first use.

    Scenes are of the part of the world that models are pretrained on.

    Args:
        root: folder of all such data.
        scenes: pictures; each has a caption, a conversation and a prompt.
        seed: of the scenes and of what is said about them.
        captions: weight of the captions among what is for understanding.
        conversations: weight of the conversations among it.
        drawings: weight of the prompts, all there is for generation.
    """

    def __init__(
        self,
        root: str,
        scenes: Annotated[int, Ge(1)] = 400,
        seed: Annotated[int, Ge(0)] = 0,
        captions: Annotated[float, Ge(0)] = 1.0,
        conversations: Annotated[float, Ge(0)] = 1.0,
        drawings: Annotated[float, Ge(0)] = 1.0,
    ) -> None:
        self.root = Path(root) / f"v{VERSION}-{scenes}-scenes-seed-{seed}"
        self.scenes, self.seed = scenes, seed
        self.weights = {"captions": captions, "conversations": conversations, "drawings": drawings}

    def prepare(self) -> None:
        """Write the files, unless they are there.

        Raises:
            UserError: nothing can be written below the root.
        """
        try:
            write_instructions(self.root, self.scenes, self.seed)
        except OSError as error:
            raise UserError(
                f"paths.cache: {self.root} cannot be written ({error.strerror}); expected a folder"
            ) from error

    def sources(self) -> Mapping[str, Source]:
        """Captions and conversations for understanding, drawings for generation."""
        return {
            name: Source(
                f"{name}.jsonl",
                "generation" if name == "drawings" else "understanding",
                weight,
                ".",
                QUESTION,
            )
            for name, weight in self.weights.items()
        }


def write_instructions(folder: Path, scenes: int, seed: int) -> None:
    """Write the three files and the pictures, whole or not at all; a folder that is there stays as it is."""
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        (draft / "images").mkdir()
        lines: dict[str, list[str]] = {name: [] for name in FILES}
        for name, record in records(draft, scenes, seed):
            lines[name].append(json.dumps(record, ensure_ascii=False) + "\n")
        for name, some in lines.items():
            (draft / f"{name}.jsonl").write_text("".join(some), encoding="utf-8")
        draft.chmod(0o755)
        os.rename(draft, folder)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        if not folder.is_dir():  # somebody else was faster otherwise
            raise


def records(folder: Path, scenes: int, seed: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """(file, record) of every scene, whose picture is written into ``folder``."""
    chance = random.Random(seed_of("sprite instructions", seed))
    for number in range(scenes):
        scene = random_scene(chance, "pretraining", 1 + number % 2)
        name = f"images/{number:06d}.png"
        PILImage.fromarray(render(scene)).save(folder / name)
        yield "captions", {"text": canonical(scene), "image": name}
        yield "conversations", {"conversations": conversation(chance, scene), "image": name}
        wanted, _ = prompt(chance, scene, detail(chance, scene), "training")
        yield "drawings", {"text": wanted, "image": name}


def conversation(chance: random.Random, scene: Scene) -> list[dict[str, str]]:
    """Questions about a picture and their answers, the picture before the first."""
    turns = []
    for number in range(QUESTIONS):
        asked = question(chance, scene)
        said = f"<image>\n{asked.question}" if not number else asked.question
        turns += [{"from": "human", "value": said}, {"from": "gpt", "value": asked.answer}]
    return turns


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path, help="must not be there yet")
    parser.add_argument("--scenes", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    if asked.folder.exists():
        parser.error(f"{asked.folder} is there already")
    if asked.scenes < 1:
        parser.error(f"--scenes: {asked.scenes} is not allowed, expected 1 or more")
    write_instructions(asked.folder, asked.scenes, asked.seed)
    print(f"{asked.folder}: {', '.join(f'{name}.jsonl' for name in FILES)} of {asked.scenes} scenes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
