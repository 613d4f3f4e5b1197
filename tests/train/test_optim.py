"""The schedule at its corners, what decays and what does not, and the clipped temperature."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from core.model.clip import CLIP
from core.model.config import CLIPConfig, ResNetConfig, TransformerTextConfig, ViTConfig
from core.model.init import initialise
from train.optim import learning_rate, make_optimizer, take_step
from train.recipe import Schedule

TEXT = TransformerTextConfig(
    vocab_size=600, context_length=16, eot_id=599, width=16, layers=1, heads=2, mlp_width=32, activation="gelu"
)
VIT = ViTConfig(
    image_size=32, patch_size=16, width=16, layers=1, heads=2, mlp_width=32, activation="gelu"
)  # fmt: skip
SCHEDULE = Schedule(steps=100, warmup_steps=10, learning_rate=1e-3)


def model(vision: ViTConfig | ResNetConfig = VIT) -> CLIP:
    return initialise(CLIP(CLIPConfig(embed_dim=8, vision=vision, text=TEXT)), seed=3)


def test_learning_rate_climbs_linearly_and_falls_as_half_a_cosine() -> None:
    assert learning_rate(0, SCHEDULE) == pytest.approx(1e-4)
    assert learning_rate(9, SCHEDULE) == pytest.approx(1e-3)
    assert learning_rate(10, SCHEDULE) == pytest.approx(1e-3)
    assert learning_rate(55, SCHEDULE) == pytest.approx(0.5e-3)
    assert 0 < learning_rate(99, SCHEDULE) < 1e-6


def test_a_trapezoid_stays_and_then_falls_in_a_straight_line() -> None:
    schedule = SCHEDULE.model_copy(update={"shape": "trapezoid", "decay_from": 0.6})
    assert learning_rate(5, schedule) == pytest.approx(6e-4)
    assert learning_rate(10, schedule) == learning_rate(60, schedule) == pytest.approx(1e-3)
    assert learning_rate(80, schedule) == pytest.approx(0.5e-3)
    assert learning_rate(99, schedule) == pytest.approx(1e-3 / 40)


def test_the_length_of_a_trapezoid_can_be_decided_late() -> None:
    schedule = SCHEDULE.model_copy(update={"shape": "trapezoid", "decay_from": 0.6})
    longer = schedule.model_copy(update={"steps": 200})
    assert [learning_rate(step, schedule) for step in range(60)] == [learning_rate(step, longer) for step in range(60)]


def test_no_warm_up_begins_at_the_full_rate() -> None:
    assert learning_rate(0, Schedule(steps=10, warmup_steps=0, learning_rate=1.0)) == 1.0


@pytest.mark.parametrize("vision", [VIT, ResNetConfig(image_size=32, layers=(1, 1, 1, 1), width=4, heads=2)])
def test_only_matrices_decay(vision: ViTConfig | ResNetConfig) -> None:
    net = model(vision)
    decaying, other = make_optimizer(net, nn.ModuleDict(), SCHEDULE).param_groups
    assert decaying["weight_decay"] == 0.2 and other["weight_decay"] == 0.0
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    kept = {names[id(parameter)] for parameter in other["params"]}
    assert "logit_scale" in kept
    assert all(name.endswith(("bias", "logit_scale", "class_token")) or "norm" in name or "bn" in name
               or "shortcut.2" in name for name in kept)  # fmt: skip
    assert {"text.token_embedding.weight", "text.position_embedding"} <= {
        names[id(parameter)] for parameter in decaying["params"]
    }
    assert len(decaying["params"]) + len(other["params"]) == len(names)


def test_the_temperature_never_exceeds_a_hundred_and_gradients_are_forgotten() -> None:
    net = model()
    optimizer = make_optimizer(net, nn.ModuleDict(), SCHEDULE)
    net.logit_scale.data.fill_(math.log(99.99))
    net.logit_scale.grad = torch.tensor(-1.0)
    norm = take_step(net, optimizer, rate=1.0, clip_norm=10.0)
    assert norm.item() == pytest.approx(1.0)
    assert net.logit_scale.exp().item() == pytest.approx(100.0, rel=1e-6)
    assert all(parameter.grad is None for parameter in net.parameters())


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_gradients_that_are_no_numbers_change_nothing(wrong: float) -> None:
    net = model()
    optimizer = make_optimizer(net, nn.ModuleDict(), SCHEDULE)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    net.logit_scale.grad = torch.tensor(wrong)
    assert not take_step(net, optimizer, rate=1.0, clip_norm=10.0).isfinite()
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert not optimizer.state


def test_same_seed_same_weights_another_seed_others() -> None:
    first, again, other = model(), model(), initialise(CLIP(model().config), seed=4)
    for (name, a), b, c in zip(first.named_parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b), name
        if "weight" in name and "norm" not in name:
            assert not torch.equal(a, c), name
    assert first.logit_scale.exp().item() == pytest.approx(1 / 0.07)
