"""What a concept is to be drawn doing: ``t2i_conditions.json`` in both published forms."""

from __future__ import annotations

from dataclasses import dataclass, field

from unictk.datamodules.schemas import JsonFile, shown

KNOWLEDGE = "personalized_driven_generation"
"""The list of the newer form that holds the prompts which need what was told of the concept."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Prompts of the generation benchmarks, each naming ``<name>``.

    ``identity`` asks for the concept alone; ``knowledge`` for facts told but never shown. ``groups`` are
    the parallel lists of the newer form (UnifyBench++), empty for the original one.
    """

    identity: str
    knowledge: tuple[str, ...] = ()
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)


def default_conditions(name: str) -> Conditions:
    """What a concept without the file is drawn with."""
    return Conditions(f"A photo of <{name}>.")


def read_conditions(file: JsonFile) -> Conditions:
    """The file's prompts; the newer form states no identity prompt, so it gets the published one."""
    content = file.content()
    plain = default_conditions(file.name)
    if content is None:
        return plain
    if isinstance(content, list) and content:
        prompts = file.texts(content, "the list")
        _named(file, prompts)
        return Conditions(prompts[0], prompts[1:]) if prompts else plain
    if isinstance(content, dict) and KNOWLEDGE in content:
        groups = {key: file.texts(value, key) for key, value in content.items()}
        _named(file, groups[KNOWLEDGE])
        return Conditions(plain.identity, groups[KNOWLEDGE], groups)
    file.wrong(f"a list of prompts, or an object with the key {KNOWLEDGE!r}", shown(content))
    return plain


def _named(file: JsonFile, prompts: tuple[str, ...]) -> None:
    for prompt in prompts:
        if f"<{file.name}>" not in prompt:
            file.wrong(f"<{file.name}> in every prompt", shown(prompt))
