"""Recomputes batch-normalization statistics after training.

Those of training are of crops with varied colours, while people's images come whole: the two differ in size of things
and in contrast (Touvron et al. 2019, "Fixing the train-test resolution discrepancy"). So after the last step they are
measured once more, over whole images and with the final weights (Wu and Johnson 2021, "Rethinking 'Batch' in
BatchNorm", section 3: precise batch statistics).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn


def recalibrate(tower: nn.Module, batches: Iterable[Tensor], encode: Callable[[Tensor], object]) -> None:
    """Replace the running mean and variance of every batch normalisation in `tower` by the plain average over
    `batches`, each (n, 3, s, s), as `encode` sees them. A tower without batch normalisation stays as it is."""
    norms = [module for module in tower.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # every batch counts the same
    tower.train()
    with torch.no_grad():
        for pixels in batches:
            encode(pixels)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
