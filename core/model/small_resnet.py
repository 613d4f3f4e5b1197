"""A residual image tower for small images.

Not in the CLIP paper: its ResNets begin by shrinking the image to a quarter, which leaves too little of 64 pixels or
fewer. This one is the plain network of two-convolution blocks (He et al. 2016, section 4.2, in the widths of its
ResNet-18) behind a stem that only halves the image, and averages over all positions at the end. It has no position
embedding, so it may be trained on smaller images than it is used on.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from core.model.config import SmallResNetConfig


class BasicBlock(nn.Module):
    """Two 3×3 convolutions around a shortcut, which is projected when the shape changes."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or channels != width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, width, 1, stride=stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


class SmallResNet(nn.Module):
    """Image tower: (n, 3, s, s) normalised pixels -> (n, d) features, not of unit length. Any s from 16 on will do."""

    def __init__(self, config: SmallResNetConfig, embed_dim: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, config.width, 3, stride=2, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(config.width)
        stages, channels = [], config.width
        for stage, blocks in enumerate(config.layers):
            width = config.width * 2**stage
            strides = [1 if stage == 0 else 2] + [1] * (blocks - 1)
            inputs = [channels] + [width] * (blocks - 1)
            stages.append(nn.Sequential(*(BasicBlock(c, width, s) for c, s in zip(inputs, strides, strict=True))))
            channels = width
        self.stages = nn.ModuleList(stages)
        self.projection = nn.Linear(channels, embed_dim)

    def forward(self, pixels: Tensor) -> Tensor:
        x = F.relu(self.bn(self.stem(pixels)))
        for stage in self.stages:
            x = stage(x)
        return self.projection(x.mean(dim=(2, 3)))
