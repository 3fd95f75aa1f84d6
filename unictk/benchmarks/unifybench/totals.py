"""From answers to UnifyBench's metrics, through torchmetrics. Only one rank asks, hence no syncing."""

from __future__ import annotations

from collections.abc import Mapping

from unictk.benchmarks.unifybench.questions import COMPARED, FREE, KINDS, RECOGNITION, Questions
from unictk.benchmarks.work import Key, key_of
from unictk.metrics.answers import conclusion
from unictk.metrics.bleu import CharBleu
from unictk.metrics.matching import Choice, ExactMatch
from unictk.metrics.recognition import Recognition


def measured(subject: Questions, answers: Mapping[Key, str]) -> dict[str, tuple[float, int]]:
    """Value and number of items of every metric of the questions that has any."""
    kinds = (*KINDS, *COMPARED)
    asked = {kind: [item for item in subject.items if item.metric == kind] for kind in kinds}
    said = {kind: [answers[key_of(item)] for item in asked[kind]] for kind in kinds}
    found: dict[str, tuple[float, int]] = {}

    said |= {kind: [conclusion(answer) or "" for answer in said[kind]] for kind in COMPARED}
    for prefix, group in (("rec", RECOGNITION), ("compared", COMPARED)):
        photos = [kind for kind in group if asked[kind]]
        recognition = Recognition(sync_on_compute=False)
        for kind in photos:
            recognition.update(said[kind], [kind.removeprefix(f"{prefix}_")] * len(said[kind]))
        total = sum(len(asked[kind]) for kind in photos)
        for name, value in recognition.compute().items() if photos else ():
            metric = prefix + name.removeprefix("rec")
            found[metric] = (value.item(), len(asked[metric]) if metric in asked else total)

    free = [
        (f"{kind}{ending}", kind, score)
        for kind in FREE
        for ending, score in (
            ("", ExactMatch(subject.name, sync_on_compute=False)),
            ("_bleu", CharBleu(sync_on_compute=False)),
        )
    ]
    for metric, kind, score in (*free, ("choice", "choice", Choice(sync_on_compute=False))):
        if asked[kind]:
            score.update(said[kind], [item.reference for item in asked[kind]])
            found[metric] = (score.compute().item(), len(asked[kind]))
    return found
