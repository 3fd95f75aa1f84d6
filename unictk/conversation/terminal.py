"""A conversation in the terminal, or from a pipe: a line in, an answer out."""

from __future__ import annotations

import io
import sys
from importlib import import_module
from importlib.util import find_spec

from unictk.conversation.commands import Commands

PROMPT = "> "


def converse(commands: Commands) -> None:
    """Answer lines of standard input until ``/quit``, its end, or Ctrl-C."""
    typed = sys.stdin.isatty()
    if typed:
        _with_history()
    elif isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # a pipe may hold anything
    try:
        if commands.conversation.concepts:
            print(commands.concepts())
        print("Ask away; /help lists the commands.", flush=True)
        while True:
            said = commands.answer(input(PROMPT if typed else ""))
            if said.ends:
                return
            if said.text:
                print(printable(said.text), flush=True)
    except (EOFError, KeyboardInterrupt):
        if typed:
            print()


def printable(text: str) -> str:
    """Without the control characters that could rule a terminal: a model may say anything."""
    return "".join(sign for sign in text if sign.isprintable() or sign == "\n")


def _with_history() -> None:
    """Arrow keys recall earlier lines where the platform can do so."""
    if find_spec("readline"):
        import_module("readline")
