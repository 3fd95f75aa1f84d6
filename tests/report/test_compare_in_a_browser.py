import time
from pathlib import Path

import numpy as np
import pytest
from devtools import Browser, Page
from PIL import Image as PILImage
from run_folders import write_sweep

from unictk.report.compare import build_comparison

EVIL = '</script><script>document.title="owned"</script><img src=x onerror=\'document.title="owned"\'>'


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sweep = write_sweep(tmp_path_factory.mktemp("compared") / "sweep", EVIL)
    return build_comparison([sweep], sweep / "report.html")


@pytest.fixture
def page(page_file: Path, browser: Browser) -> Page:
    return browser.open(page_file, width=1300)


def column(page: Page, name: str, table: str = "runs-table") -> list[str]:
    """What the cells of a column show, in the order of the rows."""
    return list(
        page.run(
            "(table => { const heads = [...table.querySelectorAll('thead button')];"
            f"const at = heads.findIndex(head => head.dataset.column === '{name}');"
            "return [...table.tBodies[0].rows].map(row => row.cells[at].firstChild?.textContent ?? ''); })"
            f"(document.getElementById('{table}'))"
        )
    )


def heading(name: str) -> str:
    return f"#runs-table thead button[data-column='{name}']"


def numbers(cells: list[str]) -> list[float]:
    return [float(cell) for cell in cells if cell != "–"]


def test_nothing_complains_and_nothing_is_injected(page: Page) -> None:
    assert page.errors() == []
    assert page.run("document.title") == "sweep: runs compared"
    assert page.run("document.images.length") == 0
    assert page.run("document.scripts.length") == 2
    assert f"RuntimeError: no memory {EVIL}" in page.run("document.querySelector('#runs-table').textContent")
    assert (
        page.run(
            "[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames())"
            ".filter(name => name.startsWith('on')).length"
        )
        == 0
    )


def test_the_policy_stops_any_other_script(page: Page) -> None:
    page.run(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'document.title = 1'}))"
    )
    assert page.run("document.title") == "sweep: runs compared"
    assert "Content Security Policy" in page.errors()[0]


def test_it_opens_sorted_by_what_the_sweep_was_for(page: Page) -> None:
    cells = column(page, "unifybench/vqa")
    assert len(cells) == 27
    assert numbers(cells) == sorted(numbers(cells), reverse=True)
    assert cells[-3:] == ["–"] * 3
    assert page.run("document.querySelector('th[aria-sort]').textContent") == "unifybench/vqa"


def test_headings_sort_by_click_and_by_key(page: Page) -> None:
    page.click(heading("unifybench/rec"))
    assert page.run("document.querySelectorAll('#runs-table th[aria-sort]').length") == 1
    cells = column(page, "unifybench/rec")
    assert cells[0] == "0.990", "the running one"
    assert numbers(cells) == sorted(numbers(cells), reverse=True)
    page.press("Enter")
    assert page.run("document.activeElement.closest('th').getAttribute('aria-sort')") == "ascending"
    cells = column(page, "unifybench/rec")
    assert numbers(cells) == sorted(numbers(cells))
    assert cells[-2:] == ["–", "–"], "what is missing stays last"
    page.click(heading("s1/loss"))
    assert page.run("document.querySelector('th[aria-sort]').getAttribute('aria-sort')") == "ascending", (
        "least loss first"
    )
    page.click(heading("run"))
    names = column(page, "run")
    assert (names[0][:14], names[-3:]) == ("concept.seed-0", ["damaged", "deep/er/failed", "running"])
    page.click(heading("run"))
    assert column(page, "run")[0] == "running"


def test_the_best_finished_run_is_bold(page: Page) -> None:
    def bold(name: str) -> list[str]:
        page.click(heading(name))
        return list(
            page.run(
                f"(at => [...document.querySelectorAll('#runs-table tbody tr')].flatMap((row, i) =>"
                "row.cells[at].classList.contains('best') ? [i] : []))"
                f"([...document.querySelectorAll('#runs-table thead button')]"
                f".findIndex(head => head.dataset.column === '{name}'))"
            )
        )

    assert bold("unifybench/rec") == [1], "the running one is above it and not bold"
    loss = bold("s1/loss")
    assert loss[0] == 0
    cells = column(page, "s1/loss")
    assert {cells[i] for i in loss} == {min(cells, key=lambda c: float(c) if c != "–" else 9)}
    assert bold("unifybench/judge") == [], "where all are equal none is best"


def test_filters(page: Page) -> None:
    page.type("#find", "lr-0.01 SEED=1")
    shown = column(page, "run")
    assert len(shown) == 4 + 3 - 1, "seed=1 and concept.seed=1, once both"
    page.type("#find", "failed")
    assert column(page, "run") == ["deep/er/failed"]
    assert page.run("document.querySelector('#count').textContent") == "1 of 27 runs."
    page.type("#find", "no such run")
    assert column(page, "run") == []
    assert "No run has both." in page.run("document.querySelector('#plot').textContent")
    page.type("#find", "")
    page.choose("#tag", "high")
    assert set(column(page, "tags")) == {"high"}
    assert len(column(page, "run")) == 12
    assert page.run("document.querySelectorAll('#plot .mark').length") == 12
    assert page.errors() == []


def test_metrics_can_be_left_out_and_changes_shown(page: Page) -> None:
    before = column(page, "unifybench/rec")
    page.choose("#mode", "change")
    after = column(page, "unifybench/rec")
    pairs = [(a, b) for a, b in zip(before, after, strict=True) if b != "–"]
    assert len(pairs) == 24
    assert all(abs(float(a) - 0.25 - float(b.replace("−", "-"))) < 0.0015 for a, b in pairs)
    page.run("document.querySelector('#columns').open = true")
    page.click("#boxes label:nth-child(2) input")
    assert page.run(f"document.querySelector({heading('unifybench/rec')!r})") is None
    assert column(page, "unifybench/vqa", "groups-table")


def test_groups_show_intervals_and_differences(page: Page) -> None:
    assert column(page, "group", "groups-table") == ["A", "B"]
    assert column(page, "runs", "groups-table") == ["12", "12"]
    low, high = numbers(column(page, "unifybench/rec", "groups-table"))
    assert high - low > 0.2
    assert page.run("document.querySelectorAll('#groups-table .range').length") == 12
    page.choose("#reference", "B")
    assert column(page, "group", "groups-table") == ["A"]
    (cell,) = column(page, "unifybench/rec", "groups-table")
    assert cell.startswith("▼ −0.2")
    assert page.run("document.querySelector('#groups-table td span.down') !== null")
    page.choose("#reference", "A")
    (cell,) = column(page, "unifybench/rec", "groups-table")
    assert cell.startswith("▲ +0.2")
    (loss,) = column(page, "s1/loss", "groups-table")
    assert loss.startswith("▼ −0.25")
    assert page.errors() == []


def test_points_tell_their_run_and_open_its_report(page: Page) -> None:
    marks = "document.querySelectorAll('#plot .mark')"
    assert page.run(f"{marks}.length") == 24
    label = "document.querySelector('#point')"
    assert page.run(f"{label}.hidden")
    page.hover("#plot .mark circle")
    text = page.run(f"{label}.textContent")
    assert "seed = " in text
    assert "unifybench/vqa 0." in text
    page.run(f"{marks}[3].focus()")
    other = page.run(f"{label}.textContent")
    assert other != text
    assert page.run(f"{marks}[3].getAttribute('aria-label')").startswith("concept.seed-")
    inside = f"(({{left, right}}) => left >= 0 && right <= innerWidth)({label}.getBoundingClientRect())"
    assert page.run(inside)
    page.choose(
        "#across",
        str(
            page.run("[...document.querySelector('#across').options].find(o => o.text.endsWith('.lr')).value")
        ),
    )
    xs = page.run(f"[...new Set([...{marks}].map(m => m.querySelector('circle').getAttribute('cx')))].length")
    assert xs == 2
    assert page.run("document.querySelectorAll('#plot text').length") > 8
    page.run(f"{marks}[0].focus()")
    page.press("Enter")
    until = time.monotonic() + 20
    while page.run("document.title") != "one run":
        assert time.monotonic() < until
        time.sleep(0.1)
    assert "/concept.seed-" in page.run("location.href")


@pytest.mark.parametrize(("dark", "media"), [(False, ""), (True, ""), (False, "print")])
def test_light_dark_phone_and_print(
    page_file: Path, browser: Browser, tmp_path: Path, dark: bool, media: str
) -> None:
    page = browser.open(page_file, width=390, height=844, dark=dark, media=media)
    assert page.run("document.documentElement.scrollWidth") <= 390 or media == "print"
    page.screenshot(tmp_path / "shot.png")
    pixels = np.asarray(PILImage.open(tmp_path / "shot.png").convert("L")).astype(float)
    assert (np.median(pixels) < 60) == dark
    assert pixels.max() - pixels.min() > 150
    assert page.run("getComputedStyle(document.querySelector('.tall')).overflowX") == (
        "visible" if media else "auto"
    )
    assert page.errors() == []


def test_print_shows_every_row_and_nothing_lies_over_anything(page_file: Path, browser: Browser) -> None:
    page = browser.open(page_file, width=1100, media="print")
    assert (
        page.run(
            "document.querySelector('.tall').scrollHeight - document.querySelector('.tall').clientHeight"
        )
        == 0
    )
    assert page.run("document.querySelector('#groups').getBoundingClientRect().top") >= page.run(
        "document.querySelector('#runs-table').getBoundingClientRect().bottom"
    )
    assert page.run("getComputedStyle(document.querySelector('#controls')).display") == "none"
    assert page.run("document.querySelector('#runs-table').getBoundingClientRect().right") <= 1100
