"""The parity command on a small backbone made up here: whatever is damaged, exactly its line fails."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file, save_file

from unictk.parity import main, read_tensors

META = {
    "backbone": "doubling",
    "inputs": ["x", "ids"],
    "outputs": {"twice": 1e-4, "ids.next": 0, "rows": 0.5, "mean": 0.0},
    "tok_inputs": ["pixels"],
    "tok_outputs": {"codes": 0},
}
NAMES = ["twice", "ids.next", "rows", "mean", "codes"]
IO = {
    "x": torch.tensor([1.0, -2.0, 3.0]),
    "ids": torch.tensor([[0, 0, 5], [0, 6, 7]]),
    "twice": torch.tensor([2.0, -4.0, 6.0]),
    "ids.next": torch.tensor([[1, 1, 6], [1, 7, 8]]),
    "rows": torch.tensor([[9.0, 9.0, 5.0], [9.0, 6.0, 7.0]]),
    "mean": torch.tensor(2 / 3),
}
TOK = {"pixels": torch.tensor([0.2, 0.8]), "codes": torch.tensor([0, 1])}


def compute(directory, meta, inputs):
    weight = read_tensors(directory / "model.safetensors")["weight"]
    assert weight.dtype == torch.float32
    work = {
        "twice": lambda: inputs["x"] * weight,
        "ids.next": lambda: inputs["ids"] + 1,
        "rows": lambda: inputs["ids"].float(),
        "mean": lambda: inputs["x"].mean(),
        "codes": lambda: inputs["pixels"].round().long(),
    }
    found = {}
    for name, function in work.items():
        try:
            found[name] = function()
        except Exception as error:
            found[name] = error
    return found


def ignored(name, inputs, meta):
    return inputs["ids"] == 0 if name == "rows" else None


@pytest.fixture
def backbone(monkeypatch):
    module = ModuleType("unictk.backbones.doubling.parity")
    module.compute, module.ignored = compute, ignored
    monkeypatch.setitem(sys.modules, "unictk.backbones.doubling", ModuleType("unictk.backbones.doubling"))
    monkeypatch.setitem(sys.modules, "unictk.backbones.doubling.parity", module)
    return module


@pytest.fixture
def golden(tmp_path, backbone):
    write(tmp_path)
    return tmp_path


def write(folder, io=IO, tok=TOK, meta=META, weight=2.0):
    save_file({name: tensor.clone() for name, tensor in io.items()}, folder / "io.safetensors")
    save_file({name: tensor.clone() for name, tensor in tok.items()}, folder / "tok_io.safetensors")
    save_file({"weight": torch.tensor([weight], dtype=torch.float16)}, folder / "model.safetensors")
    (folder / "meta.json").write_text(json.dumps(meta))


def run(capsys, folder) -> tuple[int, dict[str, dict]]:
    """Exit code and the records by name, after checking that lines and JSON say the same."""
    code = main([str(folder)])
    lines = capsys.readouterr().out.splitlines()
    assert main([str(folder), "--json"]) == code
    records = json.loads(capsys.readouterr().out)
    assert len(lines) == len(records)
    for line, record in zip(lines, records, strict=True):
        name, *_, status = re.sub(r"  \(.*\)$", "", line).split()
        assert (name, status) == (record["name"], record["status"])
        assert record["ok"] == (status == "ok")
    return code, {record["name"]: record for record in records}


def only(records, name) -> dict:
    """The record of the one output that is not ok."""
    assert list(records) == NAMES
    assert [n for n, record in records.items() if not record["ok"]] == [name]
    return records[name]


def test_all_agree(golden, capsys):
    code, records = run(capsys, golden)
    assert code == 0
    assert [record["status"] for record in records.values()] == ["ok"] * 5
    assert records["rows"]["shape"] == [2, 3]
    assert records["twice"]["tolerance"] == 1e-4
    assert records["twice"]["difference"] == 0


@pytest.mark.parametrize(
    ("name", "place", "amount"),
    [("twice", 1, 2e-4), ("ids.next", (1, 2), 1), ("rows", (1, 1), 0.6), ("mean", (), 1e-6), ("codes", 0, 1)],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_one_damaged_number_fails_exactly_its_line(golden, capsys, name, place, amount, sign):
    io, tok = ({key: tensor.clone() for key, tensor in part.items()} for part in (IO, TOK))
    (io if name in io else tok)[name][place] += sign * amount
    write(golden, io, tok)
    code, records = run(capsys, golden)
    assert code == 1
    record = only(records, name)
    assert record["status"] == "FAIL"
    assert record["difference"] == pytest.approx(amount, rel=5e-2)


@pytest.mark.parametrize("name", ["twice", "mean"])
def test_not_a_number_never_passes(golden, capsys, backbone, name):
    damaged = torch.full_like(IO[name], float("nan"))
    write(golden, IO | {name: damaged}, meta=META | {"outputs": META["outputs"] | {name: 1e30}})
    record = only(run(capsys, golden)[1], name)
    assert (record["difference"], record["reason"]) == (None, "not a number")
    backbone.compute = lambda *arguments: compute(*arguments) | {name: damaged}
    only(run(capsys, golden)[1], name)
    write(golden)
    only(run(capsys, golden)[1], name)


def test_tolerance_comes_from_meta_alone(golden, capsys):
    io = IO | {"twice": IO["twice"] + 2e-4}
    write(golden, io, meta=META | {"outputs": META["outputs"] | {"twice": 3e-4}})
    assert run(capsys, golden)[0] == 0


def test_one_damaged_weight_fails_its_line(golden, capsys):
    write(golden, weight=2.002)
    assert only(run(capsys, golden)[1], "twice")["difference"] == pytest.approx(0.00585937, rel=1e-3)


def test_damaged_input_fails_only_what_reads_it(golden, capsys):
    write(golden, tok=TOK | {"pixels": torch.tensor([0.2, float("nan")])})
    code, records = run(capsys, golden)
    assert code == 1
    only(records, "codes")
    write(golden, tok={"codes": TOK["codes"]})
    assert only(run(capsys, golden)[1], "codes")["reason"] == "not computed: KeyError: 'pixels'"


def test_padding_rows_are_left_out(golden, capsys):
    rows = IO["rows"].clone()
    rows[0, 0] = float("nan")
    write(golden, IO | {"rows": rows})
    assert run(capsys, golden)[0] == 0


def test_a_mask_over_everything_is_no_agreement(golden, capsys, backbone):
    def everything(name, inputs, meta):
        return torch.ones(3, dtype=bool) if name == "twice" else ignored(name, inputs, meta)

    backbone.ignored = everything
    assert only(run(capsys, golden)[1], "twice")["reason"] == "nothing left to compare"


@pytest.mark.parametrize(
    ("mask", "reason"),
    [(torch.zeros(2, dtype=bool), "shape of the mask is (2,)"), (ValueError("no"), "no mask")],
)
def test_a_wrong_mask_fails_its_line(golden, capsys, backbone, mask, reason):
    def chosen(name, inputs, meta):
        if name == "twice" and isinstance(mask, Exception):
            raise mask
        return mask if name == "twice" else ignored(name, inputs, meta)

    backbone.ignored = chosen
    assert reason in only(run(capsys, golden)[1], "twice")["reason"]


def test_module_without_a_mask(golden, capsys, backbone):
    del backbone.ignored
    write(golden, IO | {"rows": IO["ids"].float()})
    assert run(capsys, golden)[0] == 0


@pytest.mark.parametrize(
    ("value", "status", "reason"),
    [
        (torch.zeros(1, 3), "FAIL", "computed shape is (1, 3)"),
        (torch.zeros(1), "FAIL", "computed shape is (1,)"),
        (torch.full((3,), float("inf")), "FAIL", "infinite"),
        (2.0, "FAIL", "computed a float, not a tensor"),
        (RuntimeError("broke\nhere"), "FAIL", "not computed: RuntimeError: broke"),
        (None, "missing", "not computed"),
    ],
)
def test_computed_badly(golden, capsys, backbone, value, status, reason):
    backbone.compute = lambda *arguments: compute(*arguments) | {"twice": value}
    code, records = run(capsys, golden)
    assert code == 1
    record = only(records, "twice")
    assert (record["status"], record["reason"]) == (status, reason)
    assert record["difference"] is None


def test_missing_among_the_golden_numbers(golden, capsys):
    write(golden, {name: tensor for name, tensor in IO.items() if name != "mean"})
    code, records = run(capsys, golden)
    assert code == 1
    assert only(records, "mean")["status"] == "missing"


def test_compute_that_gives_up_fails_every_line(golden, capsys, backbone):
    backbone.compute = lambda *arguments: 1 / 0
    code, records = run(capsys, golden)
    assert code == 1
    assert {record["reason"] for record in records.values()} == {
        "not computed: ZeroDivisionError: division by zero"
    }


def test_equal_infinities_and_large_integers(golden, capsys, backbone):
    big = torch.tensor([2**53, 2**53 + 1])
    infinite = torch.tensor([float("inf"), -float("inf"), 0.0])
    backbone.compute = lambda *arguments: compute(*arguments) | {"twice": infinite, "codes": big}
    write(golden, IO | {"twice": infinite}, TOK | {"codes": big})
    assert run(capsys, golden)[0] == 0
    write(golden, IO | {"twice": infinite}, TOK | {"codes": torch.tensor([2**53, 2**53])})
    assert only(run(capsys, golden)[1], "codes")["difference"] == 1


def refused(capsys, folder) -> str:
    assert main([str(folder)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"backbone": "shwo"}, "backbone: 'shwo' is not a choice; nearest: showo"),
        ({"backbone": "../os"}, "backbone: '../os' is not a choice"),
        ({"backbone": "base"}, "backbone: 'base' is not a choice"),
        ({"backbone": 3}, "expected an object with 'backbone'"),
        ({"outputs": {}, "tok_outputs": {}}, "nothing to compare"),
        ({"outputs": ["twice"]}, "expected names with tolerances"),
        ({"outputs": {"twice": -1}}, "expected names with tolerances"),
        ({"outputs": {"twice": None}}, "expected names with tolerances"),
        ({"outputs": {"twice": True}}, "expected names with tolerances"),
        ({"outputs": {"twice": float("nan")}}, "expected names with tolerances"),
        ({"outputs": {"twice": float("inf")}}, "expected names with tolerances"),
        ({"inputs": "x"}, "inputs: expected a list of names"),
        ({"tok_outputs": {"twice": 0}}, "'twice' stands in two groups"),
    ],
)
def test_broken_meta_is_one_line(golden, capsys, change, expected):
    write(golden, meta=META | change)
    assert expected in refused(capsys, golden)


def test_broken_directory_is_one_line(golden, capsys, backbone):
    assert "meta.json" in refused(capsys, golden / "gone")
    for name in ("io.safetensors", "tok_io.safetensors", "model.safetensors"):
        content = (golden / name).read_bytes()
        (golden / name).write_bytes(content[: len(content) // 2])
        assert f"{name}: truncated" in refused(capsys, golden)
        (golden / name).unlink()
        assert name in refused(capsys, golden)
        (golden / name).write_bytes(content)
    (golden / "spare.safetensors").write_bytes(b"12345678")
    assert "spare.safetensors: truncated" in refused(capsys, golden)
    for content in ("{", "[1]", "\xff"):
        (golden / "meta.json").write_bytes(content.encode("latin-1"))
        assert "meta.json" in refused(capsys, golden)


def test_read_tensors_gives_float32_and_leaves_integers(golden):
    assert load_file(golden / "model.safetensors")["weight"].dtype == torch.float16
    assert read_tensors(golden / "model.safetensors")["weight"].dtype == torch.float32
    assert read_tensors(golden / "io.safetensors")["ids"].dtype == torch.int64


def test_command_line(tmp_path):
    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
        return subprocess.run(
            [sys.executable, "-m", "unictk.parity", *arguments],
            capture_output=True,
            text=True,
            env=environment,
        )

    done = call(str(tmp_path))
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, "")
    done = call()
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "usage: python -m unictk.parity" in done.stderr


def test_a_wrong_directory_is_refused_before_torch_is_imported(tmp_path):
    program = (
        "import sys\nfrom unictk.parity import main\n"
        f"code = main([{str(tmp_path)!r}])\nprint(code, 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "2 False\n"
