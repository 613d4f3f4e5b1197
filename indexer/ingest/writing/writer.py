"""Writes outcomes to the tables in atomic commits.

Outcomes are gathered and written together, bounded in number and time: that is what a killed run loses. The order
of the writes makes each commit whole or absent: captions first, under a key that nothing refers to yet; then the
failures; then the row in `images`, which makes an image and its captions visible at once.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from indexer.collection.storage import lock, tables, tile_table
from indexer.collection.storage.tile_table import Tiles
from indexer.ingest.embedding.pipeline import BATCH, Embedded, Failed, Outcome, Same, encode_each
from indexer.ingest.report import Stopwatch
from indexer.ingest.writing import captions
from indexer.ingest.writing.captions import Captions
from indexer.sources import Item, Problem

if TYPE_CHECKING:
    from core.encoder import Encoder
    from indexer.collection.collection import Collection
    from indexer.ingest.planning.existing_rows import ExistingRows
    from indexer.ingest.writing.tag_carryover import TagCarryover

# Whichever comes first. Few large commits make a table of few parts, which stays quick to open and to read; what is not
# yet written is in memory, and is what a kill loses.
COMMIT_ROWS = 5_000
COMMIT_BYTES = 64 << 20
COMMIT_SECONDS = 20.0
TIDY_COMMITS = 200  # so many during a run are worth tidying up; at 5,000 rows each, LanceDB's parts of a million rows

Row = dict[str, Any]
REPORTED = ("id", "hash", "texts_key", "columns_key")  # of a committed row
# Of a row in `images`, what belongs to the content of a file and not to the file.
CONTENT = ("hash", "width", "height", "embedded", "thumbnail", "vector", *tables.PHOTO)


class Writer:
    """Gathers what a run finds out and commits it; `drain` gives what is there since the last look."""

    def __init__(
        self,
        collection: Collection,
        encoder: Encoder,
        words: Captions,
        known: ExistingRows,
        watch: Stopwatch,
        carryover: TagCarryover | None = None,
    ) -> None:
        """`carryover` gives new rows of `images` the tags that their images had under other names."""
        self.path, self.encoder, self.words, self.watch = collection.path, encoder, words, watch
        self.images, self.texts, self.failures = (collection.table(name) for name in ("images", "texts", "failures"))
        self._tiled = known.tiled  # hashes of contents that have tiles; None where there are to be none
        self.tiles = None if known.tiled is None else collection.table(tile_table.NAME)
        self.tables = [table for table in (self.images, self.texts, self.failures, self.tiles) if table is not None]
        self._carryover = carryover
        self._committed: list[Row] = []
        self._failed: list[Problem] = []
        self.cut_captions = 0  # of those written, how many are longer than the model reads
        self._rows: list[Row] = []
        self._same: list[Same] = []
        self._tiles: dict[str, Tiles] = {}  # by the hash of the content
        self._problems: list[Problem] = []
        self._taken = self._bytes = self._commits = 0
        self._since = time.monotonic()
        # Keys that are in the tables, or were: rows with other keys are appended, which costs the same in any table.
        with tables.storage_errors(self.path, "reading"):
            left = tables.read(self.texts, ["id"])["id"].to_pylist()
        self._present = {"images": set(known), "texts": set(left), "failures": set(known.failures)}

    def take(self, outcome: Outcome) -> None:
        """Keep one outcome; commit when there are many or the oldest has waited long."""
        match outcome:
            case Embedded(item=item):
                self._rows.append(_content(outcome) | _identity(item))
                if self._tiled is not None and outcome.tiles is not None and outcome.hash not in self._tiled:
                    self._tiles[outcome.hash] = outcome.tiles
            case Same():
                self._same.append(outcome)
            case Failed(item=item):
                self._problems.append(Problem(item.id, outcome.reason, outcome.message, item.size, item.mtime_ns))
        if not self._taken:
            self._since = time.monotonic()
        self._taken += 1
        self._bytes += _size(outcome)
        if self._taken >= COMMIT_ROWS or self._bytes >= COMMIT_BYTES:
            self.commit()
        self.look_at_the_clock()

    def look_at_the_clock(self) -> None:
        """Commit what has waited long. To be called now and then while nothing comes."""
        if self._taken and time.monotonic() - self._since >= COMMIT_SECONDS:
            self.commit()

    def recaption(self, items: list[Item]) -> None:
        """Give indexed images their present captions; nothing is read or embedded but words."""
        for start in range(0, len(items), COMMIT_ROWS):
            part = {item.id: item for item in items[start : start + COMMIT_ROWS]}
            rows = tables.read_keys(self.images, "id", part, ["id", *CONTENT])
            self._rows.extend(row | _identity(part[row["id"]]) for row in rows)
            self.commit()

    def commit(self) -> None:
        """Write all that was gathered."""
        if not (self._rows or self._same or self._problems):
            return
        lock.check_there(self.path)
        self._adopt()
        text_rows = self._add_texts()
        cut = self._count_cut([row["text"] for row in text_rows])
        started = time.perf_counter()
        with tables.storage_errors(self.path, "writing"):
            self._put("texts", text_rows)
            self._put_tiles()
            self.record(self._problems)
            if self._carryover is not None:
                self._carryover.settle(self._rows)
            self._put("images", self._rows)
            if self._carryover is not None:
                self._carryover.settled()
            self._commits += 1
            if self._commits % TIDY_COMMITS == 0:
                for table in self.tables:
                    tables.tidy(table, TIDY_COMMITS)
        self.cut_captions += cut
        self.watch.add("write", time.perf_counter() - started)
        self._committed += [{name: row[name] for name in REPORTED} for row in self._rows]
        self._failed += self._problems
        self._rows, self._problems = [], []
        self._taken = self._bytes = 0

    def drain(self) -> tuple[list[Row], list[Problem]]:
        """The rows that were committed since the last call, by `REPORTED` columns, and what failed."""
        committed, failed = self._committed, self._failed
        self._committed, self._failed = [], []
        return committed, failed

    def record(self, problems: Iterable[Problem]) -> None:
        """Put problems into `failures`."""
        now = datetime.now(UTC)
        self._put("failures", [problem._asdict() | {"when": now} for problem in problems])

    def _put(self, name: str, rows: list[Row]) -> None:
        """Write rows: those with a key that the table never had are appended, which costs the same in any table."""
        key, present, table = tables.KEYS[name], self._present[name], getattr(self, name)
        tables.append(table, [row for row in rows if row[key] not in present])
        tables.upsert(table, [row for row in rows if row[key] in present], key)
        present.update(row[key] for row in rows)

    def _put_tiles(self) -> None:
        if self._tiles and self._tiled is not None:
            tile_table.append(self.tiles, self._tiles.items())
            self._tiled.update(digest for digest, tiles in self._tiles.items() if len(tiles.vectors))
            self._tiles = {}

    def orphans(self) -> list[Item]:
        """After `commit`: items whose content was promised by another one that failed or has changed meanwhile."""
        items = [same.item for same in self._same]
        self._same = []
        return items

    def _adopt(self) -> None:
        """Turn `Same` into rows: from this batch, or from the table. One whose donor is still to come stays."""
        if not self._same:
            return
        donors: dict[str, Row] = {row["hash"]: row for row in self._rows}
        missing = {same.hash for same in self._same} - donors.keys()
        with tables.storage_errors(self.path, "reading"):
            donors |= {row["hash"]: row for row in tables.read_keys(self.images, "hash", missing, CONTENT)}
        waiting = []
        for same in self._same:
            if same.hash in donors:
                self._rows.append({name: donors[same.hash][name] for name in CONTENT} | _identity(same.item))
            else:
                waiting.append(same)
        self._same = waiting

    def _add_texts(self) -> list[Row]:
        """Set `texts_key` in the gathered rows and return their captions as rows of `texts`.

        An image with a caption that cannot be embedded fails as a whole: half of one would look finished.
        """
        started = time.perf_counter()
        wanted: list[Row] = []
        for row in self._rows:
            texts = self.words.of(row["id"], row["embedded"])
            row["texts_key"] = captions.key(row["id"], texts)
            row |= self.words.columns_of(row["id"])
            wanted.extend(
                {
                    "id": f"{row['texts_key']}-{position}",
                    "image_id": row["id"],
                    "key": row["texts_key"],
                    "position": position,
                    "text": text,
                }
                for position, text in enumerate(texts)
            )
        broken: dict[str, str] = {}
        for start in range(0, len(wanted), 4 * BATCH):
            part = wanted[start : start + 4 * BATCH]
            for text_row, vector in zip(part, self._encode([text_row["text"] for text_row in part]), strict=True):
                if isinstance(vector, str):
                    broken[text_row["image_id"]] = f"caption {text_row['text'][:60]!r}: {vector}"
                text_row["vector"] = vector
        self._problems += [
            Problem(row["id"], "model error", broken[row["id"]], row["size"], row["mtime_ns"])
            for row in self._rows
            if row["id"] in broken
        ]
        self._rows = [row for row in self._rows if row["id"] not in broken]
        self.watch.add("embed", time.perf_counter() - started)
        return [text_row for text_row in wanted if text_row["image_id"] not in broken]

    def _count_cut(self, texts: list[str]) -> int:
        """How many of these captions does the model read only in part?"""
        # A model without words fails at each of them; there is nothing to ask it then.
        return sum(word is not None for word in self.encoder.truncation(texts)) if texts else 0

    def _encode(self, texts: list[str]) -> list[Any]:
        return list(encode_each(self.encoder.encode_texts, texts))


def _size(outcome: Outcome) -> int:
    """The bytes of an outcome that wait to be written."""
    if not isinstance(outcome, Embedded):
        return 0
    return len(outcome.thumbnail) + outcome.vector.nbytes + (outcome.tiles.vectors.nbytes if outcome.tiles else 0)


def _content(outcome: Embedded) -> Row:
    found = vars(outcome) | vars(outcome.metadata)
    return {name: found[name] for name in CONTENT}


def _identity(item: Item) -> Row:
    folder = item.id.rpartition("/")[0].rstrip("/")  # a second source's name ends with two slashes
    return {"id": item.id, "size": item.size, "mtime_ns": item.mtime_ns, "folder": folder}
