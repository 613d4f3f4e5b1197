"""Averages of batch normalisation, measured anew."""

from __future__ import annotations

import torch
from torch import nn

from train.recalibrate import recalibrate


def test_the_averages_are_those_of_what_was_shown_and_nothing_else_changes() -> None:
    torch.manual_seed(0)
    first, between, last = nn.BatchNorm2d(3), nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, momentum=0.3)
    tower = nn.Sequential(first, between, last)
    for _ in range(5):
        tower(torch.randn(8, 3, 4, 4))  # other images, to be forgotten
    before = {name: value.clone() for name, value in tower.named_parameters()}
    shown = torch.randn(4, 16, 3, 5, 5) * 2 + 1  # four batches
    recalibrate(tower, shown, tower)
    inner = torch.stack([between(nn.functional.batch_norm(batch, None, None, training=True)) for batch in shown])
    for norm, seen in ((first, shown), (last, inner)):
        torch.testing.assert_close(norm.running_mean, seen.mean(dim=(0, 1, 3, 4)), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(norm.running_var, seen.var(dim=(1, 3, 4)).mean(dim=0), atol=1e-5, rtol=1e-4)
    assert (first.momentum, last.momentum) == (0.1, 0.3)
    assert all(torch.equal(value, before[name]) for name, value in tower.named_parameters())


def test_a_tower_without_batch_normalisation_is_not_even_run() -> None:
    def never(pixels: torch.Tensor) -> None:
        raise AssertionError("encoded")

    recalibrate(nn.Linear(2, 2), [torch.zeros(1, 3, 2, 2)], never)
