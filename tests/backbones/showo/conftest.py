from __future__ import annotations

import pytest
from showo_makers import make_concept, make_showo

from unictk.backbones.showo.backbone import Showo


@pytest.fixture(scope="session")
def showo() -> Showo:
    backbone = make_showo()
    backbone.attach([make_concept(backbone)])
    return backbone
