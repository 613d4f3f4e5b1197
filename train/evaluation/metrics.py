"""Ranking and classification metrics.

Everything here counts from ranks. A tie counts against the model: the right answer's rank is one more than the number
of wrong ones that score at least as high, so a model that gives everything the same score is last, not first, and no
order of rows can change a result. NaN counts as a wrong answer that scored higher.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

RECALL_AT = (1, 5, 10)
SCORES_AT_ONCE = 8_000_000  # 32 MB of cosines


def ranks(scores: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Rank of each query's best right answer among the wrong ones, (q, c) scores, (q, c) bool -> (q,) from 1.

    Of several right answers the best one counts, so rank <= k says "at least one right answer is in the top k", the
    definition of recall_at_k in CLIP_benchmark's retrieval. Every query needs a right answer.

    Scores 0.9, 0.5, 0.7 with the last two right: one wrong answer beats the better right one, rank 2.
    """
    if not right.any(axis=1).all():
        raise ValueError(f"query {int(np.argmin(right.any(axis=1)))} has no right answer")
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
    count: np.ndarray = (~right & ~(scores < best)).sum(axis=1) + 1
    return count


def recall_of_ranks(found: np.ndarray) -> dict[str, float]:
    """Ranks (q,) -> recall_at_1, recall_at_5, recall_at_10 (shares) and median_rank."""
    shares = {f"recall_at_{k}": float((found <= k).mean()) for k in RECALL_AT}
    return {**shares, "median_rank": float(np.median(found))}


def ranks_in_pieces(
    queries: np.ndarray, candidates: np.ndarray, query_item: np.ndarray, candidate_item: np.ndarray
) -> np.ndarray:
    """`ranks` of cosines, (q, d) and (c, d) unit rows -> (q,), without ever holding the whole (q, c) matrix.

    A candidate is right for a query when both belong to the same item: `query_item` (q,), `candidate_item` (c,).
    """
    piece = max(1, SCORES_AT_ONCE // max(1, len(candidates)))
    return np.concatenate(
        [
            ranks(queries[i : i + piece] @ candidates.T, query_item[i : i + piece, None] == candidate_item)
            for i in range(0, len(queries), piece)
        ]
    )


def zero_shot(
    scores: np.ndarray, labels: np.ndarray, names: Sequence[str]
) -> dict[str, float | int | dict[str, float]]:
    """Scores (n, c) and right classes (n,) -> top1, top5, mean_per_class (shares), n, and top1 of each class.

    `mean_per_class` weighs classes equally, however many images each has; classes without images are left out.
    """
    found = ranks(scores, labels[:, None] == np.arange(scores.shape[1]))
    per_class = {names[c]: float((found[labels == c] == 1).mean()) for c in np.unique(labels)}
    return {
        "top1": float((found == 1).mean()),
        "top5": float((found <= 5).mean()),
        "n": len(labels),
        "mean_per_class": float(np.mean(list(per_class.values()))),
        "per_class": per_class,
    }
