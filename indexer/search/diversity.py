"""Spreads hits by maximal marginal relevance: each next one differs from those before it."""

from __future__ import annotations

import numpy as np

POOL = 500  # hits among which variety is looked for; those behind keep their places


def diversify(vectors: np.ndarray, scores: np.ndarray, variety: float) -> np.ndarray:
    """An order of hits (k,) in which each next one is near to the query and unlike the hits before it: it has the
    highest (1 - variety) × score - variety × highest cosine with those (maximal marginal relevance, Carbonell and
    Goldstein 1998). `vectors` (k, d) are the hits', best first; the order is that of the first POOL, then the rest."""
    n = min(len(scores), POOL)
    pool, order = vectors[:n], list[int]()
    nearest = np.zeros(n)
    left = np.ones(n, bool)
    while len(order) < n:
        gain = np.where(left, (1 - variety) * scores[:n] - variety * nearest, -np.inf)
        chosen = int(gain.argmax())  # the first of equal ones
        order.append(chosen)
        left[chosen] = False
        likeness = pool @ pool[chosen]
        nearest = likeness.copy() if len(order) == 1 else np.maximum(nearest, likeness)
    return np.concatenate([np.array(order, np.int64), np.arange(n, len(scores))])
