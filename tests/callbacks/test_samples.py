import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger, WandbLogger
from PIL import Image as PILImage
from stages import TinyStage, fit
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from unictk.callbacks.grid import captioned_grid
from unictk.callbacks.samples import SampleGrid
from unictk.samples import Sampling

pytestmark = pytest.mark.filterwarnings("ignore")


def pixels(path: Path) -> np.ndarray:
    return np.asarray(PILImage.open(path)).astype(int)


def grid(**changes: Any) -> SampleGrid:
    settings = {"images_per_prompt": 2, "max_prompts": 3, "batch_size": 4, "sampling": Sampling(steps=7)}
    return SampleGrid(**(settings | changes))


def test_pictures_captions_and_list(tmp_path: Path) -> None:
    module = TinyStage()
    fit(module, tmp_path, grid())
    folder = tmp_path / "samples" / "s1"
    files = [f"{prompt:02d}-{rollout:02d}.png" for prompt in range(3) for rollout in range(2)]
    assert sorted(path.name for path in folder.iterdir()) == [*files, "grid.png", "samples.json"]
    listed = json.loads((folder / "samples.json").read_text())
    assert [image["file"] for image in listed["images"]] == files
    assert listed["images"][4]["prompt"] == "A photo of <bo> [asleep] <script>."
    assert listed["sampling"]["steps"] == 7
    assert [len(module.backbone.drawn), {r.sampling.steps for r in module.backbone.drawn}] == [6, {7}]
    prompt = module.backbone.drawn[0].segments[0]
    assert prompt.text == "A photo of <bo:0><bo:1> <bo>."
    assert [request.seed for request in module.backbone.drawn] == [i["seed"] for i in listed["images"]]
    assert len({request.seed for request in module.backbone.drawn}) == 6
    shown = pixels(folder / "00-00.png")
    assert shown.shape == (8, 8, 3)
    assert shown.std() > 10


def test_every_stage_draws_with_the_same_seeds(tmp_path: Path) -> None:
    first, second, other = TinyStage("s1"), TinyStage("s2"), TinyStage("s3")
    fit(first, tmp_path, grid())
    fit(second, tmp_path, grid(batch_size=1), max_epochs=3)
    fit(other, tmp_path, grid(seed=1))
    seeds = [[request.seed for request in stage.backbone.drawn] for stage in (first, second, other)]
    assert seeds[0] == seeds[1]
    assert not set(seeds[0]) & set(seeds[2])
    difference = pixels(tmp_path / "samples/s2/01-01.png") - pixels(tmp_path / "samples/s1/01-01.png")
    # Equal noise, two more steps: 0.02 brighter everywhere, but for white pixels.
    assert set(np.unique(difference)) <= {0, 1, 2, 3, 4, 5, 6}
    assert difference.mean() > 3


def test_loggers_that_take_pictures_get_the_grid(tmp_path: Path) -> None:
    board = TensorBoardLogger(tmp_path, name="board")
    csv = CSVLogger(tmp_path, name="csv")
    fit(TinyStage(), tmp_path, grid(), logger=[csv, board])
    events = EventAccumulator(str(board.log_dir)).Reload()
    assert events.Tags()["images"] == ["samples/s1"]
    image = events.Images("samples/s1")[0]
    sheet = PILImage.open(tmp_path / "samples/s1/grid.png")
    assert (image.width, image.height, image.step) == (*sheet.size, 4)


def test_wandb_gets_the_grid_without_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        WandbLogger,
        "log_image",
        lambda self, key, images, step=None, **more: sent.append((key, images[0].size, step, more)),
    )
    logger = WandbLogger(save_dir=tmp_path, offline=True, experiment=Silent())
    fit(TinyStage(), tmp_path, grid(), logger=logger)
    size = PILImage.open(tmp_path / "samples/s1/grid.png").size
    assert sent == [("samples/s1", size, None, {"caption": ["<bo> after s1"]})]


class Silent:
    """Stands for a W&B run, which would start a service of its own."""

    name = id = "run"

    def log(self, *args: Any, **kwargs: Any) -> None: ...

    def define_metric(self, *args: Any, **kwargs: Any) -> None: ...

    def watch(self, *args: Any, **kwargs: Any) -> None: ...


def test_the_sheet_shows_every_picture_and_cuts_long_captions() -> None:
    red, blue = (PILImage.new("RGB", (64, 64), colour) for colour in ("red", "blue"))
    sheet = np.asarray(captioned_grid([("short", [red, blue]), ("long " * 60, [blue])], cell=64))
    assert (sheet == (255, 0, 0)).all(axis=-1).sum() == 64 * 64
    assert (sheet == (0, 0, 255)).all(axis=-1).sum() == 2 * 64 * 64
    text = (sheet < 128).all(axis=-1)
    assert text.any()
    assert not text[:, -6:].any()
