"""Weights that cannot be read: one line that names the file, from the command line, exit code 2."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import ROOT, run
from hydra.utils import instantiate
from omegaconf import OmegaConf

from unictk.backbones import checkpoints

Fault = Callable[[Path], Path]
"""Spoils a folder of weights and says which file (or folder) the line must name."""

LARGER = {"janus": "janus_pro_1b", "bagel": "bagel"}
CONFIGS = {"janus": "config.json", "bagel": "llm_config.json"}


def written(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of several shards, as the small option writes it."""
    conf = ROOT / "conf" / "backbone"
    files = (OmegaConf.load(conf / f"{option}.yaml") for option in (LARGER[name], f"{name}_tiny"))
    merged = OmegaConf.merge(*files)
    for key in ("defaults", "code_folder"):
        if key in merged:
            del merged[key]
    monkeypatch.setattr(checkpoints, "SHARD_BYTES", 400_000)
    folder: Path = instantiate(merged).write_weights(tmp_path)
    assert len(list(folder.glob("*-00*.safetensors"))) > 2
    return folder


def no_folder(folder: Path) -> Path:
    return folder.rename(folder.with_name("elsewhere")).with_name(folder.name)


def no_weights(folder: Path) -> Path:
    next(folder.glob("*.index.json")).unlink()
    return folder


def missing_shard(folder: Path) -> Path:
    shard = sorted(folder.glob("*-00002-of-*.safetensors"))[0]
    shard.unlink()
    return shard


def truncated_shard(folder: Path) -> Path:
    shard = sorted(folder.glob("*-00002-of-*.safetensors"))[0]
    shard.write_bytes(shard.read_bytes()[:500])
    return shard


def truncated_autoencoder(folder: Path) -> Path:
    file = folder / "ae.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    return file


def other_configuration(folder: Path) -> Path:
    file = folder / CONFIGS[folder.name]
    said = json.loads(file.read_text())
    sizes = said.get("text_config", said)
    sizes["num_hidden_layers"] += 1
    file.write_text(json.dumps(said))
    return file


def broken_configuration(folder: Path) -> Path:
    file = folder / CONFIGS[folder.name]
    file.write_text(file.read_text()[:100])
    return file


CASES = [
    pytest.param(name, fault, marks=[] if fault is quick else pytest.mark.slow, id=f"{name}-{fault.__name__}")
    for name, quick, faults in (
        ("janus", truncated_shard, [no_folder, no_weights, missing_shard]),
        ("bagel", missing_shard, [no_folder, no_weights, truncated_shard, truncated_autoencoder]),
    )
    for fault in (quick, *faults, other_configuration, broken_configuration)
]


@pytest.mark.parametrize(("backbone", "fault"), CASES)
def test_one_line_names_the_file(
    backbone: str, fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = written(backbone, tmp_path, monkeypatch)
    named = fault(weights)
    done = run(
        "task=generate",
        "task.prompt=a ball",
        "task.count=1",
        f"backbone={backbone}_tiny",
        f"sampling={backbone}",
        f"backbone.weights={weights}",
        f"paths.output={tmp_path}/out",
        code=2,
    )
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert named.name in done.stderr
    assert str(weights) in done.stderr
    assert "Traceback" not in done.stdout
