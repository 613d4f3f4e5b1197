"""Caches the vectors of repeated text queries.

People refine and repeat queries, and pages ask for the same one on every rerun. The vectors of the texts used last are
kept, as many as fit a bound; whole collections of captions pass by without displacing them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np

TEXTS = 2048  # vectors kept; 8 MB at 1024 numbers each
LONGEST = 2000  # characters of a text that is kept
MANY = 256  # texts in one call that are captions or prompts rather than queries


class TextCache:
    """Vectors of texts, the least recently used dropped first. Safe between threads."""

    def __init__(self, size: int = TEXTS) -> None:
        self.size = size
        self._lock = threading.Lock()
        self._vectors: OrderedDict[str, np.ndarray] = OrderedDict()

    def __len__(self) -> int:
        return len(self._vectors)

    def vectors(self, texts: Sequence[str], encode: Callable[[Sequence[str]], np.ndarray]) -> np.ndarray:
        """n texts -> (n, d) float32, n > 0: the known ones from here, the others by one call of `encode`."""
        if len(texts) > MANY:
            return encode(texts)
        known = self._known(texts)
        new = list(dict.fromkeys(text for text in texts if text not in known))
        if new:
            found = dict(zip(new, encode(new), strict=True))
            self._keep(found)
            known |= found
        return np.stack([known[text] for text in texts])  # a copy: nobody can change what is kept

    def _known(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        with self._lock:
            known = {text: self._vectors[text] for text in texts if text in self._vectors}
            for text in known:
                self._vectors.move_to_end(text)
            return known

    def _keep(self, found: dict[str, np.ndarray]) -> None:
        with self._lock:
            for text, vector in found.items():
                if len(text) <= LONGEST:
                    self._vectors[text] = vector.copy()  # not a view that keeps a whole batch alive
            while len(self._vectors) > self.size:
                self._vectors.popitem(last=False)
