"""What an installed wheel holds: the configuration, the tokenizer, the weights, the report's template."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_an_unpacked_wheel_checks_requests_and_finds_its_files(tmp_path: Path) -> None:
    source, wheels, installed = tmp_path / "source", tmp_path / "wheels", tmp_path / "installed"
    source.mkdir()
    for name in ("unictk", "conf"):
        shutil.copytree(
            ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "local.yaml")
        )
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(wheels),
    ]
    subprocess.run([*build, str(source)], check=True, capture_output=True, timeout=200)
    (wheel,) = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
        names = set(archive.namelist())
    ours = {f"unictk/conf/{path.relative_to(ROOT / 'conf')}" for path in (ROOT / "conf").rglob("*.yaml")}
    assert ours - {"unictk/conf/paths/local.yaml"} <= names
    assert {
        "unictk/conf/schema.json",
        *(f"unictk/report/{name}" for name in ("page.html.j2", "drawn.html.j2", "compare.html.j2")),
        *(f"unictk/report/{name}" for name in ("style.css", "page.css", "compare.css")),
        *(f"unictk/report/{name}" for name in ("table.js", "scatter.js", "compare.js")),
        "unictk/selfplay/paper_categories.yaml",
        "unictk/assets/tokenizer/tokenizer.json",
        "unictk/assets/sprites/README.md",
        "unictk/assets/sprites/known.safetensors",
        "unictk/assets/sprites/showo/model.safetensors",
        "unictk/assets/sprites/magvit/model.safetensors",
        "unictk/assets/sprites/clip/open_clip_model.safetensors",
    } <= names
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", "unictk.app"]
    done = subprocess.run(
        [*command, "concept=chelsee"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: concept: 'chelsee' is not a choice; nearest: chelsea")
    shown = subprocess.run(
        [*command, "--cfg", "job"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr
    assert "unictk.backbones.showo.backbone.Showo" in shown.stdout
