"""Configurations and checkpoints from elsewhere: data, never code."""

import os
import pickle

import pytest
import torch

from unictk.app.allowed_targets import check_targets, trusted
from unictk.errors import UserError


class Bomb:
    """Whoever unpickles it makes a folder."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return os.mkdir, (self.place,)


def files(folder, **texts):
    for name, text in texts.items():
        file = folder / f"{name.replace('__', '/')}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("backbone", "_target_: os.system\ncommand: touch {mark}\n"),
        ("callbacks.x", "x: {{_target_: os.system, command: touch {mark}}}\n"),
        ("backbone.layout", "_target_: torch.optim.AdamW\nlayout: {{_target_: os.system}}\n"),
        ("backbone._args_.0", "_target_: torch.optim.AdamW\n_args_: [{{_target_: os.system}}]\n"),
        ("backbone", "_target_: torch.optim.adam.torch.os.system\n"),
        ("backbone", "_target_: lightning.pytorch.callbacks.checkpoint.os.Popen\n"),
    ],
)
def test_a_target_that_no_shipped_file_names_is_refused(shell, key, text):
    group = key.partition(".")[0]
    mark = shell.home / "mark"
    given = files(shell.home / "given", **{f"{group}__bad": text.format(mark=mark)})
    ended = shell.shipped(f"--config-dir={given}", f"{group}=bad", f"paths.output={shell.output}")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"error: {key}._target_: '")
    assert "is not among what a configuration may build" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not mark.exists()
    assert not shell.output.exists()
    assert shell.imported() == ""


@pytest.mark.parametrize("place", ["launcher", "sweeper", "callbacks.x"])
def test_hydras_own_part_builds_what_is_hydras(shell, place):
    ended = shell.shipped(
        "-m", "seed=1", f"++hydra.{place}._target_=os.system", f"paths.output={shell.output}"
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"error: hydra.{place}._target_: 'os.system' is not among")


def test_trust_counts_where_it_is_typed(shell):
    given = files(shell.home / "given", experiment__mine="# @package _global_\ntrust: true\n")
    ended = shell.shipped(f"--config-dir={given}", "experiment=mine", f"paths.output={shell.output}")
    assert ended.stderr == (
        "error: trust: true stands in a file, but it counts only where it is typed: trust=true\n"
    )
    without = [word for word in shell.command("seed=1") if word != "trust=true"]
    refused = shell.execute(without)
    assert refused.returncode == 2
    assert "small_targets." in refused.stderr
    assert shell.run("seed=1").returncode == 0
    assert not any("trust" in path.name for path in shell.folders())


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ([], False),
        (["trust=true"], True),
        (["+trust=True"], True),
        (["trust=true", "trust=false"], False),
        (["trust=1"], False),
        (["seed=1", "mistrust=true"], False),
    ],
)
def test_what_counts_as_trust(typed, expected):
    assert trusted(typed) is expected


def test_all_that_the_shipped_experiments_build_is_allowed():
    from unictk.app.composition import composed, composer
    from unictk.app.conf_tree import ConfTree, conf_dir
    from unictk.app.request import read_request
    from unictk.app.resolvers import register

    register()
    names = ConfTree((conf_dir(),)).groups["experiment"]
    assert len(names) > 10
    with composer(read_request([])) as _:
        for name in names:
            found = composed(read_request([]), [f"experiment={name}"])
            check_targets(found.plain, found.hydra, [])


def test_allowed_classes_of_other_people():
    for target in (
        "torch.optim.Adam",
        "torch.optim.lr_scheduler.StepLR",
        "lightning.pytorch.callbacks.Timer",
    ):
        check_targets({"x": {"_target_": target}}, {}, [])
    for target in ("torch.optim.adam.Adam", "torch.optim.swa_utils", "lightning.pytorch.Callback"):
        with pytest.raises(UserError, match="may build"):
            check_targets({"x": [{"y": {"_target_": target}}]}, {}, [])


@pytest.mark.parametrize("bomb", ["pickle", "archive", "cut"])
def test_a_checkpoint_that_holds_code_is_refused_and_not_run(tmp_path, bomb):
    import lightning.pytorch as pl

    from unictk.errors import DataError
    from unictk.resuming import LAST, fit_from

    class Module(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(()))

        def training_step(self, batch, batch_idx):
            return self.weight

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    class Data(pl.LightningDataModule):
        def train_dataloader(self):
            return torch.utils.data.DataLoader(torch.zeros(1, 1))

    trainer = pl.Trainer(
        accelerator="cpu",
        max_steps=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    mark = tmp_path / "exploded"
    content = {"state_dict": {}, "epoch": 0, "x": Bomb(str(mark))}
    if bomb == "pickle":
        (tmp_path / LAST).write_bytes(pickle.dumps(content))
    elif bomb == "archive":
        torch.save(content, tmp_path / LAST)
    else:
        torch.save({"state_dict": {}}, tmp_path / LAST)
        whole = (tmp_path / LAST).read_bytes()
        (tmp_path / LAST).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"last\.ckpt: refused: .*delete it to begin the stage afresh"):
        fit_from(trainer, Module(), Data(), tmp_path)
    assert not mark.exists()
    (tmp_path / LAST).unlink()
    fit_from(trainer, Module(), Data(), tmp_path)


@pytest.mark.parametrize("name", ["../../dog6", "..", "/etc", "train/../dog6"])
def test_a_concepts_name_is_never_a_path(shell, name):
    (shell.home / "concept" / "train" / "dog6").mkdir(parents=True)
    ended = shell.shipped(
        "concept=photos",
        f"concept.name={name}",
        f"paths.data={shell.home}",
        f"paths.output={shell.output}",
    )
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert ended.stderr.startswith(f"error: concept.name: '{name}' is not a choice")
    assert not shell.output.exists()
