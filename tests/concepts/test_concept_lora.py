import pytest
import torch
from torch import nn
from transformers import PhiConfig, PhiForCausalLM

from unictk.concepts.lora import LoraSettings, add_lora, load_lora, lora_state
from unictk.errors import UserError, WeightsError

TARGETS = ("fc1", "fc2", "q_proj", "k_proj", "v_proj")


class Model(nn.Module):
    """A small Phi and another part, as a backbone shows them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        config = PhiConfig(
            vocab_size=20, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2
        )
        self.showo = PhiForCausalLM(config).eval()
        self.connector = nn.Linear(4, 4)

    def parts(self) -> dict[str, nn.Module]:
        return {"language": self.showo, "connector": self.connector}

    def logits(self) -> torch.Tensor:
        return self.showo(torch.arange(6)[None]).logits


def test_only_adapters_train_and_nothing_changes_at_first():
    model = Model()
    before = model.logits()
    parameters = add_lora(model, LoraSettings())
    torch.testing.assert_close(model.logits(), before, rtol=0, atol=0)
    trained = {name for name, p in model.showo.named_parameters() if p.requires_grad}
    assert trained == {name for name, _ in model.showo.named_parameters() if ".lora_" in name}
    # 2 layers x (3 of 16->16, fc1 16->24, fc2 24->16), each r * (in + out)
    assert sum(p.numel() for p in parameters) == 2 * 8 * (3 * 32 + 40 + 40)
    assert {id(p) for p in parameters} == {id(p) for p in model.showo.parameters() if p.requires_grad}
    adapted = {name.split(".lora_")[0].rpartition(".")[2] for name in trained}
    assert adapted == set(TARGETS)
    assert all(p.requires_grad for p in model.connector.parameters())


def test_the_scale_is_alpha_over_r():
    model = Model()
    add_lora(model, LoraSettings(r=2, alpha=6, targets=("fc1",)))
    layer = model.showo.model.layers[0].mlp.fc1
    nn.init.ones_(layer.lora_A["default"].weight)
    nn.init.ones_(layer.lora_B["default"].weight)
    x = torch.arange(16.0)[None]
    # B A x = 2 * sum(x) with r = 2 rows of ones, times alpha / r = 3
    torch.testing.assert_close(layer(x), layer.base_layer(x) + 6 * 120.0)


def test_first_values_come_from_the_seed_alone():
    torch.manual_seed(7)
    expected_next = torch.rand(1)
    states = []
    for seed in (1, 1, 2):
        model = Model()
        torch.manual_seed(7)
        add_lora(model, LoraSettings(), seed=seed)
        assert torch.equal(torch.rand(1), expected_next)  # the global generator is as it was
        states.append(lora_state(model))
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert any(not torch.equal(states[0][name], states[2][name]) for name in states[0])


def test_training_and_round_trip():
    model, other = Model(), Model()
    optimizer = torch.optim.SGD(add_lora(model, LoraSettings()), lr=1.0)
    before = model.logits().detach()
    for _ in range(2):
        optimizer.zero_grad()
        model.logits().square().mean().backward()
        optimizer.step()
    after = model.logits().detach()
    assert (after - before).abs().max() > 1e-4
    state = lora_state(model)
    assert len(state) == 2 * 5 * 2
    add_lora(other, LoraSettings(), seed=3)
    load_lora(other, state)
    assert torch.equal(other.logits(), after)


def test_the_state_is_a_copy():
    model = Model()
    parameters = add_lora(model, LoraSettings())
    state = lora_state(model)
    with torch.no_grad():
        for parameter in parameters:
            parameter.add_(1)
    assert not any(torch.equal(state[name], now) for name, now in lora_state(model).items())


def test_states_that_do_not_fit():
    model = Model()
    add_lora(model, LoraSettings())
    state = lora_state(model)
    name = next(iter(sorted(state)))
    with pytest.raises(WeightsError, match="is not in the file"):
        load_lora(model, {key: value for key, value in state.items() if key != name})
    with pytest.raises(WeightsError, match=r"other is not in the model"):
        load_lora(model, {**state, "other": state[name]})
    with pytest.raises(WeightsError, match=r"has shape \(3, 3\), but the model's is"):
        load_lora(model, {**state, name: torch.zeros(3, 3)})


def test_wrong_requests():
    model = Model()
    for use in (lora_state, lambda m: load_lora(m, {})):
        with pytest.raises(UserError, match="no adapters"):
            use(model)
    with pytest.raises(UserError, match=r"'q_prj' is not a choice; nearest: q_proj"):
        add_lora(model, LoraSettings(targets=("q_prj", "fc1")))
    with pytest.raises(UserError, match=r"lora\.r: 0"):
        add_lora(model, LoraSettings(r=0))
    add_lora(model, LoraSettings())
    with pytest.raises(UserError, match="adapters already"):
        add_lora(model, LoraSettings())
    model.parts = lambda: {"tables": model.connector}  # type: ignore[method-assign]
    with pytest.raises(UserError, match="'language' is not a choice"):
        add_lora(model, LoraSettings())
