"""Lessons as flows: shares of a batch, what the backbone cannot hold, and work that is dealt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from selfplay_groups import group
from selfplay_players import CATEGORIES
from showo_makers import make_showo

from unictk.datamodules.selfplay import LessonSamples, Work, fitting, lesson_flows
from unictk.selfplay.choosing import ReconstructionRules, choose
from unictk.selfplay.paper_wording import PaperWording
from unictk.selfplay.quotas import Limits, Quotas
from unictk.selfplay.reconstruction import Writer
from unictk.selfplay.rows import LessonRow


def lessons(root: Path, count: int = 10) -> list[LessonRow]:
    """What becomes of ``count`` groups that are all kept."""
    groups = [group([9, 8, 2, 1], CATEGORIES.names[n % 3], n, prompt=f"Prompt {n}.") for n in range(count)]
    for row in (row for one in groups for row in one.rollouts):
        (root / row.image).parent.mkdir(parents=True, exist_ok=True)
        (root / row.image).write_bytes(b"")
    rules = ReconstructionRules()
    chosen = choose(groups, CATEGORIES.names, rules, 5)
    return list(Writer(chosen, CATEGORIES, PaperWording(), rules, 5).lessons(groups))


def kinds(rows: list[LessonRow]) -> dict[str, list[LessonRow]]:
    names = ("generation", "caption", "judgement", "reflection")
    return {name: [row for row in rows if row.kind == name] for name in names}


def test_a_batch_has_the_shares_of_the_lessons(tmp_path: Path) -> None:
    rows = kinds(lessons(tmp_path))
    assert {name: len(found) for name, found in rows.items()} == {
        "generation": 10,
        "caption": 10,
        "judgement": 6,
        "reflection": 2,
    }
    flows = lesson_flows(rows, tmp_path, 14)
    assert {flow.name: flow.batch_size for flow in flows} == {
        "generation": 5,
        "caption": 5,
        "judgement": 3,
        "reflection": 1,
    }
    small = lesson_flows(rows, tmp_path, 2)
    assert min(flow.batch_size for flow in small) == 1, "no kind is lost in a small batch"


def test_samples_are_made_when_they_are_asked_for(tmp_path: Path) -> None:
    rows = kinds(lessons(tmp_path))["caption"]
    samples = LessonSamples(rows, tmp_path)
    assert len(samples) == 10
    assert samples[3].key == rows[3].sample_id
    assert [one.key for one in samples[2:4]] == [rows[2].sample_id, rows[3].sample_id]


def test_what_the_backbone_cannot_hold_is_left_out_and_counted(tmp_path: Path) -> None:
    """Two codes a picture are not those of a Show-o of sixteen."""
    rows = lessons(tmp_path)
    layout = make_showo().layout
    assert fitting(rows, tmp_path, layout)[0] == {}
    short = SimpleNamespace(supports=lambda sample: "too long" if len(sample.images) > 1 else None)
    kept, refused = fitting(rows, tmp_path, short)  # type: ignore[arg-type]
    assert refused == {"reflection": (2, "too long")}
    assert list(kept) == ["generation", "caption", "judgement"]


def test_work_is_dealt_and_made_when_it_is_due() -> None:
    made: list[int] = []

    def deal(rank: int, world: int) -> Iterator[int]:
        for number in range(rank, 7, world):
            made.append(number)
            yield number

    work: Work[int] = Work(deal)
    work.trainer = SimpleNamespace(global_rank=1, world_size=3)  # type: ignore[assignment]
    steps = iter(work.predict_dataloader())
    assert next(steps) == 1
    assert made == [1]
    assert list(steps) == [4]


@pytest.mark.parametrize(
    ("limits", "quotas"),
    [
        (Limits(), Quotas(10, 10, 6, 2)),
        (Limits(caption=0), Quotas(10, 0, 6, 2)),
        (Limits(3, 0, 1, 0), Quotas(3, 0, 1, 0)),
    ],
)
def test_limits_replace_the_paper_s_shares(limits: Limits, quotas: Quotas) -> None:
    assert limits.of(10) == quotas
