"""Reads, decodes and embeds images in parallel, within bounded memory.

Threads read and decode ahead of the model, never more than a window of images; the model gets whole batches in a
thread of its own, while the caller writes what came before. Each item comes out exactly once, as `Embedded`, `Same` or
`Failed`: a batch that fails is repeated one by one, so that an image never takes its neighbours with it.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from core.encoder import Encoder, read_picture
from core.errors import ImageError, SourceError
from core.image import decode, resample
from core.image.embedded_captions import description
from core.image.metadata import Metadata, metadata
from indexer.collection.storage.tile_table import Tiles
from indexer.ingest.embedding.memory_budget import Room
from indexer.ingest.embedding.prefetch import Prefetcher, overlapped
from indexer.ingest.embedding.tiles import MOST, ZOOM, boxes, fractions, input_side, prepare_tiles
from indexer.ingest.report import Stopwatch
from indexer.sources import Item

T = TypeVar("T")

READ_SECONDS = 60.0  # for one image to be read and decoded
BATCH = 64
BATCH_SECONDS = 10.0  # a slow model gets smaller batches: what was computed and not yet written is lost by a kill
HANGING = 8  # as many in a row that take too long are not bad images but a bad disk
UNIT = 1e-3  # how far from 1 the length of a vector may be


@dataclass(frozen=True)
class Embedded:
    """An image with its vector."""

    item: Item
    hash: str
    width: int
    height: int
    embedded: list[str]  # captions inside the file
    metadata: Metadata
    thumbnail: bytes
    vector: np.ndarray  # (d,)
    tiles: Tiles | None = None  # None where none were asked for


@dataclass(frozen=True)
class Same:
    """A file whose content another item has: no need to look at it again."""

    item: Item
    hash: str


@dataclass(frozen=True)
class Failed:
    """An image that cannot be indexed."""

    item: Item
    reason: str
    message: str


Outcome = Embedded | Same | Failed


@dataclass(frozen=True)
class _Prepared:
    item: Item
    hash: str
    width: int
    height: int
    embedded: list[str]
    metadata: Metadata
    thumbnail: bytes
    views: list[np.ndarray]  # (s, s, 3) uint8: of the whole, then of each tile
    boxes: np.ndarray | None  # (t, 4), of the tiles


class Claims:
    """Which contents are indexed or being embedded? The first to claim one embeds it. Safe between threads."""

    def __init__(self, known: Iterable[str]) -> None:
        self._lock = threading.Lock()
        self._hashes = {bytes.fromhex(digest) for digest in known}

    def claim(self, digest: bytes) -> bool:
        with self._lock:
            if digest in self._hashes:
                return False
            self._hashes.add(digest)
            return True


class Embedding(Protocol):
    """Whatever turns items into outcomes: the pipeline here, or workers elsewhere."""

    def run(self, items: Iterable[Item], claims: Claims | None) -> Generator[Outcome | None, None, None]: ...


class Pipeline:
    """Items in, outcomes out, in the same order as far as batches allow."""

    def __init__(
        self,
        read: Callable[[str], bytes],
        encoder: Encoder,
        watch: Stopwatch,
        *,
        batch: int = BATCH,
        limit: float = READ_SECONDS,
        stop: Callable[[], bool] = lambda: False,
        tiles: bool = False,
    ) -> None:
        """`limit` is what one image may take to be read and decoded; `stop` is asked after each batch. With `tiles`
        parts of each image are embedded, too."""
        self.read, self.encoder, self.watch = read, encoder, watch
        self.batch, self.limit, self.stop = batch, limit, stop
        # Pillow decodes outside the interpreter lock, so threads are enough; more than 16 only wait for the disk.
        self.threads = min(16, max(2, os.cpu_count() or 2))
        self.side = input_side(encoder) if tiles else None
        # As many pixels wait for the model with tiles as without.
        self.window = max(2 * self.threads, 2 * batch // (1 + MOST)) if tiles else 2 * batch
        # An encoder that is content with smaller images computes with PyTorch, so that is loaded anyway.
        self.shrink = decode.shrink if encoder.decode_side is None else resample.shrink
        self.room = Room()
        self._late = 0  # in a row

    def run(self, items: Iterable[Item], claims: Claims | None) -> Generator[Outcome | None, None, None]:
        """Every item's outcome, and None whenever there was none for a second. Without `claims` each item is embedded,
        whatever its content. Raises `SourceError` if one image after the other cannot be read within the limit."""
        return overlapped(self._outcomes(items, claims), 2 * self.batch)

    def _outcomes(self, items: Iterable[Item], claims: Claims | None) -> Generator[Outcome, None, None]:
        waiting: list[_Prepared] = []
        views = 0  # of those
        since = time.monotonic()
        ahead: Prefetcher[Item, _Prepared | Same | Failed] = Prefetcher(
            lambda item: self._prepare(item, claims),
            self._too_late,
            threads=self.threads,
            window=self.window,
            limit=self.limit,
        )
        with closing(ahead.run(items)) as results:
            for result in results:
                if isinstance(result, _Prepared):
                    since = since if waiting else time.monotonic()
                    waiting.append(result)
                    views += len(result.views)
                elif result is not None:
                    yield result
                if views >= self.batch or (waiting and time.monotonic() - since > BATCH_SECONDS):
                    yield from self._embed(waiting)
                    waiting, views = [], 0
                if self.stop():
                    break
        yield from self._embed(waiting) if waiting and not self.stop() else ()

    def _too_late(self, item: Item) -> Failed:
        self._late += 1
        if self._late >= HANGING:
            raise SourceError(
                f"{self._late} images in a row took longer than {self.limit:g} s to be read, {item.id} is the last: "
                "does the disk or network share still answer? What was finished is kept; index again when it does"
            )
        return Failed(item, "timeout", f"{item.id}: could not be read and decoded within {self.limit:g} s")

    def _prepare(self, item: Item, claims: Claims | None) -> _Prepared | Same | Failed:
        """One item, in a thread: read, recognise by content, decode."""
        started = time.perf_counter()
        read = started
        try:
            data = self.read(item.id)
            digest = hashlib.blake2b(data, digest_size=32)
            read = time.perf_counter()
            if claims is not None and not claims.claim(digest.digest()):
                return Same(item, digest.hexdigest())
            with self.room.for_one() as admit:
                return self._decode(item, digest.hexdigest(), data, admit)
        except ImageError as error:
            return Failed(item, error.reason, f"{item.id}: {str(error).removeprefix('the image: ')}")
        finally:
            self._late = 0
            self.watch.add("read", read - started)
            self.watch.add("decode", time.perf_counter() - read)

    def _decode(self, item: Item, digest: str, data: bytes, admit: Callable[[int], None]) -> _Prepared | Failed:
        try:
            opened, pixels = read_picture(self.encoder, data, 1.0 if self.side is None else ZOOM, admit)
            image, width, height = opened
            parts = [] if self.side is None else boxes(width, height, self.side)
            views = [pixels, *prepare_tiles(self.encoder, opened, parts)]
            places = None if self.side is None else fractions(parts, width, height)
            thumbnail = decode.thumbnail(image, shrink=self.shrink)
            found = description(image), metadata(image), thumbnail
            return _Prepared(item, digest, width, height, *found, views, places)
        except ImageError:
            raise
        except Exception as error:  # a hostile file may break a decoder in any way; it must not end the run
            return Failed(item, "decoder error", f"{item.id}: {type(error).__name__}: {error}")

    def _embed(self, batch: list[_Prepared]) -> Iterator[Embedded | Failed]:
        started = time.perf_counter()
        views = [view for row in batch for view in row.views]
        vectors: list[np.ndarray | str] = []
        size = self.batch
        for start in range(0, len(views), size):
            part = views[start : start + size]
            vectors += encode_each(lambda rows: self.encoder.encode_prepared(np.stack(rows)), part)
        spent = time.perf_counter() - started
        self.watch.add("embed", spent)
        if spent > BATCH_SECONDS:
            self.batch = max(1, int(len(views) * BATCH_SECONDS / spent))
        found = iter(vectors)
        for row in batch:
            yield _outcome(row, [next(found) for _ in row.views])


def _outcome(row: _Prepared, vectors: list[np.ndarray | str]) -> Embedded | Failed:
    """An image with the vectors of its views; without one of them it fails as a whole."""
    good = [vector for vector in vectors if not isinstance(vector, str)]
    if len(good) < len(vectors):
        wrong = next(vector for vector in vectors if isinstance(vector, str))
        return Failed(row.item, "model error", f"{row.item.id}: {wrong}")
    tiles = None
    if row.boxes is not None:
        tiles = Tiles(row.boxes, np.stack(good[1:]) if len(good) > 1 else np.empty((0, len(good[0])), np.float32))
    found = row.hash, row.width, row.height, row.embedded, row.metadata, row.thumbnail
    return Embedded(row.item, *found, good[0], tiles)


def encode_each(encode: Callable[[Sequence[T]], np.ndarray], rows: Sequence[T]) -> list[np.ndarray | str]:
    """The vector of each row, or what went wrong with it; a batch that fails is repeated one by one."""
    try:
        vectors = encode(rows)
        failure = f"expected {len(rows)} vectors, got {len(vectors)}" if len(vectors) != len(rows) else ""
    except Exception as error:
        failure = f"{type(error).__name__}: {error}"
    if failure and len(rows) > 1:
        return [result for row in rows for result in encode_each(encode, [row])]
    if failure:
        return [f"the model failed: {failure}"]
    lengths = np.linalg.norm(vectors, axis=1)
    return [
        np.asarray(vector, np.float32)
        if abs(length - 1) < UNIT
        else f"the model's vector has length {length:.3g}, not 1"
        for vector, length in zip(vectors, lengths, strict=True)
    ]
