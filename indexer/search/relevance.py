"""Estimates whether a hit matches at all, and where among the hits that ends.

There is always a nearest image, and its cosine alone does not say whether it fits: it depends on the model, on the
kind of query, on the size of the collection and on how much alike its images are. So a query is compared with
others of its kind in the same collection, the background. For words these mean nothing: everyday phrases
(`core.text.sample_queries`) mixed at random, two at a time, lie where words lie, and the images nearest to them are
so by chance. For images they are images of the collection, which have others of their kind there (as in Sun et al.
2022, "Out-of-distribution detection with deep nearest neighbors"): there it takes a query that stands out to match
nothing.

How well a query is answered is its *peak*, half its best cosine and half the mean of its best five (fewer where there
are few images); that the best few agree is what predicts a good answer (Zhou and Croft 2007, "Query performance
prediction in web search environments": weighted information gain, the mean of the top scores against the corpus's).
The peak is standardised by the mean and the spread of the background's peaks, as a querybank normalises the scores of
cross-modal retrieval (Bogolin et al. 2022, "Cross modal retrieval with querybank normalisation"), and a logistic curve
fitted once, on images with known content (`python -m benchmarks.relevance`), makes it a number from 0 to 1. For a hit
its own cosine takes the place of the best one, so relevance falls as the cosine does, and one threshold fits all
queries.

Tried and left out (benchmarks/LOG.md): the distance of the best cosine from the bulk of all images' takes a
collection of dogs for one without dogs; the phrases as they are find their images in a rich collection, and nothing
stands out against them any more; comparing each image with the phrases (a softmax over query and phrases) punishes
queries that resemble one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

THRESHOLD = 0.5  # what is below does not match
BEST = 5  # hits whose mean cosine is half the peak,
ROWS_FOR_ONE_MORE = 25  # one where there are fewer images than this, two where there are fewer than twice as many, …
NEEDED = BEST + 1  # scores of an answer, from the best on, that decide about all its hits
SAME = 0.9999  # the cosine of an image with itself, which says nothing about whether there are others like it
SAMPLED_ROWS = 16_384
SAMPLED_WITH_PARTS = 2_048
QUERIES = 256  # of a background
MIXED = 2  # phrases in each meaningless one; with four the threshold fits other collections less well
SPACING_RANKS = 10
LEAST_SPREAD = 1e-3  # of peaks; where all queries are answered alike, none should jump for rounding
TINY = 1e-9

Kind = Literal["text", "image"]
# Slope and middle of the logistic curve over standardised peaks, fitted by `python -m benchmarks.relevance --fit`. The
# middles are lower than fitted (1.07 and 0.05): to say "nothing" of what is there is the worse mistake, and an image
# is rarely searched with where nothing is like it.
CURVES: dict[Kind, tuple[float, float]] = {"text": (1.1, 0.8), "image": (0.36, -1.2)}


Parts = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Background:
    """What the peaks of ordinary queries look like in a collection of `rows` images."""

    mean: float
    spread: float
    growth: float  # of a peak where the collection becomes e times as large
    rows: int

    @property
    def best(self) -> int:
        """How many of the best hits make half of a peak."""
        return best_of(self.rows)

    def standardised(self, peaks: np.ndarray, rows: int) -> np.ndarray:
        """Peaks (k,) found among `rows` images -> how many spreads each is above the background's mean."""
        expected = self.mean + self.growth * np.log(rows / self.rows)
        above: np.ndarray = (peaks - expected) / self.spread
        return above


def best_of(rows: int) -> int:
    """In a few images fewer match: how many of the best hits make half of a peak in a collection of `rows`."""
    return min(BEST, 1 + rows // ROWS_FOR_ONE_MORE)


def background(queries: np.ndarray, vectors: np.ndarray, parts: Parts | None = None) -> Background:
    """The background of q queries (q, d) in a collection of n images (n, d), all of length 1. Where images count by
    their best parts, `parts` gives the cosines with those of some rows, (q, rows).

    A large collection is sampled. The best of n values with a light tail, such as cosines, grows by the same step each
    time n is multiplied, and the distances between the best few tell that step: the r-th best lies 1/1 + … + 1/(r-1)
    steps below the best (Weissman 1978, "Estimation of parameters and large quantiles based on the k largest
    observations").
    """
    n = len(vectors)
    most = SAMPLED_ROWS if parts is None else SAMPLED_WITH_PARTS
    rows = np.arange(n) if n <= most else np.linspace(0, n - 1, most).astype(np.int64)
    scores = queries @ vectors[rows].T
    itself = scores >= SAME
    if parts is not None:
        scores = np.maximum(scores, parts(queries, rows))
    scores[itself] = -1.0  # an image asks for others
    ranks = min(SPACING_RANKS, scores.shape[1] - 1)
    best = -np.sort(-np.partition(scores, scores.shape[1] - ranks - 1, axis=1)[:, -ranks - 1 :], axis=1)
    if (whole := (best > -1.0).all(axis=1)).any():
        best = best[whole]
    peaks = (best[:, 0] + best[:, : best_of(n)].mean(axis=1)) / 2
    harmonic = float(sum(1 / r for r in range(1, ranks + 1)))
    growth = float((best[:, 0] - best[:, -1]).mean()) / harmonic if ranks else 0.0
    found = Background(float(peaks.mean()), max(float(peaks.std()), LEAST_SPREAD), growth, len(rows))
    return Background(found.mean + growth * float(np.log(n / len(rows))), found.spread, growth, n)


def relevances(
    first: np.ndarray, scores: np.ndarray, kinds: Mapping[Kind, float], against: Background, rows: int
) -> np.ndarray:
    """The relevance of hits from their cosines (k,) -> (k,) from 0 to 1.

    `first` are the NEEDED best cosines of the whole answer, or all of fewer, so that a hit has the same relevance on
    any page; `kinds` says how much of the query is words and how much images, `rows` how many images were searched.
    """
    others = first[first < SAME] if (first < SAME).any() else first
    peaks = (scores.astype(np.float64) + float(others[: against.best].mean())) / 2
    slope, middle = (sum(kinds[name] * CURVES[name][n] for name in kinds) / sum(kinds.values()) for n in (0, 1))
    above = against.standardised(peaks, rows) - middle
    found: np.ndarray = 1 / (1 + np.exp(np.clip(-slope * above, -60, 60)))
    found[scores >= SAME] = 1.0
    return found


def meaningless(queries: np.ndarray) -> np.ndarray:
    """Queries like the q given ones (q, d) that mean nothing -> (QUERIES, d) unit rows, always the same ones.

    Each is the mean of all and a random mixture of a few deviations from it, as long as a deviation is.
    """
    draw = np.random.default_rng(0)
    mean = queries.mean(axis=0)
    deviations = queries - mean
    lengths = np.linalg.norm(deviations, axis=1)
    chosen = draw.integers(0, len(queries), (QUERIES, MIXED))
    mixed = (deviations[chosen] * draw.normal(size=(QUERIES, MIXED, 1))).sum(axis=1)
    wanted = lengths[draw.integers(0, len(queries), QUERIES)][:, np.newaxis]
    mixed *= wanted / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), TINY)
    return _unit(mean + mixed)


def sample(vectors: np.ndarray) -> np.ndarray:
    """Images as queries, evenly over the collection (n, d) -> (QUERIES, d), some of them twice if there are fewer."""
    found: np.ndarray = vectors[np.linspace(0, len(vectors) - 1, QUERIES).astype(np.int64)]
    return found


def composed(parts: Sequence[tuple[Kind, float]], sources: Callable[[Kind], np.ndarray]) -> np.ndarray:
    """The background's queries for a query of weighted parts: those of each part's kind (QUERIES, d), put together
    with the same weights -> (QUERIES, d) unit rows."""
    rolled = (weight * np.roll(sources(kind), number, axis=0) for number, (kind, weight) in enumerate(parts))
    return _unit(np.sum(list(rolled), axis=0))


def _unit(rows: np.ndarray) -> np.ndarray:
    unit: np.ndarray = (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), TINY)).astype(np.float32)
    return unit
