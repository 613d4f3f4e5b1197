"""Is work done ahead in order, within bounds, and past a piece that hangs?"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator

import pytest

from indexer.ingest.embedding import prefetch
from indexer.ingest.embedding.prefetch import Prefetcher, overlapped


def made(work: Prefetcher[int, int], items: range) -> list[int]:
    return [result for result in work.run(items) if result is not None]


def test_results_come_in_the_order_of_the_items() -> None:
    def slow_when_even(number: int) -> int:
        time.sleep(0.002 * (number % 2 == 0))
        return number * number

    assert made(Prefetcher(slow_when_even, int, threads=4, window=7, limit=9), range(50)) == [n * n for n in range(50)]


def test_no_more_than_the_window_is_begun_before_it_is_asked_for() -> None:
    begun: list[int] = []

    def begin(number: int) -> int:
        begun.append(number)
        return number

    results = Prefetcher(begin, int, threads=3, window=5, limit=9).run(range(1000))
    assert next(results) == 0
    time.sleep(0.05)
    assert max(begun) <= 5
    results.close()
    time.sleep(0.05)
    assert len(begun) <= 6


def test_pieces_that_hang_are_given_up_and_the_others_are_done() -> None:
    release = threading.Event()

    def hang_at_tens(number: int) -> int:
        if number % 10 == 0:
            release.wait(120)
        return number

    started = time.monotonic()
    work = Prefetcher(hang_at_tens, lambda number: -number - 1, threads=2, window=20, limit=1.0)
    assert made(work, range(40)) == [-n - 1 if n % 10 == 0 else n for n in range(40)]
    assert time.monotonic() - started < 60
    release.set()


def test_nothing_for_a_while_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch, "TICK", 0.02)

    def slow(number: int) -> int:
        time.sleep(0.15)
        return number

    results = list(Prefetcher(slow, int, threads=1, window=1, limit=9).run(range(2)))
    assert [result for result in results if result is not None] == [0, 1]
    assert results.count(None) >= 4


def test_an_error_comes_where_its_result_would_have_come() -> None:
    def fail_at_three(number: int) -> int:
        if number == 3:
            raise KeyError(number)
        return number

    results = Prefetcher(fail_at_three, int, threads=2, window=4, limit=9).run(range(9))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError):
        next(results)


def test_what_is_overlapped_is_made_while_the_caller_works() -> None:
    threads: set[str] = set()

    def making() -> Generator[int, None, None]:
        for number in range(20):
            threads.add(threading.current_thread().name)
            yield number

    assert [result for result in overlapped(making(), 4) if result is not None] == list(range(20))
    assert threads == {"clipdex-embed"}


def test_an_error_in_the_making_is_raised_after_what_came_before() -> None:
    def making() -> Generator[int, None, None]:
        yield 1
        raise OSError("gone")

    results = overlapped(making(), 4)
    assert next(results) == 1
    with pytest.raises(OSError, match="gone"):
        next(results)


def test_closing_ends_the_making() -> None:
    closed = threading.Event()

    def making() -> Generator[int, None, None]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    results = overlapped(making(), 2)
    next(results)
    results.close()
    assert closed.is_set()
    assert not [thread for thread in threading.enumerate() if thread.name == "clipdex-embed"]
