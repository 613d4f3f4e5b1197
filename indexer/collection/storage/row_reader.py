"""Reads a table to its end although some rows cannot be read.

Rows are numbered by LanceDB; their numbers come from the table's description, not from its data, so they are known
even of rows whose data is damaged. They are read in small parts; one that fails is halved until the bad rows are alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from indexer.collection.storage import tables

PART = 1_000  # rows at a time: with thumbnails ten megabytes


@dataclass(frozen=True)
class Part:
    """Some rows of a table, as far as they can be read."""

    found: Any  # pyarrow, with the column `_rowid`
    unreadable: list[int]  # numbers of the rows that cannot be read

    @property
    def numbers(self) -> list[int]:
        read: list[int] = self.found["_rowid"].to_pylist()
        return read


def numbers(table: Any) -> np.ndarray:
    """The number of every row of a table (n,) uint64."""
    found: np.ndarray = table.search().select(["_rowid"]).to_arrow()["_rowid"].to_numpy()
    return found


def parts(table: Any, columns: Sequence[str], size: int = PART) -> Iterator[Part]:
    """All rows in their order, at most `size` at a time."""
    every = numbers(table)
    for start in range(0, len(every), size):
        yield _read(table, every[start : start + size].tolist(), [*columns, "_rowid"])


def take(table: Any, wanted: Sequence[int], columns: Sequence[str]) -> list[dict[str, Any]]:
    """Rows by their numbers, as dictionaries with `_rowid`; a vector is a numpy array."""
    return tables.dictionaries(_take(table, list(wanted), [*columns, "_rowid"]))


def readable(table: Any, wanted: Sequence[int], columns: Sequence[str]) -> Any:
    """Those of the rows that can be read as far as `columns` go, as a pyarrow table."""
    return _read(table, list(wanted), [*columns, "_rowid"]).found


def remove(table: Any, wanted: Sequence[int]) -> None:
    """Delete rows by their numbers, readable or not."""
    for start in range(0, len(wanted), PART):
        listed = ", ".join(str(int(number)) for number in wanted[start : start + PART])
        table.delete(f"_rowid IN ({listed})")


def _read(table: Any, wanted: list[int], columns: list[str]) -> Part:
    import pyarrow as pa

    try:
        return Part(_take(table, wanted, columns), [])
    except (OSError, RuntimeError, ValueError):  # whatever LanceDB raises; even a panic in it is a RuntimeError
        if len(wanted) == 1:
            fields = [table.schema.field(name) for name in columns[:-1]]
            return Part(pa.schema([*fields, pa.field("_rowid", pa.uint64())]).empty_table(), wanted)
    middle = len(wanted) // 2
    left, right = _read(table, wanted[:middle], columns), _read(table, wanted[middle:], columns)
    together = pa.concat_tables([left.found, right.found], promote_options="permissive")
    return Part(together, left.unreadable + right.unreadable)


def _take(table: Any, wanted: list[int], columns: list[str]) -> Any:
    return table.take_row_ids(wanted).select(columns).to_arrow().select(columns)
