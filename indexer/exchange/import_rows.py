"""Turns each row of an import into a row of the collection, or a failure with its reason."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from indexer.collection.collection import Collection
from indexer.collection.storage import tables
from indexer.exchange.import_layouts import Layout
from indexer.exchange.path_matching import Places
from indexer.ingest.embedding.given_vectors import GivenVectors, unit
from indexer.ingest.embedding.pipeline import Embedded, Failed, Pipeline
from indexer.ingest.planning.existing_rows import ExistingRows
from indexer.ingest.report import Stopwatch
from indexer.ingest.writing import captions
from indexer.ingest.writing.captions import Captions
from indexer.ingest.writing.writer import Writer
from indexer.sources import TRANSIENT, Item
from indexer.sources.filenames import unescape

if TYPE_CHECKING:
    from core.encoder import Encoder

CAPTIONS = "imported-captions.csv"  # in the collection
SAME = 0.999  # cosine: two rows of one image
# What the metadata may tell of an image whose file cannot be asked; as `export` writes it.
TOLD = ("width", "height", "taken", "camera", "lens", "latitude", "longitude", "format")
LARGEST = 2**31 - 1

Tell = Callable[[int, int], None]  # rows done, rows in all


class Rows:
    """All rows of one import into one collection, and what became of them."""

    def __init__(
        self,
        collection: Collection,
        encoder: Encoder,
        layout: Layout,
        places: Places,
        listed: Mapping[str, Item] | None = None,
    ) -> None:
        """`listed` are the items of a source that is no folder of files."""
        self.collection, self.layout, self.places, self.listed = collection, layout, places, listed
        self.encoder, self.watch = GivenVectors(encoder), Stopwatch()
        self.words: dict[str, list[str]] = {}  # id -> captions, of the rows that are being written
        self.source = collection.source
        known = ExistingRows.read(collection)
        self.writer = Writer(
            collection,
            self.encoder,
            Captions(self.words),
            known,
            self.watch,
        )
        self.before = set(known)
        self.seen: dict[str, tuple[int, int]] = {}  # id -> shard and row of its first vector
        self.more = self._repeated()  # id -> captions of its further rows
        self.counts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()

    def bring(self, progress: Tell) -> None:
        """Read all and write all."""
        further = [name for name in TOLD if name in self.layout.columns]
        for number, shard in enumerate(self.layout.shards):
            for first, part in self.layout.parts(shard, further):
                self._part(number, first, part, part.select(further).to_pylist())
                progress(self.counts["met"], self.layout.n)

    def _part(self, number: int, first: int, part: Any, told: list[dict[str, Any]]) -> None:
        """Some rows of one shard, until they are committed."""
        shard = self.layout.shards[number]
        vectors, good = unit(np.asarray(shard.vectors[first : first + part.num_rows]))
        values = part[self.layout.place].to_pylist()
        new: dict[str, tuple[np.ndarray, dict[str, Any]]] = {}
        for row in range(part.num_rows):
            self.counts["met"] += 1
            item_id = self.places.id(values[row]) if values[row] else ""
            where = f"{shard.name}, row {first + row:,}"
            if not item_id:
                self._refuse(where, "no place", f"{where}: tells of no image in the folder where it is")
            elif self.seen.get(item_id) != (number, first + row):
                if self._same(item_id, (number, first + row)):
                    self.counts["merged"] += 1
                else:
                    self._refuse(f"{item_id} ({where})", "another vector", f"{item_id}: has another vector in {where}")
            elif item_id in self.before:
                self.counts["present"] += 1
            elif not good[row]:
                self._refuse(item_id, "bad vector", f"{item_id}: its vector is not finite or has no length ({where})")
            else:
                new[item_id] = vectors[row], told[row]
                words = captions.clean([*self.layout.captions_of(part, row), *self.more.get(item_id, [])])
                if words:
                    self.words[item_id] = words
                if words and shard.texts is not None:
                    self._remember(words[0], shard.texts, first + row)
        if self.layout.texts is not None:
            for text in {text for words in self.words.values() for text in words} & self.layout.texts.rows.keys():
                self._remember(text, self.layout.texts.vectors, self.layout.texts.rows[text])
        self._write(new)

    def _write(self, new: dict[str, tuple[np.ndarray, dict[str, Any]]]) -> None:
        _append_captions(self.collection, self.words)
        reachable = [item for item in map(self._item, new) if item is not None]
        pipeline = Pipeline(self.source.read, self.encoder, self.watch)
        done: set[str] = set()
        with closing(pipeline.run(reachable, None)) as outcomes:
            for outcome in outcomes:
                match outcome:
                    case Embedded(item=item):
                        self.writer.take(replace(outcome, vector=new[item.id][0]))
                    case Failed(item=item) if outcome.reason not in TRANSIENT:
                        self.writer.take(outcome)
                    case _:
                        continue
                done.add(item.id)
        for item_id, (vector, told) in new.items():
            if item_id not in done:
                self.counts["unreachable"] += 1
                self.writer.take(_without_file(item_id, vector, told))
        self.writer.commit()
        committed, failed = self.writer.drain()
        self.counts["added"] += len(committed)
        self.reasons.update(problem.reason for problem in failed)
        self.counts["texts"] += sum(len(words) for words in self.words.values())
        self.words.clear()
        self.encoder.texts.clear()

    def _item(self, item_id: str) -> Item | None:
        """The file of an image as a listing would have it."""
        if self.listed is not None:
            return self.listed.get(item_id)
        path = self.source.path(item_id)
        try:
            found = None if path is None else path.stat()
        except OSError:
            return None
        return None if found is None else Item(item_id, found.st_size, found.st_mtime_ns)

    def _remember(self, text: str, vectors: np.ndarray, row: int) -> None:
        """The vector that came with a caption; a bad one is made anew."""
        found, good = unit(np.asarray(vectors[row : row + 1]))
        if good[0]:
            self.encoder.texts[text] = found[0]

    def _repeated(self) -> dict[str, list[str]]:
        """The captions in further rows of each image. One look at all names, so that they can come together."""
        more: dict[str, list[str]] = {}
        for number, shard in enumerate(self.layout.shards):
            for first, part in self.layout.parts(shard):
                for row, value in enumerate(part[self.layout.place].to_pylist()):
                    item_id, here = self.places.id(value) if value else "", (number, first + row)
                    if item_id and self.seen.setdefault(item_id, here) != here and self._same(item_id, here):
                        more.setdefault(item_id, []).extend(self.layout.captions_of(part, row))
        return more

    def _same(self, item_id: str, here: tuple[int, int]) -> bool:
        """Is the vector in a further row of an image that of its first?"""
        found = [self.layout.shards[number].vectors[row] for number, row in (self.seen[item_id], here)]
        vectors, good = unit(np.stack(found))
        return bool(good.all()) and float(vectors[0] @ vectors[1]) >= SAME

    def _refuse(self, location: str, reason: str, message: str) -> None:
        self.writer.take(Failed(Item(location, -1, -1), reason, message))


def _append_captions(collection: Collection, words: dict[str, list[str]]) -> None:
    """Captions as `clipdex index` reads them again."""
    if not words:
        return
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    for item_id, texts in words.items():
        name = unescape(item_id)
        written = item_id if name != name.encode("utf-8", "replace").decode() else name
        writer.writerows([written, text] for text in texts)
    with tables.storage_errors(collection.path, "writing"):
        header = "" if collection.store.exists(CAPTIONS) else "image,caption\r\n"
        collection.store.append(CAPTIONS, (header + out.getvalue()).encode())


def _without_file(item_id: str, vector: np.ndarray, told: dict[str, Any]) -> Embedded:
    """An image whose file is out of reach: its size, hash and thumbnail are not known, and are not made up."""
    from core.image.metadata import Metadata

    kinds: dict[str, type] = {"taken": datetime, "latitude": float, "longitude": float}
    known = {
        name: told[name]
        for name in tables.PHOTO
        if isinstance(told.get(name), kinds.get(name, str)) and getattr(told[name], "tzinfo", None) is None
    }
    width, height = (
        told[name] if isinstance(told.get(name), int) and 0 < told[name] <= LARGEST else 0
        for name in ("width", "height")
    )
    return Embedded(Item(item_id, -1, -1), "", width, height, [], Metadata(**known), b"", vector)
