"""Counts the values of columns, to narrow a search step by step."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from indexer.collection.storage import tables
from indexer.collection.storage.columns import BOOLEAN, EQUAL, TEXT, kind_of
from indexer.search.filters import Condition
from indexer.search.query import Query
from indexer.search.query_formatter import pieces
from indexer.search.query_parser import TAKEN, Line
from indexer.search.ranking import allowed

if TYPE_CHECKING:
    from indexer.collection.snapshot import Snapshot

FOLDER, TAGS = "folder", "tags"
PLAIN = ("camera", "lens", "format")  # columns of ours whose values are offered as they are
SHOWN = 12  # values of a column
MOST_VALUES = 1_000  # a column with more of them tells images apart, and does not group them
_WRITABLE = re.compile(r'[^"“”„\n]+')
_NAME = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True)
class Value:
    """One value of a column, the condition that keeps it, and how many images have it."""

    text: str
    condition: Condition
    count: int


@dataclass(frozen=True)
class Facet:
    """The most frequent values of a column, and how many further ones there are."""

    column: str
    values: list[Value]
    further: int


def facets(snapshot: Snapshot, line: Line | None) -> list[Facet]:
    """Folders, times, cameras and the sources' own columns among the images that meet a line's other conditions."""
    line = line or Line("")
    found = [_tags(snapshot, line), _folders(snapshot, line), _times(snapshot, line)]
    found += [_values(snapshot, line, name) for name in (*PLAIN, *own_columns(snapshot))]
    return [facet for facet in found if facet.values]


def without_each(snapshot: Snapshot, line: Line) -> list[tuple[str, Line, int]]:
    """Each condition of a line, the line without it, and how many images meet what is left; the most first. Words to
    lead away from are not conditions."""
    left = [(text, rest, _count(snapshot, rest)) for text, rest in pieces(line) if rest.without == line.without]
    return sorted(left, key=lambda entry: -entry[2])


def matching(snapshot: Snapshot, line: Line | None) -> int:
    """How many images meet all conditions of a line. Raises `QueryError`."""
    return _count(snapshot, line or Line(""))


def own_columns(snapshot: Snapshot) -> list[str]:
    """The columns that sources brought along and that group images: text and yes or no."""
    ours = {*tables.schemas(1)["images"].names, "modified"}
    kinds = {name: kind_of(kind) for name, kind in snapshot.columns.items() if name not in ours}
    return sorted(name for name, kind in kinds.items() if kind in (TEXT, BOOLEAN) and _NAME.fullmatch(name))


def _rows(snapshot: Snapshot, line: Line, but: str = "") -> np.ndarray | None:
    """(n,) bool: the rows that meet a line's conditions, but for those of one column; None for all."""
    left = replace(line, text="", without=(), where=tuple(one for one in line.where if one.column != but))
    if left.is_special:
        return allowed(Query.of(left), snapshot)
    return None if snapshot.excluded is None else ~snapshot.excluded


def _count(snapshot: Snapshot, line: Line) -> int:
    rows = _rows(snapshot, line)
    return len(snapshot.ids) if rows is None else int(rows.sum())


def _column(snapshot: Snapshot, line: Line, name: str) -> Any:
    """The values that a column has among the rows that matter for its facet."""
    column = snapshot.images[name].combine_chunks()
    rows = _rows(snapshot, line, but=name)
    return column if rows is None else column.filter(np.asarray(rows))


def _counts(column: Any) -> Counter[Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    found = pc.value_counts(column.drop_null())
    return Counter(dict(zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True)))


def _facet(name: str, counts: Counter[str]) -> Facet:
    usable = [(text, count) for text, count in counts.items() if text and _WRITABLE.fullmatch(text)]
    usable.sort(key=lambda entry: (-entry[1], entry[0]))
    values = [Value(text, Condition(name, EQUAL, text), count) for text, count in usable[:SHOWN]]
    return Facet(name, values, max(0, len(usable) - SHOWN))


def _values(snapshot: Snapshot, line: Line, name: str) -> Facet:
    if name not in snapshot.images.schema.names:
        return Facet(name, [], 0)
    counts = _counts(_column(snapshot, line, name))
    if len(counts) > MOST_VALUES or (counts and len(counts) == sum(counts.values()) > SHOWN):
        return Facet(name, [], 0)
    named = {("yes" if value else "no") if isinstance(value, bool) else value: count for value, count in counts.items()}
    return _facet(name, Counter(named))


def _tags(snapshot: Snapshot, line: Line) -> Facet:
    """Tags, those that are chosen left out: an image may have several, so the others narrow further."""
    chosen = {str(one.value) for one in line.where if (one.column, one.operator) == (TAGS, EQUAL)}
    rows = _rows(snapshot, line)
    column = snapshot.images[TAGS].combine_chunks()
    found = Counter((column if rows is None else column.filter(np.asarray(rows))).flatten().to_pylist())
    return _facet(TAGS, Counter({name: count for name, count in found.items() if name not in chosen}))


def _folders(snapshot: Snapshot, line: Line) -> Facet:
    """The folders at the top; where one is chosen, it, those beside it, and those in it."""
    if FOLDER not in snapshot.images.schema.names:
        return Facet(FOLDER, [], 0)
    chosen = next((str(one.value) for one in line.where if (one.column, one.operator) == (FOLDER, EQUAL)), "")
    chosen = chosen.strip("/")
    above = chosen.rpartition("/")[0]
    levels = [f"{above}/" if above else ""]
    levels += [f"{chosen}/"] if chosen else []
    counts: Counter[str] = Counter()
    for place, count in _counts(_column(snapshot, line, FOLDER)).items():
        for level in levels:
            if place.lower().startswith(level.lower()) and len(place) > len(level):
                counts[place[: len(level)] + place[len(level) :].split("/")[0]] += count
    return _facet(FOLDER, counts)


def _times(snapshot: Snapshot, line: Line) -> Facet:
    """Years; where one is chosen, its months behind it; the newest first."""
    import pyarrow.compute as pc

    if TAKEN not in snapshot.images.schema.names:
        return Facet(TAKEN, [], 0)
    chosen = next((str(one.value) for one in line.where if (one.column, one.operator) == (TAKEN, EQUAL)), "")
    column = _column(snapshot, line, TAKEN).drop_null()
    months = _counts(pc.strftime(column.cast("timestamp[s]", safe=False), format="%Y-%m")) if len(column) else Counter()
    year = chosen[:4] if re.match(r"\d{4}", chosen) else ""
    counts: Counter[str] = Counter()
    for month, count in months.items():
        counts[month[:4]] += count
        if year and month.startswith(year):
            counts[month] += count
    # A year before its months.
    newest = sorted(counts, key=lambda text: (text[:4], len(text) == 4, text), reverse=True)
    shown = [text for text in newest if text[:4] == year or newest.index(text) < SHOWN]
    values = [Value(text, Condition(TAKEN, EQUAL, text), counts[text]) for text in shown]
    return Facet(TAKEN, values, len(newest) - len(shown))
