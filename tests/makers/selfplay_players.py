"""A model made of hashes that plays all roles of self-play, and a whole round of it in a folder."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import torch

from unictk.chance import seed_of
from unictk.samples import GeneratedImage, Sampling
from unictk.selfplay.categories import Category, CategorySet
from unictk.selfplay.choosing import Chosen, ReconstructionRules
from unictk.selfplay.judging import judge_question, judge_seed, judgement_row, needs_again
from unictk.selfplay.paper_wording import PaperWording
from unictk.selfplay.pictures import clean, keep
from unictk.selfplay.proposer import propose, streams
from unictk.selfplay.proposing import Ask, ProposerRules
from unictk.selfplay.rollouts import Rollout, RolloutPlan, accepted, mine
from unictk.selfplay.rows import JudgementRow, LessonRow, ProposalRow, RatingRow, RolloutRow
from unictk.selfplay.shards import Shards
from unictk.selfplay.training_set import reconstruct

CATEGORIES = CategorySet(
    "test",
    (
        Category("Counting", "Count.", (), ("the number",)),
        Category("Two Things", "Two.", ("near", "far"), ("both",)),
        Category("Portrait", "Someone.", ("close_up", "half_body", "full_body"), ("the face", "the rest")),
    ),
)
RULES = ProposerRules(initial=3, kept=1, period=4, draw=3, demonstrations=2)
WORDS = (
    "red",
    "blue",
    "green",
    "big",
    "small",
    "old",
    "round",
    "flat",
    "cup",
    "star",
    "boat",
    "tree",
    "house",
)
BROKEN = ("", "I cannot.", '{"prompt": "x"', "{}", '{"score": 11}', "```json\n[]\n```")


class Model:
    """Answers from the seed of each question, whatever it is asked with."""

    def __init__(self, broken: float = 0.3) -> None:
        self.broken = broken
        self.asked: list[tuple[str, int]] = []

    def say(self, asks: Sequence[Ask]) -> list[str]:
        return [self.one(ask.question.text, ask.seed) for ask in asks]

    def one(self, question: str, seed: int) -> str:
        self.asked.append((question, seed))
        chance = random.Random(seed)
        if chance.random() < self.broken:
            return chance.choice(BROKEN)
        if "score" in question:
            score = chance.choice((0, 2, 4, 5, 6.123456789, 7, 8, 9, 10))
            return json.dumps({"analysis": f"Point {chance.randrange(9)} is off.", "score": score})
        category = question.split("Category: ")[-1].split("\n")[0]
        subcategory = question.split("Subcategory: ")[-1].split("\n")[0]
        words = " ".join(chance.choice(WORDS) for _ in range(chance.choice((2, 9))))
        return json.dumps({"major_category": category, "subcategory": subcategory, "prompt": f"{words}."})

    def draw(self, rollout: Rollout) -> GeneratedImage:
        codes = torch.tensor([seed_of(rollout.seed, cell) % 500 for cell in range(4)])
        return GeneratedImage(torch.full((3, 4, 4), (rollout.seed % 251) / 251), codes, {})


class Folder:
    """A run folder's shards."""

    def __init__(self, root: Path) -> None:
        self.root = root
        records = root / "selfplay" / "records"
        self.proposals = Shards(records, "proposals", ProposalRow)
        self.ratings = Shards(records, "ratings", RatingRow)
        self.rollouts = Shards(records, "rollouts", RolloutRow)
        self.judgements = Shards(records, "judgements", JudgementRow)
        self.lessons = Shards(root / "selfplay" / "training", "lessons", LessonRow)

    @property
    def stores(self) -> list[Shards]:
        return [self.proposals, self.ratings, self.rollouts, self.judgements, self.lessons]

    def files(self) -> dict[str, bytes]:
        """Every file by its path."""
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.is_file()
        }


def propose_all(
    folder: Folder, model: Model, prompts: int, rank: int = 0, world: int = 1, size: int = 4
) -> None:
    quotas = CATEGORIES.shares(prompts)
    for stream in streams(CATEGORIES, quotas, PaperWording(), RULES, 5, rank=rank, world=world):
        propose(stream, folder.proposals, folder.ratings, model.say, size, "model")


def draw_all(folder: Folder, model: Model, rank: int = 0, world: int = 1, size: int = 16) -> None:
    plan = RolloutPlan(Sampling(steps=2), guidance=(1.0, 2.0))
    for batch in mine(plan.batches(accepted(folder.proposals), 5, size), rank, world):
        content = batch.content("model")
        if not folder.rollouts.has(batch.name, content):
            rows = [keep(one, model.draw(one), folder.root, "model", 0.0) for one in batch.rollouts]
            folder.rollouts.write(batch.name, rows, content)


def judge_all(folder: Folder, model: Model, rank: int = 0, world: int = 1) -> None:
    wording = PaperWording()
    for number, name in enumerate(folder.rollouts.names()):
        if number % world != rank or folder.judgements.has(name, "judged"):
            continue
        rows = []
        for row in folder.rollouts.read(name):
            category = CATEGORIES[row.category]
            text = judge_question(wording, category, row.prompt, row.prompt_uid, 5).text
            first = model.one(text, judge_seed(row.sample_id, 0, 5))
            again = model.one(text, judge_seed(row.sample_id, 1, 5)) if needs_again(first) else None
            rows.append(judgement_row(row, first, "model", wording.name, again))
        folder.judgements.write(name, rows, "judged")


def rebuild(folder: Folder) -> Chosen:
    stores = folder.rollouts, folder.judgements, folder.lessons
    return reconstruct(*stores, CATEGORIES, PaperWording(), ReconstructionRules(), 5)


def whole_round(root: Path, prompts: int = 20, world: int = 1) -> Folder:
    """All stages, each of ``world`` processes in turn."""
    folder, model = Folder(root), Model()
    clean(root)
    for store in folder.stores:
        store.clean()
    for rank in range(world):
        propose_all(folder, model, prompts, rank, world)
    for rank in range(world):
        draw_all(folder, model, rank, world)
    for rank in range(world):
        judge_all(folder, model, rank, world)
    rebuild(folder)
    return folder
