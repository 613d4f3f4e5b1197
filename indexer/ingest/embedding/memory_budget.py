"""Limits the memory of images that are decoded at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from core.errors import ImageError
from indexer.ingest.embedding.prefetch import lent, waiting

PIXELS = 400_000_000  # two of the largest images that are read; up to four bytes each


class Room:
    """Room for so many pixels in all threads together."""

    def __init__(self, pixels: int = PIXELS) -> None:
        self.pixels = pixels
        self._taken = 0
        self._changed = threading.Condition()

    @contextmanager
    def for_one(self) -> Iterator[Callable[[int], None]]:
        """For one image: inside, call it with the number of its pixels, once that is known; it waits until there is
        room. An image larger than the whole room may be alone in it. Waiting does not count for its time, and one that
        is given up leaves, though its decoder may hang; if it comes for room later, it gets an `ImageError`."""
        mine, gone = 0, False

        def take(pixels: int) -> None:
            nonlocal mine
            with waiting(), self._changed:
                self._changed.wait_for(lambda: gone or self._taken == 0 or self._taken + pixels <= self.pixels)
                if gone:
                    raise ImageError("timeout", "took too long to be read and was given up")
                self._taken += pixels
                mine += pixels

        def leave() -> None:
            nonlocal mine, gone
            with self._changed:
                self._taken -= mine
                mine, gone = 0, True
                self._changed.notify_all()

        with lent(leave):
            yield take
