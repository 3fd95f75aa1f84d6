from __future__ import annotations

from pathlib import Path

import pytest

from unictk.datamodules.chelsea import write_chelsea


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that holds the real-photo concept."""
    folder = tmp_path_factory.mktemp("cache")
    write_chelsea(folder / "chelsea")
    return folder
