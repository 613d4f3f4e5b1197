"""Prefetches work in order, within bounded memory, even if one piece hangs.

`Prefetcher` spreads pieces over threads and gives the results back in order. A thread that hangs in the operating
system (a network share that went away) cannot be stopped: after a time limit its piece is given up, what it was `lent`
is given back, and another thread takes its place. The threads are daemons, so one that hangs for ever does not keep the
program from ending. Time in which a piece only waits for others is not its own: see `waiting`.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

TICK = 1.0  # seconds without a result after which whoever waits is told so


@dataclass(eq=False)
class _Piece(Generic[T, R]):
    item: T
    done: threading.Event = field(default_factory=threading.Event)
    started: float | None = None
    result: list[R] = field(default_factory=list)  # one, or none yet
    error: BaseException | None = None
    given_up: bool = False
    give_back: Callable[[], None] = lambda: None  # what it has borrowed

    def is_late(self, limit: float) -> bool:
        started = self.started  # which the thread that works on it may change meanwhile
        return started is not None and time.monotonic() >= started + limit

    def patience(self, limit: float) -> float:
        """Seconds to wait for it before somebody looks again."""
        started = self.started
        return TICK if started is None else min(TICK, max(0.0, started + limit - time.monotonic()))


class _Here(threading.local):
    piece: _Piece[Any, Any] | None = None  # that this thread works on


_here = _Here()


@contextmanager
def waiting() -> Iterator[None]:
    """Around a wait for other pieces: it does not count for the time of the one that this thread works on, which begins
    anew after it."""
    piece = _here.piece
    if piece is not None:
        piece.started = None
    try:
        yield
    finally:
        if piece is not None:
            piece.started = time.monotonic()


@contextmanager
def lent(give_back: Callable[[], None]) -> Iterator[None]:
    """What the piece that this thread works on has borrowed within is given back at the end, or as soon as it is given
    up: `give_back` may be called more than once, from any thread."""
    piece = _here.piece
    try:
        if piece is not None:
            piece.give_back = give_back
            if piece.given_up:  # before anything was borrowed
                give_back()
        yield
    finally:
        give_back()


class Prefetcher(Generic[T, R]):
    """Does `work` in threads, at most `window` pieces ahead; `late` makes the result of one that takes too long."""

    def __init__(
        self, work: Callable[[T], R], late: Callable[[T], R], *, threads: int, window: int, limit: float
    ) -> None:
        self.work, self.late, self.threads, self.window, self.limit = work, late, threads, window, limit
        self._todo: queue.SimpleQueue[_Piece[T, R] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._running: list[threading.Thread] = []

    def run(self, items: Iterable[T]) -> Generator[R | None, None, None]:
        """The result of each item, in order; None for each `TICK` in which there was none."""
        window: deque[_Piece[T, R]] = deque()
        try:
            for _ in range(self.threads):
                self._add_thread()
            for item in items:
                piece: _Piece[T, R] = _Piece(item)
                window.append(piece)
                self._todo.put(piece)
                if len(window) >= self.window:
                    yield from self._first(window)
            while window:
                yield from self._first(window)
        finally:
            self._end()

    def _first(self, window: deque[_Piece[T, R]]) -> Generator[R | None, None, None]:
        """The result of the oldest piece, as soon as there is one."""
        piece = window[0]
        while not piece.done.wait(0 if piece.given_up else piece.patience(self.limit)):
            for each in window:  # the oldest may be waiting for what another one, that hangs, has borrowed
                self._give_up_if_late(each)
            if piece.given_up:
                window.popleft()
                yield self.late(piece.item)
                return
            yield None
        window.popleft()
        if piece.error is not None:
            raise piece.error
        yield piece.result[0]

    def _give_up_if_late(self, piece: _Piece[T, R]) -> None:
        with self._lock:
            if piece.given_up or piece.done.is_set() or not piece.is_late(self.limit):
                return
            piece.given_up = True
        piece.give_back()
        self._add_thread()

    def _add_thread(self) -> None:
        thread = threading.Thread(target=self._serve, name="clipdex-ahead", daemon=True)
        self._running.append(thread)
        thread.start()

    def _serve(self) -> None:
        while (piece := self._todo.get()) is not None:
            piece.started = time.monotonic()
            _here.piece = piece
            try:
                piece.result.append(self.work(piece.item))
            except BaseException as error:
                piece.error = error
            with self._lock:
                piece.done.set()
                if piece.given_up:
                    break
        self._running.remove(threading.current_thread())

    def _end(self) -> None:
        """Let every thread finish what it has begun, but wait for none that hangs."""
        with suppress(queue.Empty):
            while True:
                self._todo.get_nowait()
        running = list(self._running)
        for _ in running:
            self._todo.put(None)
        deadline = time.monotonic() + TICK
        for thread in running:
            thread.join(max(0.0, deadline - time.monotonic()))


def overlapped(results: Generator[R, None, None], capacity: int) -> Generator[R | None, None, None]:
    """The results, made in a thread of their own, at most `capacity` ahead of the caller who does something with them.

    None for each `TICK` in which there was none. An error in the making is raised here.
    """
    made: queue.Queue[tuple[list[R], BaseException | None]] = queue.Queue(capacity)
    stopped = threading.Event()

    def put(entry: tuple[list[R], BaseException | None]) -> None:
        while not stopped.is_set():
            try:
                made.put(entry, timeout=TICK / 10)
                return
            except queue.Full:
                continue

    def make() -> None:
        error: BaseException | None = None
        try:
            with closing(results):
                for result in results:
                    put(([result], None))
                    if stopped.is_set():
                        return
        except BaseException as caught:
            error = caught
        put(([], error))

    maker = threading.Thread(target=make, name="clipdex-embed", daemon=True)
    maker.start()
    try:
        while True:
            try:
                found, error = made.get(timeout=TICK)
            except queue.Empty:
                yield None
                continue
            if error is not None:
                raise error
            if not found:
                return
            yield found[0]
    finally:
        stopped.set()
        maker.join()
