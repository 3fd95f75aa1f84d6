"""A run folder made by hand, and a browser to look at its report."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from browser import chromium as find_chromium
from devtools import Browser
from PIL import Image as PILImage

from unictk.records import ItemRecord, merge_records
from unictk.report.concept_card import SPRITE_CONCEPT

EVIL = '"><script>document.title="owned"</script><img src=x onerror=\'document.title="owned"\'>{{ 7*7 }}'
STAGES = ("s1", "s2", "s3")


def draw_samples(run: Path, stage: str, level: int) -> None:
    folder = run / "samples" / stage
    folder.mkdir(parents=True)
    images = []
    for prompt_index, prompt in enumerate(("Z first prompt", f"A photo of <bo> {EVIL}")):
        for rollout in range(2):
            name = f"{prompt_index:02d}-{rollout:02d}.png"
            noise = np.random.default_rng([prompt_index, rollout]).integers(0, 120, (12, 12, 3))
            pixels = PILImage.fromarray((noise + level).astype(np.uint8)).resize((300, 300))
            pixels.save(folder / name)
            images.append({"file": name, "prompt": prompt, "rollout": rollout, "seed": rollout})
    PILImage.new("RGB", (600, 600)).save(folder / "grid.png")
    (folder / "samples.json").write_text(json.dumps({"sampling": {}, "images": images}))


def write_records(run: Path) -> None:
    records = []
    for phase, right in (("base", 0), ("s1", 2), ("s1@5", 3), ("s3", 4)):
        for i in range(6):
            answer = "red" if i < right else f"{phase} {EVIL}"
            fields = (f"test/{i}.png" if i % 2 else None, f"What colour is hat {i}? {EVIL}", "Red.")
            records.append(ItemRecord("unifybench/vqa", f"{i}/0", *fields, answer, float(i < right), phase))
            records.append(ItemRecord("unifybench/vqa_bleu", f"{i}/0", *fields, answer, 0.5, phase))
    merge_records(run / "items.parquet", records)


def draw(run: Path, records: list[ItemRecord], phase: str, metric: str, number: int, score: float) -> None:
    """A picture that the benchmark drew, with its records; the second of three points follows the score."""
    key = f"drawn/{phase}/{metric}/00-{number:03d}.png"
    (run / key).parent.mkdir(parents=True, exist_ok=True)
    level = sum(map(ord, phase)) % 120
    PILImage.new("RGB", (48, 48), (level, 40 * number, 90)).save(run / key)
    asked = f"A photo of <bo> {EVIL}" if metric == "concept_attributes" else "A photo of <bo> at home."
    prompt = f"A photo of <bo> in the forest. {EVIL}" if metric.endswith("replay") else asked
    verdict = {
        "score": 10 * score,
        "right": {"0.shape": True, f"0.colour {EVIL}": score > 0.5, "setting": False},
        "analysis": f"In the snow: a big red triangle. {EVIL}",
        "status": "miscounted" if number == 2 else "ok",
    }
    answer = json.dumps({"prompt": prompt, "verdict": verdict, "similar": {"clip_i": 0.71}})
    fields = (f"00-{number:03d}", key, asked, "oracle: 0.shape", answer)
    records.append(ItemRecord(f"unifybench/{metric}", *fields, score, phase))
    records.append(ItemRecord("unifybench/concept_all", *fields, float(score >= 1), phase))


def draw_pictures(run: Path) -> None:
    """Three noises of two metrics in three phases: 0 gets right, 1 stays wrong, 2 is right but miscounted."""
    records: list[ItemRecord] = []
    for phase, gain in (("base", 0.0), ("s1", 0.5), ("s3", 1.0)):
        for metric in ("concept_attributes", "knowledge_replay"):
            for number in range(3):
                draw(run, records, phase, metric, number, gain if number != 1 else 0.0)
    merge_records(run / "items.parquet", records)


@pytest.fixture
def run_folder(finished_run: Path, tmp_path: Path) -> Path:
    """Everything a finished run leaves, with hostile text wherever text can come from outside."""
    return Path(shutil.copytree(finished_run, tmp_path / finished_run.name))


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once, for ``run_folder`` to copy."""
    run = tmp_path_factory.mktemp("finished") / "concept-sprite-1a2b3c"
    (run / "concept").mkdir(parents=True)
    stages = {name: {"state": "done", "seconds": 61.5 * i} for i, name in enumerate(STAGES, 1)}
    status = {"state": "done", "reason": None, "world_size": 1, "stages": stages}
    (run / "status.json").write_text(json.dumps(status | {"overrides": ["concept=sprite", f"tags=[{EVIL}]"]}))
    metrics = {
        "unifybench/judge": f"oracle {EVIL}",
        "unifybench/rec": 0.875,
        "unifybench/rec/base": 0.5,
        "unifybench/rec/n": 40,
        "unifybench/vqa": 0.66667,
        "unifybench/vqa/base": 0.75,
        "unifybench/vqa/n": 6,
        "sprites/qa": None,
        "s1/loss": 0.9,
        "s1/loss/base": 1.5,
    }
    (run / "metrics.json").write_text(json.dumps(metrics))
    config = {
        "seed": 1,
        "tags": [EVIL],
        "long": "x" * 300,
        "task": {"_target_": "unictk.tasks.train"},
        "backbone": {"_target_": "unictk.backbones.showo.backbone.Showo", "weights": "bundled:sprites/showo"},
        "concept": {"_target_": SPRITE_CONCEPT, "root": "${paths.cache}/sprites", "seed": 0},
    }
    (run / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    concept = {"name": "bo", "class_noun": EVIL, "groups": {"identifier": 1, "shared": 16}, "stage": 3}
    concept |= {"tokens": ["<bo>", *(f"<bo:{i}>" for i in range(16))], "metrics": {"hidden": 1}}
    (run / "concept" / "concept.json").write_text(json.dumps(concept))
    for level, stage in enumerate(STAGES):
        draw_samples(run, stage, 60 * level)
        folder = run / "csv" / f"version_{level}"
        folder.mkdir(parents=True)
        lines = [f"{step},{2.5 * 0.97**step + 0.1 * level},0.5" for step in range(60)]
        (folder / "metrics.csv").write_text(f"step,{stage}/loss_text,{stage}/lr\n" + "\n".join(lines) + "\n")
    write_records(run)
    draw_pictures(run)
    return run


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    """Pictures that records name, of which test/5.png is not there; and the concept's own files."""
    root = tmp_path / "data"
    train = root / "concept" / "train" / "bo"
    train.mkdir(parents=True)
    for i in range(14):
        PILImage.new("RGB", (60, 60), (10 * i, 200, 90)).save(train / f"{i}.png")
    info = {
        "class": "dog",
        "info": f"<bo> is red. {EVIL}",
        "extra_info": ["<bo> owns a hat.", f"Held out {EVIL}"],
    }
    (train / "info.json").write_text(json.dumps(info | {"num_testing_info": 1}))
    (root / "test").mkdir(parents=True)
    for i in (1, 3):
        PILImage.new("RGB", (300, 200), (40 * i, 90, 160)).save(root / "test" / f"{i}.png")
    PILImage.new("RGB", (300, 200), "red").save(tmp_path / "secret.png")
    return root


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path."""
    return find_chromium()


Browse = Callable[..., str]


@pytest.fixture(scope="session")
def browser(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A headless browser whose pages can be clicked and typed into; one for all tests, each its own page."""
    with Browser(chromium, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def browse(chromium: str, tmp_path: Path) -> Browse:
    """Opens a page headless; gives its DOM after loading, or takes a screenshot."""
    import subprocess

    def open_page(page: Path, *flags: str, width: int = 1000, height: int = 1600) -> str:
        command = [
            chromium,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--window-size={width},{height}",
            "--virtual-time-budget=2000",
            *flags,
            page.as_uri(),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return open_page
