"""Transformer blocks with everything removed that inference does not need.

The same function as `core/model/transformer.py`, `core/model/vit.py` and `core/model/text.py`, for inference with fewer
bits:

- a feature is read at one position, so the last block computes that one only, from the keys and values of all;
- residual additions and activations are part of the linear layers (`core/inference/quantized_linear.py`);
- QuickGELU becomes x·σ(x), whose factors 1.702 and 1/1.702 are multiplied into the weights before and behind it.

A tower's last layer, the projection, is made by a maker of its own: its errors are those of the feature, and it costs
nothing beside the blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.inference.quantized_linear import Inner, Linear
from core.model.text import TextTransformer, first_eot
from core.model.transformer import QUICK_GELU, Block
from core.model.vit import VisionTransformer

MakeLinear = Callable[[nn.Linear, Inner], Any]  # a `Linear` that is a module too


class FastBlock(nn.Module):
    """One pre-norm transformer block, (n, t, width) -> (n, t, width), or -> (n, 1, width) at one position a row."""

    def __init__(self, block: Block, make: MakeLinear) -> None:
        super().__init__()
        self.heads = block.attention.heads
        self.norm_attention, self.norm_mlp = block.norm_attention, block.norm_mlp
        mlp_in, mlp_out = block.mlp_in, block.mlp_out
        inner: Inner = "gelu"
        if block.activation == "quick_gelu":
            inner, mlp_in, mlp_out = "swish", _scaled(mlp_in, QUICK_GELU), _scaled(mlp_out, 1 / QUICK_GELU, bias=False)
        self.qkv: Linear = make(block.attention.qkv, "none")
        self.out: Linear = make(block.attention.out, "none")
        self.mlp_in: Linear = make(mlp_in, inner)
        self.mlp_out: Linear = make(mlp_out, "none")

    def forward(self, x: Tensor, causal: bool, at: Tensor | None = None) -> Tensor:
        """`at` (n,) asks for one position of each row; with `causal` it sees itself and what is before it."""
        n, t, width = x.shape
        q, k, v = self.qkv(self.norm_attention(x)).view(n, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        seen = None
        if at is not None:
            rows = torch.arange(n, device=x.device)
            x, q = x[rows, at][:, None], q[rows, :, at][:, :, None]
            seen = (torch.arange(t, device=x.device) <= at[:, None])[:, None, None] if causal else None
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=seen, is_causal=causal and at is None)
        x = self.out(attended.transpose(1, 2).reshape(n, -1, width), x)
        return self.mlp_out(self.mlp_in(self.norm_mlp(x)), x)


class FastVisionTransformer(nn.Module):
    """`VisionTransformer`: (n, 3, s, s) normalised pixels -> (n, d)."""

    def __init__(self, tower: VisionTransformer, make: MakeLinear, make_last: MakeLinear) -> None:
        super().__init__()
        self.patch_embedding = tower.patch_embedding
        self.class_token, self.position_embedding = tower.class_token, tower.position_embedding
        self.norm_pre, self.norm_post = tower.norm_pre, tower.norm_post
        self.blocks = _fast(tower.blocks, make)
        self.projection: Linear = make_last(tower.projection, "none")

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.patch_embedding(pixels).flatten(2).transpose(1, 2)
        class_token = self.class_token.expand(len(patches), 1, -1)
        x = self.norm_pre(torch.cat([class_token, patches], dim=1) + self.position_embedding)
        for block in self.blocks[:-1]:
            x = block(x, causal=False)
        first = torch.zeros(len(x), dtype=torch.int64, device=x.device)
        x = self.blocks[-1](x, causal=False, at=first)
        return self.projection(self.norm_post(x[:, 0]))


class FastTextTransformer(nn.Module):
    """`TextTransformer`: (n, t) token ids -> (n, d)."""

    def __init__(self, tower: TextTransformer, make: MakeLinear, make_last: MakeLinear) -> None:
        super().__init__()
        self.eot_id = tower.eot_id
        self.token_embedding, self.position_embedding = tower.token_embedding, tower.position_embedding
        self.blocks = _fast(tower.blocks, make)
        self.norm_final = tower.norm_final
        self.projection: Linear = make_last(tower.projection, "none")

    def forward(self, ids: Tensor) -> Tensor:
        x = self.token_embedding(ids) + self.position_embedding[: ids.shape[1]]
        for block in self.blocks[:-1]:
            x = block(x, causal=True)
        x = self.blocks[-1](x, causal=True, at=first_eot(ids, self.eot_id))
        return self.projection(self.norm_final(x[:, 0]))


def _fast(blocks: nn.ModuleList, make: MakeLinear) -> nn.ModuleList:
    return nn.ModuleList(FastBlock(cast(Block, block), make) for block in blocks)


def _scaled(linear: nn.Linear, factor: float, *, bias: bool = True) -> nn.Linear:
    scaled = nn.Linear(linear.in_features, linear.out_features, device="meta")
    scaled.weight = nn.Parameter(linear.weight.detach() * factor)
    scaled.bias = nn.Parameter(linear.bias.detach() * (factor if bias else 1.0))
    return scaled
