"""Who plays which part, as the request has it, each with a key of what its answers depend on."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from unictk.app.identity import portable
from unictk.assembly import make_judge
from unictk.backbones.fingerprint import fingerprint
from unictk.selfplay.judges import PointJudge, RolloutJudge, VerdictJudge
from unictk.selfplay.proposers import GrammarProposer, ModelProposer, Proposer
from unictk.selfplay.rollouts import RolloutPlan
from unictk.selfplay.settings import SelfPlay
from unictk.selfplay.shards import content_key

if TYPE_CHECKING:
    from torch import nn

    from unictk.backbones.base import Backbone
    from unictk.judges.base import Judge

SELF_JUDGE = "unictk.judges.self_judge.SelfJudge"


class Players:
    """The parts of self-play on one backbone.

    Args:
        cfg: the whole request.
        backbone: who plays.
        root: the run folder.

    Raises:
        UserError: categories and words that do not go together.
    """

    def __init__(self, cfg: DictConfig, backbone: Backbone, root: Path) -> None:
        self.cfg, self.backbone, self.root = cfg, backbone, root
        plain = OmegaConf.merge(cfg.selfplay, {"examiner": None})  # it may need the backbone: see below
        self.rules: SelfPlay = instantiate(plain, _convert_="all")
        self.categories = self.rules.category_set()
        self.wording = self.rules.make_wording(self.categories)

    def model(self) -> str:
        """A key of the model as it is now."""
        return content_key(self.cfg.backbone["_target_"], fingerprint(cast("nn.Module", self.backbone)))

    def proposer(self) -> tuple[Proposer, str]:
        """Who writes prompts."""
        if self.rules.proposer == "grammar":
            return GrammarProposer(), "grammar"
        tokens = self.rules.proposal_tokens
        return ModelProposer(self.backbone, tokens), content_key(self.model(), tokens)

    def plan(self) -> RolloutPlan:
        """What the solver draws."""
        sampling, rules = instantiate(self.cfg.sampling), self.rules
        if rules.planned:
            sampling = replace(sampling, rewrite="plan", text_temperature=rules.plan_temperature)
        return RolloutPlan(sampling, rules.rollouts, rules.guidance or [sampling.guidance], rules.temperature)

    @cached_property
    def judge(self) -> RolloutJudge:
        """Who scores rollouts: a model that gives verdicts in words is asked in self-play's own."""
        node = self.cfg.judge
        if node["_target_"] == SELF_JUDGE and node.mode == "score" and node.question is None:
            return VerdictJudge(
                self.backbone,
                self.wording,
                self.categories,
                self.cfg.seed,
                node.max_new_tokens,
                self.rules.expected_scores,
            )
        asked = cast("Judge", make_judge(node, self.backbone))
        name = f"{asked.name}/{node.mode}" if "mode" in node else asked.name
        return PointJudge(asked, name, self.wording, self.root)

    def judged_by(self) -> str:
        """A key of what the judge's scores depend on beside the pictures."""
        how = portable(self.cfg)["judge"]
        return content_key(self.judge.name, self.wording.name, how, self.rules.expected_scores, self.model())

    @cached_property
    def examiner(self) -> Judge:
        """Who judges what is measured, and nothing that is learnt."""
        node = self.cfg.selfplay.get("examiner") or self.cfg.judge
        return cast("Judge", make_judge(node, self.backbone))
