"""Reads the bytes of single images from a column of a Parquet file.

A column is read by row groups. Those that were read last are kept, because neighbours are read together. Of a row
group that is too large for that, as pyarrow writes them unless it is told otherwise, a part is kept that moves along:
images are cheap in their order, and one before the part means reading the group from its beginning.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, BinaryIO

KEPT_BYTES = 256 << 20  # of row groups in memory; the one that is read now comes on top
PART = 64  # rows that are read at once of a large row group


class ParquetPictures:
    """The images in one column of an open Parquet file, by row. Safe between threads, one reads at a time."""

    def __init__(self, file: BinaryIO, column: str) -> None:
        import pyarrow.parquet as pq

        self._file = file
        self._parquet = pq.ParquetFile(file)
        field = self._parquet.schema_arrow.field(column)
        self._leaf = leaf(field)
        counts = (self._parquet.metadata.row_group(i).num_rows for i in range(self._parquet.num_row_groups))
        self._starts = [0, *accumulate(counts)]
        self._kept: OrderedDict[int, Any] = OrderedDict()  # row group, or first row of a part -> values
        self._moving: tuple[int, Iterator[Any], int] | None = (
            None  # row group, its further parts, the row they begin at
        )
        self._lock = threading.Lock()

    def __del__(self) -> None:
        self._file.close()

    def lengths(self) -> list[int]:
        """The number of bytes of each image; -1 for null."""
        import pyarrow.compute as pc

        found: list[int] = []
        for batch in self._parquet.iter_batches(batch_size=256, columns=[self._leaf]):
            lengths = pc.binary_length(_values(batch)).to_pylist()
            found.extend(-1 if length is None else length for length in lengths)
        return found

    def read(self, row: int) -> bytes:
        """The bytes of one image; empty for null."""
        group = bisect_right(self._starts, row) - 1
        first = self._starts[group]
        with self._lock:
            if self._is_large(group):
                first, values = self._part(group, row)
            else:
                values = self._kept.pop(first, None)
                if values is None:
                    values = _values(self._parquet.read_row_group(group, columns=[self._leaf]))
            self._keep(first, values)
        data: bytes | None = values[row - first].as_py()
        return data or b""

    def _is_large(self, group: int) -> bool:
        described = self._parquet.metadata.row_group(group)
        columns = (described.column(number) for number in range(described.num_columns))
        return sum(c.total_uncompressed_size for c in columns if c.path_in_schema == self._leaf) > KEPT_BYTES

    def _part(self, group: int, row: int) -> tuple[int, Any]:
        """The part of a large row group with this row, and its first row."""
        start = row - (row - self._starts[group]) % PART
        if start in self._kept:
            return start, self._kept.pop(start)
        if self._moving is None or self._moving[0] != group or self._moving[2] > start:
            batches = self._parquet.iter_batches(batch_size=PART, row_groups=[group], columns=[self._leaf])
            self._moving = group, batches, self._starts[group]
        _, batches, at = self._moving
        for batch in batches:
            values = _values(batch)
            self._moving = group, batches, at + PART
            if at == start:
                return start, values
            self._keep(at, values)
            at += PART
        raise OSError(5, "the file ends before the row")

    def _keep(self, first: int, values: Any) -> None:
        while self._kept and values.nbytes + sum(kept.nbytes for kept in self._kept.values()) > KEPT_BYTES:
            self._kept.popitem(last=False)
        self._kept[first] = values


def leaf(field: Any) -> str:
    """The path of the bytes within the column: a column of bytes, or of a structure with bytes, as in data sets of
    Hugging Face. Empty if it holds no bytes."""
    import pyarrow as pa

    if _is_bytes(field.type):
        return str(field.name)
    if pa.types.is_struct(field.type):
        inside = [part for part in field.type if part.name == "bytes" and _is_bytes(part.type)]
        return f"{field.name}.bytes" if inside else ""
    return ""


def _is_bytes(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def _values(part: Any) -> Any:
    """The bytes of a table or a batch with this one leaf; a column of a structure has it inside."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = part.column(0)
    if pa.types.is_struct(column.type):
        column = pc.struct_field(column, "bytes")
    return column.cast(pa.large_binary())
