"""The rule for a pair: are two images copies of each other?  Search, reports and the app share it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from indexer.collection.storage import tables
from indexer.dedup.image_similarity import lightness, sameness

if TYPE_CHECKING:
    from PIL import Image

    from indexer.collection.snapshot import Snapshot

Kind = Literal["bytes", "picture", "scene"]
KINDS: tuple[Kind, ...] = ("bytes", "picture", "scene")

# Closeness: how far a cosine is on the way from that of any two images of the collection to 1 (see `Closeness`).
SCENE = 0.73  # mean of closeness and sameness of pixels
SURELY_SCENE = 0.93  # closeness alone
SAME = 0.9  # of pixels, see `sameness`
# Which pairs are worth laying on each other.
CANDIDATE = 0.45
SURE_CANDIDATE = 0.8  # also beyond the nearest NEAREST
NEAREST = 3
# Among hits people wait, and a comparison takes 12 ms: only the nearest two better hits, the second if it is very near.
HIT_CANDIDATE = 0.7
MOST_PAIRS = 100_000  # comparisons that are remembered, the oldest dropped first: some 20 MB
KEPT = 20_000  # thumbnails in memory, about 12 kB each
SAMPLED = 4_096


@dataclass(frozen=True)
class Closeness:
    """What a cosine of images means here: 0 is that of any two, 1 that of an image with itself. Models differ in how
    alike all images are to them."""

    usual: float

    @classmethod
    def of(cls, vectors: np.ndarray) -> Closeness:
        """From a sample of vectors (n, d)."""
        n = len(vectors)
        rows = vectors[np.linspace(0, n - 1, min(n, SAMPLED)).astype(np.int64)].astype(np.float64)
        m = len(rows)
        usual = (float((rows.sum(axis=0) ** 2).sum()) - m) / (m * (m - 1)) if m > 1 else 0.0
        return cls(min(max(usual, 0.0), 0.95))

    def cosine(self, closeness: float) -> float:
        return self.usual + (1 - self.usual) * closeness

    def __call__(self, cosine: np.ndarray) -> np.ndarray:
        found: np.ndarray = (cosine - self.usual) / (1 - self.usual)
        return found


class Thumbnails:
    """The thumbnails of a version as small grey images, the last ones kept."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._kept: dict[int, Image.Image | None] = {}

    def of(self, rows: np.ndarray) -> list[Image.Image | None]:
        """One for each row; None for an image without a thumbnail that can be read."""
        missing = [row for row in dict.fromkeys(rows.tolist()) if row not in self._kept]
        if missing:
            if len(self._kept) > KEPT:
                self._kept = {row: self._kept[row] for row in rows.tolist() if row in self._kept}
            snapshot = self._snapshot
            with tables.storage_errors(snapshot.collection.path, "reading"):
                query = snapshot.table.take_row_ids(snapshot.images["_rowid"].take(missing).to_pylist())
                found = query.select(["id", "thumbnail"]).to_arrow()
            contents = dict(zip(found["id"].to_pylist(), found["thumbnail"].to_pylist(), strict=True))
            with ThreadPoolExecutor() as pool:
                images = pool.map(_grey, [contents.get(snapshot.ids[row]) for row in missing])
                self._kept |= zip(missing, images, strict=True)
        return [self._kept[row] for row in rows.tolist()]


def _grey(thumbnail: bytes | None) -> Image.Image | None:
    try:
        return lightness(thumbnail) if thumbnail else None
    except (OSError, ValueError, SyntaxError):  # what Pillow raises for a thumbnail that somebody damaged
        return None


def are_copies(kind: Kind, closeness: np.ndarray, same: np.ndarray) -> np.ndarray:
    """(m,) bool: which of m pairs are copies of a kind, or of a closer one, by how close their vectors are and how well
    their thumbnails lie on each other. Equal bytes are told by the hashes of the contents instead."""
    found: np.ndarray = same >= SAME
    if kind == "bytes":
        return np.zeros_like(found)
    if kind == "scene":
        found = found | ((closeness + same) / 2 >= SCENE) | (closeness >= SURELY_SCENE)
    return found


def likeness(one: Image.Image | None, other: Image.Image | None) -> float:
    """How well two thumbnails of `Thumbnails` lie on each other, from 0 to 1; 0 where one cannot be read."""
    return 0.0 if one is None or other is None else sameness(one, other)


class Copies:
    """Finds which of some better hits an image is a copy of. What was compared once is remembered. Not for threads."""

    def __init__(self, snapshot: Snapshot, kind: Kind, *, most_pairs: int = MOST_PAIRS) -> None:
        self._snapshot, self._kind, self._most_pairs = snapshot, kind, most_pairs
        self._close = Closeness.of(snapshot.vectors) if kind != "bytes" else Closeness(0.0)
        self._thumbnails = Thumbnails(snapshot)
        self._same: dict[tuple[int, int], float] = {}

    def original(self, row: int, leaders: Sequence[int]) -> int | None:
        """The place among the rows `leaders` of the nearest one that `row` is a copy of; None if it is of none."""
        if not leaders or self._kind == "bytes":
            return None
        vectors = self._snapshot.vectors
        closeness = self._close(vectors[list(leaders)] @ vectors[row])
        for nth, place in enumerate(np.argsort(-closeness, kind="stable")[:2].tolist()):
            near = closeness[place : place + 1]
            if near[0] < (SURE_CANDIDATE if nth else HIT_CANDIDATE):
                return None
            known = are_copies(self._kind, near, np.zeros(1))[0]  # closeness alone may tell
            if known or are_copies(self._kind, near, np.array([self.sameness(row, leaders[place])]))[0]:
                return int(place)
        return None

    @property
    def remembered(self) -> int:
        """How many comparisons of pixels are remembered."""
        return len(self._same)

    def sameness(self, row: int, other: int) -> float:
        """How well two thumbnails lie on each other, from 0 to 1."""
        pair = (min(row, other), max(row, other))
        if pair not in self._same:
            first, second = self._thumbnails.of(np.array(pair))
            self._same[pair] = likeness(first, second)
            if len(self._same) > self._most_pairs:
                del self._same[next(iter(self._same))]
        return self._same[pair]
