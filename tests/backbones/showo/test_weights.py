"""Published weight layouts: every form is read back, every damage is one clear line."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import httpx
import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import load_file, save_file

from unictk.backbones.checkpoints import fingerprint
from unictk.backbones.showo.magvit import MagvitV2
from unictk.backbones.showo.weights import (
    WEIGHT_FILES,
    load_language,
    load_magvit,
    write_published,
)
from unictk.errors import WeightsError

GOLDEN = Path(__file__).parents[2] / "golden" / "showo"
STATE = {
    "model.embed_tokens.weight": torch.arange(24.0).view(6, 4),
    "model.layers.0.self_attn.q_proj.weight": torch.arange(16.0).view(4, 4),
    "lm_head.weight": torch.ones(6, 4, dtype=torch.float16),
    "lm_head.bias": torch.arange(6.0),
}
EXPECTED = {name: tensor.shape for name, tensor in STATE.items()}


def fails(folder, expected=EXPECTED) -> str:
    with pytest.raises(WeightsError) as caught:
        load_language(folder, expected)
    message = str(caught.value)
    assert "\n" not in message
    return message


def assert_same(found, state=STATE) -> None:
    assert found.keys() == state.keys()
    for name, tensor in state.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor), name


@pytest.mark.parametrize("file", WEIGHT_FILES)
@pytest.mark.parametrize("shard_bytes", [None, 100])
def test_every_published_form_round_trips(tmp_path, file, shard_bytes):
    write_published(tmp_path, STATE, {"vocab_size": 6}, file=file, shard_bytes=shard_bytes)
    assert_same(load_language(tmp_path, EXPECTED))
    assert_same(load_language(str(tmp_path), {name: tuple(shape) for name, shape in EXPECTED.items()}))
    assert json.loads((tmp_path / "config.json").read_text()) == {"vocab_size": 6}
    names = {path.name for path in tmp_path.iterdir()} - {"config.json"}
    if shard_bytes is None:
        assert names == {file}
    else:
        stem, suffix = file.rsplit(".", 1)
        shards = {f"{stem}-{n:05d}-of-00003.{suffix}" for n in (1, 2, 3)}
        assert names == {f"{file}.index.json", *shards}


def test_written_names_carry_the_published_prefix(tmp_path):
    write_published(tmp_path, STATE, {})
    assert set(load_file(tmp_path / "model.safetensors")) == {f"showo.{name}" for name in STATE}


def test_reference_weights_are_read(tmp_path):
    golden = load_file(GOLDEN / "model.safetensors")
    expected = {name.removeprefix("showo."): t.shape for name, t in golden.items()}
    found = load_language(GOLDEN, expected)
    assert len(found) == 59
    assert torch.equal(found["lm_head.bias"], golden["showo.lm_head.bias"])
    write_published(tmp_path, found, {}, file="pytorch_model.bin")
    assert_same(load_language(tmp_path, expected), found)


@pytest.mark.parametrize("file", WEIGHT_FILES[1:3])
def test_part_of_a_tensor_is_written_without_the_rest(tmp_path, file):
    whole = torch.arange(100_000.0)
    write_published(tmp_path, {"a": whole[5:9], "b": whole.view(100, 1000).T[:3]}, {}, file=file)
    assert (tmp_path / file).stat().st_size < 10_000
    found = load_language(tmp_path, {"a": (4,), "b": (3, 100)})
    assert found["a"].tolist() == [5, 6, 7, 8]
    assert found["b"][2, 1] == 1002


def test_magvit_has_no_prefix(tmp_path):
    model = MagvitV2(32, (1, 1), (1, 1), (1, 1), (1, 1), 4)
    write_published(tmp_path, model.state_dict(), {}, prefix="", file="pytorch_model.bin")
    other = MagvitV2(32, (1, 1), (1, 1), (1, 1), (1, 1), 4)
    assert fingerprint(other) != fingerprint(model)
    other.load_state_dict(load_magvit(tmp_path, {n: t.shape for n, t in other.state_dict().items()}))
    assert fingerprint(other) == fingerprint(model)


def test_reading_maps_the_file_instead_of_copying_it(tmp_path):
    big = {"a": torch.zeros(16_000_000), "b": torch.zeros(16_000_000)}
    write_published(tmp_path / "safe", big, {})
    write_published(tmp_path / "bin", big, {}, file="pytorch_model.bin")
    for folder in ("safe", "bin"):
        before = _resident()
        found = load_language(tmp_path / folder, {name: t.shape for name, t in big.items()})
        assert _resident() - before < 20e6
        assert found["b"].sum() == 0


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_old_pickle_format_is_read(tmp_path):
    state = {f"showo.{name}": tensor for name, tensor in STATE.items()}
    torch.save(state, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    assert_same(load_language(tmp_path, EXPECTED))


def test_missing_folder_and_files(tmp_path):
    assert fails(tmp_path / "gone").startswith(
        f"{tmp_path / 'gone'}: no such folder; expected one holding model"
    )
    message = fails(tmp_path)
    assert all(name in message for name in WEIGHT_FILES)
    write_published(tmp_path, STATE, {})
    assert "is a file" in fails(tmp_path / "model.safetensors")


def test_wrong_shape_names_tensor_and_both_shapes(tmp_path):
    wrong = STATE | {"model.layers.0.self_attn.q_proj.weight": torch.zeros(4, 5)}
    write_published(tmp_path, wrong, {})
    message = fails(tmp_path)
    assert "showo.model.layers.0.self_attn.q_proj.weight has shape (4, 5), expected (4, 4)" in message


def test_wrong_vocabulary_names_both_sizes(tmp_path):
    other = {n: torch.zeros(9, *t.shape[1:]) if t.shape[0] == 6 else t for n, t in STATE.items()}
    write_published(tmp_path, other, {})
    assert "vocabulary of 9 rows, expected 6" in fails(tmp_path)


def test_missing_and_unexpected_tensors_are_counted_and_named(tmp_path):
    few = {name: tensor for name, tensor in STATE.items() if not name.startswith("lm_head")}
    write_published(tmp_path, few | {"extra": torch.zeros(1)}, {})
    message = fails(tmp_path)
    assert "2 tensors (showo.lm_head.weight, showo.lm_head.bias) missing" in message
    assert "1 tensor (showo.extra) unexpected" in message


def test_missing_or_unexpected_alone(tmp_path):
    write_published(tmp_path, {n: t for n, t in STATE.items() if n != "lm_head.bias"}, {})
    assert fails(tmp_path).endswith("1 tensor (showo.lm_head.bias) missing")
    write_published(tmp_path, STATE | {name: torch.zeros(1) for name in "abcd"}, {})
    assert fails(tmp_path).endswith("4 tensors (showo.a, showo.b, showo.c, ...) unexpected")


def test_names_without_the_prefix_are_refused(tmp_path):
    write_published(tmp_path, STATE, {}, prefix="")
    assert "4 tensors (showo.model.embed_tokens.weight" in fails(tmp_path)


@pytest.mark.parametrize("file", WEIGHT_FILES[1:3])
@pytest.mark.parametrize("keep", [0, 4, 0.5, 0.99])
def test_truncated_file(tmp_path, file, keep):
    write_published(tmp_path, STATE, {}, file=file)
    content = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(content[: int(keep * len(content)) if keep < 1 else keep])
    assert fails(tmp_path).startswith(f"{tmp_path / file}: truncated or not")


@pytest.mark.parametrize("content", [b"version https://git-lfs.github.com" * 9, b"hello" * 100, b"\0" * 64])
def test_bytes_that_are_no_checkpoint(tmp_path, content):
    (tmp_path / "pytorch_model.bin").write_bytes(content)
    message = fails(tmp_path)
    assert "truncated or not a checkpoint" in message or "not a pickle of plain tensors" in message


class Touch:
    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("write", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value, 2))])
def test_pickles_run_nothing(tmp_path, write):
    write({"showo.lm_head.bias": Touch(tmp_path / "ran")}, tmp_path / "pytorch_model.bin")
    assert "refused: not a pickle of plain tensors" in fails(tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [torch.zeros(2), {"a": 1}, {"state_dict": {"a": torch.zeros(1)}}])
def test_pickles_of_something_else_are_refused(tmp_path, content):
    torch.save(content, tmp_path / "pytorch_model.bin")
    assert "refused" in fails(tmp_path)


def test_broken_indices(tmp_path):
    index = tmp_path / "model.safetensors.index.json"
    for content in ("{", "[]", "{}", '{"weight_map": 3}'):
        index.write_text(content)
        assert "not an index of shards" in fails(tmp_path)
    save_file({"a": torch.zeros(1)}, tmp_path.parent / "outside.safetensors")
    for shard in ("gone.safetensors", "../outside.safetensors"):
        index.write_text(json.dumps({"weight_map": {"a": shard}}))
        assert f"{shard!r}, which is no file beside it" in fails(tmp_path)


def test_shard_without_its_tensor(tmp_path):
    write_published(tmp_path, STATE, {}, shard_bytes=100)
    save_file({"showo.lm_head.bias": STATE["lm_head.bias"]}, tmp_path / "model-00001-of-00003.safetensors")
    assert "named here, but in none of the shards" in fails(tmp_path)


def test_writing_beside_other_weights_is_refused(tmp_path):
    write_published(tmp_path, STATE, {})
    write_published(tmp_path, STATE, {})
    with pytest.raises(WeightsError, match=r"already holds model\.safetensors"):
        write_published(tmp_path, STATE, {}, file="pytorch_model.bin")
    with pytest.raises(WeightsError, match=r"weights\.pt: not a published file name"):
        write_published(tmp_path, STATE, {}, file="weights.pt")


def test_hub_gives_safetensors_first_and_pickles_only_if_needed(tmp_path, monkeypatch):
    calls = []

    def snapshot(repo, revision, allow_patterns):
        calls.append((repo, revision, allow_patterns))
        if "pytorch_model.bin" in allow_patterns:
            write_published(tmp_path, STATE, {}, file="pytorch_model.bin")
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert_same(load_language("showlab/show-o", EXPECTED, revision="abc"))
    assert [call[:2] for call in calls] == [("showlab/show-o", "abc")] * 2
    assert "model.safetensors" in calls[0][2]
    assert not any("bin" in pattern for pattern in calls[0][2])
    calls.clear()
    (tmp_path / "pytorch_model.bin").rename(tmp_path / "kept")
    write_published(tmp_path, STATE, {})
    assert_same(load_language("showlab/show-o", EXPECTED))
    assert len(calls) == 1


@pytest.mark.parametrize(
    "error",
    [LocalEntryNotFoundError("no\nconnection"), httpx.ConnectError("refused"), ValueError("bad id")],
)
def test_hub_out_of_reach_is_one_line(monkeypatch, error):
    def snapshot(repo, revision, allow_patterns):
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    message = fails("showlab/show-o")
    assert message.startswith("showlab/show-o: no such folder, and the hub could not give it")


def test_the_real_hub_client_offline_is_one_line(tmp_path):
    program = (
        "from unictk.backbones.showo.weights import load_magvit\n"
        "from unictk.errors import WeightsError\n"
        "try: load_magvit('showlab/magvitv2', {})\n"
        "except WeightsError as error: print('refused:', error)\n"
    )
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("refused: showlab/magvitv2: no such folder, and the hub could not give it")
    assert done.stdout.count("\n") == 1


def test_fingerprint_sees_every_bit_dtype_and_name():
    layer = torch.nn.Linear(3, 2)
    first = fingerprint(layer)
    assert fingerprint(layer) == first
    assert fingerprint(layer.to(torch.float64)) != first
    layer = layer.float()
    assert fingerprint(layer) == first
    layer.weight.data[1, 2] = torch.nextafter(layer.weight.data[1, 2], torch.tensor(9.0))
    assert fingerprint(layer) != first
    assert fingerprint(torch.nn.Sequential(layer)) != fingerprint(layer)
    zeros = torch.nn.BatchNorm1d(2, affine=False)
    zeros.running_var.zero_()
    assert fingerprint(zeros.half()) != fingerprint(zeros.bfloat16()), "only the dtype differs"


def test_fingerprint_does_not_depend_on_memory_format():
    convolution = torch.nn.Conv2d(4, 4, 3)
    first = fingerprint(convolution)
    assert fingerprint(convolution.to(memory_format=torch.channels_last)) == first
