"""Similarities picture by picture: hand-made vectors, and a real ArcFace network of eight numbers."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from PIL import Image

from unictk.errors import DataError, WeightsError
from unictk.metrics.face_model import AlignedFaces
from unictk.metrics.similarity import ClipSimilarity, DinoSimilarity, FaceSimilarity


class Corner:
    """A CLIP whose vectors are the mean colour of a picture, and the first letters of a text."""

    read = 0

    def images(self, pictures):
        if isinstance(pictures, torch.Tensor):
            return torch.nn.functional.normalize(pictures.mean((2, 3)), dim=-1)
        self.read += len(pictures)
        means = [np.asarray(one).mean((0, 1)) / 255 for one in pictures]
        return torch.nn.functional.normalize(torch.tensor(np.stack(means)).float(), dim=-1)

    def texts(self, texts):
        return torch.nn.functional.one_hot(torch.tensor(["rgb".index(text[0]) for text in texts]), 3).float()


def flat(*colour: float) -> torch.Tensor:
    return torch.tensor(colour).view(3, 1, 1).expand(3, 4, 4)


def saved(folder, name: str, *colour: int):
    Image.new("RGB", (8, 8), colour).save(folder / name)
    return folder / name


def test_clip_scores_are_mean_cosines(tmp_path):
    photos = [saved(tmp_path, "a.png", 255, 0, 0), saved(tmp_path, "b.png", 0, 255, 0)]
    similarity = ClipSimilarity()
    similarity.clip = Corner()
    one, two = similarity.measure([flat(1, 0, 0), flat(0.6, 0.8, 0)], ["red", "green"], photos)
    assert one == {"clip_i": pytest.approx(0.5), "clip_t": pytest.approx(1.0)}
    assert two == {"clip_i": pytest.approx(0.7, abs=1e-6), "clip_t": pytest.approx(0.8, abs=1e-6)}
    similarity.measure([flat(1, 0, 0)], ["red"], photos)
    assert similarity.clip.read == 2, "photos are read once"


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Mean of each colour channel: a network of ArcFace's shape."""
    pooled = helper.make_node("GlobalAveragePool", ["in"], ["pooled"])
    flattened = helper.make_node("Flatten", ["pooled"], ["out"])
    graph = helper.make_graph(
        [pooled, flattened],
        "mean",
        [helper.make_tensor_value_info("in", TensorProto.FLOAT, [1, 3, 112, 112])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path = tmp_path_factory.mktemp("onnx") / "arcface.onnx"
    onnx.save(model, path)
    return path


def test_any_arcface_file_recognises(network, tmp_path):
    photos = [saved(tmp_path, "a.png", 255, 0, 0)]
    similarity = FaceSimilarity(recogniser=str(network))
    same, other = similarity.measure([flat(1, 0, 0), flat(0, 0, 1)], ["", ""], photos)
    assert same == {"face": pytest.approx(1.0, abs=1e-3), "face_detected": 1.0}
    assert other["face"] == pytest.approx(-1 / 3, abs=1e-2)


def test_a_picture_without_a_face_counts_nothing_and_is_counted(tmp_path):
    class Reds:
        def embedding(self, picture):
            red = np.asarray(picture)[0, 0, 0]
            return np.array([float(red), 0.0]) if red else None

    photos = [saved(tmp_path, "a.png", 200, 0, 0), saved(tmp_path, "b.png", 0, 0, 9)]
    similarity = FaceSimilarity()
    similarity.model = Reds()
    found = similarity.measure([flat(1, 0, 0), flat(0, 1, 0)], ["", ""], photos)
    assert found == [{"face": 1.0, "face_detected": 1.0}, {"face": 0.0, "face_detected": 0.0}]
    with pytest.raises(DataError, match="none of 1 photos shows a face"):
        similarity.measure([flat(1, 0, 0)], [""], photos[1:])


def test_files_that_are_no_network(tmp_path):
    with pytest.raises(WeightsError, match="not there"):
        AlignedFaces(tmp_path / "gone.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"x")
    with pytest.raises(WeightsError, match="not an ArcFace network"):
        AlignedFaces(tmp_path / "bad.onnx")


def test_dino_is_the_mean_cosine_of_class_vectors(tmp_path):
    from transformers import ViTConfig, ViTImageProcessor, ViTModel

    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = ViTConfig(**sizes, image_size=32, patch_size=16)
    model = ViTModel(config, add_pooling_layer=False).eval()
    model.save_pretrained(tmp_path / "vit")
    processor = ViTImageProcessor(size={"height": 32, "width": 32})
    processor.save_pretrained(tmp_path / "vit")
    photos = [saved(tmp_path, "a.png", 255, 0, 0), saved(tmp_path, "b.png", 0, 255, 0)]
    (found,) = DinoSimilarity(str(tmp_path / "vit")).measure([flat(1, 0, 0)], [""], photos)
    with torch.no_grad():
        shown = [Image.new("RGB", (4, 4), (255, 0, 0)), *(Image.open(photo) for photo in photos)]
        states = model(**processor(images=shown, return_tensors="pt")).last_hidden_state[:, 0]
    vectors = torch.nn.functional.normalize(states, dim=-1)
    assert found["dino"] == pytest.approx(float((vectors[0] @ vectors[1:].T).mean()), abs=1e-5)


def test_a_dino_that_is_not_there(tmp_path):
    with pytest.raises(WeightsError, match="cannot be loaded"):
        DinoSimilarity(str(tmp_path)).measure([flat(1, 0, 0)], [""], [])
