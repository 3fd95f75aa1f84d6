import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage
from test_report import page_of

from unictk.records import ItemRecord, merge_records, read_records
from unictk.report import drawn
from unictk.report.drawn import drawn_phases, drawn_sections

PHASES = ["base", "s1", "s3"]


def sections(run: Path, budget: int = drawn.BUDGET) -> list[drawn.Section]:
    return drawn_sections(run, read_records(run / "items.parquet"), PHASES, budget)


def test_a_row_has_one_noise_in_every_phase_and_the_most_wrong_comes_first(run_folder: Path) -> None:
    found = sections(run_folder)
    assert [(one.metric, one.shown, one.total) for one in found] == [
        ("concept_attributes", 3, 3),
        ("knowledge_replay", 3, 3),
    ]
    rows = [row for rows in found[0].prompts.values() for row in rows]
    assert [row.name for row in rows] == ["00-001", "00-000", "00-002"]
    for row in rows:
        pictures = [picture for picture in row.pictures if picture]
        assert [picture.phase for picture in pictures] == PHASES
        assert {Path(picture.key).stem for picture in pictures} == {row.name}
        assert len({picture.source for picture in pictures}) == 3


def test_what_a_picture_tells(run_folder: Path) -> None:
    rows = [row for rows in sections(run_folder)[1].prompts.values() for row in rows]
    grades = {row.name: [picture.grade for picture in row.pictures if picture] for row in rows}
    assert grades == {
        "00-000": ["wrong", "partly", "right"],
        "00-001": ["wrong", "wrong", "wrong"],
        "00-002": ["wrong", "partly", "partly"],  # all points right, but another number of things
    }
    picture = next(row for row in rows if row.name == "00-000").pictures[-1]
    assert picture is not None
    assert picture.asked == "A photo of <bo> at home."
    assert (picture.rewritten or "").startswith("A photo of <bo> in the forest.")
    assert list(picture.scores) == ["unifybench/knowledge_replay", "unifybench/concept_all"]
    assert picture.others == {"clip_i": 0.71}
    for counted in ("unifybench/clip_i", "unifybench/dreambooth_clip_i"):
        picture.scores[counted] = 0.71
        assert picture.others == {}
        del picture.scores[counted]
    for told in ("s3: A photo of <bo> in the forest.", "asked: A photo of <bo> at home.", "wrong: setting"):
        assert told in picture.summary


def test_only_phases_that_drew_are_columns(run_folder: Path) -> None:
    records = read_records(run_folder / "items.parquet")
    assert drawn_phases(records, ["base", "s1", "s2", "s3"]) == PHASES
    assert drawn_phases([record for record in records if record.phase == "s1@5"], ["s1", "s1@5"]) == []


def test_a_budget_leaves_rows_out_and_the_page_says_so(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = sum(
        len(p.source or "")
        for one in sections(run_folder)
        for rows in one.prompts.values()
        for r in rows
        for p in r.pictures
        if p
    )
    some = sections(run_folder, whole // 2)
    assert [(one.shown, one.total) for one in some] == [(1, 3), (1, 3)]
    assert next(iter(some[1].prompts.values()))[0].name == "00-001", "the most wrong is kept"
    assert [one.shown for one in sections(run_folder, 1)] == [1, 1], "never nothing"
    assert "strips are shown" not in page_of(run_folder).text["drawn"]
    monkeypatch.setattr(drawn.drawn_sections, "__defaults__", (whole // 2,))
    assert "1 of 3 strips are shown" in page_of(run_folder).text["drawn"]


def test_large_pictures_keep_to_the_budget(run_folder: Path) -> None:
    records = []
    for number in range(40):
        key = f"drawn/s3/clip_i/00-{number:03d}.png"
        (run_folder / key).parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 255, (200, 200, 3), dtype=np.uint8)
        PILImage.fromarray(noise).save(run_folder / key, compress_level=0)
        answer = json.dumps({"prompt": "P", "verdict": None, "similar": {"clip_i": 0.5}})
        records.append(ItemRecord("unifybench/clip_i", f"00-{number:03d}", key, "P", "", answer, 0.5, "s3"))
    (run_folder / "items.parquet").unlink()
    merge_records(run_folder / "items.parquet", records)
    (found,) = sections(run_folder, 300_000)
    assert (found.metric, found.total) == ("clip_i", 40)
    sizes = [len(picture_of(row).source or "") for row in found.prompts["P"]]
    assert 300_000 - max(sizes) < sum(sizes) <= 300_000
    assert max(sizes) > 10_000
    assert drawn.BUDGET <= 3_000_000
    assert picture_of(found.prompts["P"][0]).grade == "unjudged", "a similarity is no verdict"


def picture_of(row: drawn.Row) -> drawn.Picture:
    (picture,) = [one for one in row.pictures if one]
    return picture


def test_a_missing_picture_and_one_from_elsewhere(run_folder: Path) -> None:
    (run_folder / "drawn/s1/concept_attributes/00-000.png").unlink()
    PILImage.new("RGB", (9, 9)).save(run_folder.parent / "secret.png")
    answer = json.dumps({"prompt": "P", "verdict": None, "similar": {}})
    outside = ItemRecord("unifybench/clip_i", "x", "drawn/../../secret.png", "Q", "", answer, 0.0, "s3")
    merge_records(run_folder / "items.parquet", [outside])
    found = [
        p
        for one in sections(run_folder)
        for rows in one.prompts.values()
        for row in rows
        for p in row.pictures
        if p
    ]
    assert {p.key for p in found if p.source is None} == {
        "drawn/s1/concept_attributes/00-000.png",
        outside.image,
    }
    assert page_of(run_folder).text["drawn"].count("picture not at hand") == 2


def test_a_verdict_without_a_picture_is_told_in_words(run_folder: Path) -> None:
    verdict = {"score": 5.0, "right": {"0.hat": False}, "analysis": "Seen it.", "status": "ok"}
    one = ItemRecord(
        "sprites/generation", "0001", None, "Draw.", "oracle: 0.hat", json.dumps(verdict), 0.0, "s3"
    )
    merge_records(run_folder / "items.parquet", [one])
    text = page_of(run_folder).text["answers"]
    assert "expected oracle: 0.hat wrong ✗ hat seen Seen it." in text
    assert '"status"' not in text
