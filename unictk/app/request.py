"""Reads the command line with Hydra's own parsers: flags, and one `Override` per argument."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from unictk.app.conf_tree import ConfTree, conf_dir
from unictk.errors import UserError


@dataclass(frozen=True)
class Request:
    """A command line, parsed but not yet believed.

    ``passthrough`` is true for what Hydra answers by itself (its own help, completion, version).
    """

    overrides: tuple[Override, ...]
    multirun: bool = False
    config_dir: Path | None = None
    config_name: str = "config"
    help: bool = False
    passthrough: bool = False
    shows_config: bool = False

    @property
    def tree(self) -> ConfTree:
        """The YAML files this request can name."""
        return ConfTree((conf_dir(),) if self.config_dir is None else (conf_dir(), self.config_dir))


def read_request(argv: Sequence[str]) -> Request:
    """Parses the arguments after the program's name.

    Raises:
        UserError: unknown flag, an override that cannot be read, a ``--config-dir`` that is not there.
    """
    flags = _flags(argv)
    if flags.config_path is not None:
        raise UserError(f"--config-path: {flags.config_path!r} would replace conf/; nearest: --config-dir")
    config_dir = None
    if flags.config_dir is not None:
        config_dir = Path(flags.config_dir).resolve()
        if not config_dir.is_dir():
            raise UserError(
                f"--config-dir: {flags.config_dir!r} is not a folder; expected one of YAML groups"
            )
    passthrough = bool(flags.hydra_help or flags.shell_completion or flags.info)
    return Request(
        overrides=() if passthrough or flags.help else read_overrides(flags.overrides),
        multirun=flags.multirun,
        config_dir=config_dir,
        config_name=flags.config_name or "config",
        help=flags.help,
        passthrough=passthrough,
        shows_config=flags.cfg is not None,
    )


def read_overrides(lines: Sequence[str]) -> tuple[Override, ...]:
    """One override a line; the line that cannot be read is named."""
    parser = OverridesParser.create()
    found = []
    for line in lines:
        try:
            found.append(parser.parse_override(line))
        except HydraException as error:
            raise UserError(_unreadable(line, error)) from error
    return tuple(found)


def _flags(argv: Sequence[str]) -> Any:
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return get_args_parser().parse_args(list(argv))
    except SystemExit as stop:
        if stop.code == 0:
            raise
        last = (said.getvalue().strip().splitlines() or ["unreadable"])[-1].split("error: ")[-1]
        raise UserError(f"command line: {last}; expected key=value, -m or --help") from None


def _unreadable(line: str, error: Exception) -> str:
    key, equals, value = line.partition("=")
    if not equals:
        return f"{line}: not an override; expected key=value, +key=value or ~key"
    why = " ".join(str(error).split("\n")[0].split())
    return f"{key}: {value!r} cannot be read ({why}); expected key=value with closed quotes and brackets"
