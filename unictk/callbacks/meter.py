"""Progress of a known amount of work: a bar on a terminal, a plain line every few seconds otherwise."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class Meter:
    """Shows how far some work is; use it as a context manager.

    ``total`` None means that the end is not known. Plain lines come at most every ``every_seconds``,
    and once at the end; whether ``stream`` (standard output) is a terminal is asked at the start.
    ``before`` units were done by an earlier process: they took none of this one's time.
    """

    def __init__(
        self,
        what: str,
        total: int | None,
        every_seconds: float = 10.0,
        stream: TextIO | None = None,
        before: int = 0,
    ) -> None:
        self.what = what
        self.total = total
        self.before = before
        self.every_seconds = every_seconds
        self.stream = stream or sys.stdout
        self._started = self._shown_at = time.monotonic()
        self._shown = -1
        self._state = (0, "")
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._started = self._shown_at = time.monotonic()
        if self.stream.isatty():
            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TextColumn("{task.completed}/{task.total}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                # Notes may hold brackets, which rich would read as markup.
                TextColumn("{task.fields[note]}", markup=False),
            )
            self._bar = Progress(*columns, console=Console(file=self.stream))
            # Added with what was done before: the bar reckons its speed from here.
            self._task = self._bar.add_task(self.what, total=self.total, completed=self.before, note="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        elif self._state[0] != self._shown and self._state[0] > 0:
            self._line(*self._state)

    def show(self, done: int, note: str = "") -> None:
        """``done`` units are finished; ``note`` is a few words on the side, such as the loss."""
        self._state = (done, note)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, note=note)
        elif done == self.total or time.monotonic() - self._shown_at >= self.every_seconds:
            self._line(done, note)

    def say(self, text: str) -> None:
        """Print a line without breaking the bar."""
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=self.stream, flush=True)

    def _line(self, done: int, note: str) -> None:
        now = time.monotonic()
        spent = now - self._started
        words = [f"{self.what}: {done}" + (f"/{self.total}" if self.total else ""), f"{spent:.0f} s"]
        if self.total and self.before < done < self.total:
            words.append(f"about {spent / (done - self.before) * (self.total - done):.0f} s left")
        print(", ".join([*words, note] if note else words), file=self.stream, flush=True)
        self._shown, self._shown_at = done, now
