"""Runs streams of proposals against a model and their records: what is recorded is not asked again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Annotated, Any

from annotated_types import Ge

from unictk.errors import DataError
from unictk.selfplay.categories import CategorySet
from unictk.selfplay.proposing import Ask, ProposerRules, Step, Stream
from unictk.selfplay.rows import ProposalRow, RatingRow
from unictk.selfplay.shards import Shards
from unictk.selfplay.wording import Wording

Say = Callable[[Sequence[Ask]], Sequence[str]]
"""Answers questions in a batch, each as it would be answered alone."""


def streams(
    categories: CategorySet,
    quotas: dict[str, int],
    wording: Wording,
    rules: ProposerRules,
    seed: int,
    round_number: int = 0,
    held_out: Collection[str] = frozenset(),
    rank: int = 0,
    world: int = 1,
) -> Iterator[Stream]:
    """The streams of process ``rank`` of ``world``: every category is somebody's, whole."""
    for place, category in enumerate(categories):
        if place % world == rank:
            yield Stream(category, quotas[category.name], wording, rules, seed, round_number, held_out)


def propose(
    stream: Stream,
    proposals: Shards[ProposalRow],
    ratings: Shards[RatingRow],
    say: Say,
    batch_size: Annotated[int, Ge(1)],
    made_by: str,
) -> None:
    """Bring the stream to its end: steps that have a shard are replayed, the others asked and recorded.

    A step is asked again as a whole or not at all, so its batches are the same in any run.

    Args:
        stream: of one category, as it was made.
        proposals: where they lie.
        ratings: where they lie.
        say: the model.
        batch_size: questions in a call.
        made_by: what the answers depend on beside the questions: the model and its weights.

    Raises:
        DataError: a recorded step is not what follows from its answers.
    """
    content = stream.content(made_by)
    stores: dict[str, Shards[Any]] = {"proposals": proposals, "ratings": ratings}
    while not stream.done:
        store, name = stores[stream.kind], stream.step
        if store.has(name, content):
            stream.recall(list(store.read(name)))
            if (stores[stream.kind], stream.step) == (store, name) and not stream.done:
                raise _not_following(store, name)
        else:
            asks = stream.wanted()
            for first in range(0, len(asks), batch_size):
                batch = asks[first : first + batch_size]
                stream.tell(dict(zip((ask.key for ask in batch), say(batch), strict=True)))
        for step in stream.take():
            _keep(stores[step.kind], step, content)


def _keep(store: Shards[Any], step: Step, content: str) -> None:
    if not store.has(step.name, content):
        store.write(step.name, step.rows, content)
    elif list(store.read(step.name)) != list(step.rows):
        raise _not_following(store, step.name)


def _not_following(store: Shards[Any], name: str) -> DataError:
    return DataError(
        f"{store.folder}: {store.kind} {name} does not follow from its own answers: made by another version? "
        "rerun=true starts afresh"
    )
