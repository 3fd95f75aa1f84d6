"""A drawn rollout on disk: the picture as a file, what the model drew it in and how as a record."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

from unictk.samples import GeneratedImage
from unictk.selfplay.categories import slug_of
from unictk.selfplay.codes import packed
from unictk.selfplay.rollouts import Rollout
from unictk.selfplay.rows import RolloutRow
from unictk.selfplay.shards import committed

FOLDER = "selfplay/pictures"
"""Where pictures lie in a run folder."""


def picture_path(rollout: Rollout) -> str:
    """The file, relative to the run folder: it follows from what the rollout is."""
    prompt = rollout.prompt
    return f"{FOLDER}/{prompt.round:02d}/{slug_of(prompt.category)}/{rollout.sample_id}.png"


def keep(
    rollout: Rollout, drawn: GeneratedImage, root: Path, solver: str, seconds: float, plan: str = ""
) -> RolloutRow:
    """Write the picture and give its record. A killed process leaves the file whole or not there.

    Args:
        rollout: what was drawn.
        drawn: by the solver.
        root: the run folder.
        solver: its name.
        seconds: that this picture took.
        plan: what it was drawn from, if not the prompt itself.
    """
    path = picture_path(rollout)
    image = drawn.as_pil()
    content = io.BytesIO()
    image.save(content, format="PNG")
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    with committed(file, flush=False) as draft:  # there are many; the record's sha256 tells a lost one
        draft.write_bytes(content.getvalue())
    codes, dtype, shape = packed(drawn.codes)
    return RolloutRow(
        sample_id=rollout.sample_id,
        round=rollout.prompt.round,
        prompt_uid=rollout.prompt.prompt_uid,
        category=rollout.prompt.category,
        subcategory=rollout.prompt.subcategory,
        prompt=rollout.prompt.text,
        rollout=rollout.number,
        seed=rollout.seed,
        guidance=rollout.sampling.guidance,
        temperature=rollout.sampling.temperature,
        steps=rollout.sampling.steps,
        solver=solver,
        image=path,
        image_sha256=hashlib.sha256(content.getvalue()).hexdigest(),
        width=image.width,
        height=image.height,
        codes=codes,
        codes_dtype=dtype,
        codes_shape=shape,
        seconds=seconds,
        plan=plan,
    )


def clean(root: Path) -> None:
    """Remove drafts of pictures, which killed processes left. Only while nobody draws."""
    for draft in (root / FOLDER).glob("*/*/.*.draft"):
        draft.unlink()
