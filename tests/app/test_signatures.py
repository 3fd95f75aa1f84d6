"""Signatures become specs, and specs accept and refuse the right values."""

import enum
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Optional, Union

import pytest
from annotated_types import Ge, Gt, Interval, Le, Lt, MinLen
from hypothesis import given
from hypothesis import strategies as st

from unictk.app.signatures import read_target, spec_of
from unictk.app.specs import describe, fits, wrong_value
from unictk.app.targets import locate


class Colour(enum.Enum):
    RED = 1


@dataclass
class Inner:
    share: Annotated[float, Ge(0), Le(1)] = 0.5


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        (int, [0, -3], [True, 1.0, "1", None]),
        (float, [0, 1.5], [True, "1.5", None]),
        (bool, [True], [0, "true"]),
        (str, ["", "x", "${a.b}"], [1, None, True]),
        (Path, ["x"], [1]),
        (Annotated[int, Ge(1)], [1, 9], [0, 1.5]),
        (Annotated[float, Gt(0), Lt(1)], [0.5], [0, 1, 1.0]),
        (Annotated[float, Interval(ge=0, le=1)], [0, 1], [-0.1, 1.1]),
        (Annotated[int | None, Ge(1)], [None, 1], [0]),
        (Annotated[list[int], MinLen(2)], [[1, 2]], [[1]]),
        (Literal["a", 1], ["a", 1], ["b", True, 1.0]),
        (Optional[int], [None, 1], ["x"]),  # noqa: UP045
        (Union[int, str, list[int]], [1, "x", [1]], [1.5, ["x"], None]),  # noqa: UP007
        (tuple[float, float], [[0.9, 0.99]], [0.9, ["x"]]),
        (Sequence[str], [["a"]], ["a", [1]]),
        (Mapping[str, int], [{"a": 1}], [{"a": "x"}, 3]),
        (Colour, ["RED"], ["BLUE", 1]),
        (Inner, [{"share": 0.2}, {"_target_": "x.Y"}], [{"share": 2}, {"shar": 0.2}, 3]),
        (Inner | None, [None, {"share": 0.2}], [{"share": 2}]),
        (Any, [1, None, "x", {}], []),
    ],
)
def test_annotations(annotation, good, bad):
    spec = spec_of(annotation)
    for value in good:
        assert fits(value, spec), (value, describe(spec))
    for value in bad:
        assert not fits(value, spec), (value, describe(spec))


@given(st.integers(), st.integers(-50, 50), st.integers(0, 50))
def test_bounds_hold_for_every_integer(value, low, width):
    spec = spec_of(Annotated[int, Ge(low), Le(low + width)])
    inside = low <= value <= low + width
    assert fits(value, spec) == inside
    if not inside:
        near = low if value < low else low + width
        assert str(wrong_value("k", value, spec)).endswith(f"nearest: {near}")


def test_required_and_run_time_parameters(tmp_path, monkeypatch):
    (tmp_path / "made_here.py").write_text(
        "from __future__ import annotations\n"
        "from typing import TYPE_CHECKING, Protocol\n"
        "if TYPE_CHECKING:\n    from elsewhere import Module\n"
        "class Data: ...\n"
        "def build(name: str, module: Module, data: Data, parts: list[Data], rows: int | None, size: int = 3,"
        " *rest: int, **more: int): ...\n"
        "def closed(size: int): ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    entry = read_target("made_here.build")
    assert entry["required"] == ["name", "rows"]
    assert list(entry["params"]) == ["name", "module", "data", "parts", "rows", "size"]
    assert entry["open"] is True
    assert not fits("x", entry["params"]["module"])
    assert read_target("made_here.closed")["open"] is False


def test_locate_tells_what_is_missing(tmp_path, monkeypatch):
    (tmp_path / "breaks.py").write_text("import nothing_like_this\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert locate("pathlib.Path.cwd") == Path.cwd
    for path, reason in [
        ("no_such_package.Thing", "no_such_package.Thing: no module named 'no_such_package'"),
        ("pathlib.Pth", "pathlib.Pth: pathlib has no 'Pth'"),
        ("breaks.Thing", "breaks.Thing: No module named 'nothing_like_this'"),
    ]:
        with pytest.raises(ImportError) as told:
            locate(path)
        assert str(told.value) == reason


def test_callable_and_module_types_need_a_node():
    spec = spec_of(Callable[[int], int])
    assert fits({"_target_": "torch.nn.ReLU"}, spec)
    assert not fits(3, spec_of(types.ModuleType))
