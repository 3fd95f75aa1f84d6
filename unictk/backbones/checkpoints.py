"""Published folders of weights and tokenizers: finding, reading and writing them, from a disk or the hub.

Layout: one of :data:`WEIGHT_FILES`, or its shards with an index, beside a ``config.json``. Files are data:
safetensors, or pickles restricted to plain tensors. Reading maps the file into memory, so nothing is copied
until a network takes the values.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from unictk.errors import WeightsError, not_a_choice

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

WEIGHT_FILES = (
    "model.safetensors",
    "diffusion_pytorch_model.safetensors",
    "pytorch_model.bin",
    "diffusion_pytorch_model.bin",
)
"""Names looked for, in this order; each may instead be sharded: ``<name>.index.json``."""

SHARD_BYTES = 5_000_000_000
"""Larger models are written in several files."""

ASSETS = Path(__file__).parents[1] / "assets"
BUNDLED = "bundled:"
"""``bundled:sprites/showo`` is a folder of weights that come with the package."""

BUNDLED_TOKENIZER = ASSETS / "tokenizer"

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_SAFE = [f"{stem}{end}" for stem in ("model", "diffusion_pytorch_model") for end in
         (".safetensors", "-*.safetensors", ".safetensors.index.json")]  # fmt: skip
_PICKLES = [f"{stem}{end}" for stem in ("pytorch_model", "diffusion_pytorch_model") for end in
            (".bin", "-*.bin", ".bin.index.json")]  # fmt: skip
_VOCABULARY = ("model.embed_tokens.weight", "lm_head.weight", "lm_head.bias")


def read_folder(
    source: str | Path, example: str, revision: str | None = None
) -> tuple[dict[str, Tensor], Path]:
    """Every tensor of a folder or hub id in the file's dtype, and the file (or index) that named them.

    The tensors are views of the mapped file: give them to ``load_state_dict``, which copies. ``example`` is
    the hub id that the error for a missing folder names.

    Raises:
        WeightsError: no such folder or file, or a broken or refused file.
    """
    folder = find_folder(source, revision, [_SAFE, _PICKLES], ", ".join(WEIGHT_FILES), example)
    file = _weight_file(folder)
    if file is None:
        raise WeightsError(
            f"{folder}: no weights here; looked for {', '.join(WEIGHT_FILES)}, or one with .index.json"
        )
    return (read_shards(file) if file.suffix == ".json" else read_file(file)), file


def read_file(file: Path, inside: str | None = None) -> dict[str, Tensor]:
    """The tensors of one file, safetensors or a pickle of plain tensors.

    ``inside``: the entry of a pickle that holds the tensors, where it has such an entry.

    Raises:
        WeightsError: broken, or more than tensors.
    """
    return _read_safetensors(file) if file.suffix == ".safetensors" else _read_pickle(file, inside)


def load_tokenizer(
    source: str | Path = BUNDLED_TOKENIZER, revision: str | None = None
) -> PreTrainedTokenizerBase:
    """A tokenizer from a folder (``tokenizer.json``, or ``vocab.json`` and ``merges.txt``) or a hub id.

    Raises:
        WeightsError: no such folder, no tokenizer in it, or a broken one.
    """
    patterns = ("*.json", "merges.txt")
    folder = find_folder(
        source, revision, [patterns], "tokenizer.json, or vocab.json and merges.txt", "microsoft/phi-1_5"
    )
    if not (folder / "tokenizer.json").is_file():
        absent = [name for name in ("vocab.json", "merges.txt") if not (folder / name).is_file()]
        if absent:
            raise WeightsError(
                f"{folder}: no tokenizer here; looked for tokenizer.json, or vocab.json and merges.txt"
            )
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the readers behind it raise bare Exception for a broken file
        raise WeightsError(f"{folder}: not a tokenizer that can be read ({_line(error)})") from error


def write_folder(
    folder: str | Path,
    state: Mapping[str, Tensor],
    config: Mapping[str, Any],
    prefix: str,
    file: str = WEIGHT_FILES[0],
    shard_bytes: int | None = None,
) -> None:
    """Write tensors and ``config.json`` in the published layout, sharded where ``shard_bytes`` is given.

    ``state`` has names without ``prefix``. Every file appears whole or not at all.

    Raises:
        WeightsError: ``file`` is none of the published names, or ``folder`` holds other weights already.
    """
    if file not in WEIGHT_FILES:
        raise WeightsError(f"{file}: not a published file name; one of {', '.join(WEIGHT_FILES)}")
    folder = Path(folder)
    target = file if shard_bytes is None else f"{file}.index.json"
    present = _weight_file(folder)
    if present is not None and present.name != target:
        raise WeightsError(f"{folder}: already holds {present.name}; choose an empty folder for {target}")
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {prefix + name: tensor.detach() for name, tensor in state.items()}
    if shard_bytes is None:
        write_tensors(folder / file, tensors)
    else:
        write_shards(folder, tensors, file, shard_bytes)
    write_json(folder / "config.json", config)


def shard_bytes(state: Mapping[str, Tensor]) -> int | None:
    """What one file of these tensors may hold at most: None, a single file, for all but large models."""
    return SHARD_BYTES if sum(tensor.nbytes for tensor in state.values()) > SHARD_BYTES else None


def _weight_file(folder: Path) -> Path | None:
    candidates = (folder / f"{name}{end}" for name in WEIGHT_FILES for end in ("", ".index.json"))
    return next((path for path in candidates if path.is_file()), None)


def find_folder(
    source: str | Path,
    revision: str | None,
    patterns: Sequence[Sequence[str]],
    wanted: str,
    example: str,
) -> Path:
    """The folder that ``source`` names: itself, one in the package, or the snapshot of a hub id.

    Args:
        source: folder, ``bundled:...`` or hub id.
        revision: of the hub.
        patterns: files of the hub; each list is fetched only if those before gave no weights.
        wanted: what such a folder holds, for messages.
        example: a hub id, for messages.

    Raises:
        WeightsError: no such folder, a file, or a hub that does not give it.
    """
    if isinstance(source, str) and source.startswith(BUNDLED):
        return _bundled(source)
    path = Path(source).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        raise WeightsError(f"{source}: is a file; expected its folder, holding {wanted}")
    if isinstance(source, str) and _HUB_ID.fullmatch(source):
        return _download(source, revision, patterns, wanted)
    raise WeightsError(
        f"{source}: no such folder; expected one holding {wanted}, or a hub id such as {example}"
    )


def _bundled(source: str) -> Path:
    """The folder inside the package; only folders that hold weights can be named."""
    folders = sorted(path.parent for path in ASSETS.rglob("config.json") if _weight_file(path.parent))
    names = {f"{BUNDLED}{path.relative_to(ASSETS).as_posix()}": path for path in folders}
    if source not in names:
        raise not_a_choice("weights", source, sorted(names))
    return names[source]


def _download(repo: str, revision: str | None, patterns: Sequence[Sequence[str]], wanted: str) -> Path:
    """The repository's snapshot: each list of patterns is asked for only if those before gave no weights."""
    import httpx
    from huggingface_hub import snapshot_download

    folder = Path()
    try:
        for files in patterns:
            folder = Path(snapshot_download(repo, revision=revision, allow_patterns=["config.json", *files]))
            if _weight_file(folder) is not None:
                break
    except (OSError, ValueError, httpx.HTTPError) as error:
        raise WeightsError(
            f"{repo}: no such folder, and the hub could not give it ({_line(error)}); "
            f"expected a hub id within reach, or a folder holding {wanted}"
        ) from error
    return folder


def _read_safetensors(file: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as opened:
            return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{file}: truncated or not a safetensors file ({_line(error)})") from error


def _read_pickle(file: Path, inside: str | None) -> dict[str, Tensor]:
    try:
        tensors = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{file}: refused: not a pickle of plain tensors; expected only tensors"
        ) from error
    except Exception as error:  # bytes that are no checkpoint make the reader raise almost anything
        raise WeightsError(f"{file}: truncated or not a checkpoint ({_line(error)})") from error
    if inside is not None and isinstance(tensors, dict) and isinstance(tensors.get(inside), dict):
        tensors = tensors[inside]
    if not isinstance(tensors, dict) or not all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in tensors.items()
    ):
        raise WeightsError(f"{file}: refused: not a pickle of plain tensors; expected names with tensors")
    return tensors


def read_shards(index: Path) -> dict[str, Tensor]:
    """Every tensor that an index (``weight_map``: name -> file beside it) names.

    Raises:
        WeightsError: a broken index, or a shard that is missing, broken or lacks its tensor.
    """
    try:
        placed = json.loads(index.read_text())["weight_map"]
        files = {name: str(file) for name, file in placed.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{index}: not an index of shards; expected a 'weight_map' of files") from error
    tensors: dict[str, Tensor] = {}
    for file in sorted(set(files.values())):
        path = index.parent / file
        if path.name != file or not path.is_file():
            raise WeightsError(f"{index}: names the shard {file!r}, which is no file beside it")
        tensors |= read_file(path)
    absent = [name for name in files if name not in tensors]
    if absent:
        raise WeightsError(f"{index}: {_some(absent)} named here, but in none of the shards")
    return tensors


def check_shapes(
    found: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]], prefix: str, file: Path
) -> None:
    """That a file has exactly the tensors expected (names with ``prefix``), in their shapes.

    Raises:
        WeightsError: tensors missing or unexpected, another vocabulary, or another shape.
    """
    missing = [name for name in expected if name not in found]
    extra = [name for name in found if name not in expected]
    if missing or extra:
        parts = [
            f"{_some(names)} {word}" for names, word in ((missing, "missing"), (extra, "unexpected")) if names
        ]
        raise WeightsError(f"{file}: {'; '.join(parts)}")
    wrong = [name for name, shape in expected.items() if tuple(found[name].shape) != shape]
    if not wrong:
        return
    name, shape, other = wrong[0], expected[wrong[0]], tuple(found[wrong[0]].shape)
    if name.removeprefix(prefix) in _VOCABULARY and other[1:] == shape[1:]:
        raise WeightsError(f"{file}: {name} has a vocabulary of {other[0]} rows, expected {shape[0]}")
    raise WeightsError(f"{file}: {name} has shape {other}, expected {shape} ({len(wrong)} tensors differ)")


def fill_module(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give a module tensors that fit it, as float32; one on the meta device is made real."""
    state = dict(tensors)
    for name in list(state):  # one by one, so that never two whole copies are held
        state[name] = state[name].to(torch.float32, copy=True)
    module.load_state_dict(state, assign=True)


def write_tensors(file: Path, tensors: Mapping[str, Tensor], inside: str | None = None) -> None:
    """Write safetensors or, by its name, a pickle (under the entry ``inside``): whole or not at all."""
    part = file.with_name(f".{file.name}.part")
    plain = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    if file.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file(plain, part, metadata={"format": "pt"})
    else:
        whole = {name: tensor.clone() for name, tensor in plain.items()}  # a view saves its whole file
        torch.save(whole if inside is None else {inside: whole}, part)
    os.replace(part, file)


def write_shards(folder: Path, tensors: Mapping[str, Tensor], file: str, shard_bytes: int) -> None:
    """Files of about ``shard_bytes`` each, and ``<file>.index.json``."""
    shards: list[dict[str, Tensor]] = [{}]
    filled = 0
    for name, tensor in tensors.items():
        if shards[-1] and filled + tensor.nbytes > shard_bytes:
            shards.append({})
            filled = 0
        shards[-1][name] = tensor
        filled += tensor.nbytes
    placed: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        path = folder / f"{Path(file).stem}-{number:05d}-of-{len(shards):05d}{Path(file).suffix}"
        write_tensors(path, shard)
        placed |= dict.fromkeys(shard, path.name)
    total = sum(tensor.nbytes for tensor in tensors.values())
    write_json(folder / f"{file}.index.json", {"metadata": {"total_size": total}, "weight_map": placed})


def write_json(file: Path, content: Mapping[str, Any]) -> None:
    """Sorted and indented; the file appears whole or not at all."""
    part = file.with_name(f".{file.name}.part")
    part.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
    os.replace(part, file)


def _some(names: Sequence[str]) -> str:
    """``3 tensors (a, b, c)``: the count and the first names."""
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{len(names)} {'tensor' if len(names) == 1 else 'tensors'} ({shown})"


def _line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__
