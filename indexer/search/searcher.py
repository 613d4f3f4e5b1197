"""Searches a collection: a query, end to end.

text ── text tower ──┐
image ─ image tower ─┼─> unit vectors ─> their weighted sum ─> nearest stored vectors, exact cosines ─> hits
like ── stored ──────┘                                         best first, ties by id
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from core.encoder import Encoder
from core.errors import CollectionError, QueryError
from core.validation import require_many
from indexer.collection.collection import Collection
from indexer.collection.snapshot import TARGETS, Snapshot, row_of
from indexer.collection.storage import snapshot_cache, tables
from indexer.collection.storage.arrays import row_indices
from indexer.maintenance.status import Failure, Status, failures_of, status_of
from indexer.search import batch, query_parser, tile_search
from indexer.search.curation import Curation
from indexer.search.date_sort import sorted_by_date
from indexer.search.hits import Hits
from indexer.search.query import MAX_LIMIT, Details, Hit, OneOrMany, Picture, Query, QueryOptions, Text
from indexer.search.query_parser import Line
from indexer.search.query_vectors import as_file, combined, cosines, part_vectors, with_concepts_resolved
from indexer.search.ranking import Ranked, ranked
from indexer.search.relevance_cache import BackgroundCache

if TYPE_CHECKING:
    from PIL import Image

    from core.text.zeroshot import Label

OPEN_AT_ONCE = 16  # images to classify; a decoded photo takes tens of megabytes


class Searcher(Curation):
    """An open collection and its model, which is loaded when it is first needed. Safe between threads."""

    def __init__(self, collection: Collection, encoder: Encoder | None = None, *, precision: str = "auto") -> None:
        """`precision` is for the collection's own model, where no `encoder` is given.

        Raises `WrongModelError` if `encoder` is not the model that made the collection."""
        if encoder is not None:
            collection = collection.of_model(encoder)
        self.collection = collection
        self._encoder = self._given = encoder
        self._precision = precision
        self._lock, self._loading = threading.Lock(), threading.Lock()
        self._snapshot: Snapshot | None = None
        self._stamp: tuple[int, int] | None = None
        self._probes: tuple[Any, ...] = ()
        self._versions: snapshot_cache.Versions | None = None
        self._backgrounds = BackgroundCache()
        self.look_again = 0.0  # seconds for which a newer version may go unnoticed; looking takes a while in a store
        self._looked = 0.0

    def search(self, query: Query | OneOrMany[str | Text | Line] = None, /, **options: Unpack[QueryOptions]) -> Hits:
        """The images, or the captions, nearest to a query; best first.

        `query` is words, several of them, a `Line` that `read` parsed, or a `Query` that is complete. `options` are
        those of `QueryOptions`; each part may be one or several, weighed equally or with weights: `like=[Like("1.jpg"),
        Like("2.jpg", 0.5)]`. `without` leads away from words or parts. `where` are conditions such as "width>=1000"
        that must all be met (see `indexer.search.filters`), `holding` phrases that a caption or the file name must
        hold. With `hybrid` full-text search ranks, too. Conditions alone list what they keep, by id, and their scores
        are 0. `collapse` leaves out copies of better hits ("bytes", "picture" or "scene", see
        `indexer.dedup.duplicate_rule`), `diverse` from 0 to 1 prefers hits that differ from those before, `sort="date"`
        orders what is relevant by time. With `tiles` an image counts by its best part, if that is better than the
        whole: `hit.box` says which. Raises `QueryError` for a query that cannot be answered and `ImageError` for an
        image that cannot be read.
        """
        if isinstance(query, Query):
            if options:
                raise QueryError(f"a complete Query takes no options, and got {', '.join(sorted(options))}")
            return self.find(query)
        return self.find(Query.of(query, **options))

    def search_many(self, texts: Sequence[str], *, limit: int = 10) -> list[list[tuple[str, float]]]:
        """For each of many texts the ids and cosines of its best images, as `search` finds them, but all at once.

        Raises `QueryError` for an empty text, and a `limit` that is not between 1 and 1,000."""
        snapshot = self.snapshot()
        return batch.search_many(snapshot, lambda: self._encoder_of(snapshot), texts, limit=limit)

    def read(self, line: str) -> Line:
        """What a line means that a person typed, such as `red car -snow folder:trips`: the `text` of a search.

        Raises `QueryError` for a line that has no meaning (see `indexer.search.query_parser`)."""
        return query_parser.parse_line(line, self.snapshot().columns)

    def find(self, query: Query) -> Hits:
        """The answer to a query that was put together before. Raises as `search`."""
        snapshot = self.snapshot()
        try:
            return self._answer(query, snapshot)
        except CollectionError:
            # A run may tidy up the version that was just opened, or make other tables: the newest has not gone.
            self.look()
            newest = self.snapshot()
            if newest is snapshot:
                raise
            return self._answer(query, newest)

    def _answer(self, query: Query, snapshot: Snapshot) -> Hits:
        if query.target == "texts" and not snapshot.texts.num_rows:
            raise QueryError(
                f"the collection {self.collection.path} has no captions: put a captions.csv with the columns "
                "image,caption into its folder, or a .txt file beside each image, and index it again"
            )
        if not query.parts:
            return self._hits(query, snapshot, self._page(query, snapshot, None), None, None)
        query = with_concepts_resolved(query, snapshot)
        parts = part_vectors(query.parts, snapshot, lambda: self._encoder_of(snapshot))
        vector = combined(parts, [part.weight for part in query.parts])
        return self._hits(query, snapshot, self._page(query, snapshot, vector), parts, vector)

    def _page(self, query: Query, snapshot: Snapshot, vector: np.ndarray | None) -> Ranked:
        if query.sort == "score":
            return ranked(query, snapshot, vector)
        whole = ranked(replace(query, limit=MAX_LIMIT, offset=0), snapshot, vector)
        relevance = self._backgrounds.relevances(query, snapshot, whole, lambda: self._encoder_of(snapshot))
        return sorted_by_date(snapshot, whole, relevance, slice(query.offset, query.offset + query.limit))

    def describe(self, image: str | Path | bytes | Image.Image, *, limit: int = 10, offset: int = 0) -> Hits:
        """The collection's captions that fit an image, best first. Raises `QueryError` if it has no captions."""
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
        """For each image the labels with their probabilities, best first (zero-shot, by the collection's model)."""
        from core.image.decode import open_image
        from core.text import zeroshot

        images, prompts = require_many("images", images, '["a.jpg", "b.jpg"]'), zeroshot.templates(templates)
        answers: list[list[Label]] = []
        for start in range(0, len(images), OPEN_AT_ONCE):
            opened = [open_image(as_file(Picture(image).image)) for image in images[start : start + OPEN_AT_ONCE]]
            answers += zeroshot.classify(self.encoder, opened, labels, prompts)
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
            if self._snapshot is not None and time.monotonic() - self._looked < self.look_again:
                return self._snapshot
            self._notice_new_collection()
            versions = snapshot_cache.newest(self.collection, TARGETS)
            if self._snapshot is None or versions is None or versions != self._versions:
                self._snapshot = self._newest(versions)
                self._versions = versions
            self._looked = time.monotonic()
            return self._snapshot

    def _newest(self, versions: snapshot_cache.Versions | None) -> Snapshot:
        """The newest version: from a copy of it, or else by LanceDB, which alone can read one that is not kept."""
        if versions is not None and (kept := Snapshot.recall(self.collection, versions)) is not None:
            return kept
        with tables.storage_errors(self.collection.path, "reading"):
            if not self._probes:  # they only look for newer versions
                self._probes = tuple(self.collection.table(name) for name in TARGETS)
            for probe in self._probes:
                probe.checkout_latest()
            numbers = self._probes[0].version, self._probes[1].version
        loaded = self._snapshot
        if loaded is None or loaded.versions != numbers:
            loaded = Snapshot.load(self.collection)
        if versions is not None:
            loaded.keep(versions)
        return loaded

    def look(self) -> None:
        """Let the next `snapshot` look for a newer version, however short ago the last did."""
        self._looked = 0.0

    def _notice_new_collection(self) -> None:
        """Follow a collection that was made again while it was open, or went over to another model."""
        stamp = self.collection.stamp()
        if stamp == self._stamp:
            return
        fresh = Collection.open(self.collection.path)
        if self._given is not None:
            fresh = fresh.of_model(self._given)
        if _tables_of(fresh) != _tables_of(self.collection):
            self._snapshot = None
        if fresh.info.model != self.collection.info.model:
            self._snapshot = None
            self._encoder = self._given
        self._probes, self._versions = (), None
        self.collection, self._stamp = fresh, stamp  # last, so that what cannot be opened is tried again

    def item(self, item_id: str) -> Details:
        """All about one indexed image. Raises `QueryError` for an unknown id."""
        snapshot = self.snapshot()
        row = snapshot.images.slice(row_of(snapshot, item_id), 1).to_pylist()[0]
        return Details(
            id=item_id,
            path=self._path(item_id),
            width=row["width"],
            height=row["height"],
            size=row["size"],
            modified=None if row["mtime_ns"] is None else datetime.fromtimestamp(row["mtime_ns"] / 1e9, UTC),
            captions=snapshot.captions(item_id),
        )

    def thumbnail(self, item_id: str) -> bytes:
        """An image's thumbnail, bytes of a JPEG. Raises `QueryError` for an unknown id, and where there is none."""
        snapshot = self.snapshot()
        row_of(snapshot, item_id)
        found = snapshot.thumbnail(item_id)
        if not found:
            raise QueryError(f"{item_id} was imported without its file, so it has no thumbnail")
        return found

    def failures(self) -> list[Failure]:
        """What could not be indexed, by location."""
        return failures_of(self.collection)

    def status(self) -> Status:
        """What the collection is. Its folder need not be there."""
        return status_of(self.snapshot())

    def _encoder_of(self, snapshot: Snapshot) -> Encoder:
        """The model for words and images; the collection may have been made again a moment ago."""
        encoder = self.encoder
        snapshot.collection.check_model(encoder)
        return encoder

    def _hits(
        self, query: Query, snapshot: Snapshot, page: Ranked, parts: np.ndarray | None, vector: np.ndarray | None
    ) -> Hits:
        """The hits of one page of k rows, with their cosines to the parts (p, d) of the query, `vector` (d,)."""
        scores = np.clip(page.scores.astype(np.float64), -1, 1)  # rounding may leave a cosine a hair above 1
        by_part: dict[str, np.ndarray] = {}
        tile = tile_search.matched(snapshot, page.rows, vector)[1] if query.tiles and vector is not None else None
        if len(query.parts) == 1 and query.parts[0].weight > 0:
            by_part[query.labels()[0]] = scores
        elif parts is not None:
            vectors = snapshot.vectors_of(query.target)
            compared = vectors[page.rows] if tile is None else tile_search.vectors(snapshot, page.rows, tile)
            by_part = dict(zip(query.labels(), cosines(compared, parts).T, strict=True))
        by_part |= page.parts
        rows, captions = page.rows, None
        if query.target == "texts":
            captions = snapshot.texts["text"].take(row_indices(rows)).to_pylist()
            rows = snapshot.text_owners[rows]
        found = snapshot.images.select(["id", "width", "height"]).take(row_indices(rows)).to_pylist()
        relevance = self._backgrounds.relevances(query, snapshot, page, lambda: self._encoder_of(snapshot))
        hits = [
            Hit(
                id=row["id"],
                path=self._path(row["id"]),
                score=float(scores[place]),
                rank=query.offset + place + 1,
                caption=captions[place] if captions else next(iter(snapshot.captions(row["id"])), None),
                width=row["width"],
                height=row["height"],
                parts={label: float(values[place]) for label, values in by_part.items()},
                relevance=relevance[place],
                box=None if tile is None else tile_search.box(snapshot, tile[place]),
            )
            for place, row in enumerate(found)
        ]
        return Hits(hits, snapshot.thumbnails)

    def _path(self, item_id: str) -> Path | None:
        return self.collection.source.path(item_id)


def _tables_of(collection: Collection) -> tuple[Any, ...]:
    """What becomes another when a collection is read from other tables than before."""
    return collection.info.created, collection.info.tables, collection.info.tiles


def open_searcher(folder: str | Path, encoder: Encoder | None = None, *, precision: str = "auto") -> Searcher:
    """The collection of a folder, or of the nearest one above it, ready to search. Raises `CollectionError`."""
    return Searcher(Collection.find(Path(folder).expanduser()), encoder, precision=precision)
