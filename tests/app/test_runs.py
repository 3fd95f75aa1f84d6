"""Runs in processes of their own: folder, resuming, done, rerun, secrets, sweeps, completion, help."""

import json
import os
import signal
import subprocess
import time

import pytest
import yaml


def status(folder):
    return json.loads((folder / "status.json").read_text())


def test_a_run_leaves_its_records_and_nothing_else(shell):
    ended = shell.run("seed=3", "objective=b/score")
    assert (ended.returncode, ended.stderr) == (0, "")
    (folder,) = shell.folders()
    assert folder.name.startswith("objective-b-score_seed-3-")
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoints",
        "config.yaml",
        "metrics.json",
        "status.json",
    ]
    record = status(folder)
    assert (record["state"], record["reason"], record["world_size"]) == ("done", None, 1)
    assert {name: stage["state"] for name, stage in record["stages"].items()} == {"s1": "done", "s2": "done"}
    assert (folder / "metrics.json").read_text() == '{\n "a/score": null,\n "b/score": 3.12346\n}\n'
    assert sorted(path.name for path in shell.home.iterdir()) == ["calls", "imported", "out"]


def test_plan_is_printed(shell):
    out = shell.run("backbone=b2", "seed=7", COLUMNS="200").stdout
    for row in ("train_small", "b2", "s1: read, s2: draw", "devices 1", "7", "out/backbone-b2_seed-7-"):
        assert row in out


def test_config_record_is_resolved_and_names_no_machine(shell):
    (shell.home / "concept" / "train" / "dog6").mkdir(parents=True)
    assert shell.run("concept=folder", "concept.name=dog6").returncode == 0
    (folder,) = shell.folders()
    record = yaml.safe_load((folder / "config.yaml").read_text())
    assert record["concept"] == {
        "_target_": "unictk.datamodules.concept_data.read_concept",
        "root": "${paths.data}",
        "name": "dog6",
    }
    assert "paths" not in record
    assert "logger" not in record
    assert "devices" not in record["trainer"]
    assert str(shell.home) not in (folder / "config.yaml").read_text()


def test_the_same_request_is_done_whatever_the_machine_or_order(shell):
    assert shell.run("seed=1", "backbone=b2").returncode == 0
    again = shell.run("backbone=b2", "trainer.devices=1", "seed=1", "paths.cache=elsewhere")
    assert again.returncode == 0
    assert again.stdout == f"done already: {shell.folders()[0]} (rerun=true starts afresh)\n"
    assert len(shell.folders()) == 1
    assert len(shell.calls()) == 1
    assert shell.run("seed=2", "backbone=b2").returncode == 0
    assert len(shell.calls()) == 2


def test_rerun_starts_afresh(shell):
    shell.run("seed=1")
    (folder,) = shell.folders()
    (folder / "checkpoints" / "left").touch()
    ended = shell.run("seed=1", "rerun=true")
    assert ended.returncode == 0
    assert shell.folders() == [folder]
    assert not (folder / "checkpoints" / "left").exists()
    assert [line.split()[1] for line in shell.calls()] == ["False", "False"]


def test_a_failed_run_tells_why_and_resumes(shell):
    failed = shell.run("stages.s2.note=explode", WANDB_API_KEY="abcdefgh12345")
    (folder,) = shell.folders()
    assert failed.returncode == 1
    log = folder / "error.log"
    assert failed.stderr == f"error: RuntimeError: no memory for *** of s2 (traceback: {log})\n"
    record = status(folder)
    assert (record["state"], record["reason"]) == ("failed", "RuntimeError: no memory for *** of s2")
    assert (record["stages"]["s1"]["state"], record["stages"]["s2"]["state"]) == ("done", "running")
    assert "Traceback" in log.read_text()
    assert "abcdefgh12345" not in log.read_text()
    again = shell.run("stages.s2.note=explode")
    assert again.returncode == 0
    assert "resuming" in again.stdout
    assert status(folder)["state"] == "done"
    assert [line.split()[1] for line in shell.calls()] == ["False", "True"]


def test_a_user_error_after_a_stage_began_is_a_failed_run(shell):
    ended = shell.run("stages.s1.note=refuse")
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: stages: found wrong late (traceback: ")


def wait_for(test, seconds=20):
    until = time.monotonic() + seconds
    while not test():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_live_run_is_refused_and_a_killed_one_resumes(shell):
    running = subprocess.Popen(
        shell.command("stages.s1.note=wait"),
        env=shell.environment(),
        cwd=shell.home,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: shell.calls())
        (folder,) = shell.folders()
        second = shell.run("stages.s1.note=wait")
        assert second.returncode == 2
        assert second.stderr == (
            f"error: {folder.name}: process {running.pid} is running this request; wait or end it\n"
        )
        assert len(shell.calls()) == 1
    finally:
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
    assert status(folder)["state"] == "running"
    third = subprocess.Popen(
        shell.command("stages.s1.note=wait"),
        env=shell.environment(),
        cwd=shell.home,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: len(shell.calls()) == 2)
        assert shell.calls()[1].split()[1] == "True"
    finally:
        third.kill()
        third.wait()


def test_interruption_is_recorded(shell):
    running = subprocess.Popen(
        shell.command("stages.s1.note=wait"),
        env=shell.environment(),
        cwd=shell.home,
        stdout=subprocess.DEVNULL,
        # A shell's background jobs ignore interrupts, and so would all that tests start in one of them.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_for(lambda: shell.calls())
    running.send_signal(signal.SIGINT)
    assert running.wait(20) == 1
    assert status(shell.folders()[0])["reason"] == "interrupted"


def test_secrets_reach_no_file_and_no_name(shell):
    ended = shell.run("+backbone.api_key=sk-verysecret", "backbone.weights=http://me:sk-verysecret@host/x")
    assert ended.returncode == 0
    (folder,) = shell.folders()
    assert "sk-verysecret" not in ended.stdout + ended.stderr + folder.name
    for file in folder.rglob("*"):
        assert file.is_dir() or "sk-verysecret" not in file.read_text()
    assert yaml.safe_load((folder / "config.yaml").read_text())["backbone"]["api_key"] == "***"
    assert (
        "done already"
        in shell.run("+backbone.api_key=sk-another", "backbone.weights=http://me:sk-verysecret@host/x").stdout
    )


def test_a_sweep_runs_every_job_and_lists_the_failures(shell):
    arguments = (
        "-m",
        "seed=1,2",
        "stages.s2.note=fine,explode",
        "objective=b/score",
        "+backbone.api_key=sk-hidden",
    )
    ended = shell.run(*arguments)
    assert ended.returncode == 1
    (sweep,) = shell.folders()
    assert sweep.name.startswith("sweep-objective-b-score_seed-1-2_stages.s2.note-fine-explode-")
    record = json.loads((sweep / "sweep.json").read_text())
    assert [(job["state"], job["objective"]) for job in record["jobs"]] == [
        ("failed", None),
        ("done", 1.12346),
        ("failed", None),
        ("done", 2.12346),
    ]
    failures = [line for line in ended.stderr.splitlines() if line.startswith("failed: ")]
    assert failures == [
        f"failed: {sweep / job['folder']}: RuntimeError: no memory for None of s2"
        for job in record["jobs"]
        if job["state"] == "failed"
    ]
    names = sorted(path.name for path in sweep.iterdir())
    assert names == sorted([job["folder"] for job in record["jobs"]] + ["report.html", "sweep.json"])
    page = (sweep / "report.html").read_text()
    assert f"report: {sweep / 'report.html'}" in ended.stdout
    assert "RuntimeError: no memory for None of s2" in page
    assert "sk-hidden" not in ended.stdout + ended.stderr + (sweep / "sweep.json").read_text() + page
    assert len(shell.calls()) == 4
    again = shell.run(*arguments)
    assert (again.returncode, again.stderr) == (0, "")
    assert shell.folders() == [sweep]
    assert again.stdout.count("done already: ") == 2
    assert [line.split()[1] for line in shell.calls()[4:]] == ["True", "True"]


def test_a_job_with_two_devices_runs_in_a_process_of_its_own(shell):
    ended = shell.run("-m", "seed=1,2", "trainer.devices=2", LOCAL_RANK="0")
    assert (ended.returncode, ended.stderr) == (0, "")
    (sweep,) = shell.folders()
    jobs = [path for path in sorted(sweep.iterdir()) if path.is_dir()]
    assert [path.name[:7] for path in jobs] == ["seed-1-", "seed-2-"]
    assert len({status(path)["pid"] for path in jobs}) == 2
    assert (sweep / "report.html").is_file()
    assert shell.imported() == "", "the sweep process itself ran the task, or its report needs torch"


def test_a_killed_job_of_its_own_process_is_recorded_and_the_next_one_runs(shell):
    sweep = subprocess.Popen(
        shell.command("-m", "seed=1,2", "stages.s1.note=wait", "trainer.devices=2"),
        env=shell.environment(),
        cwd=shell.home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    for count in (1, 2):
        wait_for(lambda count=count: len(shell.calls()) == count)
        name = shell.calls()[-1].split()[0]
        os.kill(status(shell.folders()[0] / name)["pid"], signal.SIGKILL)
    _, told = sweep.communicate(timeout=30)
    assert sweep.returncode == 1
    assert told.count("ended by signal 9") == 2


def test_ranks_that_another_launcher_started_are_refused(shell):
    ended = shell.run("seed=1", RANK="1")
    assert ended.returncode == 2
    assert ended.stderr == (
        "error: RANK: set by another launcher than torchrun; "
        "start one process with trainer.devices=<number>\n"
    )


def test_a_rank_that_this_run_started_writes_nothing(shell):
    shell.run("seed=1", "stages.s1.note=explode")
    (folder,) = shell.folders()
    before = {path: path.read_text() for path in folder.iterdir() if path.is_file()}
    ended = shell.run("seed=1", "stages.s1.note=explode", RANK="1", UNICTK_RESUMING="1")
    assert ended.returncode == 0
    assert ended.stdout == "", "only rank 0 prints the plan"
    assert {path: path.read_text() for path in folder.iterdir() if path.is_file()} == before
    assert shell.calls()[-1].split()[1] == "True"


def test_help_names_tasks_groups_and_five_examples(shell):
    began = time.monotonic()
    ended = shell.shipped("--help")
    assert time.monotonic() - began < 6
    assert (ended.returncode, ended.stderr, shell.imported()) == (0, "", "")
    assert ended.stdout.count("\n  python run.py") == 5
    for told in ("check_data   Lists everything", "strategy       ", "ddp", "rerun=true", "Exit codes"):
        assert told in ended.stdout


def test_every_example_of_the_help_page_is_a_right_request(shell, monkeypatch):
    from unictk.app.conf_tree import ConfTree, conf_dir
    from unictk.app.help_page import help_page
    from unictk.app.preflight import check
    from unictk.app.request import read_request
    from unictk.app.resolvers import register

    (shell.home / "my_data" / "concept" / "train" / "dog6").mkdir(parents=True)
    monkeypatch.chdir(shell.home)
    register()
    page = help_page(ConfTree((conf_dir(),)))
    examples = [line.split()[2:] for line in page.splitlines() if line.startswith("  python run.py")]
    assert len(examples) == 5
    for example in examples:
        assert check(read_request(example)).plain["seed"] >= 0


def test_help_shows_the_groups_of_a_config_dir(shell):
    assert "b1, b2" in shell.run("--help").stdout


def test_completion_offers_options(shell):
    ended = shell.shipped("-sc", "query=bash", COMP_LINE="run.py logger=", COMP_POINT="14")
    assert ended.stdout.split() == [
        "logger=csv",
        "logger=many",
        "logger=none",
        "logger=tensorboard",
        "logger=wandb",
    ]
    assert shell.imported() == ""


@pytest.mark.parametrize("kind", ["job", "hydra", "all"])
def test_cfg_prints_the_configuration_and_runs_nothing(shell, kind):
    ended = shell.run(f"--cfg={kind}", "seed=5")
    assert ended.returncode == 0
    assert ("seed: 5" in ended.stdout) == (kind != "hydra")
    assert not shell.output.exists()


def torchrun(shell, *arguments, **environment):
    starter = [shell.command()[0], "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return shell.execute([*starter, *shell.command(*arguments)[1:]], OMP_NUM_THREADS="1", **environment)


@pytest.mark.slow
def test_under_torchrun_the_first_process_decides_for_all(shell):
    begun = torchrun(shell, "seed=1")
    assert begun.returncode == 0, begun.stderr
    (folder,) = shell.folders()
    assert status(folder)["state"] == "done"
    assert begun.stdout.count("train_small") == 1, "only one of them prints the plan"
    assert [line.split()[1] for line in shell.calls()] == ["False", "False"]
    again = torchrun(shell, "seed=1")
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("done already") == 1
    assert len(shell.calls()) == 2


@pytest.mark.slow
def test_under_torchrun_a_restart_resumes(shell):
    """The first try of the stage explodes; torchrun starts all again, and they go on."""
    starter = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=1"]
    command = shell.command("stages.s2.note=explode")
    ended = shell.execute([command[0], *starter, *command[1:]], OMP_NUM_THREADS="1")
    assert ended.returncode == 0, ended.stderr
    assert status(shell.folders()[0])["state"] == "done"
    assert {line.split()[1] for line in shell.calls()} == {"False", "True"}


def test_ways_to_start_many_processes_that_cannot_work(shell):
    ended = shell.run("-m", "seed=1,2", TORCHELASTIC_RUN_ID="x", RANK="0")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert ended.stderr.startswith("error: -m: torchrun starts every process with the whole sweep; nearest: ")
    ended = shell.run("seed=1", SLURM_STEP_NUM_TASKS="8", SLURM_PROCID="3")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert ended.stderr.startswith("error: srun: 8 tasks of one step would each be the first process")
    assert not shell.output.exists()
