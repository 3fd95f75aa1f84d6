"""All rows on both tasks at once: which rows there are, which change, where they start."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from stage_makers import QUICK, concept_data, fit, make_stage, small_backbone

from unictk.concepts.initialisers import class_word, kmeans_rows
from unictk.concepts.known_rows import save_known
from unictk.concepts.tokens import ConceptTokens
from unictk.datamodules.concept_data import ConceptData
from unictk.datamodules.writers import photo_segments
from unictk.modules.concept_stage import StageRun
from unictk.modules.joint import JointTraining
from unictk.samples import View

pytestmark = pytest.mark.filterwarnings("ignore")
SMALL = {"shared": 4, "generation": 2, "understanding": 3}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ConceptData:
    return concept_data(tmp_path_factory.mktemp("data"))


def joint(backbone, concept: ConceptTokens, data: ConceptData, **options: object) -> JointTraining:
    run = StageRun("joint", backbone, concept, data, QUICK, 0)
    return JointTraining(run, partial(torch.optim.AdamW, lr=1e-3), **{**SMALL, **options})  # type: ignore[arg-type]


def test_every_row_changes_and_the_model_does_not(data: ConceptData, tmp_path: Path) -> None:
    backbone = small_backbone()
    frozen = {name: value.clone() for name, value in backbone.state_dict().items()}
    concept = ConceptTokens("bo", backbone.row_shape)
    stage = joint(backbone, concept, data, text_batch=2, image_batch=1)
    stage.begin()
    assert [flow.name for flow in stage.flows()] == ["drawing", "understanding"]
    before = concept.rows().input.detach().clone()
    fit(stage, 1, tmp_path, begun=True)
    assert concept.groups == {"identifier": 1, **SMALL}
    assert (concept.rows().input != before).any(1).all()
    assert all(torch.equal(value, frozen[name]) for name, value in backbone.state_dict().items())


def test_a_later_joint_stage_goes_on_with_the_rows_there_are(data: ConceptData) -> None:
    backbone = small_backbone()
    concept = ConceptTokens("bo", backbone.row_shape)
    joint(backbone, concept, data, image_batch=0).begin()
    rows = concept.rows().input.detach().clone()
    later = joint(backbone, concept, data, shared=9)
    later.begin()
    assert torch.equal(concept.rows().input, rows)
    assert sum(p.numel() for p in later.trainable()) == 10 * (2 * rows.shape[1] + 1)


def test_the_paper_s_last_stage_follows_a_joint_one(data: ConceptData) -> None:
    backbone = small_backbone()
    concept = ConceptTokens("bo", backbone.row_shape)
    joint(backbone, concept, data, understanding=0).begin()
    make_stage("s3", backbone, concept, data).begin()
    assert concept.groups == {"identifier": 1, "shared": 4, "generation": 2, "understanding": 2}


def test_starts(data: ConceptData, tmp_path: Path) -> None:
    backbone = small_backbone()

    def rows(**options: object) -> torch.Tensor:
        concept = ConceptTokens("bo", backbone.row_shape)
        joint(backbone, concept, data, **options).begin()
        return concept.rows().input.detach()

    photos = backbone.vectors(photo_segments(data, data.photos, View()))
    found = rows(start="photos")
    torch.testing.assert_close(found[0], class_word(backbone, "dog"))
    torch.testing.assert_close(found[1:5], kmeans_rows(photos, 4))
    torch.testing.assert_close(found[7:], kmeans_rows(photos, 3))
    found = rows(start="random")
    assert not torch.equal(found[1:3], found[5:7]), "each group has draws of its own"

    table = torch.randn(3, 9, backbone.row_shape.hidden).bfloat16().float()
    save_known(tmp_path / "known", table, {"identifier": 1, "shared": 4, "generation": 2, "understanding": 2})
    known = {"start": "known", "known": str(tmp_path / "known")}
    torch.testing.assert_close(rows(**known, understanding=2), table.mean(0))
    apart = rows(**known, shared=0, generation=6, understanding=5)
    torch.testing.assert_close(apart, table.mean(0)[[0, 1, 2, 3, 4, 5, 6, 2, 3, 4, 7, 8]])
