import html
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from devtools import Browser, Page
from PIL import Image as PILImage

from unictk.report.build import build_report

Browse = Callable[..., str]

# Measures what no static check sees, in a frame as wide as a phone's screen: a window cannot be so narrow.
PROBE = """<!doctype html>
<iframe id=frame style="width:{width}px;height:900px;border:0" srcdoc="{page}"></iframe>
<script>
frame.onload = () => {{
  const page = frame.contentDocument, wide = page.documentElement.clientWidth;
  const out = [...page.querySelectorAll("main *")].filter(e => !e.closest(".scroll, pre, svg") &&
    e.getBoundingClientRect().right > wide + 1).map(e => e.tagName + "." + e.className);
  const cut = [...page.querySelectorAll("#scores .scroll")].some(e => e.scrollWidth > e.clientWidth);
  const blank = [...page.images].filter(i => !i.naturalWidth).length;
  const more = page.documentElement.scrollWidth - wide;
  document.title = JSON.stringify([more, out, cut, page.images.length, blank]);
}};
</script>"""


def test_no_script_runs(run_folder: Path, data_root: Path, browse: Browse) -> None:
    report = build_report(run_folder, data_root)
    dom = browse(report, "--dump-dom")
    assert "<title>concept-sprite-1a2b3c</title>" in dom
    # Nor does one run where the page's policy is taken away: the escaping alone holds.
    bare = report.with_name("bare.html")
    bare.write_text(re.sub(r"<meta http-equiv[^>]*>", "", report.read_text()))
    assert "<title>concept-sprite-1a2b3c</title>" in browse(bare, "--dump-dom")


@pytest.mark.parametrize("width", [360, 1000])
def test_nothing_is_wider_than_the_screen_and_every_picture_loads(
    run_folder: Path, data_root: Path, browse: Browse, width: int
) -> None:
    page = build_report(run_folder, data_root).read_text()
    probe = run_folder / "probe.html"
    probe.write_text(PROBE.format(width=width, page=html.escape(page)))
    found = re.search(r"<title>(.*?)</title>", browse(probe, "--dump-dom", width=1200), re.DOTALL)
    assert found is not None
    assert found.group(1) == "[0,[],false,44,0]"


def test_light_and_dark(run_folder: Path, data_root: Path, browse: Browse, tmp_path: Path) -> None:
    report = build_report(run_folder, data_root)
    shots = []
    for name, flags in (("light", ()), ("dark", ("--blink-settings=preferredColorScheme=0",))):
        target = tmp_path / f"{name}.png"
        browse(report, *flags, f"--screenshot={target}", width=900, height=900)
        shots.append(np.asarray(PILImage.open(target).convert("L")).astype(float))
    light, dark = shots
    assert np.median(light) > 230
    assert np.median(dark) < 60
    # Text stands out in both.
    assert light.min() < 80
    assert dark.max() > 200


SHOT = "#drawn .shot.wrong button"
TIP = f"document.querySelector('{SHOT}').nextElementSibling"


def seen(page: Page, element: str) -> bool:
    """Whether the element is on the screen, with nothing over its middle that is not its own."""
    return bool(page.run(f"{element}.checkVisibility() && {element}.getBoundingClientRect().height > 20"))


def test_a_picture_tells_what_is_wrong_when_pointed_at(run_folder: Path, browser: Browser) -> None:
    page = browser.open(build_report(run_folder))
    assert not seen(page, TIP)
    page.hover(SHOT)
    assert seen(page, TIP)
    text = page.run(f"{TIP}.innerText")
    for told in ("A photo of <bo>", "shape", "✗", "setting", "In the snow", "<script>", "{{ 7*7 }}"):
        assert told in text
    assert page.errors() == []
    assert page.run("document.title") == "concept-sprite-1a2b3c"


def test_a_picture_tells_it_by_keyboard_and_by_tap(run_folder: Path, browser: Browser) -> None:
    report = build_report(run_folder)
    page = browser.open(report)
    for _ in range(60):
        page.press("Tab")
        if page.run(f"document.activeElement === document.querySelector('{SHOT}')"):
            break
    assert seen(page, TIP), "focus alone shows it"
    page.press("Enter")
    assert page.run(f"{TIP}.matches(':popover-open')")
    page.press("Escape")
    assert not page.run(f"{TIP}.matches(':popover-open')")

    phone = browser.open(report, width=390, height=800)
    phone.tap(SHOT)
    assert phone.run(f"{TIP}.matches(':popover-open')")
    assert phone.run(
        f"(box => box.left >= 0 && box.right <= 390 && box.bottom <= 800)({TIP}.getBoundingClientRect())"
    )
    phone.tap("h1")
    assert not seen(phone, TIP), "a tap elsewhere puts it away"


def test_in_print_nothing_is_hidden_or_cut(run_folder: Path, data_root: Path, browser: Browser) -> None:
    report = build_report(run_folder, data_root)
    closed = "document.querySelector('#answers details:not([open]) .answer')"
    assert not browser.open(report).run(
        f"{closed}.checkVisibility() && {closed}.getBoundingClientRect().height > 20"
    )
    page = browser.open(report, width=700, media="print")
    assert page.run("document.querySelectorAll('details[open]').length") == 0
    inside = "[...document.querySelectorAll('details > :not(summary)')]"
    hidden = f"{inside}.filter(e => !e.checkVisibility() || e.getBoundingClientRect().height < 5).length"
    assert page.run("document.querySelectorAll('details').length") >= 3
    assert page.run(hidden) == 0
    assert page.run("document.documentElement.scrollWidth <= 700")
    assert page.run("getComputedStyle(document.querySelector('.strip')).breakInside") == "avoid"
    blocks = "[...document.querySelectorAll('.strip, .strip img, table')]"
    wide = f"{blocks}.filter(e => e.getBoundingClientRect().right > 701).length"
    assert page.run(wide) == 0
