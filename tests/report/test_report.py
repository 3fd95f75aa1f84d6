import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from unictk.errors import DataError, UserError
from unictk.records import ItemRecord, merge_records
from unictk.report.build import SHOWN_ANSWERS, build_report
from unictk.report.scores import score_table


class Page(HTMLParser):
    """Tags with attributes, and the text of each section."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, str] = {}
        self.section = "head"
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "section":
            self.section = dict(attrs)["id"] or ""

    def handle_data(self, data: str) -> None:
        self.text[self.section] = " ".join((self.text.get(self.section, "") + data).split()) + " "


def page_of(run: Path, data_root: Path | None = None) -> Page:
    return Page(build_report(run, data_root).read_text(encoding="utf-8"))


def test_hostile_text_stays_text(run_folder: Path, data_root: Path) -> None:
    html = build_report(run_folder, data_root).read_text()
    page = Page(html)
    assert "script" not in {tag for tag, _ in page.tags}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert html.count("&lt;script&gt;") > 10
    assert "{{ 7*7 }}" in html
    for tag, attributes in page.tags:
        for name in ("src", "href"):
            if name in attributes:
                assert (attributes[name] or "").startswith("data:image/"), tag
    policy = next(a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_headline_shows_the_change(run_folder: Path) -> None:
    text = page_of(run_folder).text["scores"]
    assert "metric base s1 s3 change items" in text
    assert re.search(r"unifybench/rec recognition: [^.]*0\.5 0\.500 – 0\.875 ▲ \+0\.375 40", text)
    assert re.search(r"unifybench/vqa [^.]* 0\.750 0\.333 0\.667 ▼ −0\.083 6", text)
    assert "sprites/qa questions for an attribute: exact match – – – – –" in text
    assert "s1/loss weighted loss of stage s1, same draws before and after 1.500 0.900 ▼ −0.600" in text
    assert "unifybench/judge: oracle" in text


def test_a_stage_between_has_what_its_records_say() -> None:
    metrics = {"a": 0.5, "a/base": 0.25, "a/n": 4, "b/base": 1, "judge": "rules", "s1/loss": 2.0}
    records = [
        ItemRecord("a", str(i), None, "Q", "R", "A", i / 4, phase) for i in range(4) for phase in ("s1", "s2")
    ]
    table = score_table(metrics, records, ["base", "s1", "s2"])
    assert (table.columns, table.compares, table.unfinished) == (["base", "s1", "s2"], True, frozenset())
    assert [(line.metric, line.values, line.change, line.items) for line in table.lines] == [
        ("a", [0.25, 0.375, 0.5], 0.25, 4),
        ("b", [1.0, None, None], None, None),
    ]


def test_a_killed_stage_has_a_column_and_no_part_in_the_change() -> None:
    records = [
        ItemRecord("a", "0", None, "Q", "R", "A", score, phase) for phase, score in (("s1", 0.5), ("s2", 1.0))
    ]
    table = score_table({"a": 0.5, "a/base": 0.25}, records, ["base", "s1", "s2"], ["s2"])
    assert table.unfinished == {"s2"}
    assert [(line.values, line.change) for line in table.lines] == [([0.25, 0.5, 1.0], 0.25)]
    nothing_yet = score_table({"a/base": 0.25}, records[1:], ["base", "s2"], ["s2"])
    assert nothing_yet.columns == ["base", "s2"]
    assert nothing_yet.lines[0].values == [0.25, 1.0]


def test_without_records_there_is_before_and_after() -> None:
    table = score_table({"a": 0.5, "a/base": 0.25}, [], [])
    assert (table.columns, table.lines[0].values) == (["base", "after"], [0.25, 0.5])
    assert not score_table({"a": 0.5}, [], []).compares


def test_recognition_between_is_the_balance_of_its_recalls_if_that_is_what_it_is() -> None:
    scores = {"positive": (0.0, 1.0), "random": (1.0, 0.5), "hard": (1.0, 0.0)}
    records = [
        ItemRecord(f"u/rec_{kind}", str(i), None, "Q", "R", "A", score, phase)
        for kind, both in scores.items()
        for i, (phase, score) in enumerate(zip(("s1", "s2"), both, strict=True))
    ]
    assert score_table({"u/rec": 0.625}, records, ["s1", "s2"]).lines[0].values == [0.5, 0.625]
    assert score_table({"u/rec": 0.7}, records, ["s1", "s2"]).lines[0].values == [None, 0.7]


def test_less_of_a_loss_or_of_what_failed_is_better() -> None:
    metrics = {"a_unreadable": 0.1, "a_unreadable/base": 0.2, "a": 0.1, "a/base": 0.2}
    lines = score_table(metrics, [], []).lines
    assert {line.metric: line.better for line in lines} == {"a_unreadable": True, "a": False}


def test_wrong_answers_come_first_with_pictures_and_what_was_said_before(
    run_folder: Path, data_root: Path
) -> None:
    page = page_of(run_folder, data_root)
    text = page.text["answers"]
    assert text.strip().startswith("Answers after s3 2 of 6 wrong")
    order = [int(found) for found in re.findall(r"What colour is hat (\d)", text)]
    assert order == [4, 5, 0, 1, 2, 3]
    assert "expected Red. answered s3" in text
    assert "before base" in text
    assert "vqa_bleu" not in text
    assert "verdict" not in text
    assert "drawn/" not in text
    pictures = [a for t, a in page.tags if t == "img" and (a.get("alt") or "").startswith("test/")]
    assert {a["alt"] for a in pictures} == {"test/1.png", "test/3.png"}
    assert "picture not at hand" in text
    assert "text only" in text


def test_the_most_wrong_are_shown_when_not_all_fit(run_folder: Path) -> None:
    many = [
        ItemRecord("unifybench/vqa", f"{i:03d}", None, f"Number {i}?", "A", "b", score, "s3")
        for i, score in enumerate([1.0, 0.5, 0.0] * SHOWN_ANSWERS)
    ]
    (run_folder / "items.parquet").unlink()
    merge_records(run_folder / "items.parquet", many)
    text = page_of(run_folder).text["answers"]
    assert f"{2 * SHOWN_ANSWERS} of {3 * SHOWN_ANSWERS} wrong or partly wrong" in text
    assert f"The first {SHOWN_ANSWERS} are shown" in text
    assert [int(found) % 3 for found in re.findall(r"Number (\d+)", text)] == [2] * SHOWN_ANSWERS


def test_a_record_cannot_pull_in_files_from_elsewhere(run_folder: Path, data_root: Path) -> None:
    outside = ItemRecord("unifybench/vqa", "x", "../secret.png", "Q", "A", "no", 0.0, "s3")
    merge_records(run_folder / "items.parquet", [outside])
    page = page_of(run_folder, data_root)
    assert "../secret.png" in page.text["answers"]
    assert not [a for t, a in page.tags if t == "img" and "secret" in (a.get("alt") or "")]


def test_samples_stand_side_by_side_in_order(run_folder: Path) -> None:
    page = page_of(run_folder)
    text = page.text["samples"]
    assert text.index("Z first prompt") < text.index("A photo of <bo>")
    assert "s1 s2 s3" in text.replace("s1s2s3", "s1 s2 s3")
    drawn = [a for t, a in page.tags if t == "img" and "first prompt" in (a.get("alt") or "")]
    assert [a["alt"] for a in drawn] == [f"Z first prompt ({stage})" for stage in ("s1", "s2", "s3")] * 2
    assert len({a["src"] for a in drawn}) == 6
    (run_folder / "samples" / "s2" / "00-00.png").unlink()
    assert "not drawn" in page_of(run_folder).text["samples"]


def test_curves_follow_the_values(run_folder: Path) -> None:
    page = page_of(run_folder)
    lines = [a["points"] or "" for t, a in page.tags if t == "polyline"]
    assert len(lines) == 3
    points = [tuple(map(float, point.split(","))) for point in lines[0].split()]
    assert points[0] == (0, 0)
    assert points[-1] == (320, 130)
    assert all(left[1] <= right[1] for left, right in itertools.pairwise(points))
    assert "s3/loss_text · last 0.6145 · csv/version_2" in page.text["curves"]
    assert "/lr" not in page.text["curves"]


def test_long_and_broken_runs_of_losses(run_folder: Path) -> None:
    rows = [f"{step},{'nan' if step == 7 else step / 1e4}" for step in range(10000)]
    file = run_folder / "csv" / "version_0" / "metrics.csv"
    file.write_text("step,train/loss\n" + "\n".join(rows) + "\n")
    (run_folder / "csv" / "version_1" / "metrics.csv").write_text("step,loss\n1,0.5\n")
    (run_folder / "csv" / "version_2" / "metrics.csv").write_text("")
    lines = [a["points"] or "" for t, a in page_of(run_folder).tags if t == "polyline"]
    assert len(lines) == 1
    assert 200 < len(lines[0].split()) <= 240
    assert "nan" not in lines[0]


def test_request_and_concept(run_folder: Path) -> None:
    text = page_of(run_folder).text
    assert "python run.py concept=sprite 'tags=[" in text["request"]
    assert "seed: 1" in text["request"]
    assert "identifier: 1 shared: 16" in text["concept"]
    assert "<bo> <bo:0>" in text["concept"]
    assert "rows after stage 3 · Showo · weights bundled:sprites/showo" in text["concept"]
    assert "not at hand on this machine" in text["concept"]
    assert "hidden" not in text["concept"]
    assert "s1: 61.5 s" in text["head"]
    assert "s2: 2.0 min" in text["head"]


def test_a_run_that_failed_early_still_has_a_report(tmp_path: Path) -> None:
    status = {
        "state": "failed",
        "reason": "disk full",
        "stages": {"s1": {"state": "running", "seconds": 0.0}},
    }
    (tmp_path / "status.json").write_text(json.dumps(status))
    page = page_of(tmp_path)
    assert "failed disk full" in page.text["head"]
    assert "s1: not finished" in page.text["head"]
    assert set(page.text) == {"head", "request"}
    assert "The command was not recorded." in page.text["request"]


def test_building_twice_gives_the_same_bytes_and_leaves_nothing_else(run_folder: Path) -> None:
    files = {path.name for path in run_folder.iterdir()}
    first = build_report(run_folder).read_bytes()
    assert build_report(run_folder).read_bytes() == first
    assert {path.name for path in run_folder.iterdir()} == files | {"report.html"}
    assert len(first) < 1_600_000


def test_no_run_and_damaged_files_are_named(tmp_path: Path, run_folder: Path) -> None:
    with pytest.raises(UserError, match="holds no run; expected config"):
        build_report(tmp_path / "nowhere")
    (run_folder / "samples" / "s1" / "00-00.png").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"00-00\.png: cannot be read as a picture"):
        build_report(run_folder)
    (run_folder / "samples" / "s1" / "samples.json").write_text('{"images": [{"file": 1}]}')
    with pytest.raises(DataError, match=r"samples\.json: images are not listed"):
        build_report(run_folder)
    (run_folder / "metrics.json").write_text("{")
    with pytest.raises(DataError, match=r"metrics\.json: cannot be read as JSON"):
        build_report(run_folder)


def test_pictures_without_a_list_are_shown(run_folder: Path) -> None:
    for stage in ("s1", "s2", "s3"):
        (run_folder / "samples" / stage / "samples.json").unlink()
    page = page_of(run_folder)
    assert "(prompt not recorded)" in page.text["samples"]
    assert len([t for t, a in page.tags if t == "img" and "(prompt" not in (a.get("alt") or "")]) == 12 + 18
