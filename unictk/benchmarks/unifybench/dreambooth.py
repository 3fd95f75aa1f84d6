"""DreamBooth's prompts (arXiv 2208.12242, section 4): a subject in 25 scenes, outfits and colours.

They come from the published file, which is prose around two Python lists; it is read, never executed. A
published prompt names a subject by a rare token and its class word (``a sks dog in the snow``). Here, as in
UniCTokens, the concept stands for both (``a <bo> in the snow``), and CLIP-T is against ``a dog in the snow``.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unictk.datamodules.concept_data import ConceptData

FILE = Path(__file__).parents[2] / "assets" / "dreambooth" / "prompts_and_classes.txt"
"""The published file, unchanged; its notice lies beside it."""

HEADINGS = {"object": "Object Prompts", "live_subject": "Live Subject Prompts"}
"""What stands above each list, by ``generation_type``."""

_TEMPLATE = re.compile(r"^'(.*\{0\} \{1\}.*)'\.format\(unique_token, class_token\),?$", re.MULTILINE)


@cache
def templates() -> dict[str, tuple[str, ...]]:
    """The two lists by ``generation_type``, each with ``{}`` where the subject stands."""
    text = FILE.read_text(encoding="utf-8")
    found = {}
    for kind, heading in HEADINGS.items():
        listed = text.partition(f"\n{heading}\n")[2].partition("\n]")[0]
        found[kind] = tuple(line.replace("{0} {1}", "{}") for line in _TEMPLATE.findall(listed))
    return found


def dreambooth_prompts(data: ConceptData) -> list[str]:
    """The concept's 25 prompts in the published order.

    ``generation_type`` of its ``info.json`` says which list: ``live_subject`` for people and animals,
    ``object`` for everything else.
    """
    return [template.format(f"<{data.name}>") for template in templates()[data.generation_type]]
