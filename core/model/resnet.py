"""The modified ResNet image tower of the CLIP paper.

Three changes to ResNet (CLIP paper, section 2.4): a stem of three convolutions with average instead of max pooling
(ResNet-D, He et al. 2019); every strided convolution is preceded by average pooling with stride 1 in the convolution
itself (anti-aliasing, Zhang 2019); the global average pool is replaced by one attention layer whose query is the mean
of the image (attention pooling).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.model.config import ResNetConfig

EXPANSION = 4  # a bottleneck's output has four times the channels of its 3×3 convolution


class Stem(nn.Module):
    """Pixels to a quarter of the resolution: (n, 3, s, s) -> (n, width, s/4, s/4)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        self.conv1 = nn.Conv2d(3, half, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(half)
        self.conv2 = nn.Conv2d(half, half, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(half)
        self.conv3 = nn.Conv2d(half, width, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        x = F.relu(self.bn3(self.conv3(x)))
        return F.avg_pool2d(x, 2)


class Bottleneck(nn.Module):
    """1×1, 3×3, (average pool,) 1×1 around a shortcut; the shortcut is projected when the shape changes."""

    def __init__(self, channels: int, planes: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv1 = nn.Conv2d(channels, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, planes * EXPANSION, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * EXPANSION)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or channels != planes * EXPANSION:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride) if stride > 1 else nn.Identity(),
                nn.Conv2d(channels, planes * EXPANSION, 1, bias=False),
                nn.BatchNorm2d(planes * EXPANSION),
            )

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        if self.stride > 1:
            out = F.avg_pool2d(out, self.stride)
        out = self.bn3(self.conv3(out))
        return F.relu(out + self.shortcut(x))


class AttentionPool(nn.Module):
    """One attention layer whose only query is the mean position: (n, c, h, w) -> (n, d)."""

    def __init__(self, side: int, channels: int, heads: int, embed_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.position_embedding = nn.Parameter(torch.zeros(side * side + 1, channels))
        self.q = nn.Linear(channels, channels)
        self.k = nn.Linear(channels, channels)
        self.v = nn.Linear(channels, channels)
        self.out = nn.Linear(channels, embed_dim)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(2).transpose(1, 2)  # (n, h·w, c)
        x = torch.cat([x.mean(dim=1, keepdim=True), x], dim=1) + self.position_embedding
        n, t, channels = x.shape
        q = self.q(x[:, :1]).view(n, 1, self.heads, channels // self.heads).transpose(1, 2)
        k = self.k(x).view(n, t, self.heads, channels // self.heads).transpose(1, 2)
        v = self.v(x).view(n, t, self.heads, channels // self.heads).transpose(1, 2)
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, channels))


class ModifiedResNet(nn.Module):
    """Image tower: (n, 3, s, s) normalised pixels -> (n, d) features, not of unit length."""

    def __init__(self, config: ResNetConfig, embed_dim: int) -> None:
        super().__init__()
        self.stem = Stem(config.width)
        stages, channels = [], config.width
        for stage, blocks in enumerate(config.layers):
            planes = config.width * 2**stage
            strides = [1 if stage == 0 else 2] + [1] * (blocks - 1)
            inputs = [channels] + [planes * EXPANSION] * (blocks - 1)
            stages.append(nn.Sequential(*(Bottleneck(c, planes, s) for c, s in zip(inputs, strides, strict=True))))
            channels = planes * EXPANSION
        self.stages = nn.ModuleList(stages)
        self.pool = AttentionPool(config.image_size // 32, channels, config.heads, embed_dim)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.stem(pixels)
        for stage in self.stages:
            x = stage(x)
        return self.pool(x)
