"""The Vision Transformer image tower.

Dosovitskiy et al. 2021 with the CLIP paper's change (section 2.4): an extra layer norm on patch and position
embeddings before the blocks. The class token's last state, normalised and projected, is the image's feature.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.model.config import ViTConfig
from core.model.transformer import Block


class VisionTransformer(nn.Module):
    """Image tower: (n, 3, s, s) normalised pixels -> (n, d) features, not of unit length."""

    def __init__(self, config: ViTConfig, embed_dim: int) -> None:
        super().__init__()
        width, patches = config.width, (config.image_size // config.patch_size) ** 2
        self.patch_embedding = nn.Conv2d(3, width, config.patch_size, stride=config.patch_size, bias=False)
        self.class_token = nn.Parameter(torch.zeros(width))
        self.position_embedding = nn.Parameter(torch.zeros(patches + 1, width))
        self.norm_pre = nn.LayerNorm(width, eps=config.norm_eps)
        self.blocks = nn.ModuleList(
            Block(width, config.heads, config.mlp_width, config.activation, config.norm_eps)
            for _ in range(config.layers)
        )
        self.norm_post = nn.LayerNorm(width, eps=config.norm_eps)
        self.projection = nn.Linear(width, embed_dim, bias=False)

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.patch_embedding(pixels).flatten(2).transpose(1, 2)  # (n, patches, width), row by row
        class_token = self.class_token.expand(patches.shape[0], 1, -1)
        x = torch.cat([class_token, patches], dim=1) + self.position_embedding
        x = self.norm_pre(x)
        for block in self.blocks:
            x = block(x, causal=False)
        return self.projection(self.norm_post(x[:, 0]))
