"""Self-play in the report: prompts, scores and lessons as recorded, and nothing of them as markup."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image as PILImage
from selfplay_groups import group
from selfplay_players import CATEGORIES

from unictk.report.build import render
from unictk.report.selfplay import shown_rounds
from unictk.selfplay.choosing import ReconstructionRules
from unictk.selfplay.paper_wording import PaperWording
from unictk.selfplay.stores import Stores
from unictk.selfplay.training_set import reconstruct

HOSTILE = "<script>alert('x')</script>"


def run_folder(root: Path) -> Path:
    """Seven groups with lessons; one prompt and one judge's reasons are hostile."""
    stores = Stores(root)
    groups = [group([9, 8, 2, 1], CATEGORIES.names[0], n, prompt=f"Prompt {n} {HOSTILE}") for n in range(6)]
    groups.append(group([None, 3, 3, 1], CATEGORIES.names[1], 6, prompt="Two stars."))
    for row in (row for one in groups for row in one.rollouts):
        (root / row.image).parent.mkdir(parents=True, exist_ok=True)
        PILImage.fromarray(np.zeros((4, 4, 3), dtype=np.uint8)).save(root / row.image)
    said = [replace(row, analysis=f"{HOSTILE} {row.rollout}") for one in groups for row in one.judgements]
    stores.rollouts.write("00-000000", [row for one in groups for row in one.rollouts], "c")
    stores.judgements.write("00-000000", said, "c")
    reconstruct(
        stores.rollouts,
        stores.judgements,
        stores.lessons,
        CATEGORIES,
        PaperWording(),
        ReconstructionRules(),
        5,
    )
    (root / "status.json").write_text('{"state": "done"}')
    return root


def test_prompts_rollouts_and_what_became_of_them(tmp_path: Path) -> None:
    (one,) = shown_rounds(run_folder(tmp_path))
    assert (one.number, one.prompts, one.judge) == (0, 7, "self")
    assert one.lessons == {"generation": 6, "caption": 6, "judgement": 3, "reflection": 1}
    assert [shown.category for shown in one.shown] == [CATEGORIES.names[0]] * 2 + [CATEGORIES.names[1]]
    first = one.shown[0].rollouts
    assert [rollout.score for rollout in first] == [9, 8, 2, 1]
    assert first[0].uses[:2] == ("generation", "caption")
    assert "better picture" in first[0].uses
    assert "picture to better" in first[3].uses
    assert [rollout.score for rollout in one.shown[2].rollouts] == [None, 3, 3, 1]
    assert not any(rollout.uses for rollout in one.shown[2].rollouts if rollout.score is None)


def test_the_page_shows_them_escaped(tmp_path: Path) -> None:
    page = render(run_folder(tmp_path))
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert page.count('class="rollout"') == 12
    assert "7 prompts, judged by self. Lessons: 6 generation, 6 caption, 3 judgement, 1 reflection." in page
    assert "no score" in page


def test_a_round_that_is_under_way_is_left_out(tmp_path: Path) -> None:
    root = run_folder(tmp_path)
    (root / "selfplay/records/judgements-00-000000.json").unlink()
    assert shown_rounds(root) == []
    assert 'id="selfplay"' not in render(root)


def test_a_record_cannot_name_a_picture_elsewhere(tmp_path: Path) -> None:
    root = tmp_path / "run"
    root.mkdir()
    run_folder(root)
    PILImage.fromarray(np.zeros((4, 4, 3), dtype=np.uint8)).save(tmp_path / "secret.png")
    stores = Stores(root)
    rows = [replace(row, image="../secret.png") for row in stores.rollouts]
    stores.rollouts.write("00-000000", rows, "c")
    (one,) = shown_rounds(root)
    assert {rollout.picture for shown in one.shown for rollout in shown.rollouts} == {None}
