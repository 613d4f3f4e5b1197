"""Computes the gradients of batches that do not fit into memory.

The contrastive loss couples all pairs, so plain accumulation over parts would be another loss. GradCache (Gao et al.
2021): features of all micro-batches are computed first without a graph; the loss's gradients with respect to them are
then carried through one micro-batch at a time. Batch normalisation sees micro-batches, all else is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Tower = Callable[[Tensor], Tensor]


def backward_in_micro_batches(
    pixels: Tensor,
    texts: Sequence[Tensor],
    image_tower: Tower,
    text_tower: Tower,
    loss_of: Callable[[Tensor, list[Tensor]], Tensor],
    size: int,
) -> Tensor:
    """Leave the gradients of `loss_of(image features, text features of each part)` in the towers' parameters and in
    whatever else `loss_of` uses; returns the loss, a scalar. No micro-batch has more than `size` rows."""
    with torch.no_grad():
        image_features = torch.cat([image_tower(chunk) for chunk in pixels.split(size)])
        text_features = [torch.cat([text_tower(chunk) for chunk in ids.split(size)]) for ids in texts]
    features = [tensor.requires_grad_() for tensor in (image_features, *text_features)]
    loss = loss_of(image_features, text_features)
    loss.backward()  # leaves gradients in the features, and in the heads and the temperature
    gradients = [tensor.grad for tensor in features if tensor.grad is not None]
    for chunk, gradient in zip(pixels.split(size), gradients[0].split(size), strict=True):
        image_tower(chunk).backward(gradient)
    for ids, of_part in zip(texts, gradients[1:], strict=True):
        for chunk, gradient in zip(ids.split(size), of_part.split(size), strict=True):
            text_tower(chunk).backward(gradient)
    return loss.detach()
