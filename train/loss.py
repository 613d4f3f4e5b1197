"""What does the model minimise?

The symmetric cross-entropy over the (n, n) matrix of scaled cosines (CLIP paper, figure 3). Where several pictures of a
batch carry the same label, each caption of the label is a right answer for each of its pictures: the target is then
spread evenly over them (UniCL, Yang et al. 2022, equations 2 to 4); with no shared labels this is CLIP's loss exactly.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def contrastive_loss(images: Tensor, texts: Tensor, logit_scale: Tensor, labels: Tensor | None = None) -> Tensor:
    """Mean of both directions' cross-entropies.

    `images`, `texts`: unit features, both (n, d); row i of one belongs to row i of the other. `labels`: (n,) integers,
    equal where pictures and captions may be exchanged; None when every pair is its own.
    """
    logits = logit_scale * images @ texts.T
    if labels is None:
        targets = torch.arange(len(logits), device=logits.device)
        return (F.cross_entropy(logits, targets) + F.cross_entropy(logits.T, targets)) / 2
    same = (labels[:, None] == labels[None, :]).to(logits.dtype)
    targets = same / same.sum(dim=1, keepdim=True)  # `same` is symmetric: these are the targets of both directions
    return (F.cross_entropy(logits, targets) + F.cross_entropy(logits.T, targets)) / 2

