"""Compare our backbones with golden numbers: ``python -m unictk.parity DIR [--json]``.

``DIR/meta.json`` names a ``backbone``, its sizes, ``inputs``, and ``outputs`` with absolute tolerances (0 =
equal); ``io.safetensors`` holds the inputs and the outputs expected. A further group ``<g>_inputs`` and
``<g>_outputs`` has its tensors in ``<g>_io.safetensors``. ``unictk.backbones.<backbone>.parity`` exports

* ``compute(directory, meta, inputs)``: name -> tensor for every output. A value may instead be the exception
  that its computation raised, so that one failure hides no other.
* ``ignored(name, inputs, meta)``, optional: a bool mask over the leading dimensions of that output, true
  where it carries no meaning, or None.

Exit code 0: every output agrees; 1: one does not, is missing or was not computed; 2: unknown backbone or
broken directory.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from unictk.errors import DataError, UserError, WeightsError, not_a_choice

if TYPE_CHECKING:
    from types import ModuleType

    from torch import Tensor

BACKBONES = Path(__file__).parent / "backbones"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One output: ``difference`` is the worst absolute one, None where there is no number to give."""

    name: str
    shape: tuple[int, ...] | None
    difference: float | None
    tolerance: float
    status: str
    reason: str

    @property
    def ok(self) -> bool:
        """Whether the output agrees."""
        return self.status == "ok"

    def line(self) -> str:
        """``name  shape  worst difference  tolerance  ok | FAIL | missing``, and why."""
        shape = "-" if self.shape is None else "x".join(map(str, self.shape)) or "scalar"
        worst = "-" if self.difference is None else f"{self.difference:.3g}"
        why = f"  ({self.reason})" if self.reason else ""
        return f"{self.name:<32} {shape:>14} {worst:>10} {self.tolerance:>8g}  {self.status}{why}"

    def record(self) -> dict[str, Any]:
        """The same as a dictionary for JSON."""
        return asdict(self) | {"ok": self.ok}


def read_tensors(file: Path) -> dict[str, Tensor]:
    """A safetensors file with every floating tensor as float32.

    Raises:
        WeightsError: no such file, or a broken one.
    """
    from safetensors.torch import load_file

    _check_header(file)
    return {name: t.float() if t.is_floating_point() else t for name, t in load_file(file).items()}


def _check_header(file: Path) -> None:
    from safetensors import SafetensorError, safe_open

    if not file.is_file():
        raise WeightsError(f"{file}: no such file; expected a safetensors file")
    try:
        with safe_open(file, framework="pt"):
            pass
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{file}: truncated or not a safetensors file ({_line(error)})") from error


def compare(directory: Path) -> list[Comparison]:
    """Every output that ``meta.json`` names, in its order.

    Raises:
        UserError: unknown backbone, or a directory that cannot be read.
    """
    meta = _meta(directory)
    module = _backbone(meta["backbone"])
    for file in sorted(directory.glob("*.safetensors")):
        _check_header(file)
    inputs, expected, tolerances = _golden(directory, meta)
    computed = _compute(module, directory, meta, inputs, tolerances)
    return [
        _compare(name, tolerance, computed.get(name), expected.get(name), _mask(module, name, inputs, meta))
        for name, tolerance in tolerances.items()
    ]


def _meta(directory: Path) -> dict[str, Any]:
    file = directory / "meta.json"
    try:
        meta = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({_line(error)}); expected a golden directory") from error
    except ValueError as error:
        raise DataError(f"{file}: not JSON ({_line(error)})") from error
    if not isinstance(meta, dict) or not isinstance(meta.get("backbone"), str):
        raise DataError(f"{file}: expected an object with 'backbone', 'inputs' and 'outputs'")
    return meta


def _backbone(name: str) -> ModuleType:
    """The backbone's parity module; the name comes from a file, so only a plain name is imported."""
    package = f"unictk.backbones.{name}"
    known = sorted(path.parent.name for path in BACKBONES.glob("*/parity.py"))
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise not_a_choice("backbone", name, known, "meta.json")
    try:
        return importlib.import_module(f"{package}.parity")
    except ModuleNotFoundError as error:
        if error.name not in (package, f"{package}.parity"):
            raise
        raise not_a_choice("backbone", name, known, "meta.json") from error


def _compute(
    module: ModuleType,
    directory: Path,
    meta: Mapping[str, Any],
    inputs: Mapping[str, Tensor],
    names: Iterable[str],
) -> dict[str, Tensor | Exception]:
    """What the backbone computes; where it gives up as a whole, its exception for each name."""
    try:
        return dict(module.compute(directory, meta, inputs))
    except UserError:
        raise
    except OSError as error:
        raise DataError(f"{directory}: cannot be read ({_line(error)})") from error
    except Exception as error:  # stands on every output's line
        return dict.fromkeys(names, error)


def _golden(
    directory: Path, meta: Mapping[str, Any]
) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, float]]:
    """Inputs, expected outputs and tolerances of all groups together."""
    inputs: dict[str, Tensor] = {}
    expected: dict[str, Tensor] = {}
    tolerances: dict[str, float] = {}
    for prefix in (key.removesuffix("outputs") for key in meta if re.fullmatch(r"(\w+_)?outputs", key)):
        named, wanted = _group(directory, meta, prefix)
        if repeated := (wanted.keys() & tolerances.keys()) | (set(named) & inputs.keys()):
            raise DataError(f"{directory / 'meta.json'}: {min(repeated)!r} stands in two groups")
        tensors = read_tensors(directory / f"{prefix}io.safetensors")
        inputs |= {name: tensors[name] for name in named if name in tensors}
        expected |= {name: tensors[name] for name in wanted if name in tensors}
        tolerances |= wanted
    if not tolerances:
        raise DataError(f"{directory / 'meta.json'}: names no outputs; there is nothing to compare")
    return inputs, expected, tolerances


def _group(directory: Path, meta: Mapping[str, Any], prefix: str) -> tuple[list[str], dict[str, float]]:
    named, wanted = meta.get(f"{prefix}inputs", []), meta[f"{prefix}outputs"]
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise DataError(f"{directory / 'meta.json'}: {prefix}inputs: expected a list of names")
    if not isinstance(wanted, dict) or not all(map(_is_tolerance, wanted.values())):
        raise DataError(
            f"{directory / 'meta.json'}: {prefix}outputs: expected names with tolerances of 0 or more"
        )
    return named, {name: float(value) for name, value in wanted.items()}


def _is_tolerance(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and value >= 0


def _mask(
    module: ModuleType, name: str, inputs: Mapping[str, Tensor], meta: Mapping[str, Any]
) -> Tensor | Exception | None:
    if not hasattr(module, "ignored"):
        return None
    try:
        return module.ignored(name, inputs, meta)
    except Exception as error:  # reported on this output's line
        return error


def _compare(
    name: str,
    tolerance: float,
    computed: Tensor | Exception | None,
    expected: Tensor | None,
    mask: Tensor | Exception | None,
) -> Comparison:
    import torch

    def verdict(status: str, reason: str, difference: float | None = None) -> Comparison:
        shape = None if expected is None else tuple(expected.shape)
        return Comparison(name, shape, difference, tolerance, status, reason)

    if expected is None:
        return verdict("missing", "no such tensor among the golden numbers")
    if computed is None:
        return verdict("missing", "not computed")
    if isinstance(computed, Exception):
        return verdict("FAIL", f"not computed: {_line(computed)}")
    if not isinstance(computed, torch.Tensor):
        return verdict("FAIL", f"computed a {type(computed).__name__}, not a tensor")
    if computed.shape != expected.shape:
        return verdict("FAIL", f"computed shape is {tuple(computed.shape)}")
    if isinstance(mask, Exception):
        return verdict("FAIL", f"no mask: {_line(mask)}")
    if mask is not None and mask.shape != expected.shape[: mask.ndim]:
        return verdict("FAIL", f"shape of the mask is {tuple(mask.shape)}")
    differences = _differences(computed, expected)
    if mask is not None:
        differences = differences[~mask.bool()]
    if not differences.numel():
        return verdict("FAIL", "nothing left to compare")
    worst = float(differences.max())  # NaN if there is one
    if math.isfinite(worst):
        return verdict("ok" if worst <= tolerance else "FAIL", "", worst)
    return verdict("FAIL", "not a number" if math.isnan(worst) else "infinite")


def _differences(a: Tensor, b: Tensor) -> Tensor:
    """Absolute differences, float64: equal infinities 0, NaN stays NaN, unequal integers 1 or more."""
    import torch

    a, b = a.detach().cpu(), b.cpu()
    apart = (a.double() - b.double()).abs()
    if not a.is_floating_point() and not b.is_floating_point():
        apart = apart.clamp(min=1)  # float64 cannot tell all large integers apart
    return torch.where(a == b, torch.zeros_like(apart), apart)


def attempt(work: Callable[[], Any]) -> Any:
    """The result, or the exception that stood in its way: for ``compute`` of a backbone."""
    try:
        return work()
    except Exception as error:
        return error


def attempt_several(
    work: Callable[[], Mapping[str, Tensor]], names: Iterable[str]
) -> dict[str, Tensor | Exception]:
    """Several results by name, or the one exception for each of ``names``."""
    result = attempt(work)
    return dict.fromkeys(names, result) if isinstance(result, Exception) else dict(result)


def _line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:160]}" if text else type(error).__name__


class _Parser(argparse.ArgumentParser):
    """Reports a wrong command in one line."""

    def error(self, message: str) -> NoReturn:
        print(f"error: {message}; usage: {self.format_usage().strip()[7:]}", file=sys.stderr)
        raise SystemExit(2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line per output (``--json``: a list of records) and return the exit code."""
    parser = _Parser(prog="python -m unictk.parity", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("directory", type=Path, help="holds meta.json, weights, inputs and outputs")
    parser.add_argument("--json", action="store_true", help="print a JSON list instead of lines")
    options = parser.parse_args(arguments)
    try:
        results = compare(options.directory)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps([result.record() for result in results], indent=1, allow_nan=False))
    else:
        print("\n".join(result.line() for result in results))
    return 0 if all(result.ok for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
