"""CLIP-I and CLIP-T as numbers: the published vector, plain NumPy, two processes."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from unictk.metrics.clip import ClipImage, ClipText, class_prompt, image_scores, text_scores


def unit(seed: int, count: int, size: int = 8) -> torch.Tensor:
    made = torch.randn(count, size, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(made, dim=-1)


def test_pairwise_mean_of_the_known_vectors() -> None:
    real = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    drawn = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    assert image_scores(drawn, real).tolist() == pytest.approx([0.5, 0.7])
    image, text = ClipImage(), ClipText()
    image.update(drawn, real)
    text.update(drawn, torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    assert image.compute().item() == pytest.approx(0.60)  # mean first, then cosine, would be 0.8485
    assert text.compute().item() == pytest.approx(0.80)


def test_numpy_gives_the_same_over_batches_of_unequal_size() -> None:
    sets = [(unit(1, 3), unit(2, 5)), (unit(3, 7), unit(4, 2))]
    metric = ClipImage()
    for drawn, real in sets:
        metric.update(drawn, real)
    each = [np.mean([a @ b for b in real.numpy()]) for drawn, real in sets for a in drawn.numpy()]
    assert metric.compute().item() == pytest.approx(np.mean(each), abs=1e-7)
    metric.reset()
    assert metric.compute().isnan()
    texts = ClipText()
    for size, seed in ((3, 5), (4, 7)):
        texts.update(unit(seed, size), unit(seed + 1, size))
    pairs = zip(
        [*unit(5, 3).numpy(), *unit(7, 4).numpy()], [*unit(6, 3).numpy(), *unit(8, 4).numpy()], strict=True
    )
    assert texts.compute().item() == pytest.approx(np.mean([a @ b for a, b in pairs]), abs=1e-7)


def test_pictures_and_prompts_go_one_to_one() -> None:
    with pytest.raises(ValueError, match="one prompt each"):
        text_scores(unit(0, 3), unit(1, 1))


def test_the_class_noun_stands_for_the_concept() -> None:
    assert class_prompt("A photo of <sks> with a hat.", "bo", "star") == "A photo of star with a hat."
    assert class_prompt("<bo> and a bow of <bob>", "bo", "star") == "star and a bow of <bob>"


WORKER = """
import pickle, sys, warnings
import torch, torch.distributed as dist
warnings.simplefilter("ignore")
from unictk.metrics.clip import ClipImage, ClipText

rank, file, out = int(sys.argv[1]), sys.argv[2], sys.argv[3]
dist.init_process_group("gloo", init_method="file://" + file, rank=rank, world_size=2)
drawn, real = pickle.load(sys.stdin.buffer)
mine = slice(0, 5) if rank == 0 else slice(5, None)
image, text = ClipImage(), ClipText()
image.update(drawn[mine], real)
text.update(drawn[mine], drawn.flip(1)[mine])
found = {"image": image.compute().item(), "text": text.compute().item()}
if rank == 0:
    alone = ClipImage(sync_on_compute=False)
    alone.update(drawn, real)
    found["alone"] = alone.compute().item()
pickle.dump(found, open(out, "wb"))
dist.barrier()
dist.destroy_process_group()
"""


def test_two_processes_give_what_one_gives(tmp_path: Path) -> None:
    drawn, real = unit(1, 7), unit(2, 3)
    outs = [tmp_path / f"{rank}.pkl" for rank in (0, 1)]
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(rank), str(tmp_path / "store"), str(outs[rank])],
            stdin=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for rank in (0, 1)
    ]
    for process in ranks:
        assert process.stdin is not None
        process.stdin.write(pickle.dumps((drawn, real)))
        process.stdin.close()
    assert [process.wait(timeout=120) for process in ranks] == [0, 0]
    first, second = (pickle.loads(out.read_bytes()) for out in outs)
    image, text = ClipImage(), ClipText()
    image.update(drawn, real)
    text.update(drawn, drawn.flip(1))
    assert first.pop("alone") == image.compute().item()
    assert first == second
    assert first["image"] == pytest.approx(image.compute().item(), abs=1e-12)
    assert first["text"] == pytest.approx(text.compute().item(), abs=1e-12)
