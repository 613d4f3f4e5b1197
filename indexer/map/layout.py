"""Lays vectors out in the plane so that neighbors stay neighbors.

Each vector is tied to its nearest ones, and in the plane these ties pull while everything else pushes a little, as in
UMAP (McInnes et al. 2018, arXiv 1802.03426) and t-SNE (van der Maaten and Hinton 2008): the graph's weights are UMAP's,
the forces those of a Student-t kernel, and how much is pushed lies between the two (Damrich et al. 2023, arXiv
2206.01816). Two ways of our own keep it quick in plain NumPy: in each step every point follows one of its ties, drawn
by weight, so that all points move at once; and whom a point is pushed by is read from one shuffled copy of all places,
shifted, so that memory is read in order. The beginning is PCA, so that the large shape means something and the same
vectors give the same image.

PCA alone shows the two directions in which the vectors differ most, and of the ten nearest vectors hardly any are near.
openTSNE, the well-kept library for this, takes minutes for 100,000 vectors; umap-learn brings a compiler along.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from indexer.ann.kinds import faiss_tools

DIMENSIONS = 64  # in which the nearest ones are looked for
NEIGHBOURS = 15
STEPS = 800
PUSHES = 5  # on each point in each step
STRENGTH = 15.0  # of the pushes
FARTHEST = 4.0  # that one force moves a point, as in UMAP
SPREAD = 10.0  # of the beginning
RATE = 1.0
AT_ONCE = 4_096

Progress = Callable[[str, int, int], None]


def lay_out(vectors: np.ndarray, *, seed: int = 0, progress: Progress | None = None) -> np.ndarray:
    """Vectors (n, d) float32 -> places (n, 2) float32 between 0 and 1 (see `framed`).

    The same vectors and seed give the same places. `progress(stage, done, of)` is told how far it is."""
    tell = progress or (lambda stage, done, of: None)
    n = len(vectors)
    tell("main directions", 0, n)
    short = principal(vectors, DIMENSIONS)
    places = np.zeros((n, 2), np.float32)
    places[:, : short.shape[1]] = short[:, :2]
    if n <= 3:
        return framed(places)
    rows, weights = ties(*nearest(short, min(NEIGHBOURS, n - 1), tell))
    return framed(_settled(places, rows, weights, np.random.default_rng(seed), tell))


def principal(vectors: np.ndarray, dimensions: int) -> np.ndarray:
    """The first principal components (n, r) of vectors (n, d), r at most `dimensions`."""
    n, d = vectors.shape
    if not n:
        return np.zeros((0, min(dimensions, d)), np.float32)
    mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    moments = np.zeros((d, d))
    for start in range(0, n, AT_ONCE):
        part = vectors[start : start + AT_ONCE] - mean
        moments += part.T @ part
    axes = np.linalg.eigh(moments)[1][:, ::-1][:, :dimensions]
    axes *= np.where(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])] < 0, -1, 1)  # the sign is arbitrary
    axes = np.ascontiguousarray(axes, np.float32)
    return np.vstack([(vectors[start : start + AT_ONCE] - mean) @ axes for start in range(0, n, AT_ONCE)])


def nearest(vectors: np.ndarray, k: int, progress: Progress | None = None) -> tuple[np.ndarray, np.ndarray]:
    """For each of n vectors the k nearest others, by distance: rows (n, k) int64 and distances (n, k) float32."""
    index = faiss_tools.library().IndexFlatL2(vectors.shape[1])
    index.add(np.ascontiguousarray(vectors, np.float32))
    n = len(vectors)
    rows, distances = np.empty((n, k), np.int64), np.empty((n, k), np.float32)
    for start in range(0, n, AT_ONCE):
        if progress is not None:
            progress("nearest images", start, n)
        squares, found = index.search(vectors[start : start + AT_ONCE], k + 1)
        itself = found == np.arange(start, start + len(found))[:, np.newaxis]
        itself[~itself.any(axis=1), -1] = True  # of more equal vectors than k it may not be among the first
        rows[start : start + AT_ONCE] = found[~itself].reshape(-1, k)
        distances[start : start + AT_ONCE] = np.sqrt(np.maximum(squares[~itself], 0)).reshape(-1, k)
    return rows, distances


def ties(rows: np.ndarray, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How strongly each point is tied to its neighbours: rows (n, k) as given, and weights (n, k) float32 that fall
    from 1 at the nearest, with a width for each point that makes their sum log2(k) (UMAP, section 3.1)."""
    k = rows.shape[1]
    beyond = distances - distances[:, :1]
    low, high = np.zeros(len(rows)), np.full(len(rows), 2 * max(float(beyond.max(initial=0)), 1e-6))
    for _ in range(32):
        middle = (low + high) / 2
        sums = np.exp(-beyond / np.maximum(middle, 1e-9)[:, np.newaxis]).sum(axis=1)
        low, high = np.where(sums < np.log2(k), middle, low), np.where(sums < np.log2(k), high, middle)
    weights = np.exp(-beyond / np.maximum(high, 1e-9)[:, np.newaxis])
    return rows, weights.astype(np.float32)


def _settled(
    places: np.ndarray, rows: np.ndarray, weights: np.ndarray, random: np.random.Generator, tell: Progress
) -> np.ndarray:
    """The places (n, 2) after all steps. A tie pulls both its ends; the pushes on a point come from anywhere."""
    n, k = rows.shape
    y = (places / max(float(places.std()), 1e-9) * SPREAD).astype(np.float32)
    y += random.normal(0, 1e-3, y.shape).astype(np.float32)  # equal vectors do not stay in one place
    chance = np.cumsum(weights, axis=1)
    chance /= chance[:, -1:]
    every = np.arange(n)
    for step in range(STEPS):
        if step % 20 == 0:
            tell("layout", step, STEPS)
        rate = RATE * (1 - step / STEPS)
        if step % 4 == 0:
            order = random.permutation(n)
        drawn = (chance < random.random((n, 1), np.float32)).sum(axis=1)
        ends = rows[every, np.minimum(drawn, k - 1)]
        away = y - y[ends]
        pull = _held(-2 * away / (1 + _squares(away)))
        move = pull.copy()
        for axis in (0, 1):
            move[:, axis] -= np.bincount(ends, pull[:, axis], n)
        shuffled = y[order]
        for _ in range(PUSHES):
            away = y - np.roll(shuffled, int(random.integers(n)), axis=0)
            square = _squares(away)
            move += _held(away * (2 * STRENGTH / ((0.001 + square) * (1 + square))))
        y += rate * move
    return y


def _squares(vectors: np.ndarray) -> np.ndarray:
    """The squared lengths (n, 1) of vectors (n, 2)."""
    x, y = vectors[:, 0], vectors[:, 1]
    found: np.ndarray = (x * x + y * y)[:, np.newaxis]
    return found


def _held(moves: np.ndarray) -> np.ndarray:
    """Moves (n, 2), those longer than FARTHEST shortened to it. UMAP cuts each coordinate, which draws crosses."""
    moves *= np.minimum(1, FARTHEST / np.maximum(np.sqrt(_squares(moves)), 1e-9))
    return moves


def framed(places: np.ndarray) -> np.ndarray:
    """Places moved and scaled so that they fill a frame around 0.5 whose longer side goes from 0.01 to 0.99: what is
    drawn around all of them still lies between 0 and 1."""
    if not len(places):
        return places.astype(np.float32)
    low, high = places.min(axis=0), places.max(axis=0)
    side = max(float((high - low).max()), 1e-9) / 0.98
    return ((places - (low + high) / 2) / side + 0.5).astype(np.float32)
