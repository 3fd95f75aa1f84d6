"""``task=selfplay``: rounds of proposing, drawing, judging and learning, each measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omegaconf import DictConfig

if TYPE_CHECKING:
    from unictk.app.folder import RunFolder


def selfplay(cfg: DictConfig, folder: RunFolder) -> dict[str, float]:
    """Let the backbone improve by itself (UniCorn); its weights go to ``weights/`` of the run folder.

    Each round begins with the model that the one before has made. What an earlier process recorded is not
    asked, drawn or judged again, and training goes on from its last checkpoint.

    Raises:
        UserError: a wrong combination of categories, words and judge, or a round that taught nothing.
    """
    from unictk.assembly import write_report
    from unictk.selfplay.play import Play

    play = Play(cfg, folder)
    play.begin()
    for number in range(play.rules.rounds):
        play.round(number)
    play.tell_change()
    write_report(folder)
    return folder.scores()
