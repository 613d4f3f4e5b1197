"""What are the best hits?  A query, end to end.

text ── text tower ──┐
image ─ image tower ─┼─> unit vector ─> cosine with every stored vector ─> best first, ties by id ─> hits
like ── stored ──────┘
"""

from __future__ import annotations

import difflib
import threading
from bisect import bisect
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.encoder import Encoder, read_picture
from core.errors import QueryError
from indexer import exact, tables
from indexer.collection import Collection
from indexer.query import Details, Failure, Hit, Query, Status, Target
from indexer.snapshot import Snapshot

if TYPE_CHECKING:
    from PIL import Image

    from core.zeroshot import Label

NEAREST = 3  # ids suggested in place of an unknown one
OPEN_AT_ONCE = 16  # pictures to classify; a decoded photo takes tens of megabytes
LOOKED_AT = 250  # ids before and after its place in the order; comparing 100,000 takes a minute


class Searcher:
    """An open collection and its model, which is loaded when it is first needed. Safe between threads."""

    def __init__(self, collection: Collection, encoder: Encoder | None = None, *, precision: str = "auto") -> None:
        """`precision` is for the collection's own model, where no `encoder` is given.

        Raises `WrongModelError` if `encoder` is not the model that made the collection."""
        if encoder is not None:
            collection.check_model(encoder)
        self.collection = collection
        self._encoder = self._given = encoder
        self._precision = precision
        self._lock, self._loading = threading.Lock(), threading.Lock()
        self._snapshot: Snapshot | None = None
        self._stamp: tuple[int, int] | None = None
        self._probes: tuple[Any, ...] = ()

    def search(
        self,
        text: str | None = None,
        *,
        image: str | Path | bytes | Image.Image | None = None,
        like: str | None = None,
        target: Target = "images",
        limit: int = 20,
        offset: int = 0,
    ) -> list[Hit]:
        """The pictures, or the captions, nearest to words, to a picture or to an indexed picture; best first.

        Raises `QueryError` for a query that cannot be answered and `ImageError` for a picture that cannot be read.
        """
        query = Query(text, image, like, target, limit, offset)
        snapshot = self.snapshot()
        vector = self._vector(query, snapshot)
        return self._texts(query, vector, snapshot) if target == "texts" else self._images(query, vector, snapshot)

    def describe(self, image: str | Path | bytes | Image.Image, *, limit: int = 10, offset: int = 0) -> list[Hit]:
        """The collection's captions that fit a picture, best first. Raises `QueryError` if it has no captions."""
        return self.search(image=image, target="texts", limit=limit, offset=offset)

    def first_cut(self, text: str) -> str | None:
        """The first word of a query that is too far behind for the model to read; None where it reads all."""
        return self.encoder.truncation([text])[0]

    def classify(
        self,
        images: Sequence[str | Path | bytes | Image.Image],
        labels: Sequence[str],
        templates: str = "7",
    ) -> list[list[Label]]:
        """For each picture the labels with their probabilities, best first (zero-shot, by the collection's model)."""
        from core import zeroshot
        from core.images import open_image

        prompts = zeroshot.templates(templates)
        answers: list[list[Label]] = []
        for start in range(0, len(images), OPEN_AT_ONCE):
            opened = [open_image(_file(image)) for image in images[start : start + OPEN_AT_ONCE]]
            answers += zeroshot.classify(self.encoder, opened, list(labels), prompts)
        return answers

    @property
    def encoder(self) -> Encoder:
        """The model that made the collection. Raises `ModelError` if it cannot be loaded any more."""
        with self._loading:
            if self._encoder is None:
                self._encoder = self.collection.load_encoder(self._precision)
            return self._encoder

    def snapshot(self) -> Snapshot:
        """The newest version of the collection; loaded again only when something was written."""
        with self._lock:
            self._notice_new_collection()
            with tables.storage_errors(self.collection.path, "reading"):
                for probe in self._probes:
                    probe.checkout_latest()
                versions = self._probes[0].version, self._probes[1].version
            if self._snapshot is None or self._snapshot.versions != versions:
                self._snapshot = Snapshot.load(self.collection)
            return self._snapshot

    def _notice_new_collection(self) -> None:
        """Follow a collection that was deleted and made again while it was open, perhaps by another model."""
        stamp = self.collection.stamp()
        if stamp == self._stamp:
            return
        fresh = Collection.open(self.collection.path)
        if fresh.info.created != self.collection.info.created:
            self._snapshot = None
        if fresh.info.model != self.collection.info.model:
            if self._given is not None:
                fresh.check_model(self._given)
            self._encoder = self._given
        self.collection, self._stamp = fresh, stamp
        self._probes = fresh.table("images"), fresh.table("texts")  # they only look for newer versions

    def item(self, item_id: str) -> Details:
        """All about one indexed picture. Raises `QueryError` for an unknown id."""
        snapshot = self.snapshot()
        row = snapshot.images.slice(_row(snapshot, item_id), 1).to_pylist()[0]
        return Details(
            id=item_id,
            path=self._path(item_id),
            width=row["width"],
            height=row["height"],
            size=row["size"],
            modified=datetime.fromtimestamp(row["mtime_ns"] / 1e9, UTC),
            captions=snapshot.captions(item_id),
        )

    def thumbnail(self, item_id: str) -> bytes:
        """The WebP bytes of a picture's thumbnail. Raises `QueryError` for an unknown id."""
        snapshot = self.snapshot()
        _row(snapshot, item_id)
        return snapshot.thumbnail(item_id)

    def failures(self) -> list[Failure]:
        """What could not be indexed, by location."""
        with tables.storage_errors(self.collection.path, "reading"):
            found = tables.read(self.collection.table("failures"), ["location", "reason", "message", "when"])
        return [Failure(**row) for row in found.sort_by("location").to_pylist()]

    def status(self) -> Status:
        """What the collection is. Its folder need not be there."""
        snapshot = self.snapshot()
        info = self.collection.info
        return Status(
            folder=self.collection.source.location,
            collection=self.collection.path,
            model=info.model.name,
            fingerprint=info.model.fingerprint,
            dim=info.model.dim,
            images=len(snapshot.ids),
            texts=snapshot.texts.num_rows,
            failures=self.failures(),
            size_bytes=self.collection.size_bytes(),
            format_version=info.format_version,
            updated=info.updated,
        )

    def _vector(self, query: Query, snapshot: Snapshot) -> np.ndarray:
        """The query as a unit vector (d,) float32."""
        if query.like is not None:
            stored: np.ndarray = snapshot.vectors[_row(snapshot, query.like)]
            return stored
        encoder = self.encoder
        snapshot.collection.check_model(encoder)  # the collection may have been made again a moment ago
        if query.text is not None:
            vector = encoder.encode_texts([query.text])[0]
        else:
            assert query.image is not None
            _, pixels = read_picture(encoder, _file(query.image))
            vector = encoder.encode_prepared(pixels[np.newaxis])[0]
        if not np.isfinite(vector).all():
            raise QueryError(f"the model {encoder.name} gives no usable vector for this query")
        return np.ascontiguousarray(vector, np.float32)

    def _images(self, query: Query, vector: np.ndarray, snapshot: Snapshot) -> list[Hit]:
        rows, scores = _page(snapshot.vectors, vector, query)
        return [
            self._hit(snapshot, int(row), float(score), query.offset + place)
            for place, (row, score) in enumerate(zip(rows, scores, strict=True), start=1)
        ]

    def _texts(self, query: Query, vector: np.ndarray, snapshot: Snapshot) -> list[Hit]:
        if not snapshot.texts.num_rows:
            raise QueryError(
                f"the collection {self.collection.path} has no captions: put a captions.csv with the columns "
                "image,caption into its folder, or a .txt file beside each picture, and index it again"
            )
        rows, scores = _page(snapshot.text_vectors, vector, query)
        found = snapshot.texts.select(["image_id", "text"]).take(rows).to_pylist()
        return [
            self._hit(snapshot, snapshot.rows[text["image_id"]], float(score), query.offset + place, text["text"])
            for place, (score, text) in enumerate(zip(scores, found, strict=True), start=1)
        ]

    def _hit(self, snapshot: Snapshot, row: int, score: float, rank: int, caption: str | None = None) -> Hit:
        item_id = snapshot.ids[row]
        if caption is None:
            caption = next(iter(snapshot.captions(item_id)), None)
        width, height = snapshot.images["width"][row].as_py(), snapshot.images["height"][row].as_py()
        # Rounding may leave a cosine a hair above 1.
        return Hit(item_id, self._path(item_id), min(1.0, max(-1.0, score)), rank, caption, width, height)

    def _path(self, item_id: str) -> Path | None:
        return self.collection.source.path(item_id)


def _page(vectors: np.ndarray, vector: np.ndarray, query: Query) -> tuple[np.ndarray, np.ndarray]:
    """Rows and scores of the hits from `query.offset` on, best first."""
    rows, scores = exact.best(vectors, vector, query.offset + query.limit)
    return rows[query.offset :], scores[query.offset :]


def _file(image: Any) -> Any:
    return Path(image).expanduser() if isinstance(image, str) else image


def _row(snapshot: Snapshot, item_id: str) -> int:
    if item_id in snapshot.rows:
        return snapshot.rows[item_id]
    place = bisect(snapshot.ids, item_id)
    around = snapshot.ids[max(0, place - LOOKED_AT) : place + LOOKED_AT]
    near = difflib.get_close_matches(item_id, around, n=NEAREST, cutoff=0.5)
    raise QueryError(f"no picture {item_id!r} is indexed here" + (f"; nearest: {', '.join(near)}" if near else ""))


def open_searcher(folder: str | Path, encoder: Encoder | None = None, *, precision: str = "auto") -> Searcher:
    """The collection of a folder, or of the nearest one above it, ready to search. Raises `CollectionError`."""
    return Searcher(Collection.find(Path(folder).expanduser()), encoder, precision=precision)
