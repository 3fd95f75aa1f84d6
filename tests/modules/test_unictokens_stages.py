"""The three stages: which rows change, what they are fed, where they start, that they learn."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lightning import Trainer
from stage_makers import QUICK, concept_data, fit, make_stage, small_backbone
from torch import Tensor

from unictk.concepts.bridge import late_cells
from unictk.concepts.initialisers import class_word, kmeans_rows, random_rows
from unictk.concepts.known_rows import save_known
from unictk.concepts.tokens import ConceptTokens
from unictk.datamodules.concept_data import ConceptData
from unictk.datamodules.mixture import Mixture, Share
from unictk.datamodules.writers import photo_segments
from unictk.errors import UserError
from unictk.modules.concept_stage import ConceptStage
from unictk.modules.unictokens import UnderstandingWarmup
from unictk.samples import Image, Text, View

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ConceptData:
    return concept_data(tmp_path_factory.mktemp("data"))


def rows_of(concept: ConceptTokens) -> Tensor:
    rows = concept.rows()
    assert rows.bias is not None
    return torch.cat([rows.input, rows.head, rows.bias[:, None]], dim=1).detach().clone()


@pytest.fixture(scope="module")
def trained(data: ConceptData, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Tensor]]:
    """Rows at the start and end of each stage, run one after another."""
    backbone = small_backbone()
    frozen = {name: value.clone() for name, value in backbone.state_dict().items()}
    concept = ConceptTokens("bo", backbone.row_shape)
    found: dict[str, list[Tensor]] = {}
    for name in ("s1", "s2", "s3"):
        stage = make_stage(name, backbone, concept, data)
        stage.begin()
        before = rows_of(concept)
        fit(stage, 2, tmp_path_factory.mktemp(name), begun=True)
        found[name] = [before, rows_of(concept)]
    assert all(torch.equal(value, frozen[name]) for name, value in backbone.state_dict().items())
    return found


def changed(pair: list[Tensor]) -> list[int]:
    return [row for row, (a, b) in enumerate(zip(*pair, strict=True)) if not torch.equal(a, b)]


def test_case_20_only_the_right_rows_change_bit_for_bit(trained: dict[str, list[Tensor]]) -> None:
    assert changed(trained["s1"]) == [0, 1, 2, 3, 4]
    assert changed(trained["s2"]) == [0, 1, 2, 3, 4, 5, 6]
    assert changed(trained["s3"]) == [0, 7, 8], "identifier and understanding-only rows"


def test_a_stage_starts_where_the_one_before_it_ended(trained: dict[str, list[Tensor]]) -> None:
    assert torch.equal(trained["s2"][0][:5], trained["s1"][1])
    assert torch.equal(trained["s3"][0][:7], trained["s2"][1])


def test_case_20_and_32_published_sizes_train_the_published_numbers(data: ConceptData) -> None:
    """Rows 17, 25 and 9 of 33: 69,649, 102,425 and 36,873 numbers at hidden size 2048."""
    backbone = small_backbone()
    concept = ConceptTokens("bo", backbone.row_shape)
    counts = []
    sizes = {"s1": {"shared": 16}, "s2": {"generation": 8}, "s3": {"understanding": 8}}
    for name, options in sizes.items():
        stage = make_stage(name, backbone, concept, data, **options)  # type: ignore[arg-type]
        stage.begin()
        numbers = sum(p.numel() for p in stage.trainable())
        hidden = backbone.row_shape.hidden
        counts.append(numbers // (2 * hidden + 1))
        assert numbers == counts[-1] * (2 * hidden + 1)
    assert counts == [17, 25, 9]
    assert [n * (2 * 2048 + 1) for n in counts] == [69_649, 102_425, 36_873]


def test_stage_1_starts_at_the_class_word_and_the_photos_centres(data: ConceptData) -> None:
    backbone = small_backbone()
    concept = ConceptTokens("bo", backbone.row_shape)
    make_stage("s1", backbone, concept, data).begin()
    rows = concept.rows()
    torch.testing.assert_close(rows.input[0], class_word(backbone, "dog"))
    expected = kmeans_rows(backbone.vectors(photo_segments(data, data.photos, View())), 4)
    torch.testing.assert_close(rows.input[1:], expected)
    head = backbone.network.phi.lm_head
    text = slice(0, backbone.vocabulary.text)
    torch.testing.assert_close(rows.head, head.weight[text].mean(0).expand(5, -1))
    assert rows.bias is not None
    assert (rows.bias == head.bias[text].min()).all()


def test_case_11_published_head_start_copies_image_code_rows(data: ConceptData) -> None:
    backbone = small_backbone()
    concept = ConceptTokens("bo", backbone.row_shape)
    make_stage("s1", backbone, concept, data, head_start="codes").begin()
    make_stage("s2", backbone, concept, data, head_start="codes").begin()
    first = backbone.vocabulary.first_code
    head = backbone.network.phi.lm_head
    rows = concept.rows()
    assert torch.equal(rows.head, head.weight[first : first + 7])
    assert torch.equal(rows.bias, head.bias[first : first + 7])
    assert torch.equal(rows.input[5:], backbone.network.input_table[first + 5 : first + 7])


def test_stage_1_from_words_alone(data: ConceptData) -> None:
    backbone = small_backbone()
    concept = ConceptTokens("bo", backbone.row_shape)
    make_stage("s1", backbone, concept, data, start="words").begin()
    soft = concept.rows().input[1:]
    assert torch.equal(soft, soft[:1].expand_as(soft))


def test_rows_start_where_known_characters_are_on_average(tmp_path: Path, data: ConceptData) -> None:
    backbone = small_backbone()
    concept = ConceptTokens("bo", backbone.row_shape)
    table = torch.randn(3, 8, backbone.row_shape.hidden).bfloat16().float()
    save_known(tmp_path / "known", table, {"identifier": 1, "shared": 5, "generation": 2})
    known = {"start": "known", "known": str(tmp_path / "known")}
    make_stage("s1", backbone, concept, data, **known).begin()
    make_stage("s2", backbone, concept, data, **known).begin()
    assert [len(rows) for rows in (concept.rows().input, concept.rows().head)] == [7, 7]
    torch.testing.assert_close(concept.rows().input, table.mean(0)[[0, 1, 2, 3, 4, 6, 7]])
    more = ConceptTokens("nori", backbone.row_shape)
    make_stage("s1", backbone, more, data, **known).begin()
    with pytest.raises(UserError, match="known characters have 7 rows for group generation; 8 are wanted"):
        make_stage("s2", backbone, more, data, generation=8, **known).begin()
    make_stage("s2", backbone, more, data, generation=3, **known).begin()
    torch.testing.assert_close(more.rows().input[5:], table.mean(0)[[5, 6, 7]])  # shared ones come before


def test_random_rows_and_rows_from_photos_in_place_of_the_bridge(data: ConceptData) -> None:
    backbone = small_backbone()
    concept = ConceptTokens("bo", backbone.row_shape)
    make_stage("s1", backbone, concept, data).begin()
    make_stage("s2", backbone, concept, data, start="random").begin()
    make_stage("s3", backbone, concept, data, bridge="photos").begin()
    rows = concept.rows().input
    word = backbone.words("dog")
    torch.testing.assert_close(rows[5:7], random_rows(backbone, "dog", 2, 0))
    assert abs(random_rows(backbone, "dog", 400, 0).std() - word.std()) < 0.05 * word.std()
    assert not torch.equal(random_rows(backbone, "dog", 2, 0), random_rows(backbone, "dog", 2, 1))
    centres = kmeans_rows(backbone.vectors(photo_segments(data, data.photos, View())), 2)
    torch.testing.assert_close(rows[7:], centres)


def test_faces_are_asked_for_people_and_named_when_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    for name in ("insightface", "insightface.app"):
        monkeypatch.setitem(sys.modules, name, None)
    backbone = small_backbone()
    concept = ConceptTokens("bo", backbone.row_shape)
    human = concept_data(tmp_path, human=True)
    make_stage("s1", backbone, concept, human).begin()
    with pytest.raises(UserError, match=r"unictk\[face\]"):
        make_stage("s2", backbone, concept, human).begin()
    make_stage("s2", backbone, concept, human, start="photos").begin()
    assert concept.stage == 2


def samples(stage: ConceptStage) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for flow in stage.flows():
        lines = []
        for sample in flow.samples:
            words = [
                s.text if isinstance(s, Text) else ("[picture]" if s.target else "[seen]") for s in sample
            ]
            lines.append(" | ".join(words))
        found[flow.name] = lines
    return found


def test_case_14_what_each_stage_is_fed(data: ConceptData) -> None:
    backbone = small_backbone()
    concept = ConceptTokens("bo", backbone.row_shape, spelling="<token_{index}>")
    soft, drawn, seen = (
        "".join(f"<token_{i}>" for i in span) for span in (range(4), range(6), (0, 1, 2, 3, 6, 7))
    )
    fed = {}
    for name in ("s1", "s2", "s3"):
        stage = make_stage(name, backbone, concept, data)
        stage.begin()
        fed[name] = samples(stage)
    assert list(fed["s1"]) == ["understanding"]
    assert fed["s1"]["understanding"][0] == f"[seen] | <bo> is {soft}.\nIs <bo> here? | Yes."
    assert fed["s2"]["understanding"] == fed["s1"]["understanding"]
    assert fed["s2"]["drawing"] == [f"A photo of {drawn} <bo>. | [picture]"] * 3
    assert fed["s3"]["understanding"][3] == f"[seen] | <bo> is {seen}.\nWhat is <bo>? | A dog."
    assert fed["s3"]["drawing"] == fed["s2"]["drawing"]


def test_stage_2_draws_random_crops_and_stage_3_whole_photos(data: ConceptData) -> None:
    backbone = small_backbone()
    concept = ConceptTokens("bo", backbone.row_shape)
    views = {}
    for name in ("s1", "s2", "s3"):
        stage = make_stage(name, backbone, concept, data)
        stage.begin()
        views[name] = {i.view for flow in stage.flows() for s in flow.samples for i in s.images if i.target}
    assert views["s1"] == set()
    assert views["s2"] == {View(scale=1.1, crop="random", flip=0.25, seed=0)}
    assert views["s3"] == {View(scale=1.0, crop="centre", flip=0.25, seed=0)}


def fixed_loss(stage: ConceptStage) -> dict[str, float]:
    """Mean losses over the whole data with the same masks every time."""
    plan = Mixture(stage.backbone.layout, stage.flows(), 99, "fixed").plan(Share())
    sums = torch.zeros(4)
    with torch.no_grad():
        for epoch in range(3):
            for index in range(len(plan)):
                loss = stage.backbone.loss(plan[epoch, index])
                sums += torch.tensor([loss.text_sum, loss.text_count, loss.image_sum, loss.image_count])
    return {
        name: float(total / count)
        for name, total, count in (("text", *sums[:2]), ("image", *sums[2:]))
        if count
    }


def test_the_loss_falls_in_each_stage(data: ConceptData, tmp_path: Path) -> None:
    backbone = small_backbone()
    concept = ConceptTokens("bo", backbone.row_shape)
    for name in ("s1", "s2", "s3"):
        stage = make_stage(name, backbone, concept, data, lr=3e-3)
        stage.begin()
        before = fixed_loss(stage)
        fit(stage, 12, tmp_path, begun=True)
        after = fixed_loss(stage)
        total = [
            stage.text_weight * x["text"] + stage.image_weight * x.get("image", 0.0) for x in (before, after)
        ]
        assert total[1] < total[0] - 0.02, (name, before, after)


def test_case_16_loss_weighting_and_denominators(data: ConceptData, tmp_path: Path) -> None:
    """0.8 image + 0.2 text, each a mean: over masked cells + 2, and over answer tokens + 1."""
    backbone = small_backbone()
    concept = ConceptTokens("bo", backbone.row_shape)
    make_stage("s1", backbone, concept, data).begin()
    stage = make_stage("s2", backbone, concept, data)
    stage.begin()
    plan = Mixture(backbone.layout, stage.flows(), 0, "s2").plan(Share())
    batch = plan[0, 0]
    masked = int(batch.parts.rows.slot_masked.sum())
    assert batch.counts.image == masked + 2
    loss = backbone.loss(batch)
    expected = 0.8 * loss.image_sum / (masked + 2) + 0.2 * loss.text_sum / batch.counts.text
    stage._trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)  # type: ignore[assignment]
    stage.log = lambda *a, **k: None  # type: ignore[method-assign,assignment]
    torch.testing.assert_close(stage.training_step(batch, 0), expected)


def test_the_anchor_pulls_the_identifier_back(data: ConceptData, tmp_path: Path) -> None:
    moved = []
    for anchor in (0.0, 100.0):
        backbone = small_backbone()
        concept = ConceptTokens("bo", backbone.row_shape)
        make_stage("s1", backbone, concept, data).begin()
        stage = make_stage("s2", backbone, concept, data, anchor=anchor)
        stage.begin()
        before = rows_of(concept)[0]
        fit(stage, 3, tmp_path, begun=True)
        moved.append(float((rows_of(concept)[0] - before).norm()))
    assert moved[1] < 0.5 * moved[0]


def test_checkpoints_hold_rows_and_nothing_of_the_model(data: ConceptData, tmp_path: Path) -> None:
    backbone = small_backbone()
    concept = ConceptTokens("bo", backbone.row_shape)
    stage = make_stage("s1", backbone, concept, data)
    trainer = fit(stage, 1, tmp_path)
    trainer.save_checkpoint(tmp_path / "c.ckpt")
    saved = torch.load(tmp_path / "c.ckpt", weights_only=True)
    assert set(saved["state_dict"]) == {f"concept.{name}" for name in concept.state_dict()}
    other = make_stage("s1", small_backbone(), ConceptTokens("bo", backbone.row_shape), data)
    other.begin()
    other.load_state_dict(saved["state_dict"])
    assert torch.equal(rows_of(other.concept), rows_of(concept))
    with pytest.raises(UserError, match=r"s1: the checkpoint is of another stage; .*concept\.shared\.input"):
        other.load_state_dict({k: v for k, v in saved["state_dict"].items() if "shared" not in k})


def test_lora_trains_beside_the_rows_and_comes_back(data: ConceptData, tmp_path: Path) -> None:
    from unictk.concepts.lora import LoraSettings, lora_state, read_adapters, save_adapters, settings_of

    settings = LoraSettings(r=2, alpha=4.0, targets=("fc1", "q_proj"))
    backbone = small_backbone(prefix_cache_mb=8)
    concept = ConceptTokens("bo", backbone.row_shape)
    stage = make_stage("s1", backbone, concept, data, lr=1e-2, lora=settings)
    stage.begin()
    assert backbone.network.trunk_trains(), "a prefix needs gradient now"
    before = {name: value.clone() for name, value in lora_state(backbone).items()}
    fit(stage, 2, tmp_path, begun=True)
    after = lora_state(backbone)
    assert all(not torch.equal(after[name], before[name]) for name in before if "lora_A" in name)
    assert settings_of(backbone) == settings
    save_adapters(after, settings_of(backbone), tmp_path / "adapters.safetensors")
    fresh = small_backbone()
    read_adapters(fresh, tmp_path / "adapters.safetensors")
    fresh.attach([concept])
    batch = Mixture(backbone.layout, stage.flows(), 0, "s1").plan(Share())[0, 0]
    torch.testing.assert_close(fresh.loss(batch).text_sum, backbone.loss(batch).text_sum)
    later = make_stage("s2", backbone, concept, data)
    later.begin()
    assert not backbone.network.trunk_trains(), "stage 2 trains rows alone"


def test_late_cells_compare_the_draft_at_70_percent_with_the_final_picture(data: ConceptData) -> None:
    backbone = small_backbone()
    concept = ConceptTokens("bo", backbone.row_shape)
    for name in ("s1", "s2"):
        make_stage(name, backbone, concept, data).begin()
    sampling = type(QUICK)(steps=10, guidance=1.0)
    vectors, keep = late_cells(backbone, concept, False, 4, "codes", sampling, 0)
    assert vectors.index.shape == keep.shape == (4, 16)
    assert 0 < int(keep.sum()) < keep.numel(), "some cells settle late"
    painted, everything = late_cells(backbone, concept, False, 4, "pixels", sampling, 0)
    assert everything.all()
    white = backbone.vectors([Image(torch.full((16, 16, 3), 255, dtype=torch.uint8).numpy())])
    assert painted.table.shape[1] == white.table.shape[1] == backbone.row_shape.hidden
    again, kept_again = late_cells(backbone, concept, False, 4, "codes", sampling, 0)
    assert torch.equal(vectors.index, again.index)
    assert torch.equal(keep, kept_again)


def test_samples_that_do_not_fit_are_refused_before_training(data: ConceptData) -> None:
    backbone = small_backbone()
    concept = ConceptTokens("bo", backbone.row_shape)
    stage = make_stage("s1", backbone, concept, data, shared=240)
    with pytest.raises(
        UserError, match=r"s1: sample 't0' does not fit: it needs \d+ positions and the limit is 256"
    ):
        stage.begin()


def test_stage_names_what_it_trains() -> None:
    assert UnderstandingWarmup.trains == ("identifier", "shared")


def test_bf16_matrix_products_keep_rows_in_fp32(data: ConceptData, tmp_path: Path) -> None:
    backbone = small_backbone(prefix_cache_mb=8)
    concept = ConceptTokens("bo", backbone.row_shape)
    for name in ("s1", "s2"):
        stage = make_stage(name, backbone, concept, data)
        stage.begin()
        before = rows_of(concept)
        fit(stage, 1, tmp_path, begun=True, precision="bf16-mixed")
        assert {p.dtype for p in concept.parameters()} == {torch.float32}
        assert torch.isfinite(rows_of(concept)).all()
        assert not torch.equal(rows_of(concept), before)
    assert {dtype for _, dtype, _ in backbone.prefixes._kept} == {torch.bfloat16}


def test_a_later_stage_without_rows_says_what_to_give(data: ConceptData) -> None:
    backbone = small_backbone()
    stage = make_stage("s2", backbone, ConceptTokens("bo", backbone.row_shape), data)
    with pytest.raises(
        UserError, match=r"rows: stage s2 builds on .* identifier rows, <bo> has none; give rows="
    ):
        stage.begin()


def test_groups_of_size_zero_are_left_out(data: ConceptData, tmp_path: Path) -> None:
    backbone = small_backbone()
    concept = ConceptTokens("bo", backbone.row_shape)
    make_stage("s1", backbone, concept, data, shared=0).begin()
    stage = make_stage("s2", backbone, concept, data, generation=0)
    stage.begin()
    assert concept.groups == {"identifier": 1}
    fit(stage, 1, tmp_path, begun=True)


def test_a_stage_attaches_the_rows_it_is_given_before_it_grows(data: ConceptData) -> None:
    """The bridge draws with them: as tokens, and on the model's device."""
    backbone = small_backbone()
    concept = ConceptTokens("bo", backbone.row_shape)
    for name in ("s1", "s2"):
        make_stage(name, backbone, concept, data).begin()
    expected = make_stage("s3", backbone, concept.snapshot(), data)
    expected.begin()
    fresh = small_backbone()  # has never heard of the concept
    stage = make_stage("s3", fresh, concept.snapshot(), data)
    stage.begin()
    assert torch.equal(rows_of(stage.concept), rows_of(expected.concept))


def test_a_stage_that_ran_already_is_refused(data: ConceptData) -> None:
    backbone = small_backbone()
    concept = ConceptTokens("bo", backbone.row_shape)
    for name in ("s1", "s2", "s3"):
        make_stage(name, backbone, concept, data).begin()
    for name, group in (("s1", "identifier"), ("s2", "generation"), ("s3", "understanding")):
        with pytest.raises(
            UserError, match=rf"stages\.{name}: <bo> has {group} rows already; each stage runs once"
        ):
            make_stage(name, backbone, concept, data).begin()
