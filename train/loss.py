"""The symmetric contrastive loss.

The symmetric cross-entropy over the matrix of scaled cosines (CLIP paper, figure 3). Where images carry labels, every
caption of a label is a right answer for every image of it, and the target is spread evenly over the right answers
(UniCL, Yang et al. 2022, equations 2 to 4); with all labels different this is CLIP's loss exactly.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def contrastive_loss(
    images: Tensor,
    texts: Tensor,
    logit_scale: Tensor,
    image_labels: Tensor | None = None,
    text_labels: Tensor | None = None,
) -> Tensor:
    """Mean of both directions' cross-entropies, a scalar.

    `images`: unit features (n, d); `texts`: unit features (m, d). Without labels m = n, and row i of one belongs to
    row i of the other. With labels, (n,) and (m,) integers, equal ones belong together: each image needs a text, but
    a text without an image is only a wrong answer.
    """
    logits = logit_scale * images @ texts.T
    if image_labels is None or text_labels is None:
        targets = torch.arange(len(logits), device=logits.device)
        return (F.cross_entropy(logits, targets) + F.cross_entropy(logits.T, targets)) / 2
    right = (image_labels[:, None] == text_labels[None, :]).to(logits.dtype)
    answered = right.sum(dim=0) > 0
    to_texts = F.cross_entropy(logits, right / right.sum(dim=1, keepdim=True))
    columns = right[:, answered].T
    to_images = F.cross_entropy(logits[:, answered].T, columns / columns.sum(dim=1, keepdim=True))
    return (to_texts + to_images) / 2
