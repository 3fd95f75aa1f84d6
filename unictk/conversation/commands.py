"""Lines of a conversation: questions, and commands that begin with a slash."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from unictk.conversation.conversation import Conversation
from unictk.errors import UserError, nearest

QUIT = "/quit"

HELP = {
    "/image PATH": "look at a picture; none: at none; last: at what was drawn last",
    "/draw PROMPT": "draw a picture",
    "/concepts": "who is known by name",
    "/reset": "forget what was said",
    "/help": "this list",
    QUIT: "end",
}
"""Every command with what it does."""

NAMES = tuple(command.split()[0] for command in HELP)


@dataclass(frozen=True, slots=True)
class Said:
    """What a line leads to: words, perhaps a picture, perhaps the end."""

    text: str
    picture: Path | None = None
    ends: bool = False


class Commands:
    """Answers lines. What is wrong with one is said in one line and changes nothing."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self._does: dict[str, Callable[[str], Said]] = {
            "/image": self._image,
            "/draw": self._draw,
            "/concepts": lambda _: Said(self.concepts()),
            "/reset": self._reset,
            "/help": lambda _: Said("\n".join(f"{name:<14}{what}" for name, what in HELP.items())),
            QUIT: lambda _: Said("", ends=True),
        }

    def answer(self, line: str) -> Said:
        """The answer to a question, or what a command says; an empty line says nothing."""
        line = line.strip()
        if not line:
            return Said("")
        try:
            if line.startswith("/"):
                name, _, rest = line.partition(" ")
                return self._does[self._known(name)](rest.strip())
            reply = self.conversation.ask(line)
        except UserError as error:
            return Said(" ".join(str(error).split()))
        return Said("\n".join(part for part in (reply.notice, reply.answer) if part))

    def concepts(self) -> str:
        """The attached concepts, each with its groups of tokens."""
        told = [
            f"{one}: {', '.join(f'{size} {group}' for group, size in one.groups.items())}"
            for one in self.conversation.concepts
        ]
        return "\n".join(told) or "No concepts: task.saved=<concept folder> attaches some."

    @staticmethod
    def _known(name: str) -> str:
        if name in NAMES:
            return name
        best = nearest(name, NAMES)
        hint = f"; nearest: {best}" if best else ""
        raise UserError(f"{name}: no such command{hint}. /help lists them")

    def _image(self, rest: str) -> Said:
        if not rest:
            shown = self.conversation.shown
            return Said(f"Looking at {shown}." if shown else "No picture. /image PATH shows one.")
        if rest == "none":
            self.conversation.look(None)
            return Said("No picture; the conversation begins anew.")
        if rest == "last":
            self.conversation.look_at_last()
        else:
            self.conversation.look(Path(_unquoted(rest)).expanduser())
        return Said(f"Looking at {self.conversation.shown}; the conversation begins anew.")

    def _draw(self, rest: str) -> Said:
        if not rest:
            raise UserError("/draw: what? For example: /draw A photo of a red star.")
        drawing = self.conversation.draw(rest)
        return Said(f"{drawing.path} (seed {drawing.seed})", drawing.path)

    def _reset(self, _: str) -> Said:
        self.conversation.reset()
        return Said("Forgotten.")


def _unquoted(text: str) -> str:
    """Without the quotes that a terminal puts around a path that is dropped on it."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text
