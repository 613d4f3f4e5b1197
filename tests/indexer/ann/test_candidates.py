"""Is a ranking through an index one ranking, whatever page is asked for, whatever came, went or is allowed?"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ClipdexWarning
from indexer.ann import candidates as module
from indexer.ann import exact_search
from indexer.ann.candidates import Indexed, candidates
from indexer.ann.kinds import INDEXES
from indexer.ann.optimize import optimize
from indexer.collection.index_files.row_pairing import Pairing, keys, pair
from indexer.collection.snapshot import Snapshot
from indexer.search.searcher import Searcher
from tests.contracts.test_indexes import built
from tests.indexer.vectors import add, clustered, collection_of, remove

N = 2_000
VECTORS = clustered(N)


class Forgetful:
    """An index that misses what it likes, differently at each depth: the worst that a ranking must put up with."""

    kind = "forgetful"
    efforts = (1, 10, 100)
    oversample = 1
    size_bytes = 0

    def __init__(self, vectors: np.ndarray, missed: float, seed: int, noise: float) -> None:
        self.vectors, self.missed, self.seed, self.noise = vectors, missed, seed, noise
        self.n = len(vectors)

    def search(
        self, queries: np.ndarray, k: int, *, effort: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        generator = np.random.default_rng([self.seed, effort, k])
        rough = self.vectors @ queries[0] + generator.uniform(-self.noise, self.noise, self.n).astype(np.float32)
        kept = generator.random(self.n) >= self.missed
        rows = np.flatnonzero(kept if allowed is None else kept & allowed)
        rows = rows[np.argsort(-rough[rows])][:k]
        positions, scores = np.full((1, k), -1), np.full((1, k), -np.inf, np.float32)
        positions[0, : len(rows)], scores[0, : len(rows)] = rows, rough[rows]
        return positions, scores


def changed(indexed: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, Pairing]:
    """A later version of some vectors: a few are gone, a few are new, all in another order."""
    now = indexed[generator.random(len(indexed)) < 0.9]
    now = np.concatenate([now, clustered(len(indexed) // 10 + 1, seed=int(generator.integers(1000)))])
    now = now[generator.permutation(len(now))]
    return now, pair(keys(indexed), keys(now))


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(1, 1500),
    k=st.integers(1, 600),
    missed=st.sampled_from([0.0, 0.1, 0.9]),
    share=st.sampled_from([None, 0.9, 0.3]),
    seed=st.integers(0, 10_000),
    moved=st.booleans(),
)
def test_the_best_k_are_the_beginning_of_the_best_2k_however_much_an_index_misses(
    n: int, k: int, missed: float, share: float | None, seed: int, moved: bool
) -> None:
    generator = np.random.default_rng(seed)
    stored = VECTORS[:n]
    now, pairing = changed(stored, generator) if moved else (stored, None)
    index = Indexed(Forgetful(stored, missed, seed, 1e-6), None, now, pairing)  # type: ignore[arg-type]
    allowed = None if share is None else generator.random(len(now)) < share
    query = clustered(1, seed=seed + 1)[0]
    few, scores = index.best(query, k, allowed, "text", effort=1)
    many, more_scores = index.best(query, 2 * k, allowed, "text", effort=1)
    assert few.tolist() == many[:k].tolist()
    assert scores.tolist() == more_scores[:k].tolist()
    there = len(now) if allowed is None else int(allowed.sum())
    assert len(few) == min(k, there)  # no page ends before there are no more rows
    assert len(set(many.tolist())) == len(many)
    assert allowed is None or allowed[many].all()
    np.testing.assert_array_equal(scores, exact_search.cosines(now, few, query))


@settings(deadline=None, max_examples=60)
@given(n=st.integers(1, 1200), seed=st.integers(0, 10_000), k=st.integers(1, 100))
def test_an_index_that_misses_nothing_gives_the_exact_answer(n: int, seed: int, k: int) -> None:
    generator = np.random.default_rng(seed)
    now, pairing = changed(VECTORS[:n], generator)
    index = Indexed(Forgetful(VECTORS[:n], 0.0, seed, 1e-6), None, now, pairing)  # type: ignore[arg-type]
    query = clustered(1, seed=seed)[0]
    for allowed in (None, generator.random(len(now)) < 0.5):
        rows, scores = index.best(query, k, allowed, "text", effort=1)
        expected_rows, expected_scores = exact_search.top_k(now, query, k, allowed)
        assert rows.tolist() == expected_rows.tolist()
        assert scores.tolist() == expected_scores.tolist()


@pytest.mark.parametrize("kind", sorted(INDEXES))
def test_pages_neither_overlap_nor_skip_for_any_kind(kind: str) -> None:
    index = Indexed(built(kind, VECTORS), None, VECTORS)
    for query in clustered(4, seed=5):
        whole, _ = index.best(query, 450, None, "text", effort=index.index.efforts[0])
        for k in (1, 10, 30, 31, 32, 33, 300):
            rows, scores = index.best(query, k, None, "text", effort=index.index.efforts[0])
            assert rows.tolist() == whole[:k].tolist()
            np.testing.assert_array_equal(scores, exact_search.cosines(VECTORS, rows, query))
        everything, _ = index.best(query, N + 5, None, "text", effort=index.index.efforts[0])
        assert sorted(everything.tolist()) == list(range(N))


@pytest.mark.parametrize("kind", sorted(INDEXES))
def test_many_queries_at_once_have_the_answers_of_each(kind: str) -> None:
    queries = clustered(30, seed=21)
    made = built(kind, VECTORS)
    effort = made.efforts[len(made.efforts) // 2]
    for pairing in (None, changed(VECTORS, np.random.default_rng(1))):
        now, paired = (VECTORS, None) if pairing is None else pairing
        index = Indexed(made, None, now, paired)
        for k in (10, 100):
            together = index.best_many(queries, k, "text", effort=effort)
            for query, (rows, scores) in zip(queries, together, strict=True):
                alone_rows, alone_scores = index.best(query, k, None, "text", effort=effort)
                assert rows.tolist() == alone_rows.tolist()
                assert scores.tolist() == alone_scores.tolist()


def test_equal_vectors_come_in_the_order_of_their_positions() -> None:
    index = Indexed(built("hnsw", VECTORS), None, VECTORS)
    for query in clustered(10, seed=6):
        rows, scores = index.best(query, 100, None, "text", effort=256)
        order = np.lexsort([rows, -scores])
        assert order.tolist() == list(range(100))


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), max_size=30), st.lists(st.integers(0, 5), max_size=30))
def test_rows_are_paired_with_equal_ones_in_order(before: list[int], now: list[int]) -> None:
    found = pair(np.array(before, np.uint64), np.array(now, np.uint64))
    matched = {place: row for place, row in enumerate(found.row.tolist()) if row >= 0}
    assert all(before[place] == now[row] for place, row in matched.items())
    assert sorted([*matched.values(), *found.new.tolist()]) == list(range(len(now)))
    for value in set(before) | set(now):
        assert sum(before[place] == value for place in matched) == min(before.count(value), now.count(value))
        rows = [row for place, row in matched.items() if before[place] == value]
        assert rows == sorted(rows)


def test_keys_tell_vectors_apart_and_copies_not() -> None:
    found = keys(VECTORS)
    assert len(set(found.tolist())) == len(np.unique(VECTORS, axis=0)) == N - N // 10
    assert (found[9::10] == found[8::10]).all()


def test_pictures_that_came_and_went_are_found_and_not_found(tmp_path: Path) -> None:
    collection = collection_of(tmp_path, VECTORS)
    optimize(collection, kind="hnsw", encoder=None)
    searcher = Searcher(collection)
    query = clustered(1, seed=7)[0]
    assert_exact(searcher.snapshot(), query)
    first = candidates(searcher.snapshot(), query, 3)[0]
    remove(collection, first.tolist())
    assert_exact(searcher.snapshot(), query)
    add(collection, np.stack([query, -query]), N)
    snapshot = searcher.snapshot()
    assert_exact(snapshot, query)
    rows, scores = candidates(snapshot, query, 1)
    assert snapshot.ids[int(rows[0])] == f"{N:06}" and scores[0] == pytest.approx(1)


def test_many_changes_in_any_order_leave_the_answer_right(tmp_path: Path) -> None:
    generator = np.random.default_rng(8)
    collection = collection_of(tmp_path, VECTORS[:600])
    searcher = Searcher(collection)
    for step in range(8):
        match int(generator.integers(3)):
            case 0:
                add(collection, clustered(20, seed=100 + step), int(generator.integers(700)))
            case 1:
                remove(collection, generator.integers(0, 700, 15).tolist())
            case 2:
                optimize(collection, kind="hnsw")
        for query in clustered(3, seed=step):
            assert_exact(searcher.snapshot(), query)


def test_a_filter_loses_nothing_whether_it_is_wide_or_narrow(tmp_path: Path) -> None:
    collection = collection_of(tmp_path, VECTORS)
    optimize(collection, kind="hnsw")
    snapshot = Snapshot.load(collection)
    generator = np.random.default_rng(3)
    for share in (0.0, 0.001, 0.01, 0.1, 0.5, 1.0):
        allowed = generator.random(N) < share
        for query in clustered(3, seed=9):
            rows, scores = candidates(snapshot, query, 10, allowed)
            expected = exact_search.top_k(snapshot.vectors, query, 10, allowed)
            assert rows.tolist() == expected[0].tolist()
            assert scores.tolist() == expected[1].tolist()


def test_captions_have_an_index_of_their_own(tmp_path: Path) -> None:
    collection = collection_of(tmp_path, VECTORS[:500], clustered(500, seed=4))
    optimize(collection, kind="hnsw")
    snapshot = Snapshot.load(collection)
    query = clustered(1, seed=5)[0]
    assert module.indexed(snapshot, "texts") is not None
    rows, _ = candidates(snapshot, query, 20, None, "texts")
    assert rows.tolist() == exact_search.top_k(snapshot.text_vectors, query, 20)[0].tolist()


def test_a_collection_that_changed_beyond_use_is_searched_exactly(tmp_path: Path) -> None:
    collection = collection_of(tmp_path, VECTORS[:300])
    optimize(collection, kind="hnsw")
    add(collection, clustered(400, seed=11), 300)
    snapshot = Snapshot.load(collection)
    assert module.indexed(snapshot, "images") is None
    assert_exact(snapshot, clustered(1, seed=12)[0])


def test_an_index_that_fails_in_the_middle_is_given_up_with_a_warning(tmp_path: Path) -> None:
    collection = collection_of(tmp_path, VECTORS[:300])
    optimize(collection, kind="hnsw")
    snapshot = Snapshot.load(collection)
    found = module.indexed(snapshot, "images")
    assert found is not None

    def fail(*_: object, **__: object) -> None:
        raise OSError("the disk is gone")

    found.index = SimpleNamespace(search=fail, oversample=1)  # type: ignore[assignment]
    query = clustered(1)[0]
    with pytest.warns(ClipdexWarning, match="the disk is gone"):
        assert_exact(snapshot, query)
    assert_exact(snapshot, query)  # and no second warning


def test_many_texts_at_once_are_searched_through_the_index_as_single_ones_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexer.search.batch.INDEXED_AT_ONCE", 7)
    collection = collection_of(tmp_path, VECTORS)
    optimize(collection, kind="hnsw", recall=0.1)  # which misses something
    texts = [f"{colour} {thing}" for colour in ("red", "blue", "dark") for thing in range(8)]
    searcher = Searcher(collection)

    def assert_same() -> None:
        index = module.indexed(searcher.snapshot(), "images")
        assert index is not None
        few, many = (searcher.search_many(texts, limit=limit) for limit in (5, 40))
        for text, found, more in zip(texts, few, many, strict=True):
            single = searcher.search(text, limit=40)
            assert [item for item, _ in more] == [hit.id for hit in single]
            assert [score for _, score in more] == pytest.approx([hit.score for hit in single], abs=1e-6)
            assert found == more[:5]

    assert_same()
    index = module.indexed(searcher.snapshot(), "images")
    assert index is not None
    asked: list[int] = []
    real = index.index

    def search(queries: np.ndarray, *rest: Any, **more: Any) -> Any:
        asked.append(len(queries))
        return real.search(queries, *rest, **more)

    index.index = SimpleNamespace(search=search, oversample=real.oversample)  # type: ignore[assignment]
    searcher.search_many(texts, limit=5)
    assert asked == [7, 7, 7, 3]
    first = searcher.search_many(texts[:1], limit=1)[0][0][0]
    remove(collection, [int(first)])
    add(collection, clustered(50, seed=31), N)
    assert_same()
    searcher.exclude(gone := searcher.search_many(texts[:1], limit=1)[0][0][0])
    assert gone not in [item for item, _ in searcher.search_many(texts[:1], limit=50)[0]]


def test_many_texts_at_once_outlive_an_index_that_fails(tmp_path: Path) -> None:
    collection = collection_of(tmp_path, VECTORS[:300])
    searcher = Searcher(collection)
    expected = searcher.search_many(["red", "blue"])
    optimize(collection, kind="hnsw")
    found = module.indexed(searcher.snapshot(), "images")
    assert found is not None

    def fail(*_: object, **__: object) -> None:
        raise OSError("the disk is gone")

    found.index = SimpleNamespace(search=fail, oversample=1)  # type: ignore[assignment]
    with pytest.warns(ClipdexWarning, match="the disk is gone"):
        assert searcher.search_many(["red", "blue"]) == expected


def assert_exact(snapshot: Snapshot, query: np.ndarray) -> None:
    rows, scores = candidates(snapshot, query, 10)
    expected_rows, expected_scores = exact_search.top_k(snapshot.vectors, query, 10)
    assert rows.tolist() == expected_rows.tolist()
    assert scores.tolist() == expected_scores.tolist()
