"""Is the exact answer exact?"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.ann.exact_search import top_k


def unit_rows(seed: int, n: int, d: int) -> np.ndarray:
    """n unit vectors; every third is a copy of an earlier one, so that ties are everywhere."""
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(n, d)).astype(np.float32)
    for row in range(2, n, 3):
        rows[row] = rows[generator.integers(row)]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True) if n else 1
    return rows


def test_a_worked_example() -> None:
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8], [1, 0]], np.float32)
    rows, scores = top_k(vectors, np.array([1, 0], np.float32), 3)
    assert rows.tolist() == [0, 3, 2]
    assert scores.tolist() == [1.0, 1.0, np.float32(0.6)]


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 60), st.integers(1, 80), st.integers(1, 70))
def test_the_best_are_what_sorting_everything_gives(seed: int, n: int, d: int, k: int) -> None:
    vectors, query = unit_rows(seed, n, d), unit_rows(seed + 1, 1, d)[0]
    cosines = [np.float32(math.fsum(float(a) * float(b) for a, b in zip(row, query, strict=True))) for row in vectors]
    expected = sorted(range(n), key=lambda row: (-cosines[row], row))[:k]
    rows, scores = top_k(vectors, query, k)
    assert rows.tolist() == expected
    assert scores.tolist() == [cosines[row] for row in expected]


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 60), st.integers(1, 40))
def test_the_best_k_are_the_beginning_of_the_best_2k(seed: int, n: int, k: int) -> None:
    vectors, query = unit_rows(seed, n, 64), unit_rows(seed + 1, 1, 64)[0]
    for few, many in zip(top_k(vectors, query, k), top_k(vectors, query, 2 * k), strict=True):
        assert few.tolist() == many[:k].tolist()


@pytest.mark.parametrize(("n", "d"), [(7, 256), (1003, 512), (9001, 64)])
def test_copies_have_one_score_wherever_they_stand(n: int, d: int) -> None:
    vectors, query = np.repeat(unit_rows(1, 1, d), n, axis=0), unit_rows(2, 1, d)[0]
    for k in (1, n // 2, n):
        rows, scores = top_k(vectors, query, k)
        assert rows.tolist() == list(range(k))
        assert len(set(scores.tolist())) == 1
