"""Writes a question file for prompts, with the questions of a model behind an endpoint.

``python -m unictk.benchmarks.unicycle.write PROMPTS OUT --model NAME`` reads a jsonl or json file of prompts
(``prompt``, or TIIF's ``short_description``, and their ``category`` or ``type``), and appends to OUT a row
for each prompt whose questions are complete. Prompts that OUT has already are left alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, get_args

from unictk.backbones.base import Backbone
from unictk.benchmarks.unicycle.files import read_cycles, read_rows
from unictk.benchmarks.unicycle.rows import Length, RowError, read_prompt
from unictk.benchmarks.unicycle.writing import Ask, Writing, as_row
from unictk.chance import seed_of
from unictk.errors import DataError, UserError
from unictk.judges.endpoint import Endpoint
from unictk.samples import Request, Sampling, Text

Asker = Callable[[Sequence[Ask]], list[str]]
"""Answers every question on its own."""

LONGEST = 1500
"""Tokens of an answer: a dozen questions with options."""


def by_endpoint(endpoint: Endpoint) -> Asker:
    """Whoever is behind the endpoint writes."""

    def ask(asked: Sequence[Ask]) -> list[str]:
        return endpoint.ask(
            [
                [
                    {"role": "system", "content": one.question.system},
                    {"role": "user", "content": one.question.user},
                ]
                for one in asked
            ]
        )

    return ask


def by_backbone(backbone: Backbone, seed: int) -> Asker:
    """The model itself writes; one that follows instructions."""
    sampling = Sampling(max_new_tokens=LONGEST, text_temperature=0.0)

    def ask(asked: Sequence[Ask]) -> list[str]:
        return backbone.generate_text(
            [
                Request(Text(one.question.text), seed=seed_of(seed, one.question.text), sampling=sampling)
                for one in asked
            ]
        )

    return ask


def write(
    writings: Sequence[Writing],
    ask: Asker,
    keep: Callable[[Sequence[Writing]], None],
    size: int = 16,
) -> None:
    """Ask until all are done, ``size`` prompts at a time; ``keep`` gets those that are."""
    for first in range(0, len(writings), size):
        batch = writings[first : first + size]
        while asked := [(one, question) for one in batch if (question := one.wanted()) is not None]:
            said = ask([question for _, question in asked])
            for (one, _), answer in zip(asked, said, strict=True):
                one.tell(answer)
        keep(batch)


def append(file: Path, writings: Sequence[Writing]) -> None:
    """Add the complete ones to the file; of the others say why they are none."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as target:
        for one in writings:
            if one.cycle is not None:
                target.write(json.dumps(as_row(one.cycle), ensure_ascii=False) + "\n")
            else:
                print(f"{one.prompt_id}: left out: {one.complaint}")


def read_writings(file: Path, length: Length, category: str | None, attempts: int) -> list[Writing]:
    """A writing for every prompt of a file.

    Raises:
        DataError: the file is missing or damaged, or a row has no prompt or no category.
    """
    return [
        _writing(file, number, row, length, category, attempts)
        for number, row in enumerate(read_rows("prompts", file))
    ]


def _writing(
    file: Path, number: int, row: Mapping[str, Any], length: Length, category: str | None, attempts: int
) -> Writing:
    about = category or row.get("category") or row.get("type")
    try:
        prompt = read_prompt(row, length)
    except RowError as error:
        raise DataError(f"prompts: {str(file)!r} row {number} {error}") from error
    if not about:
        raise DataError(f"prompts: {str(file)!r} row {number} has no category (or type); give --category")
    return Writing(str(row.get("prompt_id") or f"{file.stem}-{number:04d}"), prompt, str(about), attempts)


def main() -> int:
    """Command line. Exit code 2: the request was wrong, or the endpoint refused."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("prompts", type=Path, help="jsonl or json: an object a prompt")
    parser.add_argument("out", type=Path, help="the question file, jsonl; it is added to")
    parser.add_argument("--model", required=True, help="its name at the endpoint")
    parser.add_argument("--base-url", help="the endpoint; OpenAI's own where this is not given")
    parser.add_argument("--length", choices=get_args(Length), default="short", help="of TIIF's prompts")
    parser.add_argument("--category", help="task type of all prompts, where they do not say")
    parser.add_argument("--attempts", type=int, default=3, help="sets of questions for a prompt")
    asked = parser.parse_args()
    try:
        if asked.out.suffix != ".jsonl":
            raise UserError(f"out: {str(asked.out)!r} is added to line by line; expected a name with .jsonl")
        if asked.attempts < 1:
            raise UserError(f"attempts: {asked.attempts} is not allowed, expected an integer from 1")
        writings = read_writings(asked.prompts, asked.length, asked.category, asked.attempts)
        known = read_cycles(asked.out) if asked.out.exists() and asked.out.stat().st_size else []
        there = {one.prompt_id for one in known}
        missing = [one for one in writings if one.prompt_id not in there]
        asker = by_endpoint(Endpoint(asked.model, asked.base_url, max_tokens=LONGEST))
        write(missing, asker, partial(append, asked.out))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    new = sum(one.cycle is not None for one in missing)
    print(f"{asked.out}: {len(known) + new} prompts, {new} of them new; {len(missing) - new} left out")
    return 0


if __name__ == "__main__":
    sys.exit(main())
