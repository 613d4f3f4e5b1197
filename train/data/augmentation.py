"""Augments training images.

Whole batches at a time, on the device that trains: a random crop of random shape resized to the model's input (as in
Inception, Szegedy et al. 2015), mirrored by chance, with colours varied and a rectangle erased (Zhong et al. 2020).
Every draw comes from the generator passed in.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from train.recipe import Augment

MAX_ASPECT = 4 / 3  # crops are between 3:4 and 4:3
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def random_crop(pixels: Tensor, size: int, min_area: float, flip: bool, generator: torch.Generator) -> Tensor:
    """(n, s, s, 3) uint8 -> (n, 3, size, size) float32 in 0..255; a crop of at least `min_area` of each image."""
    n, device = len(pixels), pixels.device

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(n, generator=generator, device=device) * (high - low) + low

    area = uniform(min_area, 1.0)
    aspect = torch.exp(uniform(-math.log(MAX_ASPECT), math.log(MAX_ASPECT)))
    width = (area * aspect).sqrt().clamp(max=1)
    height = (area / aspect).sqrt().clamp(max=1)
    left = uniform(-1, 1) * (1 - width)
    top = uniform(-1, 1) * (1 - height)
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0) if flip else torch.ones(n, device=device)
    zero = torch.zeros(n, device=device)
    affine = torch.stack(
        [torch.stack([width * mirror, zero, left], dim=1), torch.stack([zero, height, top], dim=1)], dim=1
    )
    images = pixels.permute(0, 3, 1, 2).float()
    grid = F.affine_grid(affine, [n, 3, size, size], align_corners=False)
    cropped = F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    return cropped.clamp(0, 255)


def vary(images: Tensor, config: Augment, generator: torch.Generator) -> Tensor:
    """Colours and an erased rectangle, (n, 3, s, s) float32 in 0..255 -> the same."""
    n, device = len(images), images.device

    def factor(strength: float) -> Tensor:
        draw = torch.rand(n, 1, 1, 1, generator=generator, device=device)
        return 1 + strength * (2 * draw - 1)

    weights = torch.tensor(LUMA, device=device).view(1, 3, 1, 1)
    images = images * factor(config.brightness)
    luma = (images * weights).sum(dim=1, keepdim=True)
    middle = luma.mean(dim=(2, 3), keepdim=True)
    images = (images - middle) * factor(config.contrast) + middle
    luma = (images * weights).sum(dim=1, keepdim=True)
    saturation = factor(config.saturation)
    grey = torch.rand(n, 1, 1, 1, generator=generator, device=device) < config.grey
    images = luma + (images - luma) * torch.where(grey, torch.zeros_like(saturation), saturation)
    return _erase(images.clamp(0, 255), config.erase, generator)


def _erase(images: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """A rectangle of 2 to 25 percent of the image becomes mid-grey."""
    n, _, height, width = images.shape
    draw = torch.rand(n, 5, generator=generator, device=images.device)
    side = (0.02 + 0.23 * draw[:, 0]).sqrt()
    stretch = torch.exp((2 * draw[:, 1] - 1) * math.log(2)).sqrt()
    half_h, half_w = side * stretch / 2, side / stretch / 2
    y = (torch.arange(height, device=images.device) + 0.5) / height
    x = (torch.arange(width, device=images.device) + 0.5) / width
    rows = (y[None, :] - draw[:, 2:3]).abs() < half_h[:, None]
    columns = (x[None, :] - draw[:, 3:4]).abs() < half_w[:, None]
    chosen = draw[:, 4] < probability
    hole = rows[:, None, :, None] & columns[:, None, None, :] & chosen[:, None, None, None]
    return images.masked_fill(hole, 127.5)
