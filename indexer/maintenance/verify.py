"""Verifies every row, vector and index of a collection.

Every row is read once, a part at a time: it is readable, its vector is finite and of length 1, its thumbnail can be
shown, its captions are all there and the same as when they were written, and nothing is there twice or belongs to
nobody. Memory grows by some fifty bytes a row. `repair` knows what becomes of the rest.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.errors import CollectionError, ImageError
from indexer.ann import loader
from indexer.collection import concepts
from indexer.collection.collection import Collection
from indexer.collection.index_files.manifest import manifest_file
from indexer.collection.snapshot import TARGETS
from indexer.collection.storage import lock, row_reader, tables, tile_table
from indexer.ingest.embedding.pipeline import UNIT
from indexer.ingest.planning.name_sets import NameSet
from indexer.ingest.writing.captions import GrowingKey
from indexer.maintenance.repair import Faults, Kind, lost, remedy, repair

EXAMPLES = 5
SMALL = 10**6  # pixels; a thumbnail has a tenth of that

Tell = Callable[[int, int], None]  # rows done, rows in all


@dataclass(frozen=True)
class Finding:
    """One kind of fault in one table."""

    kind: Kind
    table: str
    count: int
    examples: list[str]  # ids and the like, as far as they can be read
    remedy: str  # what was done, or would be


@dataclass(frozen=True)
class Verification:
    """What was looked at, what was wrong, and whether it was repaired."""

    rows: dict[str, int]  # table -> rows, readable or not; by the model that counts
    findings: list[Finding]
    repaired: bool
    without_thumbnail: int  # their files were out of reach: nothing is wrong with them
    running: bool  # a run was writing meanwhile, so the tables were not compared with each other
    indexes: list[str]  # why an index beside the tables cannot be used; repaired, it is gone
    seconds: float

    @property
    def well(self) -> bool:
        """Nothing is wrong, or nothing is wrong any more."""
        return self.repaired or not (self.findings or self.indexes)

    def summary(self) -> str:
        """Lines for people."""
        pictures, captions, failures = (self.rows[name] for name in ("images", "texts", "failures"))
        tiles = f", {self.rows[tile_table.NAME]:,} tiles of them" if tile_table.NAME in self.rows else ""
        counted = f"{pictures:,} images{tiles}, {captions:,} captions and {failures:,} failures read"
        counted += f" in {self.seconds:.1f} s"
        lines = [f"{counted}: {'nothing is wrong' if not (self.findings or self.indexes) else 'not all is well'}"]
        for found in self.findings:
            shown = ", ".join(found.examples) + (", …" if found.count > len(found.examples) else "")
            shown = shown if found.examples else "their names cannot be read"
            lines.append(f"{found.count:,} {found.kind} in {found.table}: {shown}")
            lines.append(f"  {'repaired' if self.repaired else 'with --repair'}: {found.remedy}")
        for problem in self.indexes:
            lines += [problem, f"  {'repaired' if self.repaired else 'with --repair'}: the index goes"]
        if self.without_thumbnail:
            lines.append(f"{self.without_thumbnail:,} images have no thumbnail: their files were out of reach")
        if self.running:
            lines.append("a run is writing here now, so images and captions were not compared with each other")
        return "\n".join(lines)


def verify(collection: Collection, *, mend: bool = False, progress: Tell | None = None) -> Verification:
    """Look at every row of a collection and, with `mend`, repair what is wrong.

    Raises `CollectionError` if a table cannot be opened at all or is of another shape than `collection.json` says,
    and, for a repair, if another run is writing.
    """
    started = time.perf_counter()
    with ExitStack() as stack:
        missing = []
        if mend:
            stack.enter_context(lock.writing(collection.path))
            missing = [found for view in collection.views if (found := _restored(view)) is not None]
        tell = progress or (lambda done, total: None)
        checks = [_Check(view, tell, with_concepts=view is collection) for view in collection.views]
        busy = not mend and lock.is_held(collection.path)
        for check in checks:
            check.tables()
        busy = busy or (not mend and lock.is_held(collection.path))
        for check in checks:
            check.relations(busy)
        # Told by the names in rows that a repair takes away.
        findings = missing + [finding for check in checks for finding in check.findings()]
        problems = _index_problems(collection, mend)
        if mend:
            with tables.storage_errors(collection.path, "repairing"):
                for check in checks:
                    if check.faults:
                        repair(check.collection, check.faults)
    first = checks[0]
    seconds = time.perf_counter() - started
    return Verification(first.rows, findings, mend, first.without_thumbnail, busy, problems, seconds)


def _restored(collection: Collection) -> Finding | None:
    """Missing tables that could be made anew, and were."""
    names = collection.restore()
    where = collection.info.tables or "the collection"
    return Finding(Kind.NO_TABLE, where, len(names), names, remedy("", Kind.NO_TABLE)) if names else None


def _index_problems(collection: Collection, mend: bool) -> list[str]:
    """Why an index that is there cannot be used. It is made from the tables, so it may go at any time."""
    found = []
    for target in TARGETS:
        problem = loader.problem(collection, target)
        if problem is not None:
            found.append(problem)
            if mend:
                manifest_file(collection.path, target).unlink(missing_ok=True)
    return found


@dataclass
class _Group:
    """The captions of one image that came so far."""

    growing: GrowingKey
    next: int = 0
    waiting: dict[int, str] = field(default_factory=dict)  # position -> text

    def add(self, position: int, text: str) -> str:
        """The key of the captions from the first on, as far as there is no gap."""
        self.waiting[position] = text
        while self.next in self.waiting:
            self.growing.add(self.waiting.pop(self.next))
            self.next += 1
        return self.growing.key


class _Check:
    """One look at one collection."""

    def __init__(self, collection: Collection, progress: Tell, *, with_concepts: bool = False) -> None:
        """The concepts are the same by every model."""
        self.collection, self.progress = collection, progress
        self.opened = {name: collection.table(name) for name in tile_table.names(collection)}
        kept = concepts.table_of(collection) if with_concepts else None
        if kept is not None:
            self.opened[concepts.TABLE] = kept
        self.rows: dict[str, int] = {}
        self.faults: Faults = {}
        self.without_thumbnail = self.done = 0
        self.ids, self.failed = NameSet(), NameSet()  # of images, and of failures
        self.keys = NameSet()  # of captions, as the images name them
        self.contents, self.tiles = NameSet(), NameSet()  # of images, and of tiles as they name them
        self.totals: list[np.ndarray] = []  # how many tiles the content of each has
        self.text_keys = NameSet()  # and as the captions do
        self.whole = NameSet()  # those whose captions are all there and unchanged
        self.groups: dict[str, _Group] = {}  # key -> captions of which some are still to come

    def tables(self) -> None:
        """Read every row of every table."""
        with tables.storage_errors(self.collection.path, "reading"):
            self._check_columns()
            self.rows = {name: table.count_rows() for name, table in self.opened.items()}
            with ThreadPoolExecutor(os.cpu_count() or 2, thread_name_prefix="clipdex-verify") as pool:
                for part in self._parts("images", ["id", "hash", "texts_key", "thumbnail", "vector"]):
                    self._pictures(part, pool)
            for part in self._parts("texts", ["image_id", "key", "position", "text", "vector"]):
                self._captions(part)
            for part in self._parts("failures", ["location", "reason", "message", "when"]):
                self.failed.add(part.numbers, part.found["location"].to_pylist())
            if tile_table.NAME in self.opened:
                for part in self._parts(tile_table.NAME, ["hash", "total", "vector"]):
                    self._tiles(part)
            if concepts.TABLE in self.opened:
                for part in self._parts(concepts.TABLE, concepts.schema().names):
                    self._concepts(part)

    def relations(self, busy: bool) -> None:
        """What the tables say about each other; a run that is writing is between two of them."""
        self._fault("images", Kind.TWICE, self.ids.repeated())
        if not busy:
            self._fault("images", Kind.NO_CAPTIONS, self.keys.absent(self.whole))
            if ("images", Kind.UNREADABLE) not in self.faults:  # whose captions they may be; those go with them
                self._fault("texts", Kind.ORPHANS, self.text_keys.absent(self.keys, self.whole))
            self._fault(tile_table.NAME, Kind.STRAY_TILES, self.tiles.absent(self.contents))
            self._fault(tile_table.NAME, Kind.PART_OF_TILES, self._incomplete())
            self._fault("failures", Kind.BOTH, self.failed.among(self.ids))

    def findings(self) -> list[Finding]:
        """The faults, told by name."""
        order = list(Kind)
        kinds = sorted(self.faults, key=lambda fault: (order.index(fault[1]), fault[0]))
        return [
            Finding(
                kind,
                f"{self.collection.info.tables}/{table}".lstrip("/"),
                len(self.faults[table, kind]),
                self._names(table, kind),
                remedy(table, kind) + self._lost(table, kind),
            )
            for table, kind in kinds
        ]

    def _check_columns(self) -> None:
        """Further columns may be there; ours must be, each of its type."""
        dim = self.collection.info.model.dim
        schemas = {**tables.schemas(dim), tile_table.NAME: tile_table.schema(dim), concepts.TABLE: concepts.schema()}
        for name, schema in [(name, schemas[name]) for name in self.opened]:
            there = {column.name: column.type for column in self.opened[name].schema}
            wrong = [column.name for column in schema if there.get(column.name) != column.type]
            if wrong:
                path = self.collection.path
                raise CollectionError(
                    f"the table {name} of {path} lacks {', '.join(wrong)}, or has another type there; "
                    f"{tables.anew(path)}"
                )

    def _parts(self, name: str, columns: list[str]) -> Any:
        total = sum(self.rows.values())
        for part in row_reader.parts(self.opened[name], columns):
            self._fault(name, Kind.UNREADABLE, part.unreadable)
            yield part
            self.done += len(part.numbers) + len(part.unreadable)
            self.progress(self.done, total)

    def _pictures(self, part: row_reader.Part, pool: ThreadPoolExecutor) -> None:
        numbers = part.numbers
        self.ids.add(numbers, part.found["id"].to_pylist())
        if tile_table.NAME in self.opened:
            self.contents.add(numbers, part.found["hash"].to_pylist())
        named = [(number, key) for number, key in zip(numbers, part.found["texts_key"].to_pylist(), strict=True) if key]
        self.keys.add([number for number, _ in named], [key for _, key in named])
        self._vectors("images", part)
        thumbnails = part.found["thumbnail"].to_pylist()
        self.without_thumbnail += sum(not thumbnail for thumbnail in thumbnails)
        shown = zip(numbers, pool.map(_can_be_shown, thumbnails), strict=True)
        self._fault("images", Kind.THUMBNAIL, [number for number, good in shown if not good])

    def _captions(self, part: row_reader.Part) -> None:
        self.text_keys.add(part.numbers, part.found["key"].to_pylist())
        bad = self._vectors("texts", part)
        for row in part.found.drop_columns(["vector"]).to_pylist():
            if row["_rowid"] in bad:
                continue  # its image has not all its captions, then
            key = row["key"]
            group = self.groups.setdefault(key, _Group(GrowingKey(row["image_id"])))
            if group.add(row["position"], row["text"]) == key:
                self.whole.add([row["_rowid"]], [key])
                del self.groups[key]

    def _tiles(self, part: row_reader.Part) -> None:
        bad = self._vectors(tile_table.NAME, part)
        found = part.found.take([place for place, number in enumerate(part.numbers) if number not in bad])
        self.tiles.add(found["_rowid"].to_pylist(), found["hash"].to_pylist())
        self.totals.append(found["total"].to_numpy())

    def _concepts(self, part: row_reader.Part) -> None:
        bad = [
            number
            for number, vector in zip(part.numbers, part.found["vector"].to_pylist(), strict=True)
            if not np.isfinite(vector).all()
        ]
        self._fault(concepts.TABLE, Kind.NOT_FINITE, bad)

    def _incomplete(self) -> list[int]:
        """The numbers of tiles whose content has not as many as there should be; bad ones do not count."""
        if not self.totals:
            return []
        _, group, counts = np.unique(self.tiles.hashes, return_inverse=True, return_counts=True)
        wrong = counts[group] != np.concatenate(self.totals)
        return self.tiles.where(np.isin(group, group[wrong]))

    def _vectors(self, table: str, part: row_reader.Part) -> set[int]:
        if not part.numbers:
            return set()
        vectors = tables.matrix(part.found)
        # A number that is not finite makes the length so, too; squares of finite ones may exceed float32.
        lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
        numbers = np.asarray(part.numbers, np.uint64)
        endless = numbers[~np.isfinite(lengths)].tolist()
        wrong = numbers[np.isfinite(lengths) & (np.abs(lengths - 1) > UNIT)].tolist()
        self._fault(table, Kind.NOT_FINITE, endless)
        self._fault(table, Kind.NOT_UNIT, wrong)
        return {*endless, *wrong}

    def _fault(self, table: str, kind: Kind, numbers: list[int]) -> None:
        if numbers:
            self.faults.setdefault((table, kind), []).extend(numbers)

    def _names(self, table: str, kind: Kind) -> list[str]:
        """A few of the rows by what people call them, as far as that can be read."""
        column = {"images": "id", "texts": "text", "failures": "location", "tiles": "hash", "concepts": "name"}[table]
        some = self.faults[table, kind][: row_reader.PART if kind is Kind.UNREADABLE else EXAMPLES]
        found = row_reader.readable(self.opened[table], some, [column])[column].to_pylist()
        return [str(name)[:80] for name in found[:EXAMPLES]]

    def _lost(self, table: str, kind: Kind) -> str:
        """What people wrote goes with rows of images."""
        goes = table == "images" and kind in (Kind.UNREADABLE, Kind.NOT_FINITE, Kind.NOT_UNIT)
        older = "tags" not in self.opened[table].schema.names
        return lost(self.opened[table], self.faults[table, kind]) if goes and not older else ""


def _can_be_shown(thumbnail: bytes) -> bool:
    from core.image.decode import open_image

    if not thumbnail:
        return True  # there is none, which is not a fault
    try:
        return open_image(thumbnail, max_pixels=SMALL).format in ("JPEG", "WEBP")
    except ImageError:
        return False
