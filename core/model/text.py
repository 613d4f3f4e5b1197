"""The text tower: token ids to a feature.

Two towers of the CLIP paper: the causal transformer (Radford et al. 2019, GPT-2) whose state at the first end-of-text
token is the sentence's feature, and the cheap bag of words (CBOW), the mean of the token embeddings.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.model.config import CBOWTextConfig, TransformerTextConfig
from core.model.transformer import Block


def first_eot(ids: Tensor, eot_id: int) -> Tensor:
    """Position of the first end-of-text id in each row, (n, t) -> (n,).

    By id, not `argmax(ids)`: the two differ as soon as a vocabulary has ids above end-of-text.
    """
    return (ids == eot_id).int().argmax(dim=1)


class TextTransformer(nn.Module):
    """Text tower: (n, t) token ids -> (n, d) features, not of unit length. t may be less than context_length:
    under the causal mask nothing behind the end-of-text token can change the result."""

    def __init__(self, config: TransformerTextConfig, embed_dim: int) -> None:
        super().__init__()
        self.eot_id = config.eot_id
        self.token_embedding = nn.Embedding(config.vocab_size, config.width)
        self.position_embedding = nn.Parameter(torch.zeros(config.context_length, config.width))
        self.blocks = nn.ModuleList(
            Block(config.width, config.heads, config.mlp_width, config.activation, config.norm_eps)
            for _ in range(config.layers)
        )
        self.norm_final = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.projection = nn.Linear(config.width, embed_dim, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.token_embedding(ids) + self.position_embedding[: ids.shape[1]]
        for block in self.blocks:
            x = block(x, causal=True)
        x = self.norm_final(x)
        at_eot = x[torch.arange(x.shape[0], device=x.device), first_eot(ids, self.eot_id)]
        return self.projection(at_eot)


class TextBagOfWords(nn.Module):
    """Text tower: (n, t) token ids -> (n, d), the projected mean of the embeddings before the end-of-text token."""

    def __init__(self, config: CBOWTextConfig, embed_dim: int) -> None:
        super().__init__()
        self.eot_id = config.eot_id
        self.token_embedding = nn.Embedding(config.vocab_size, config.width)
        self.norm_final = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.projection = nn.Linear(config.width, embed_dim, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        # Start and end tokens take part, so that an empty sentence has a feature too.
        positions = torch.arange(ids.shape[1], device=ids.device)
        inside = (positions <= first_eot(ids, self.eot_id)[:, None]).unsqueeze(-1)
        mean = (self.token_embedding(ids) * inside).sum(dim=1) / inside.sum(dim=1)
        return self.projection(self.norm_final(mean))
