"""W&B runs of small jobs, read back from the files that they leave offline."""

import subprocess

import pytest
from wandb_file import read_offline_run


def left_by(folder):
    (file,) = folder.glob("wandb/offline-run-*/*.wandb")
    return read_offline_run(file)


def jobs_of(sweep):
    return [path for path in sorted(sweep.iterdir()) if path.is_dir()]


def test_two_jobs_of_a_sweep_are_two_runs_of_one_group(shell):
    ended = shell.run("-m", "seed=1,2", "logger=wandb", "tags=[mine]", "+backbone.api_key=sk-verysecret")
    assert (ended.returncode, ended.stderr) == (0, "")
    (sweep,) = shell.folders()
    first, second = map(left_by, jobs_of(sweep))
    assert first.run.run_id != second.run.run_id
    assert first.run.run_group == second.run.run_group == sweep.name
    assert [one.run.display_name for one in (first, second)] == [path.name for path in jobs_of(sweep)]
    assert first.run.job_type == "train_small"
    assert sorted(first.run.tags) == ["mine", "seed=1", "tags=[mine]"]
    assert (first.config["seed"], second.config["seed"]) == (1, 2)
    assert first.config["stages.s1.mask.ratio"] == 0.5
    assert first.config["trainer.devices"] == 1
    assert first.config["backbone.api_key"] == "***"
    assert "+backbone.api_key=***" in first.arguments
    assert (first.summary["b/score"], second.summary["b/score"]) == (1.12346, 2.12346)
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert ended.stdout.count("W&B, offline: wandb sync ") == 2
    for file in sweep.rglob("*"):
        assert file.is_dir() or b"sk-verysecret" not in file.read_bytes(), file


@pytest.mark.slow
def test_jobs_with_processes_of_their_own_are_of_the_sweep_too(shell):
    ended = shell.run("-m", "seed=1,2", "logger=wandb", "trainer.devices=2", WANDB_RUN_ID="agents")
    assert (ended.returncode, ended.stderr) == (0, "")
    (sweep,) = shell.folders()
    runs = [left_by(path).run for path in jobs_of(sweep)]
    assert [run.run_group for run in runs] == [sweep.name] * 2
    assert len({run.run_id for run in runs} - {"agents"}) == 2


@pytest.mark.slow
def test_a_failed_run_says_so_and_its_successor_goes_on_in_it(shell):
    failed = shell.run("stages.s2.note=explode", "logger=wandb", WANDB_MODE="offline")
    assert failed.returncode == 1
    (folder,) = shell.folders()
    before = left_by(folder)
    assert before.exit_code == 1
    assert before.run.run_group == ""
    for file in folder.glob("wandb/offline-run-*/*.wandb"):
        file.rename(file.with_suffix(".first"))
    assert shell.run("stages.s2.note=explode", "logger=wandb").returncode == 0
    (again,) = (read_offline_run(file) for file in folder.glob("wandb/offline-run-*/*.wandb"))
    assert again.run.run_id == before.run.run_id
    assert (again.exit_code, again.summary["b/score"]) == (0, 0.12346)


def test_an_agents_run_is_the_run(shell):
    assert shell.run("seed=1", "logger=wandb", WANDB_RUN_ID="agent123").returncode == 0
    assert left_by(shell.folders()[0]).run.run_id == "agent123"


def test_a_secret_of_the_environment_reaches_no_file(shell):
    secret = "hf_averylongsecret"
    key = "0123456789abcdef" * 3
    words = (f"backbone.weights={secret}", "logger=wandb", "stages.s2.note=explode")
    ended = shell.run(*words, HF_TOKEN=secret, WANDB_API_KEY=key, WANDB_MODE="offline")
    assert ended.returncode == 1
    assert "no memory for *** of s2" in ended.stderr, "the task told the key"
    for hidden in (secret, key):
        assert hidden not in ended.stdout + ended.stderr
        for file in shell.output.rglob("*"):
            assert hidden not in file.name
            assert file.is_dir() or hidden.encode() not in file.read_bytes(), file
    assert left_by(shell.folders()[0]).config["backbone.weights"] == "***"


def test_the_file_is_read_as_wandb_writes_it(shell, tmp_path):
    """A record longer than a block, which the framing cuts: read whole."""
    long = "x" * 70_000
    code = (
        "import wandb\n"
        f"run = wandb.init(mode='offline', dir={str(tmp_path)!r}, settings=wandb.Settings(silent=True))\n"
        f"run.config.update({{'long': {long!r}}})\n"
        "for step in range(50): run.log({'loss': step / 2, 'trainer/global_step': step})\n"
        "run.finish()\n"
    )
    done = shell.execute([shell.command()[0], "-c", code])
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    read = read_offline_run(file)
    assert read.config["long"] == long
    assert read.values("loss") == [(step, step / 2) for step in range(50)]


def test_processes_that_log_nothing_import_no_wandb(shell):
    probe = "import sys; import unictk.app.main, unictk.app.job; assert 'wandb' not in sys.modules"
    done = subprocess.run(
        [shell.command()[0], "-c", probe], env=shell.environment(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
