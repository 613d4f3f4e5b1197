"""What is the exact answer?

Every faster way to search is tested against this one. The cosine of unit vectors is their inner product.
"""

from __future__ import annotations

import numpy as np


def cosines(vectors: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Unit rows (n, d) and a unit vector (d,), both float32 -> their cosines (n,) float32."""
    scores: np.ndarray = vectors @ query
    return scores


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """The positions of the k highest scores (n,), best first, equal ones by position -> (min(k, n),) int64.

    The answer for k is the beginning of the answer for any larger k: whether a score is in depends on its value and
    its position alone, never on how a selection algorithm happened to leave equal values.
    """
    n = len(scores)
    if k < n:
        border = np.partition(scores, n - k)[n - k]  # the k-th highest score
        candidates = np.flatnonzero(scores >= border)
    else:
        candidates = np.arange(n)
    order = np.argsort(-scores[candidates], kind="stable")  # stable: positions ascend among equal scores
    best: np.ndarray = candidates[order[:k]]
    return best
