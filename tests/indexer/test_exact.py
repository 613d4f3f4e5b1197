"""Is the exact answer exact?"""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from indexer.exact import cosines, top_k

# Few different values, so that ties are everywhere.
SCORES = arrays(np.float32, st.integers(0, 60), elements=st.sampled_from([-1.0, -0.5, 0.0, 0.25, 0.5, 1.0]))


def test_a_worked_example() -> None:
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8], [1, 0]], np.float32)
    scores = cosines(vectors, np.array([1, 0], np.float32))
    assert scores.tolist() == [1.0, 0.0, np.float32(0.6), 1.0]
    assert top_k(scores, 3).tolist() == [0, 3, 2]


@settings(deadline=None)
@given(SCORES, st.integers(1, 80))
def test_top_k_is_what_sorting_everything_gives(scores: np.ndarray, k: int) -> None:
    expected = sorted(range(len(scores)), key=lambda row: (-scores[row], row))[:k]
    assert top_k(scores, k).tolist() == expected


@settings(deadline=None)
@given(SCORES, st.integers(1, 40))
def test_top_k_is_the_beginning_of_top_2k(scores: np.ndarray, k: int) -> None:
    assert top_k(scores, k).tolist() == top_k(scores, 2 * k)[:k].tolist()
