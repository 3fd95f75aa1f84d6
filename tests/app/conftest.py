"""A small tree of YAML groups with real targets, beside the shipped one, for the shell's tests."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

TARGETS = '''
"""Targets of the test tree: they need nothing heavy, so that a run takes a second."""
import dataclasses, os, time
from pathlib import Path
from typing import Annotated, Any, Literal, Optional
from annotated_types import Ge, Gt, Le
from unictk.errors import UserError

@dataclasses.dataclass
class Mask:
    ratio: Annotated[float, Ge(0), Le(1)] = 0.5
    schedule: Literal["cosine", "linear"] = "cosine"

class Stage:
    def __init__(self, rows: Annotated[int, Ge(1)], lr: Annotated[float, Gt(0)] = 0.1,
                 mask: Optional[Mask] = None, drop: Annotated[float, Ge(0), Le(1)] = 0.0, note: str = ""):
        self.rows = rows

class Backbone:
    def __init__(self, width: int, weights: str | None = None, api_key: str | None = None):
        self.width = width

def train(cfg: "DictConfig", folder: "RunFolder") -> dict[str, float]:
    log = Path(os.environ["CALLS"])
    with log.open("a") as file:
        file.write(f"{folder.path.name} {folder.resuming} {cfg.seed}\\n")
    for name in cfg.stages:
        if folder.stage_is_done(name):
            continue
        folder.stage_started(name)
        note = cfg.stages[name].get("note")
        if note == "explode" and not folder.resuming:
            raise RuntimeError(f"no memory for {os.environ.get('WANDB_API_KEY')} of {name}")
        if note == "refuse":
            raise UserError("stages: found wrong late")
        if note == "wait":
            time.sleep(60)
        folder.checkpoint_dir(name)
        folder.stage_done(name)
    return {"b/score": cfg.seed + 0.1234567, "a/score": float("nan")}

def ask(cfg: "DictConfig", folder: "RunFolder", question: str, times: Annotated[int, Ge(1)] = 1):
    if question == "wrong":
        raise UserError("task.question: 'wrong' is not a question")
    print("answer " * times)
    return {}
'''

FILES = {
    "small.yaml": """
defaults:
  - _self_
  - paths: default
  - task: train_small
  - backbone: b1
  - concept: none
  - stage@stages.s1: read
  - stage@stages.s2: draw
  - sampling: default
  - trainer: default
  - strategy: single
  - logger: none
  - experiment: null
  - hparams_search: null
  - debug: none
  - override hydra/job_logging: none
  - override hydra/hydra_logging: none
seed: 0
tags: []
objective: null
rows: null
rerun: false
trust: false
study: null
stages: {}
hydra:
  output_subdir: null
  run: {dir: "${paths.output}/${run_name:}"}
  sweep: {dir: "${paths.output}/sweep", subdir: "${run_name:}"}
  job: {name: unictk, chdir: false}
""",
    "task/train_small.yaml": "_target_: small_targets.train\n",
    "task/ask.yaml": "_target_: small_targets.ask\nquestion: ???\n",
    "backbone/b1.yaml": "_target_: small_targets.Backbone\nwidth: 8\nweights: null\n",
    "backbone/b2.yaml": "_target_: small_targets.Backbone\nwidth: 16\n",
    "concept/none.yaml": "_target_: small_targets.Backbone\nwidth: 1\n",
    "concept/folder.yaml": (
        "_target_: unictk.datamodules.concept_data.read_concept\nroot: ${paths.data}\nname: ???\n"
    ),
    "stage/read.yaml": "_target_: small_targets.Stage\nrows: 4\nlr: 0.1\nnote: ''\nmask: {ratio: 0.5}\n",
    "stage/draw.yaml": "_target_: small_targets.Stage\nrows: 8\nlr: 0.2\nnote: ''\n",
    "hparams_search/seeds.yaml": (
        "# @package _global_\nhydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n      seed: choice(1,two)\n"
    ),
    "experiment/typo.yaml": "# @package _global_\nstages:\n  s2:\n    rowz: 3\n",
    "experiment/fine.yaml": "# @package _global_\nstages:\n  s2:\n    rows: 3\n",
}

# Written at exit of every child: which heavy packages it imported.
SITE = """
import atexit, os, sys
def tell():
    found = [name for name in ("torch", "lightning", "transformers", "small_targets") if name in sys.modules]
    open(os.environ["IMPORTED"], "w").write(",".join(found))
atexit.register(tell)
"""


@dataclass
class Shell:
    """Runs ``run.py`` on the small tree in a process of its own."""

    conf: Path
    home: Path

    @property
    def output(self) -> Path:
        return self.home / "out"

    def environment(self, **more: str) -> dict[str, str]:
        clean = {k: v for k, v in os.environ.items() if k not in ("RANK", "LOCAL_RANK", "WANDB_API_KEY")}
        paths = os.pathsep.join([str(self.conf.parent / "site"), str(self.conf.parent), str(ROOT)])
        own = {
            "PYTHONPATH": paths,
            "IMPORTED": str(self.home / "imported"),
            "CALLS": str(self.home / "calls"),
        }
        return clean | own | more

    def command(self, *arguments: str) -> list[str]:
        """The command line; `paths.*` come after the flags and before the overrides, which win."""
        flags = [one for one in arguments if one.startswith("-")]
        lines = [one for one in arguments if not one.startswith("-")]
        own = [f"--config-dir={self.conf}", "--config-name=small"]
        paths = [f"paths.output={self.output}", f"paths.data={self.home}", "trust=true"]
        return [sys.executable, str(ROOT / "run.py"), *own, *flags, *paths, *lines]

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.execute(self.command(*arguments), **environment)

    def shipped(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """On the shipped `conf/` alone."""
        return self.execute([sys.executable, str(ROOT / "run.py"), *arguments], **environment)

    def execute(self, command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=self.environment(**environment),
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def imported(self) -> str:
        return (self.home / "imported").read_text()

    def calls(self) -> list[str]:
        file = self.home / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def folders(self) -> list[Path]:
        return sorted(path for path in self.output.iterdir() if path.is_dir())


@pytest.fixture(scope="session")
def small_conf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from unictk.app import schema

    base = tmp_path_factory.mktemp("tree")
    conf = base / "conf"
    for name, text in FILES.items():
        file = conf / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (base / "small_targets.py").write_text(TARGETS)
    (base / "site").mkdir()
    (base / "site" / "sitecustomize.py").write_text(SITE)
    sys.path.insert(0, str(base))
    try:
        built, _ = schema.build(conf)
    finally:
        sys.path.remove(str(base))
    assert "small_targets.Stage" in built["targets"]
    (conf / "schema.json").write_text(json.dumps(built))
    return conf


@pytest.fixture
def shell(small_conf: Path, tmp_path: Path) -> Shell:
    return Shell(small_conf, tmp_path)
