"""Finds the least search effort that reaches the wanted recall.

Texts lie in another cone than images, so that an index may be right for images and miss every second answer to
words; what is measured with the one says nothing about the other.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from indexer.ann import exact_search
from indexer.ann.candidates import Indexed
from indexer.collection.index_files.manifest import Filtered, Measured, Point, QueryKind

K = 10  # the recall that counts is ann_recall@10
QUERIES = 400
TIMED = 60
TIE = 1e-6  # a row whose cosine is this near to that of the tenth is as good as it
CONFIDENCE = 1.645  # standard errors: other queries of the kind reach the target, too, 19 times out of 20
ENOUGH = 0.998  # the curve need not go on beyond
SHARES = (0.5, 0.25, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002)  # of the rows, for filters
FILTER_QUERIES = 30
COLUMNS_AT_ONCE = 32_768


@dataclass(frozen=True)
class Sample:
    """Queries of one kind: vectors (m, d) float32, and where they came from."""

    kind: QueryKind
    vectors: np.ndarray
    origin: str


def measure(indexed: Indexed, sample: Sample, target: float) -> Measured:
    """The smallest effort that finds the part `target` of the exact answers, with the curve that leads there.

    A sample shows a recall only roughly: an effort is taken once it reaches the target with CONFIDENCE standard errors
    to spare.
    """
    tenth = tenth_best(indexed.vectors, sample.vectors)
    curve: list[Point] = []
    chosen: Point | None = None
    for effort in indexed.index.efforts:
        point, error = _point(indexed, sample, tenth, effort)
        curve.append(point)
        if chosen is None and point.ann_recall >= min(target + CONFIDENCE * error, (target + 1) / 2):
            chosen = point
        if chosen is not None and point.ann_recall >= ENOUGH:
            break
    best = chosen or max(curve, key=lambda point: (point.ann_recall, -point.effort))
    return Measured(
        queries=len(sample.vectors),
        origin=sample.origin,
        effort=best.effort,
        ann_recall=best.ann_recall,
        milliseconds=best.milliseconds,
        reached=best.ann_recall >= target,
        curve=curve,
    )


def measure_filters(indexed: Indexed, sample: Sample, effort: int, target: float) -> list[Filtered]:
    """From which part of the rows on a filtered search pays to go through the index, and with which effort.

    The rows are drawn by chance. Where a filter follows the meaning, so that the nearest rows are just those that it
    leaves out, the search finds too few of them, and `candidates` compares everything in the end.
    """
    found: list[Filtered] = []
    generator = np.random.default_rng(1)
    efforts = [each for each in indexed.index.efforts if each >= effort]
    queries = Sample(sample.kind, sample.vectors[:FILTER_QUERIES], sample.origin)
    for share in SHARES:
        allowed = generator.random(len(indexed.vectors)) < share
        if allowed.sum() <= K:
            break
        compared = _median(partial(_compare, indexed.vectors, allowed), queries.vectors[:10])
        tenth = np.array([exact_search.top_k(indexed.vectors, query, K, allowed)[1][-1] for query in queries.vectors])
        for step in efforts:
            point, _ = _point(indexed, queries, tenth, step, allowed)
            if point.ann_recall >= (1 + target) / 2 or point.milliseconds > compared:
                break
        found.append(
            Filtered(
                share=share,
                effort=point.effort,
                ann_recall=point.ann_recall,
                milliseconds=point.milliseconds,
                exact_milliseconds=compared,
            )
        )
        if not found[-1].pays(target):
            break
        efforts = [each for each in efforts if each >= point.effort]
    return found


def tenth_best(vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """The cosine of the K-th best row (or the last, where there are fewer) of `vectors` for each query -> (m,)."""
    return nearest(vectors, queries, min(K, len(vectors)))[1].min(axis=1)


def queries_between_neighbors(vectors: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Images that are not in the collection but could be: half-way between one and its fifth neighbour -> (m, d)."""
    generator = np.random.default_rng(seed)
    rows = np.sort(generator.choice(len(vectors), min(count, len(vectors)), replace=False))
    neighbours, scores = nearest(vectors, vectors[rows], min(6, len(vectors)))
    fifth = np.take_along_axis(neighbours, scores.argmin(axis=1)[:, np.newaxis], axis=1)[:, 0]
    found = vectors[rows] + vectors[fifth]
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    unit: np.ndarray = np.where(lengths > 1e-3, found / np.maximum(lengths, 1e-3), vectors[rows])
    return unit


def nearest(vectors: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k rows of `vectors` nearest to each of many queries (m, d), in no order -> (m, k) rows and cosines."""
    rows = np.empty((len(queries), 0), np.int64)
    best = np.empty((len(queries), 0), np.float32)
    for start in range(0, len(vectors), COLUMNS_AT_ONCE):
        products = queries @ vectors[start : start + COLUMNS_AT_ONCE].T
        best = np.concatenate([best, products], axis=1)
        here = np.broadcast_to(np.arange(start, start + products.shape[1]), products.shape)
        rows = np.concatenate([rows, here], axis=1)
        if best.shape[1] > k:
            kept = np.argpartition(-best, k - 1, axis=1)[:, :k]
            best, rows = np.take_along_axis(best, kept, axis=1), np.take_along_axis(rows, kept, axis=1)
    return rows, best


def _point(
    indexed: Indexed, sample: Sample, tenth: np.ndarray, effort: int, allowed: np.ndarray | None = None
) -> tuple[Point, float]:
    """Recall and time of one effort, and the standard error of the recall."""

    def search(query: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return indexed.best(query, K, allowed, sample.kind, effort)

    pairs = zip(sample.vectors, tenth, strict=True)
    hits = [float(np.count_nonzero(search(query)[1] >= least - TIE)) for query, least in pairs]
    recalls = np.minimum(hits, K) / min(K, len(indexed.vectors))
    spread = float(recalls.std()) / math.sqrt(len(recalls))
    milliseconds = _median(search, sample.vectors[:TIMED])
    return Point(effort=effort, ann_recall=round(float(recalls.mean()), 5), milliseconds=milliseconds), spread


def _compare(vectors: np.ndarray, allowed: np.ndarray, query: np.ndarray) -> object:
    return exact_search.top_k(vectors, query, K, allowed)


def _median(call: Callable[[np.ndarray], object], queries: Sequence[np.ndarray] | np.ndarray) -> float:
    """Milliseconds."""
    times = []
    for query in queries:
        start = time.perf_counter()
        call(query)
        times.append(time.perf_counter() - start)
    return round(1000 * float(np.median(times)), 4)
