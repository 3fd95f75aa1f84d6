"""The text of ``python run.py --help``."""

from __future__ import annotations

import textwrap

from unictk.app.conf_tree import ConfTree

_EXAMPLES = (
    ("the main job: three stages on a small model, evaluation and report", "python run.py"),
    (
        "a drawn character, number 3 of an endless supply; fewer epochs, on the processor",
        "python run.py concept=sprite concept.seed=3 trainer=cpu trainer.max_epochs=5",
    ),
    ("your own photos", "python run.py concept=photos concept.name=dog6 paths.data=my_data"),
    (
        "a sweep: six runs, one folder each, a failed one does not stop the others",
        "python run.py -m seed=0,1,2 sampling.guidance=2,5",
    ),
    (
        "check a data set before training on it",
        "python run.py task=check_data concept=photos concept.name=dog6 paths.data=my_data",
    ),
)


def help_page(tree: ConfTree) -> str:
    """Tasks, groups with their options (read from the YAML files), and worked examples."""
    tasks = [f"  {name:<12} {tree.summary('task', name)}".rstrip() for name in tree.groups.get("task", ())]
    groups = [
        _options(group, options)
        for group, options in tree.groups.items()
        if "/" not in group and group not in ("task", "hydra")
    ]
    examples = [f"  # {what}\n  {line}" for what, line in _EXAMPLES]
    return "\n".join(
        [
            "Experiments on unified multimodal models.",
            "",
            "usage: python run.py [group=option ...] [key=value ...] [-m] [--config-dir FOLDER] [--cfg job]",
            "",
            "Tasks (task=...):",
            *tasks,
            "",
            "Groups (group=option):",
            *groups,
            "",
            "Keys: seed, tags, objective, rerun, paths.data, paths.output, paths.cache, and every key that",
            "`python run.py --cfg job` prints. Add one that a class takes but no file sets with +key=value.",
            "",
            "Examples:",
            *examples,
            "",
            "A run writes to <paths.output>/<name of the request>; the same request again resumes it, or",
            "says that it is done; rerun=true starts afresh.",
            "Exit codes: 0 done, 1 the run failed, 2 wrong request.",
            'Completion: eval "$(python run.py -sc install=bash)". Hydra\'s own help: --hydra-help.',
        ]
    )


def _options(group: str, options: tuple[str, ...]) -> str:
    text = ", ".join(options)
    return textwrap.fill(text, 100, initial_indent=f"  {group:<14} ", subsequent_indent=" " * 17)
