"""Pictures of a concept, drawn by a backbone that renders them: what the oracle says becomes the score."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from unictk.backbones.base import Rows, RowShape
from unictk.benchmarks.unifybench.bench import UnifyBench
from unictk.benchmarks.unifybench.dreambooth import FILE, dreambooth_prompts, templates
from unictk.benchmarks.unifybench.pictures import Plan
from unictk.concepts.tokens import ConceptTokens
from unictk.datamodules.sprite import sprite_concept
from unictk.errors import DataError
from unictk.judges.oracle import OracleJudge
from unictk.judges.rules import RulesJudge
from unictk.records import ItemRecord
from unictk.samples import GeneratedImage, Request, Sampling, Text
from unictk.sprites.render import render
from unictk.sprites.scenes import Character, Scene
from unictk.sprites.splits import concept_facts, concept_identity
from unictk.sprites.story import PLACES
from unictk.sprites.truth import read_truth

SEED = 3
NAME = f"<sprite{SEED}>"


@dataclass
class Renders:
    """Draws the concept as the words of the prompt say; knows its facts only when asked to rewrite."""

    drawn: list[Request] = field(default_factory=list)
    layout: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(image_size=48))
    identity: object = field(default_factory=lambda: concept_identity(SEED))

    def generate_images(self, requests: Sequence[Request]) -> list[GeneratedImage]:
        self.drawn += requests
        return [self._draw(request.segments[-1].text) for request in requests]

    def _draw(self, prompt: str) -> GeneratedImage:
        facts = concept_facts(SEED)
        other = next(place for place in PLACES if place != facts.home)
        setting = facts.home if PLACES[facts.home] in prompt else other
        worn = (
            (facts.accessory, facts.item) if f"{facts.item} {facts.accessory}" in prompt else ("none", "none")
        )
        scene = Scene(setting, (Character(self.identity, *worn, "middle", "middle", "big"),))
        pixels = torch.from_numpy(render(scene)).permute(2, 0, 1).float() / 255
        return GeneratedImage(pixels, torch.zeros(1), {})

    def generate_text(self, requests: Sequence[Request]) -> list[str]:
        facts = concept_facts(SEED)
        said = []
        for request in requests:
            text = request.segments[-1].text
            assert isinstance(request.segments[-1], Text)
            rewrites = "Rewrite the prompt" in text
            if "Describe the picture" in text:
                said.append(f"A picture with a {facts.item} {facts.accessory}, {PLACES[facts.home]}.")
                continue
            thing = f"with a {facts.item} {facts.accessory}, {PLACES[facts.home]}."
            said.append(f"A photo of {NAME} {thing}" if rewrites else "No.")
        return said


class Brightness:
    metrics = ("bright", "photos")

    def measure(self, pictures: Sequence[Tensor], texts: Sequence[str], photos: Sequence[Path]):
        assert all(NAME not in text for text in texts)
        return [{"bright": float(one.mean()), "photos": float(len(photos))} for one in pictures]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return sprite_concept(str(tmp_path_factory.mktemp("sprites")), SEED)


@pytest.fixture
def concept() -> ConceptTokens:
    concept = ConceptTokens(f"sprite{SEED}", RowShape(4, False))
    concept.grow("identifier", Rows(torch.zeros(1, 4), torch.zeros(1, 4), None))
    return concept


def ask(backbone, concept, data, judge=None, **more):
    bench = UnifyBench(pictures=Plan(3, 2), similarities={"bright": Brightness(), "none": None})
    return bench.evaluate(backbone, concept, data, Sampling(), 0, phase="s2", judge=judge, **more)


def test_what_the_oracle_sees_is_the_score(concept, data):
    backbone = Renders()
    metrics = ask(backbone, concept, data, OracleJudge()).metrics
    assert metrics["unifybench/concept_attributes"] == 1.0
    assert metrics["unifybench/concept_attributes/n"] == 3
    assert metrics["unifybench/knowledge"] == 0.0
    assert metrics["unifybench/knowledge_looks"] == 1.0
    assert metrics["unifybench/knowledge_replay"] == 1.0
    assert metrics["unifybench/knowledge_replay/n"] == 2 * len(data.conditions.knowledge)
    assert metrics["unifybench/bright/n"] == 3
    assert metrics["unifybench/photos"] == len(data.photos)
    names = [one for one in backbone.drawn if "photo" in one.segments[-1].text]
    assert len(names) == len(backbone.drawn)


def test_somebody_else_is_not_the_concept(concept, data):
    me = concept_identity(SEED)
    other = replace(me, eyes=next(eyes for eyes in ("round", "wide", "sleepy") if eyes != me.eyes))
    metrics = ask(Renders(identity=other), concept, data, OracleJudge()).metrics
    assert metrics["unifybench/concept_attributes"] == pytest.approx(5 / 6, abs=1e-5)
    assert metrics["unifybench/concept_all"] == 0.0


def test_the_same_noise_with_and_without_replay(concept, data):
    backbone = Renders()
    ask(backbone, concept, data, OracleJudge())
    seeds = {}
    for request in backbone.drawn:
        seeds.setdefault(request.key.split("/", 1)[0], []).append(request.seed)
    assert seeds["knowledge"] == seeds["knowledge_replay"]
    assert len(set(seeds["knowledge"])) == len(seeds["knowledge"])


def test_a_plan_is_drawn_instead_of_the_prompt(concept, data):
    backbone = Renders()
    bench = UnifyBench(pictures=Plan(3, 2, plan=True), similarities={"bright": Brightness()})
    found = bench.evaluate(backbone, concept, data, Sampling(), 0, phase="s2", judge=OracleJudge())
    metrics = found.metrics
    assert metrics["unifybench/knowledge_plan"] == metrics["unifybench/knowledge_plan_looks"] == 1.0
    assert metrics["unifybench/concept_attributes_plan"] == metrics["unifybench/concept_all_plan"] == 1.0
    assert metrics["unifybench/concept_attributes_plan/n"] == metrics["unifybench/bright/n"] == 3
    planned = [one.segments[-1].text for one in backbone.drawn if "_plan/" in one.key]
    assert len(planned) == 3 + 2 * len(data.conditions.knowledge)
    assert all(text.startswith("A picture with") for text in planned), "words alone, nobody's tokens"


def test_without_a_judge_only_similarities_score(concept, data):
    for judge in (None, RulesJudge()):
        metrics = ask(Renders(), concept, data, judge).metrics
        assert metrics["unifybench/bright/n"] == 3
        assert not any("knowledge" in name or "concept" in name for name in metrics)


def test_pictures_are_kept_where_their_records_say(concept, data, tmp_path):
    result = ask(Renders(), concept, data, OracleJudge(), folder=tmp_path)
    keys = {record.image for record in result.items if record.metric.endswith("concept_attributes")}
    assert len(keys) == 3
    assert all((tmp_path / key).is_file() for key in keys)


def test_a_killed_evaluation_draws_only_what_is_missing(concept, data):
    whole = ask(Renders(), concept, data, OracleJudge())
    kept: list[ItemRecord] = []

    class Dies(Renders):
        def generate_images(self, requests):
            if len(self.drawn) >= 16:
                raise KeyboardInterrupt
            return super().generate_images(requests)

    with pytest.raises(KeyboardInterrupt):
        ask(Dies(), concept, data, OracleJudge(), save=kept.extend)
    backbone = Renders()
    bench = UnifyBench(pictures=Plan(3, 2), similarities={"bright": Brightness()})
    left = bench.pending(data, "s2", kept, OracleJudge())
    assert ask(backbone, concept, data, OracleJudge(), done=kept).metrics == whole.metrics
    assert 0 < left == len(backbone.drawn) < 3 + 4 * len(data.conditions.knowledge)


def test_photos_have_no_truth(data, tmp_path):
    assert read_truth(tmp_path) is None
    (tmp_path / "sprites.json").write_text(json.dumps({"identity": {}}))
    with pytest.raises(DataError, match="not the truth of a sprite concept"):
        read_truth(tmp_path)
    truth = read_truth(data.root)
    assert set(truth.prompts) == set(data.conditions.knowledge)
    for prompt in data.conditions.knowledge:
        expected = truth.expected(prompt)
        assert expected.told
        assert set(expected.told) | set(expected.looks) == set(expected.asked.points())


class Counts(OracleJudge):
    """How many pictures were judged."""

    def __init__(self) -> None:
        self.seen = 0

    def judge(self, requests):
        self.seen += len(requests)
        return super().judge(requests)


def dreambooth(backbone, concept, data, judge=None, similarities=None, **more):
    bench = UnifyBench(pictures=Plan(1, 0, dreambooth=2), similarities=similarities or {"b": Brightness()})
    return bench.evaluate(backbone, concept, data, Sampling(), 0, phase="s2", judge=judge, **more)


def test_dreambooths_prompts_are_drawn_and_compared_but_not_judged(concept, data, tmp_path):
    class Texts(Brightness):
        said: tuple[str, ...] = ()

        def measure(self, pictures, texts, photos):
            self.said += tuple(texts)
            return super().measure(pictures, texts, photos)

    judge, texts, backbone = Counts(), Texts(), Renders()
    found = dreambooth(backbone, concept, data, judge, {"t": texts}, folder=tmp_path)
    assert found.metrics["unifybench/dreambooth_bright/n"] == 50
    assert found.metrics["unifybench/dreambooth_photos"] == len(data.photos)
    assert found.metrics["unifybench/bright/n"] == judge.seen == 1
    assert "a character wearing a santa hat" in texts.said
    assert f"a {NAME} wearing a santa hat" in [one.segments[-1].text for one in backbone.drawn]
    assert len({request.seed for request in backbone.drawn}) == 51
    assert len(list((tmp_path / "drawn/s2/dreambooth").glob("*.png"))) == 50


def test_dreambooths_prompts_need_somebody_to_compare(concept, data):
    bench = UnifyBench(pictures=Plan(dreambooth=2), similarities={"none": None})
    backbone = Renders()
    bench.evaluate(backbone, concept, data, Sampling(), 0, phase="s2", judge=OracleJudge())
    assert backbone.drawn == []
    assert bench.pending(data, "s2", ()) == len(data.items)


def test_what_dreambooth_drew_is_not_drawn_again(concept, data):
    whole = dreambooth(Renders(), concept, data)
    again = Renders()
    assert dreambooth(again, concept, data, done=whole.items).metrics == whole.metrics
    assert again.drawn == []


def test_the_two_published_lists():
    lists = templates()
    assert {kind: len(set(found)) for kind, found in lists.items()} == {"object": 25, "live_subject": 25}
    assert lists["object"][:10] == lists["live_subject"][:10]
    assert lists["object"][-5:] == lists["live_subject"][-5:] == (
        "a red {}", "a purple {}", "a shiny {}", "a wet {}", "a cube shaped {}",
    )  # fmt: skip
    assert "a {} with the Eiffel Tower in the background" in lists["object"]
    assert "a {} in a purple wizard outfit" in lists["live_subject"]
    assert sha256(FILE.read_bytes()).hexdigest().startswith("f632a5bdb41c3909"), (
        "the published file, unchanged"
    )


def test_generation_type_chooses_the_list(data):
    assert dreambooth_prompts(data)[11] == f"a {NAME} wearing a santa hat"
    assert dreambooth_prompts(replace(data, generation_type="object"))[14] == (
        f"a {NAME} floating in an ocean of milk"
    )
