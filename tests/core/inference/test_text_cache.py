"""Are repeated queries answered from memory, within bounds, and never wrongly?"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from core.inference.text_cache import LONGEST, MANY, TextCache


class Counting:
    """Encodes a text as its length and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        self.asked.append(list(texts))
        return np.array([[len(text), ord(text[0])] for text in texts], np.float32)


def test_only_new_texts_are_encoded_each_once_and_the_order_is_the_callers() -> None:
    cache, encode = TextCache(), Counting()
    assert cache.vectors(["bb", "a", "bb"], encode).tolist() == [[2, 98], [1, 97], [2, 98]]
    assert cache.vectors(["a", "ccc", "bb"], encode).tolist() == [[1, 97], [3, 99], [2, 98]]
    cache.vectors(["bb"], encode)
    assert encode.asked == [["bb", "a"], ["ccc"]]


def test_the_least_recently_used_text_goes_first() -> None:
    cache, encode = TextCache(3), Counting()
    for text in ("a", "b", "c", "a", "d"):  # d displaces b
        cache.vectors([text], encode)
    encode.asked.clear()
    cache.vectors(["a", "c", "d"], encode)
    assert encode.asked == [] and len(cache) == 3
    assert cache.vectors(["b", "a", "c", "d", "e"], encode)[:, 1].tolist() == [98, 97, 99, 100, 101]
    assert len(cache) == 3


def test_captions_by_the_hundred_and_endless_texts_pass_by() -> None:
    cache, encode = TextCache(), Counting()
    cache.vectors(["query"], encode)
    many = [f"caption {n}" for n in range(MANY + 1)]
    assert len(cache.vectors(many, encode)) == len(many)
    cache.vectors(["x" * (LONGEST + 1)], encode)
    assert len(cache) == 1


def test_threads_get_their_own_answers() -> None:
    cache = TextCache(5)
    texts = [letter * n for letter in "abc" for n in range(1, 8)]
    with ThreadPoolExecutor(8) as pool:
        jobs = [(text, pool.submit(cache.vectors, [text], Counting())) for text in texts * 40]
        assert all(job.result().tolist() == [[len(text), ord(text[0])]] for text, job in jobs)
    assert len(cache) <= 5
