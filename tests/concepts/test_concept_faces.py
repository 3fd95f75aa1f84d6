import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PILImage

from unictk.concepts.faces import face_rows, stretch_embedding
from unictk.errors import DataError, UserError, WeightsError
from unictk.metrics.face_model import detection_size
from unictk.samples import Image


def test_case_21_stretch_of_the_published_example():
    """Case 21: arange(512) cut into 8 pieces of 64, each interpolated to 2048."""
    rows = stretch_embedding(torch.arange(512.0), 8, 2048)
    assert rows.shape == (8, 2048)
    assert rows[0, :16].eq(0).all()
    assert rows[0, 16:20].tolist() == [0.015625, 0.046875, 0.078125, 0.109375]
    assert rows[0, -16:].eq(63).all()
    assert rows[7, -1] == 511
    assert rows.double().sum() == 4_186_112


@pytest.mark.parametrize(("size", "count"), [(512, 7), (512, 0), (511, 7)])
def test_stretch_that_does_not_divide(size: int, count: int):
    with pytest.raises(UserError, match="divides 512"):
        stretch_embedding(torch.zeros(size), count, 64)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((512, 512), (512, 512)),
        ((4000, 3000), (1280, 960)),
        ((1300, 50), (1280, 64)),
        ((700, 130), (640, 128)),
    ],
)
def test_detection_size(size, expected):
    assert detection_size(*size) == expected


class RedSeesFace:
    """Stands for the face model: finds two faces in a picture with red in it, embeds its brightness."""

    def __init__(self, name: str, allowed_modules: list[str]) -> None:
        self.name, self.allowed_modules = name, allowed_modules

    def prepare(self, ctx_id: int, det_size: tuple[int, int]) -> None:
        self.det_size = det_size

    def get(self, pixels: np.ndarray) -> list[types.SimpleNamespace]:
        assert Path(self.name, "w.onnx").is_file()
        assert self.det_size == (640, 640)
        assert pixels.shape[0] % 64 == 0
        red = float(pixels[..., 2].mean())  # blue, green, red
        if red == 0:
            return []
        large = types.SimpleNamespace(bbox=np.array([0, 0, 9, 9]), embedding=np.full(512, red, np.float32))
        small = types.SimpleNamespace(bbox=np.array([5, 0, 9, 9]), embedding=np.full(512, -1, np.float32))
        return [small, large, small]


@pytest.fixture
def insightface(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A fake of the library and a root with a pack called antelopev2."""
    package, app, utils = (types.ModuleType(f"insightface{part}") for part in ("", ".app", ".utils"))
    app.FaceAnalysis = RedSeesFace  # type: ignore[attr-defined]

    def ensure_available(sub_dir: str, name: str, root: str) -> None:
        folder = Path(root, sub_dir, name, name)  # published archives unpack into a second folder
        folder.mkdir(parents=True)
        (folder / "w.onnx").touch()

    utils.ensure_available = ensure_available  # type: ignore[attr-defined]
    for module in (package, app, utils):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    pack = tmp_path / "root" / "models" / "antelopev2"
    pack.mkdir(parents=True)
    (pack / "w.onnx").touch()
    return tmp_path / "root"


def photo(red: int, blue: int = 0) -> PILImage.Image:
    return PILImage.new("RGB", (70, 64), (red, 0, blue))


def test_rows_are_the_mean_embedding_of_the_largest_faces(insightface: Path, tmp_path: Path):
    photo(100).save(tmp_path / "0.png")
    images = [Image(tmp_path / "0.png"), Image(photo(50, blue=9)), Image(np.asarray(photo(30)))]
    rows = face_rows(images, 16, 8, root=insightface)
    assert rows.shape == (8, 16)
    assert rows.dtype == torch.float32
    torch.testing.assert_close(rows, torch.full((8, 16), 60.0))


def test_a_photo_without_a_face_is_named(insightface: Path, tmp_path: Path):
    photo(0).save(tmp_path / "empty.png")
    with pytest.raises(DataError, match=r"empty\.png: no face found"):
        face_rows([Image(photo(9)), Image(str(tmp_path / "empty.png"))], 16, root=insightface)
    with pytest.raises(DataError, match=r"^holiday: no face"):
        face_rows([Image(photo(0), key="holiday")], 16, root=insightface)
    with pytest.raises(DataError, match=r"^photo 1: no face"):
        face_rows([Image(photo(9)), Image(photo(0))], 16, root=insightface)


def test_a_photo_that_cannot_be_read_is_named(insightface: Path, tmp_path: Path):
    (tmp_path / "bad.png").write_text("no picture")
    for name in ("bad.png", "gone.png"):
        with pytest.raises(DataError, match=rf"{name}: cannot be read"):
            face_rows([Image(tmp_path / name)], 16, root=insightface)
    with pytest.raises(DataError, match=r"^drawn: has codes but no pixels"):
        face_rows([Image(None, codes=torch.zeros(4), key="drawn")], 16, root=insightface)


def test_no_photos(insightface: Path):
    with pytest.raises(UserError, match="no photos"):
        face_rows([], 16, root=insightface)


def test_a_missing_pack_is_one_line_and_fetches_nothing(insightface: Path):
    with pytest.raises(WeightsError, match=r"'antelope' is not there.*nearest: antelopev2$"):
        face_rows([Image(photo(9))], 16, pack="antelope", root=insightface)
    assert not (insightface / "models" / "antelope").exists()


def test_download_when_asked(insightface: Path):
    rows = face_rows([Image(photo(9))], 16, pack="buffalo_l", root=insightface, download=True)
    torch.testing.assert_close(rows, torch.full((8, 16), 9.0))


def test_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "insightface.app", None)
    with pytest.raises(UserError, match=r"unictk\[face\]"):
        face_rows([Image(photo(9))], 16, root=tmp_path)


def test_the_real_library_accepts_a_folder(tmp_path: Path):
    """Without networks in it the real library must fail on our folder, not fetch a pack."""
    pytest.importorskip("insightface")
    folder = tmp_path / "models" / "antelopev2"
    folder.mkdir(parents=True)
    (folder / "w.onnx").write_bytes(b"no network")
    with pytest.raises(Exception, match=r"(?i)onnx|protobuf"):
        face_rows([Image(photo(9))], 16, root=tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["antelopev2", "models", "w.onnx"]
