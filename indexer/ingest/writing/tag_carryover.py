"""Carries tags over when an image moves or cannot be read for a while.

An image that moved is a new one with the content of one that is gone: the row under its new name takes the tags along.
Of several such new ones one takes them: copies do not inherit. Where several are gone, those with tags go first. A gone
row whose tags were taken says so in its hash, because the run may be killed before it is removed, and the next one
must not give them away again.

The tags of an image that was indexed and fails now wait in its row of `failures`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from indexer.collection.storage import tables
from indexer.collection.tags import MARKED

Row = dict[str, Any]


class TagCarryover:
    """Pairs new rows of a run with gone ones of the same content."""

    def __init__(self, images: Any, failures: Any, gone: Mapping[str, str], known: Iterable[str]) -> None:
        """`gone` is the content hash of each id that is gone, `known` are all ids that were there."""
        waiting = tables.read(failures, ["location", *tables.MARKS], MARKED).to_pylist()
        self._waiting: dict[str, Row] = {row["location"]: row for row in waiting}
        self._images, self._known = images, set(known) if gone or self._waiting else set()
        self._gone = gone
        self._given: dict[str, Row] = {}  # new id -> what it was given, with the id that it is from
        self._taken: set[str] = set()
        self._new: list[str] = []  # those of them that do not say so yet

    def settle(self, rows: list[Row]) -> None:
        """Give the new ones among rows that are about to be written what their images had under other names."""
        if not (self._gone or self._waiting):
            return
        rows = [row for row in rows if row["id"] not in self._known]
        for row in rows:
            if row["id"] in self._waiting:
                row |= {name: self._waiting[row["id"]][name] for name in tables.MARKS}
        rows = [row for row in rows if row["id"] not in self._waiting]
        waiting: dict[str, list[Row]] = {}
        for mark in self._marks():
            if mark["id"] not in self._taken:
                waiting.setdefault(self._gone[mark["id"]], []).append(mark)
        for row in rows:
            if marks := waiting.get(row["hash"]):
                mark = marks.pop(0)
                self._taken.add(mark["id"])
                self._new.append(mark["id"])
                self._given[row["id"]] = mark
                row |= {name: mark[name] for name in tables.MARKS}

    def settled(self) -> None:
        """The rows that were settled are there: those that they have their marks from say so."""
        for condition in tables.conditions("id", self._new):
            values = {"hash": f"concat({tables.quoted_text(tables.MOVED)}, `hash`)"}
            where = f"{condition} AND length(`hash`) <= {tables.HASH}"
            tables.persistently(self._images, partial(self._images.update, where=where, values_sql=values))
        self._new = []

    def leave(self, failures: Any, ids: Iterable[str]) -> None:
        """Before the rows of images that fail now are removed: what people wrote on them goes to their failures."""
        self._images.checkout_latest()
        found = tables.read_keys(self._images, "id", ids, ["id", *tables.MARKS])
        marked = [row for row in found if row["id"] in self._waiting or any(row[name] for name in tables.MARKS)]
        tables.mark(failures, [{"location": row.pop("id")} | row for row in marked], "location")

    def catch_up(self) -> None:
        """Before the gone rows are removed: what people wrote on them since their images have new ones."""
        if not self._given:
            return
        self._images.checkout_latest()
        now = {mark["id"]: mark for mark in self._marks()}
        columns = ["id", *tables.MARKS]
        for row in tables.read_keys(self._images, "id", self._given, columns):
            old = self._given[row["id"]]
            new = now.get(old["id"]) or {"tags": None, "excluded": None}
            before, after = set(old["tags"] or ()), set(new["tags"] or ())
            if before == after and bool(old["excluded"]) == bool(new["excluded"]):
                continue
            changed = sorted((set(row["tags"] or ()) | (after - before)) - (before - after))
            excluded = row["excluded"] if bool(old["excluded"]) == bool(new["excluded"]) else new["excluded"]
            tables.mark(self._images, [{"id": row["id"], "tags": changed, "excluded": excluded}])

    def _marks(self) -> list[Row]:
        """What people wrote about gone images, as it is now, by id."""
        self._images.checkout_latest()
        found = tables.read(self._images, ["id", *tables.MARKS], MARKED).to_pylist()
        return sorted((row for row in found if self._gone.get(row["id"])), key=lambda row: str(row["id"]))
