"""Learns a linear classifier from example images.

Linear discriminant analysis with the collection's own covariance (Hariharan, Malik and Ramanan 2012, "Discriminative
decorrelation for clustering and classification"): what all images of the collection vary in counts little, what sets
the examples apart counts. It has a closed form, and one example is enough. The result is a direction, which a search
takes as `vector=`; its scores are cosines with that direction, lower than those with images.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.errors import QueryError
from indexer.collection.snapshot import Snapshot, row_of

SAMPLED = 20_000  # images for the covariance
SHRINKAGE = 0.2  # of the mean variance, added to each: the covariance of few images is not to be trusted
AWAY = 0.5  # how much what does not fit counts beside what fits


def learn_concept(snapshot: Snapshot, fits: Sequence[str], does_not: Sequence[str] = ()) -> np.ndarray:
    """The direction (d,) float32 of length 1 from the collection's usual image to those with the ids `fits`, and away
    from `does_not`. Raises `QueryError` for unknown ids, for no example that fits, and where nothing is left."""
    if not fits:
        raise QueryError("a concept needs at least one example that fits")
    if both := sorted(set(fits) & set(does_not)):
        raise QueryError(f"{both[0]} is an example that fits and one that does not")
    good, bad = ([row_of(snapshot, item_id) for item_id in ids] for ids in (fits, does_not))
    vectors, n = snapshot.vectors, len(snapshot.ids)
    sample = vectors[np.linspace(0, n - 1, min(n, SAMPLED)).astype(np.int64)].astype(np.float64)
    mean = sample.mean(axis=0)
    wanted = vectors[good].mean(axis=0) - mean
    if bad:
        wanted = wanted - AWAY * (vectors[bad].mean(axis=0) - mean)
    spread = (sample - mean).T @ (sample - mean) / len(sample)
    variance = float(np.trace(spread)) / len(mean)
    if variance == 0 or not np.linalg.norm(wanted) > 0:
        raise QueryError("the examples do not differ from the rest of the collection: nothing is left to look for")
    direction = np.linalg.solve(spread + SHRINKAGE * variance * np.eye(len(mean)), wanted)
    unit: np.ndarray = (direction / np.linalg.norm(direction)).astype(np.float32)
    return unit
