"""Does every kind of index keep the promises of `indexer.ann.kinds.base.VectorIndex`?  One battery over the registry,
against the exact answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import ConfigError, MissingExtraError
from indexer.ann import exact_search
from indexer.ann.kinds import INDEXES, index_class
from indexer.ann.kinds.base import VectorIndex
from indexer.ann.kinds.dimension_reduction import Projection, fit

N, D, K = 2_000, 32, 10
SMALL = (1, 2, 5, 40)


def vectors(n: int, seed: int = 0, d: int = D) -> np.ndarray:
    """n unit vectors in thirty clusters."""
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(30, d))
    rows = (centres[generator.integers(30, size=n)] + 0.6 * generator.normal(size=(n, d))).astype(np.float32)
    unit: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def built(kind: str, stored: np.ndarray) -> VectorIndex:
    try:
        return index_class(kind).build(stored)
    except (ConfigError, MissingExtraError) as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module", params=sorted(INDEXES))
def index(request: pytest.FixtureRequest) -> VectorIndex:
    return built(request.param, vectors(N))


def found(index: VectorIndex, queries: np.ndarray, allowed: np.ndarray | None = None) -> list[list[int]]:
    """What an index finds at its best, ordered by exact cosines as `candidates` would."""
    many = K * index.oversample * 4
    positions, _ = index.search(queries, many, effort=index.efforts[-1], allowed=allowed)
    stored = vectors(N)
    return [
        exact_search.ranked(stored, np.sort(row[row >= 0]), query, K)[0].tolist()
        for row, query in zip(positions, queries, strict=True)
    ]


def test_at_its_best_it_finds_what_the_exact_search_finds(index: VectorIndex) -> None:
    queries = vectors(40, seed=1)
    expected = [exact_search.top_k(vectors(N), query, K)[0].tolist() for query in queries]
    right = sum(len(set(a) & set(b)) for a, b in zip(found(index, queries), expected, strict=True))
    assert right / (40 * K) >= 0.98


def test_it_never_finds_what_is_not_allowed_and_finds_nearly_all_that_is(index: VectorIndex) -> None:
    queries, allowed = vectors(20, seed=2), np.random.default_rng(3).random(N) < 0.3
    rows = found(index, queries, allowed)
    assert all(allowed[row] for each in rows for row in each)
    expected = [exact_search.top_k(vectors(N), query, K, allowed)[0].tolist() for query in queries]
    assert sum(len(set(a) & set(b)) for a, b in zip(rows, expected, strict=True)) / (20 * K) >= 0.95


def test_with_nothing_allowed_it_finds_nothing(index: VectorIndex) -> None:
    positions, _ = index.search(vectors(2, seed=4), K, effort=index.efforts[0], allowed=np.zeros(N, bool))
    assert (positions == -1).all()


def test_no_position_comes_twice_and_what_is_missing_is_at_the_end(index: VectorIndex) -> None:
    for effort in (index.efforts[0], index.efforts[-1]):
        positions, scores = index.search(vectors(5, seed=5), 100, effort=effort)
        assert positions.shape == scores.shape == (5, 100)
        assert positions.dtype == np.int64 and scores.dtype == np.float32
        for row in positions:
            real = row[row >= 0]
            assert len(set(real.tolist())) == len(real)
            assert (row[len(real) :] == -1).all()
            assert (real < N).all()


def test_its_scores_are_near_to_the_cosines(index: VectorIndex) -> None:
    queries = vectors(5, seed=6)
    positions, scores = index.search(queries, 50, effort=index.efforts[-1])
    for query, rows, given in zip(queries, positions, scores, strict=True):
        real = rows >= 0
        off = np.abs(given[real] - exact_search.cosines(vectors(N), rows[real], query)).max()
        assert off <= 0.3  # LanceDB draws its codes at random


def test_more_than_there_are_can_be_asked_for(index: VectorIndex) -> None:
    positions, _ = index.search(vectors(1, seed=7), N + 7, effort=index.efforts[-1])
    assert positions.shape == (1, N + 7)
    assert (positions[0, -7:] == -1).all()


def test_it_is_the_same_after_saving_and_loading(index: VectorIndex, tmp_path: Path) -> None:
    queries = vectors(20, seed=8)
    index.save(tmp_path)
    loaded = index_class(index.kind).load(tmp_path, N, D)
    assert (loaded.n, loaded.kind, loaded.size_bytes) == (index.n, index.kind, index.size_bytes)
    assert loaded.efforts == index.efforts
    for effort in (index.efforts[0], index.efforts[-1]):
        before, after = (each.search(queries, K, effort=effort) for each in (index, loaded))
        np.testing.assert_array_equal(before[0], after[0])
        np.testing.assert_allclose(before[1], after[1], atol=1e-6)


def test_files_for_other_vectors_are_refused(index: VectorIndex, tmp_path: Path) -> None:
    index.save(tmp_path)
    for n, d in ((N + 1, D), (N, D + 1)):
        with pytest.raises((ValueError, RuntimeError)):
            index_class(index.kind).load(tmp_path, n, d)


def test_the_same_vectors_give_the_same_index(index: VectorIndex) -> None:
    queries = vectors(20, seed=9)
    again = built(index.kind, vectors(N))
    first, second = found(index, queries), found(again, queries)
    same = np.mean([len(set(a) & set(b)) / K for a, b in zip(first, second, strict=True)])
    assert same >= 0.97  # LanceDB learns from other rows each time; a graph that two threads build differs in places


@pytest.mark.parametrize("kind", sorted(INDEXES))
@pytest.mark.parametrize("n", SMALL)
def test_it_takes_few_vectors(kind: str, n: int) -> None:
    small = built(kind, vectors(n))
    positions, _ = small.search(vectors(1, seed=10), n, effort=small.efforts[-1])
    assert sorted(positions[0].tolist()) == list(range(n))


@pytest.mark.parametrize("kind", sorted(INDEXES))
def test_a_class_is_registered_under_its_own_kind(kind: str) -> None:
    assert index_class(kind).kind == kind


def test_an_unknown_kind_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="unknown kind of index 'hnws'; choose one of: hnsw, exact"):
        index_class("hnws")


def test_vectors_are_shortened_where_examples_show_that_they_may(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    axes = np.linalg.qr(generator.normal(size=(160, 24)))[0].T  # what the vectors say lies in 24 of 160 dimensions
    noise = 0.02 * generator.normal(size=(N, 160))
    rows = (vectors(N, d=24) @ axes + noise).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    queries = np.random.default_rng(2).normal(size=(300, 24)) @ axes
    queries = (queries / np.linalg.norm(queries, axis=1, keepdims=True)).astype(np.float32)
    projection = fit(rows, queries[100:])
    assert projection is not None and projection.axes.shape[1] == 64
    projection.save(tmp_path)
    loaded = Projection.load(tmp_path, 160)
    assert loaded is not None
    with pytest.raises(ValueError, match="no axes of 161 numbers"):
        Projection.load(tmp_path, 161)
    short, right = loaded.vectors(rows), 0
    for query in queries[:100]:
        scores = loaded.scores(query[np.newaxis], loaded.queries(query[np.newaxis]) @ short.T)[0]
        assert np.abs(scores - rows @ query).max() < 0.05
        best = exact_search.top_k(rows, query, K)[0]
        right += len(set(best.tolist()) & set(np.argsort(-scores)[: 4 * K].tolist()))
    assert right >= 0.99 * 100 * K


def test_vectors_that_need_all_their_dimensions_keep_them() -> None:
    generator = np.random.default_rng(3)
    rows = generator.normal(size=(N, 96)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert fit(rows, rows[:100]) is None
    assert fit(rows, None) is None
