import json
from pathlib import Path

import pytest
from test_report import page_of

from unictk.report.concept_card import (
    PHOTOS,
    SPRITE_CONCEPT,
    concept_card,
    find_data_root,
    foreign_to_backbone,
)

PHOTO_CONCEPT = "unictk.datamodules.concept_data.read_concept"
BUNDLED = {"weights": "bundled:sprites/showo", "_target_": "unictk.backbones.showo.backbone.Showo"}
TRAIN = {"_target_": "unictk.tasks.train"}


def test_the_card_has_the_photos_and_what_the_data_set_tells(run_folder: Path, data_root: Path) -> None:
    page = page_of(run_folder, data_root)
    text = page.text["concept"]
    assert "a " in text
    assert "<bo> owns a hat." in text
    assert text.count("(for testing, never taught)") == 1
    assert f"{PHOTOS} of 14 training photos" in text
    photos = [a["alt"] for t, a in page.tags if t == "img" and "training photo" in (a.get("alt") or "")]
    assert photos == [f"training photo {i} of bo" for i in range(1, PHOTOS + 1)]


def test_a_damaged_data_set_leaves_out_and_a_name_cannot_lead_elsewhere(data_root: Path) -> None:
    train = data_root / "concept" / "train" / "bo"
    (train / "info.json").write_text("{")
    (train / "3.png").write_bytes(b"no picture")
    card = concept_card({"name": "bo"}, {}, data_root)
    assert card is not None
    assert (len(card.photos), card.count, card.description) == (PHOTOS - 1, 14, "")
    outside = concept_card({"name": "../train/bo"}, {}, data_root)
    assert outside is not None
    assert outside.photos == []


def test_a_run_without_a_concept_has_no_card() -> None:
    config = {
        "concept": {"_target_": SPRITE_CONCEPT, "seed": 3},
        "task": {"_target_": "unictk.tasks.measure"},
    }
    assert concept_card({}, config, None) is None
    assert concept_card({}, {}, None) is None
    card = concept_card({}, config | {"task": TRAIN}, None)
    assert card is not None
    assert card.name == "sprite3"


def test_the_data_are_found_with_this_machines_folders(tmp_path: Path) -> None:
    (tmp_path / "cache/sprites/sprite3-ab12/concept/train/sprite3").mkdir(parents=True)
    (tmp_path / "cache/sprites/sprite31-ab12/concept/train/sprite31").mkdir(parents=True)
    (tmp_path / "photos/concept/train/dog6").mkdir(parents=True)
    (tmp_path / "photos/concept/elsewhere").mkdir()
    paths = {"cache": str(tmp_path / "cache"), "data": str(tmp_path / "photos")}
    sprite = {"concept": {"_target_": SPRITE_CONCEPT, "root": "${paths.cache}/sprites", "seed": 3}}
    assert find_data_root(sprite, paths) == tmp_path / "cache/sprites/sprite3-ab12"
    dog = {"concept": {"_target_": PHOTO_CONCEPT, "root": "${paths.data}", "name": "dog6"}}
    assert find_data_root(dog, paths) == tmp_path / "photos"
    assert find_data_root(dog, {}) is None
    assert find_data_root({"concept": {**dog["concept"], "name": "../elsewhere"}}, paths) is None
    assert find_data_root({"concept": {**dog["concept"], "name": "cat"}}, paths) is None
    assert find_data_root({}, paths) is None


@pytest.mark.parametrize(
    ("weights", "target", "task", "told"),
    [
        ("bundled:sprites/showo", PHOTO_CONCEPT, "train", True),
        ("bundled:sprites/showo", "unictk.datamodules.chelsea.chelsea_concept", "evaluate", True),
        ("bundled:sprites/showo", SPRITE_CONCEPT, "train", False),
        ("showlab/show-o-512x512", PHOTO_CONCEPT, "train", False),
        (None, PHOTO_CONCEPT, "train", False),
        ("bundled:sprites/showo", PHOTO_CONCEPT, "measure", False),
    ],
)
def test_numbers_of_a_backbone_that_never_saw_photos_carry_a_remark(
    run_folder: Path, weights: str | None, target: str, task: str, told: bool
) -> None:
    config = {
        "backbone": BUNDLED | {"weights": weights},
        "concept": {"_target_": target, "name": "dog6"},
        "task": {"_target_": f"unictk.tasks.{task}"},
    }
    assert foreign_to_backbone(config, None) == ("bundled:sprites/showo" if told else None)
    (run_folder / "config.yaml").write_text(json.dumps(config))
    assert ("never trained on photos" in page_of(run_folder).text["head"]) == told


def test_a_sprites_data_set_read_as_photos_is_no_stranger(tmp_path: Path) -> None:
    config = {"backbone": BUNDLED, "concept": {"_target_": PHOTO_CONCEPT, "name": "sprite3"}, "task": TRAIN}
    assert foreign_to_backbone(config, tmp_path)
    (tmp_path / "sprites.json").write_text("{}")
    assert foreign_to_backbone(config, tmp_path) is None
