# ruff: noqa: E501  (a whole message is one line)
"""Wrong requests: the whole message, exit code 2, one line, nothing heavy imported, nothing written."""

import time
from pathlib import Path

import pytest

SEED = "expected an integer >= 0 and <= 4294967295"
TRAINER = (
    "accelerator, devices, num_nodes, precision, max_epochs, max_steps, accumulate_grad_batches, "
    "gradient_clip_val, log_every_n_steps, deterministic, use_distributed_sampler, num_sanity_val_steps, "
    "enable_model_summary, strategy"
)
ROOT_KEYS = "seed, tags, objective, rows, rerun, trust, study, stages, paths, task, backbone, concept, sampling, trainer, logger"

WRONG = [
    (["backbone=b3"], "backbone: 'b3' is not a choice; nearest: b2. All: {backbones}"),
    (["backbon=b1"], f"backbon: 'b1' is given, but the configuration has no 'backbon'; nearest: backbone. All: {ROOT_KEYS}, {{groups}}"),
    (["trainer.max_epoch=3"], f"trainer.max_epoch: 3 is given, but trainer has no 'max_epoch'; nearest: trainer.max_epochs. All: {TRAINER}"),
    (["~trainer.max_epoch"], f"trainer.max_epoch: null is given, but trainer has no 'max_epoch'; nearest: trainer.max_epochs. All: {TRAINER}"),
    (["max_epochs=3"], "max_epochs: 3 is given to a key that is not here; nearest: trainer.max_epochs"),
    (["stages.s2.rowz=3"], "stages.s2.rowz: 3 is given, but stages.s2 has no 'rowz'; nearest: stages.s2.rows. All: rows, lr, note"),
    (["stages.s3.rows=3"], "stages.s3.rows: 3 is given, but stages has no 's3'; nearest: stages.s2.rows. All: s1, s2"),
    (["stages.s1={rowz:3}"], "stages.s1.rowz: 3 is given, but stages.s1 has no 'rowz'; nearest: stages.s1.rows. All: rows, lr, note, mask"),
    (["seed.x=3"], "seed.x: 3 is given below seed, which is a value, not a section"),
    (["seed=abc"], f"seed: 'abc' is not allowed, {SEED}"),
    (["seed=[1,2]"], f"seed: [1, 2] is not allowed, {SEED}"),
    (["seed=null"], f"seed: null is not allowed, {SEED}"),
    (["seed=true"], f"seed: true is not allowed, {SEED}"),
    (["seed=2.6"], f"seed: 2.6 is not allowed, {SEED}; nearest: 3"),
    (["trainer.max_epochs=two"], "trainer.max_epochs: 'two' is not allowed, expected an integer >= 1"),
    (["trainer.max_epochs=-1"], "trainer.max_epochs: -1 is not allowed, expected an integer >= 1; nearest: 1"),
    (["trainer.devices=0"], "trainer.devices: 0 is not allowed, expected an integer >= 1 or a list of [an integer >= 0] or auto; nearest: 1"),
    (["trainer.accelerator=gpus"], "trainer.accelerator: 'gpus' is not a choice; nearest: gpu. All: auto, cpu, gpu, cuda, mps"),
    (["sampling.steps=0"], "sampling.steps: 0 is not allowed, expected an integer >= 1; nearest: 1"),
    (["+stages.s1.drop=1.5"], "stages.s1.drop: 1.5 is not allowed, expected a number >= 0 and <= 1; nearest: 1"),
    (["stages.s1.mask.ratio=7"], "stages.s1.mask.ratio: 7 is not allowed, expected a number >= 0 and <= 1; nearest: 1"),
    (["stages.s1.mask=3"], "stages.s1.mask: 3 is not allowed, expected a section with a _target_ (small_targets.Mask) or null"),
    (["stages.s1.drop=0.5"], "stages.s1.drop: 0.5 is for a key not set here; small_targets.Stage takes it: write +stages.s1.drop=0.5"),
    (["+stages.s1.mask.schedule=cosin"], "stages.s1.mask.schedule: 'cosin' is not a choice; nearest: cosine. All: cosine, linear"),
    (["stages.s1.note=12"], "stages.s1.note: 12 is not allowed, expected text; nearest: '\"12\"' (quoted, so that it is text)"),
    (["task=ask"], "task.question: ??? is not given; give task.question=<text>"),
    (["seed=[1,2"], "seed: '[1,2' cannot be read (no viable alternative at input '[1,2'); expected key=value with closed quotes and brackets"),
    (["seed"], "seed: not an override; expected key=value, +key=value or ~key"),
    (["--nope"], "command line: unrecognized arguments: --nope; expected key=value, -m or --help"),
    (["--config-dir=nope"], "--config-dir: 'nope' is not a folder; expected one of YAML groups"),
    (["+stages.s1.foo=1"], "stages.s1.foo: 1 is given, but small_targets.Stage has no 'foo'. All: rows, lr, note, mask, drop"),
    (["++stages.s1.rosw=1"], "stages.s1.rosw: 1 is given, but small_targets.Stage has no 'rosw'; nearest: stages.s1.rows. All: rows, lr, note, mask, drop"),
    (["++seed=x"], f"seed: 'x' is not allowed, {SEED}"),
    (["+paths.foo=1"], "paths.foo: 1 is given, but paths has no 'foo'. All: data, output, cache"),
    (["+seed=3"], "seed: 3 is added, but the key is there: write it without +"),
    (["~stages.s1.rows"], "stages.s1.rows: not given, but small_targets.Stage needs it: an integer >= 1"),
    (["~seed"], "seed: removed, but it is needed, expected an integer >= 0 and <= 4294967295"),
    (["experiment=typo"], "stages.s2.rowz: 3 is given, but small_targets.Stage has no 'rowz'; nearest: stages.s2.rows. All: rows, lr, note, mask, drop"),
    (["stage=read"], "stage: 'read' has no place here; nearest: stage@stages.s2=read. All: stage@stages.s1, stage@stages.s2"),
    (["stage@stages.s9=read"], "stage@stages.s9: 'read' has no place here; nearest: stage@stages.s2=read. All: stage@stages.s1, stage@stages.s2"),
    (["seed=1,2"], "seed: '1,2' is a list of values, which needs -m"),
    (["-m", "seed=1,2,x"], f"seed: 'x' is not allowed, {SEED}"),
    (["-m", "seed=range(-3,2)"], f"seed: -3 is not allowed, {SEED}; nearest: 0"),
    (["-m", "seed=range(3,3)"], "seed: the range holds no value, expected start < stop"),
    (["-m", "stages.s1.lr=interval(0.0,1.0)"], "stages.s1.lr: 0.0 is not allowed, expected a number > 0"),
    (["-m", "backbone=b1,b9"], "backbone: 'b9' is not a choice; nearest: b2. All: {backbones}"),
    (["-m", "backbone=b1,b2", "backbone.weights=a"], "backbone.weights: 'a' is for a key not set here; small_targets.Backbone takes it: write +backbone.weights=a"),
    (["-m", "stages.s1.lr=0.1,0"], "stages.s1.lr: 0 is not allowed, expected a number > 0"),
    (["hparams_search=seeds"], f"seed: 'two' is not allowed, {SEED}"),
    (["concept=folder"], "concept.name: ??? is not given; give concept.name=<name>. All: cat1, dog6"),
    (["concept=folder", "concept.name=dog"], "concept.name: 'dog' is not a choice; nearest: dog6. All: cat1, dog6 (paths.data)"),
    (["-m", "concept=folder", "concept.name=dog6,dgo6"], "concept.name: 'dgo6' is not a choice; nearest: dog6. All: cat1, dog6 (paths.data)"),
    (["concept=folder", "concept.name=dog6", "paths.data=elsewhere"], "paths.data: 'elsewhere' has no folder concept/train; expected the UniCTokens layout"),
    (["paths.output=calls/x"], "paths.output: 'calls/x' cannot be written; expected a folder, or one to be made"),
    (["rows=elsewhere"], "rows: 'elsewhere' is not a concept folder: it has no concept.json"),
    (["seed=${nowhere.key}"], "seed: '${nowhere.key}' cannot be resolved: Interpolation key 'nowhere.key' not found"),
]  # fmt: skip


def _fill(message: str, conf: Path) -> str:
    from unictk.app.conf_tree import ConfTree, conf_dir

    groups = ConfTree((conf_dir(), conf)).groups
    listed = [name for name in groups if name not in ROOT_KEYS.split(", ")]
    return message.replace("{backbones}", ", ".join(groups["backbone"])).replace(
        "{groups}", ", ".join(listed)
    )


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=[" ".join(case[0]) for case in WRONG])
def test_wrong_request(shell, arguments, message):
    for name in ("cat1", "dog6"):
        (shell.home / "concept" / "train" / name).mkdir(parents=True)
    (shell.home / "calls").touch()
    began = time.monotonic()
    ended = shell.run(*arguments)
    took = time.monotonic() - began
    expected = _fill(message, shell.conf)
    if len(expected.partition("All: ")[2].split(", ")) > 24:
        head, _, names = expected.partition("All: ")
        expected = f"{head}All: {', '.join(names.split(', ')[:24])}, ..."
    assert ended.stderr == f"error: {expected}\n"
    assert (ended.returncode, ended.stdout) == (2, "")
    assert shell.imported() == ""
    assert not shell.output.exists()
    assert took < 6, "1.5 s is promised on an idle machine; this bound only finds what is badly slow"


def test_every_swept_option_is_composed_even_beyond_the_cap(shell):
    """4 x 2 x 2 combinations are more than are composed; the wrong value hides in the last option."""
    ended = shell.run(
        "-m",
        "trainer=default,cpu,gpu",
        "logger=none,csv",
        "sampling=default",
        "backbone=b1,b2",
        "experiment=fine,typo",
    )
    assert ended.returncode == 2
    assert "stages.s2.rowz: 3 is given" in ended.stderr
    assert not shell.output.exists()


def test_what_only_the_task_can_tell_is_refused_the_same_way(shell):
    ended = shell.run("task=ask", "task.question=wrong")
    assert (ended.returncode, ended.stderr) == (2, "error: task.question: 'wrong' is not a question\n")


def test_a_task_that_cannot_be_imported_is_a_wrong_request(shell):
    ended = shell.run("task._target_=small_targets.trian")
    assert ended.returncode == 2
    assert ended.stderr == (
        "error: task._target_: 'small_targets.trian' cannot be imported: "
        "small_targets.trian: small_targets has no 'trian'\n"
    )
