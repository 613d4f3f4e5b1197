"""Optimizer and learning-rate schedule.

AdamW with decoupled decay (Loshchilov and Hutter 2019) on weight matrices only, linear warm-up, then a cosine or a
straight line down to nought; the temperature is clipped after every step as in the paper (section 2.5).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from core.model.clip import CLIP, MAX_LOGIT_SCALE
from train.recipe import Schedule


def make_optimizer(model: nn.Module, heads: nn.Module, schedule: Schedule) -> torch.optim.AdamW:
    """Decay for everything with two or more axes (weights, embeddings); none for gains, biases and the temperature."""
    parameters = [*model.parameters(), *heads.parameters()]
    matrices = [parameter for parameter in parameters if parameter.ndim >= 2]
    vectors = [parameter for parameter in parameters if parameter.ndim < 2]
    return torch.optim.AdamW(
        [{"params": matrices, "weight_decay": schedule.weight_decay}, {"params": vectors, "weight_decay": 0.0}],
        lr=schedule.learning_rate,
        betas=(schedule.beta1, schedule.beta2),
        eps=schedule.epsilon,
    )


def learning_rate(step: int, schedule: Schedule) -> float:
    """The rate for step 0, 1, …: linear up over `warmup_steps`, then down to what would be nought at `steps`."""
    if step < schedule.warmup_steps:
        return schedule.learning_rate * (step + 1) / schedule.warmup_steps
    if schedule.shape == "trapezoid":
        fall = schedule.steps * (1 - schedule.decay_from)
        return schedule.learning_rate * min(1.0, (schedule.steps - step) / fall)
    progress = (step - schedule.warmup_steps) / (schedule.steps - schedule.warmup_steps)
    return schedule.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def take_step(model: CLIP, optimizer: torch.optim.Optimizer, rate: float, clip_norm: float) -> Tensor:
    """Clip the gradients already there, step, forget them; returns the norm before clipping, a scalar.

    A norm that is not finite would make every weight so: then nothing is changed.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    if not norm.isfinite():
        return norm
    torch.nn.utils.clip_grads_with_norm_(parameters, clip_norm, norm)
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    with torch.no_grad():
        model.logit_scale.clamp_(max=math.log(MAX_LOGIT_SCALE))
    return norm
