"""A round of self-play that is killed anywhere and gone on with leaves the files of one that was not."""

from __future__ import annotations

import os
import random
import signal
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from selfplay_groups import group
from selfplay_players import CATEGORIES, Folder, Model, draw_all, judge_all, propose_all, rebuild, whole_round

from unictk.selfplay import shards as shards_module
from unictk.selfplay import training_set
from unictk.selfplay.choosing import ReconstructionRules
from unictk.selfplay.groups import read_groups
from unictk.selfplay.paper_wording import PaperWording
from unictk.selfplay.rows import JudgementRow, LessonRow, RolloutRow
from unictk.selfplay.shards import Shards
from unictk.selfplay.summary import summary
from unictk.selfplay.training_set import reconstruct

PROMPTS = 12
"""Four of each category: examples are chosen once."""


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process loses nothing that was written; only a power failure would."""
    monkeypatch.setattr(shards_module, "_flush", lambda path: None)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of the uninterrupted round."""
    return whole_round(tmp_path_factory.mktemp("whole"), PROMPTS).files()


def in_a_process(work: Callable[[], object]) -> int:
    """Run it in a process of its own; its exit code, or minus the signal that ended it."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_at(root: Path, move: int) -> Callable[[], object]:
    """The round in which the ``move``-th file is not given its name: SIGKILL comes in its place."""

    def work() -> None:
        rename, moves = os.replace, [0]

        def counted(source: object, target: object) -> None:
            moves[0] += 1
            if moves[0] == move:
                os.kill(os.getpid(), signal.SIGKILL)
            rename(source, target)

        os.replace = counted
        whole_round(root, PROMPTS)

    return work


@pytest.mark.parametrize("least", [8, pytest.param(30, marks=pytest.mark.slow)])
def test_case_26_killed_at_random_points_and_gone_on_with(
    tmp_path: Path, whole: dict[str, bytes], least: int
) -> None:
    """So many kills, each at another point: some rounds are killed again and again before they end."""
    chance, kills, number = random.Random(0), 0, 0
    while kills < least:
        root, number = tmp_path / str(number), number + 1
        for _ in range(5):
            code = in_a_process(killed_at(root, chance.randint(1, len(whole))))
            assert code in (0, -signal.SIGKILL)
            kills += code == -signal.SIGKILL
        for store in Folder(root).stores:
            store.check()
        whole_round(root, PROMPTS)
        assert Folder(root).files() == whole


def test_case_26_killed_from_outside(tmp_path: Path, whole: dict[str, bytes]) -> None:
    """At moments that nobody chose: within a write, between two, in the middle of an answer."""
    chance, kills = random.Random(1), 0
    for _ in range(8):
        child = os.fork()
        if child == 0:
            whole_round(tmp_path, PROMPTS)
            os._exit(0)
        time.sleep(chance.uniform(0.0, 0.3))
        os.kill(child, signal.SIGKILL)
        kills += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert kills
    assert whole_round(tmp_path, PROMPTS).files() == whole


@pytest.mark.parametrize("world", [2, 3])
def test_case_26_any_number_of_processes_writes_the_same_files(
    tmp_path: Path, whole: dict[str, bytes], world: int
) -> None:
    """At the same time, in one folder."""
    for stage in (
        lambda rank: propose_all(Folder(tmp_path), Model(), PROMPTS, rank, world),
        lambda rank: draw_all(Folder(tmp_path), Model(), rank, world),
        lambda rank: judge_all(Folder(tmp_path), Model(), rank, world),
    ):
        children = []
        for rank in range(world):
            child = os.fork()
            if child == 0:
                try:
                    stage(rank)
                except BaseException:
                    os._exit(1)
                os._exit(0)
            children.append(child)
        assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * world
    rebuild(Folder(tmp_path))
    assert Folder(tmp_path).files() == whole


def test_case_26_merged_reading_has_every_record_once(tmp_path: Path) -> None:
    folder = whole_round(tmp_path, PROMPTS, world=3)
    for store in folder.stores:
        keys = [row.sample_id for row in store]
        assert keys
        assert len(set(keys)) == len(keys), store.kind
    assert sorted(row.sample_id for row in folder.rollouts) == sorted(
        row.sample_id for row in folder.judgements
    )
    assert sum(row.number >= 0 for row in folder.proposals) * 8 == sum(1 for _ in folder.rollouts)


def test_the_summary_counts_every_answer(tmp_path: Path) -> None:
    folder = whole_round(tmp_path, PROMPTS)
    found = summary(folder.proposals, read_groups(folder.rollouts, folder.judgements, 0), folder.lessons)
    assert set(found) == set(CATEGORIES.names)
    proposals, judgements = list(folder.proposals), list(folder.judgements)
    total = sum((line.proposals for line in found.values()), start=type(found["Counting"].proposals)())
    assert total == {s: sum(row.status == s for row in proposals) for s in {row.status for row in proposals}}
    assert sum(line.judgements.total() for line in found.values()) == len(judgements)
    line = found["Counting"].plain()
    mine = [row for row in judgements if row.category == "Counting"]
    assert line["judged"] == len(mine) == 32
    assert sum(line["without_score"].values()) == sum(row.score is None for row in mine) > 0
    assert sum(line["read_by"].values()) == sum(row.score is not None for row in mine)
    assert line["accepted"] == 4
    assert line["kept"] + sum(line["rejected"].values()) == 4
    best = {row.prompt_uid: 0.0 for row in mine}
    for row in mine:
        best[row.prompt_uid] = max(best[row.prompt_uid], row.score or 0.0)
    assert line["mean_best"] == pytest.approx(sum(best.values()) / 4, abs=1e-5)
    assert sum(line["lessons"].values()) == sum(row.category == "Counting" for row in folder.lessons)
    assert line["pictures_per_second"] is None, "nobody took the time"


def filled(root: Path, prompts: int) -> tuple[Shards[RolloutRow], Shards[JudgementRow], Shards[LessonRow]]:
    """Records of that many prompts, eight to a shard."""
    stores = (
        Shards(root, "rollouts", RolloutRow),
        Shards(root, "judgements", JudgementRow),
        Shards(root, "lessons", LessonRow),
    )
    for first in range(0, prompts, 8):
        groups = [
            group(
                [9, 8, 2, 1, 5, 6, 7, 3], CATEGORIES.names[n % 3], n, prompt=f"Prompt {n}. " + "word " * 400
            )
            for n in range(first, min(first + 8, prompts))
        ]
        name = f"00-{first:06d}"
        stores[0].write(name, [row for one in groups for row in one.rollouts], "c")
        stores[1].write(name, [row for one in groups for row in one.judgements], "c")
    return stores


def peak(root: Path, prompts: int) -> int:
    """Most bytes that reconstruction holds at a time in Python."""
    stores = filled(root, prompts)
    tracemalloc.start()
    reconstruct(*stores, CATEGORIES, PaperWording(), ReconstructionRules(), 1)
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(1 for _ in stores[2]) > prompts
    return found


def test_memory_hardly_grows_with_the_number_of_prompts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seven times the prompts: what is remembered of one is far less than its record."""
    monkeypatch.setattr(training_set, "SHARD", 16)  # else the large one alone fills a shard
    small, large = peak(tmp_path / "small", 16), peak(tmp_path / "large", 112)
    record = 8 * 2 * 2000  # texts of eight rollouts and judgements, each with its prompt
    assert (large - small) / (112 - 16) < 0.1 * record
