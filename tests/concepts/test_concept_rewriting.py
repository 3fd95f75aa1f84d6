"""Knowledge replay and plans: what is rewritten, with what before it, and what is kept of the answer."""

from concept_makers import make_concept

from unictk.backbones.base import RowShape
from unictk.concepts.rewriting import Wanted, rewritten
from unictk.concepts.told import ToldConcept
from unictk.samples import Sampling

MAM = make_concept(1, "mam", "<{name}:{index}>")
BO = make_concept(1, "bo", "<{name}:{index}>")


class Says:
    def __init__(self, *answers: str) -> None:
        self.answers, self.requests = answers, []

    def generate_text(self, requests):
        self.requests += requests
        assert len(requests) == len(self.answers)
        return list(self.answers)


def replay(says: Says, concepts, *prompts: str, how="replay") -> list[str]:
    wanted = [Wanted(prompt, f"key/{i}", 10 + i) for i, prompt in enumerate(prompts)]
    return rewritten(says, concepts, wanted, Sampling(text_temperature=0.5), how)


def test_each_question_has_its_own_key_and_seed_and_the_definition_before_it():
    says = Says(" <bo> in a red hat.\n", "<bo> at sea")
    assert replay(says, [BO], "<bo> in its hat", "<bo> at home") == ["<bo> in a red hat.", "<bo> at sea"]
    first, second = says.requests
    assert (first.key, first.seed, second.seed) == ("key/0", 10, 11)
    assert first.sampling.text_temperature == 0.5
    soft = BO.soft("shared")
    assert first.segments[0].text == f"<bo> is {soft}.\nRewrite the prompt with the facts: <bo> in its hat"


def test_a_prompt_that_would_lose_its_concept_stays_as_it_is():
    assert replay(Says("a red hat"), [BO], "<bo> in its hat") == ["<bo> in its hat"]
    assert replay(Says("<bo> at sea"), [BO, MAM], "<bo> and <mam> at home") == ["<bo> and <mam> at home"]
    both = Says("<mam> and <bo> at sea")
    assert replay(both, [BO, MAM], "<bo> and <mam> at home") == ["<mam> and <bo> at sea"]
    definitions = f"<bo> is {BO.soft('shared')}.\n<mam> is {MAM.soft('shared')}.\n"
    assert both.requests[0].segments[0].text.startswith(definitions)


def test_only_concepts_that_a_prompt_names_are_asked_about():
    says = Says("<mam> at sea")
    assert replay(says, [BO, MAM], "a tree", "<mam> at home") == ["a tree", "<mam> at sea"]
    assert "<bo>" not in says.requests[0].segments[0].text


def test_of_a_concept_told_in_words_the_name_comes_back():
    told = ToldConcept("bo", RowShape(6, True), "Mika", ["<bo> lives at sea."])
    says = Says("Mika at sea")
    assert replay(says, [told], "<bo> at home") == ["<bo> at sea"]
    text = says.requests[0].segments[0].text
    assert text == "Mika lives at sea.\nRewrite the prompt with the facts: Mika at home"


def test_a_plan_is_asked_of_every_prompt_and_names_nobody():
    says = Says("In the forest: a tree.\n", "By the sea: a red star.", " ")
    asked = "a tree", "<mam> at home", "<bo>"
    assert replay(says, [BO, MAM], *asked, how="plan") == [
        "In the forest: a tree.",
        "By the sea: a red star.",
        "<bo>",
    ]
    texts = [one.segments[0].text for one in says.requests]
    assert texts[0] == "Describe the picture that this prompt asks for: a tree"
    assert (
        texts[1]
        == f"<mam> is {MAM.soft('shared')}.\nDescribe the picture that this prompt asks for: <mam> at home"
    )
