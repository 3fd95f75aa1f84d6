"""Choice questions from the published file to the metric: only the right letter, alone, is right."""

import json
from collections.abc import Sequence
from types import SimpleNamespace

import pytest
import torch

from unictk.backbones.base import Rows, RowShape
from unictk.benchmarks.unifybench.bench import UnifyBench
from unictk.concepts.tokens import ConceptTokens
from unictk.datamodules.concept_data import read_concept
from unictk.datamodules.sprite import sprite_concept
from unictk.samples import Request, Sampling

NAME = "sprite3"
ASKED = {
    "Which colour is <sprite3>? A. red B. blue": ("B", "B"),
    "Which shape? A. star B. drop": ("A", "A star, or is it B?"),
    "Which ears? A. long B. none": ("B.", "The answer is (B)."),
    "Which eyes? A. wide B. round": ("A", "A thing with eyes."),
    "Where does <sprite3> live? A. in the sea B. in space C. in the snow": ("C", "Both A and C."),
    "What does <sprite3> eat? A. cake B. soup": ("A. cake", "I think A. cake."),
}
"""Question -> (reference, what the model says)."""
RIGHT = 3


class Answers:
    layout = SimpleNamespace(image_size=48)

    def generate_text(self, requests: Sequence[Request]) -> list[str]:
        said = (request.segments[-1].text.rsplit("\n", 1)[-1] for request in requests)
        return [ASKED[one][1] if one in ASKED else "?" for one in said]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = sprite_concept(str(tmp_path_factory.mktemp("sprites")), 3).root
    (root / "test_data").mkdir()
    items = [
        {
            "image": f"concept/test/{NAME}/0.png" if number % 2 else "black_512x512.png",
            "type": "single_choice" if number % 3 else "choice",
            "conversations": [{"from": "human", "value": question}, {"from": "gpt", "value": reference}],
        }
        for number, (question, (reference, _)) in enumerate(ASKED.items())
    ]
    (root / "test_data" / f"{NAME}.json").write_text(json.dumps(items))
    return read_concept(root, NAME)


def test_the_metric_counts_right_letters(data):
    concept = ConceptTokens(NAME, RowShape(4, False))
    concept.grow("identifier", Rows(torch.zeros(1, 4), torch.zeros(1, 4), None))
    result = UnifyBench().evaluate(Answers(), concept, data, Sampling(), 0, phase="s3")
    assert result.metrics["unifybench/choice/n"] == len(ASKED)
    assert result.metrics["unifybench/choice"] == RIGHT / len(ASKED)
    records = {r.question: r for r in result.items if r.metric == "unifybench/choice"}
    wrong = {question for question, record in records.items() if record.score == 0}
    assert wrong == {question for question in ASKED if "shape" in question or "eyes" in question} | {
        question for question in ASKED if "live" in question
    }
    assert {record.image for record in records.values()} == {f"concept/test/{NAME}/0.png", None}
