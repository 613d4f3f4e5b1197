"""Projects vectors to fewer dimensions while their nearest neighbors stay.

An index whose proposals are scored again from the whole vectors may search shortened ones: fewer numbers to read, so
less memory and less time. Which directions to keep depends on the queries as well as on the vectors, as in LeanVec for
queries from another distribution (Tepper et al. 2023, arXiv 2312.16335). Here they are the first eigenvectors of the
mean of two matrices of second moments, the centred vectors' and the example queries', each with trace 1: a direction
is lost only where neither has much. How many it takes is measured, not assumed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

DIMENSIONS = (64, 96, 128, 192, 256, 384, 512)
SAMPLE, QUERIES = 50_000, 200
K, WITHIN = 10, 32  # the ten best of a sample have to be among this many by the shortened vectors
KEPT = 0.998
FEWEST_EXAMPLES = 50
AT_ONCE = 65_536
FILE = "projection.npy"


class Projection:
    """Vectors (n, d) to (n, r) so that `scores` of shortened vectors come near to inner products of whole ones."""

    def __init__(self, mean: np.ndarray, axes: np.ndarray) -> None:
        """`mean` (d,) of the vectors, `axes` (d, r) with orthonormal columns; both float32."""
        self.mean, self.axes = mean, np.ascontiguousarray(axes)

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        short = np.empty((len(rows), self.axes.shape[1]), np.float32)
        for start in range(0, len(rows), AT_ONCE):
            short[start : start + AT_ONCE] = (rows[start : start + AT_ONCE] - self.mean) @ self.axes
        return short

    def queries(self, queries: np.ndarray) -> np.ndarray:
        """Not centred: taking a constant from every vector moves all scores of a query alike."""
        short: np.ndarray = queries @ self.axes
        return short

    def scores(self, queries: np.ndarray, short_scores: np.ndarray) -> np.ndarray:
        """Inner products (m, k) of shortened vectors, made estimates of those of the whole ones, in place."""
        short_scores += (queries @ self.mean)[:, np.newaxis]
        return short_scores

    def save(self, folder: Path) -> None:
        np.save(folder / FILE, np.vstack([self.mean, self.axes.T]))

    @classmethod
    def load(cls, folder: Path, d: int) -> Projection | None:
        """What `save` wrote, None where there is nothing. Raises ValueError for other than d numbers."""
        if not (folder / FILE).exists():
            return None
        rows = np.load(folder / FILE, allow_pickle=False)
        if rows.ndim != 2 or rows.shape[1] != d or not 2 <= len(rows) <= d + 1 or rows.dtype != np.float32:
            raise ValueError(f"{FILE} holds {rows.dtype} {rows.shape}, no axes of {d} numbers")
        return cls(rows[0], rows[1:].T)


def fit(vectors: np.ndarray, examples: np.ndarray | None, seed: int = 0) -> Projection | None:
    """The shortest projection that keeps what matters; None where nearly all dimensions do, or examples are too few."""
    n, d = vectors.shape
    if examples is None or len(examples) < FEWEST_EXAMPLES or d <= DIMENSIONS[0]:
        return None
    generator = np.random.default_rng(seed)
    sample = vectors[np.sort(generator.choice(n, min(n, SAMPLE), replace=False))]
    mean = sample.mean(axis=0)
    eigenvectors = np.linalg.eigh(_moments(sample - mean) + _moments(examples))[1][:, ::-1].astype(np.float32)
    texts = examples[generator.choice(len(examples), min(QUERIES, len(examples)), replace=False)]
    pictures = sample[generator.choice(len(sample), min(QUERIES, len(sample)), replace=False)]
    for dimensions in DIMENSIONS:
        if 4 * dimensions > 3 * d:
            break
        projection = Projection(mean, eigenvectors[:, :dimensions])
        short = projection.vectors(sample)
        if all(_kept(sample, short, projection, queries) >= KEPT for queries in (texts, pictures)):
            return projection
    return None


def _moments(rows: np.ndarray) -> np.ndarray:
    moments = rows.T.astype(np.float64) @ rows.astype(np.float64)
    trace = float(np.trace(moments))
    found: np.ndarray = moments / trace if trace > 0 else moments
    return found


def _kept(sample: np.ndarray, short: np.ndarray, projection: Projection, queries: np.ndarray) -> float:
    """The part of the K best that are among the WITHIN best by shortened vectors; ties count as kept."""
    kept = []
    k, within = min(K, len(sample)), min(WITHIN, len(sample))
    for start in range(0, len(queries), 50):
        part = queries[start : start + 50]
        exact = sample @ part.T
        rough = short @ projection.queries(part).T
        among = np.argpartition(-rough, within - 1, axis=0)[:within]
        least = -np.partition(-exact, k - 1, axis=0)[k - 1]
        kept.append(np.minimum((np.take_along_axis(exact, among, axis=0) >= least - 1e-6).sum(axis=0), k) / k)
    return float(np.concatenate(kept).mean())
