"""What becomes of the tags of a picture that moved?  The row under its new name takes them along.

A picture that moved is a new one with the content of one that is gone. Of several such new ones one takes the tags:
copies do not inherit. Where several are gone, those with tags go first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from indexer.storage import tables
from indexer.tags import MARKED

Row = dict[str, Any]


class Heirs:
    """Pairs new rows of a run with gone ones of the same content."""

    def __init__(self, images: Any, gone: Mapping[str, str], known: Iterable[str]) -> None:
        """`gone` is the content hash of each id that is gone, `known` are all ids that were there."""
        self._images, self._known = images, set(known) if gone else set()
        self._gone = gone
        self._given: dict[str, Row] = {}  # new id -> what it was given, with the id that it is from
        self._taken: set[str] = set()

    def settle(self, rows: list[Row]) -> None:
        """Give the new ones among rows that are about to be written what their pictures had under other names."""
        if not self._gone:
            return
        waiting: dict[str, list[Row]] = {}
        for mark in self._marks():
            if mark["id"] not in self._taken:
                waiting.setdefault(self._gone[mark["id"]], []).append(mark)
        for row in rows:
            marks = waiting.get(row["hash"]) if row["id"] not in self._known else None
            if marks:
                mark = marks.pop(0)
                self._taken.add(mark["id"])
                self._given[row["id"]] = mark
                row |= {name: mark[name] for name in tables.MARKS}

    def catch_up(self) -> None:
        """Before the gone rows are removed: what people wrote on them since their pictures have new ones."""
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
        """What people wrote about gone pictures, as it is now, by id."""
        self._images.checkout_latest()
        found = tables.read(self._images, ["id", *tables.MARKS], MARKED).to_pylist()
        return sorted((row for row in found if self._gone.get(row["id"])), key=lambda row: str(row["id"]))
