"""The residual attention block that both towers share.

Pre-norm blocks as in GPT-2 and ViT: `x + attention(norm(x))`, then `x + mlp(norm(x))`. Query, key and value weights
are stacked in one matrix, in this order, as OpenAI stores them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.model.config import Activation

QUICK_GELU = 1.702  # Hendrycks and Gimpel 2016, "Gaussian Error Linear Units", section 2


def activate(x: Tensor, activation: Activation) -> Tensor:
    """`gelu` is the exact erf form; `quick_gelu` is x·σ(1.702 x), which OpenAI's weights were trained with."""
    if activation == "gelu":
        return F.gelu(x)
    return x * torch.sigmoid(QUICK_GELU * x)


class Attention(nn.Module):
    """Multi-head self-attention, (n, t, width) -> (n, t, width)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, causal: bool) -> Tensor:
        n, t, width = x.shape
        q, k, v = self.qkv(x).view(n, t, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        return self.out(attended.transpose(1, 2).reshape(n, t, width))


class Block(nn.Module):
    """One pre-norm transformer block, (n, t, width) -> (n, t, width)."""

    def __init__(self, width: int, heads: int, mlp_width: int, activation: Activation, norm_eps: float) -> None:
        super().__init__()
        self.activation: Activation = activation
        self.norm_attention = nn.LayerNorm(width, eps=norm_eps)
        self.attention = Attention(width, heads)
        self.norm_mlp = nn.LayerNorm(width, eps=norm_eps)
        self.mlp_in = nn.Linear(width, mlp_width)
        self.mlp_out = nn.Linear(mlp_width, width)

    def forward(self, x: Tensor, causal: bool) -> Tensor:
        x = x + self.attention(self.norm_attention(x), causal)
        return x + self.mlp_out(activate(self.mlp_in(self.norm_mlp(x)), self.activation))
