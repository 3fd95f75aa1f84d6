"""A small concept of three real-looking pictures, and stages trained on it without a command line."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
from lightning import Trainer
from PIL import Image as PILImage
from showo_makers import make_showo

from unictk.backbones.showo.backbone import Showo
from unictk.concepts.tokens import ConceptTokens
from unictk.datamodules.concept_data import ConceptData, Conditions, Turn
from unictk.datamodules.mixture import Mixture
from unictk.modules.concept_stage import ConceptStage, StageRun
from unictk.modules.unictokens import GenerationBootstrap, PerceptionRefinement, UnderstandingWarmup
from unictk.samples import Sampling

QUICK = Sampling(steps=5, guidance=1.0, max_new_tokens=4)


def concept_data(root: Path, human: bool = False) -> ConceptData:
    """Three photos with crops, five things to learn."""
    photos = []
    for i in range(3):
        path = root / f"concept/train/bo/{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(i).integers(0, 256, (5, 6, 3), dtype=np.uint8)
        PILImage.fromarray(noise).resize((24, 20), PILImage.Resampling.BICUBIC).save(path)
        photos.append(path)
    turns = (
        Turn("positive", photos[0], "Is <bo> here?", "Yes.", "t0"),
        Turn("positive", photos[1], "Can you see <bo>?", "Yes, <bo> is here.", "t1"),
        Turn("random", photos[2], "Is <bo> here?", "No.", "t2"),
        Turn("vqa", photos[0], "What is <bo>?", "A dog.", "t3"),
        Turn("text_only", None, "Where does <bo> live?", "In a red house.", "t4"),
    )
    return ConceptData(
        root=root,
        name="bo",
        class_noun="dog",
        description="<bo> is a brown dog.",
        conversation_type="human" if human else "animal",
        generation_type="live_subject",
        facts=(),
        held_out=(),
        photos=tuple(photos),
        crops=tuple(photos),
        test_photos=(),
        hard_negatives=(),
        random_images=(),
        turns=turns,
        items=(),
        conditions=Conditions("A photo of <bo>.", (), {}),
    )


STAGES = {"s1": UnderstandingWarmup, "s2": GenerationBootstrap, "s3": PerceptionRefinement}
DECAY = {"s1": (1e-4, 1e-6), "s2": (1e-3, 1e-8), "s3": (1e-3, 1e-8)}


def make_stage(
    name: str, backbone: Showo, concept: ConceptTokens, data: ConceptData, lr: float = 1e-3, **options: object
) -> ConceptStage:
    """A stage with the published optimizer and small groups of rows."""
    decay, eps = DECAY[name]
    optimizer = partial(torch.optim.AdamW, lr=lr, weight_decay=decay, eps=eps)
    sizes: dict[str, dict[str, object]] = {
        "s1": {"shared": 4},
        "s2": {"generation": 2},
        "s3": {"understanding": 2, "bridge_images": 3},
    }
    run = StageRun(name, backbone, concept, data, QUICK, 0)
    return STAGES[name](run, optimizer, **{**sizes[name], **options})  # type: ignore[abstract,arg-type]


def fit(
    stage: ConceptStage,
    epochs: int,
    folder: Path,
    begun: bool = False,
    resume: str | None = None,
    **trainer: object,
) -> Trainer:
    """Train a stage as the pipeline does."""
    if not begun:
        stage.begin()
    settings: dict[str, object] = {
        "max_epochs": epochs,
        "accelerator": "cpu",
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "use_distributed_sampler": False,
        "default_root_dir": folder,
        **trainer,
    }
    made = Trainer(**settings)  # type: ignore[arg-type]
    mixture = Mixture(stage.backbone.layout, stage.flows(), 0, stage.stage_name)
    made.fit(stage, datamodule=mixture, ckpt_path=resume, weights_only=True)
    return made


def small_backbone(**options: object) -> Showo:
    """Room for the longest prompt of the stages."""
    return make_showo(max_text=48, **options)  # type: ignore[arg-type]
