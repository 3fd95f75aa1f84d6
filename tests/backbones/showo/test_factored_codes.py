"""Bit rows change what trains together, not what the model is."""

import torch
from showo_makers import make_showo, picture

from unictk.backbones.showo.factored import factor_codes, fold_codes
from unictk.samples import Image, Sample, Text


def drawn(backbone):
    return backbone.loss(
        backbone.layout.collate([Sample(Text("a star"), Image(picture(2), target=True, key="p"))])
    )


def test_folding_leaves_the_plain_tables_of_the_same_model():
    backbone = make_showo()
    names = list(backbone.state_dict())
    plain = drawn(backbone).image_sum
    factor_codes(backbone, spread=0.3)
    factored = drawn(backbone).image_sum
    assert not torch.allclose(plain, factored)
    fold_codes(backbone)
    assert torch.allclose(factored, drawn(backbone).image_sum, rtol=1e-6)
    assert sorted(backbone.state_dict()) == sorted(names)


def test_a_step_on_one_code_moves_the_codes_that_share_its_bits():
    backbone = make_showo()
    factor_codes(backbone)
    table = backbone.network.phi.model.embed_tokens
    first = backbone.vocabulary.first_code
    before = table.weight.detach().clone()
    table.parametrizations.requires_grad_(True)
    table.weight[first].sum().backward()
    rows = table.parametrizations.weight[0].rows
    with torch.no_grad():
        rows -= 0.1 * rows.grad
    moved = (table.weight - before).abs().sum(1) > 0
    text = moved[:first]
    assert not text.any()
    assert moved[first : first + 64].sum() > 32
    assert not moved[-1]
