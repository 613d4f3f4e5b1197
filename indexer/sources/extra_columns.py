"""Typed further columns that a source brings along.

The types are few, so that filters know what they get: whole numbers, numbers, truth values, text, moments, and lists
of text. What a file holds is brought to the nearest of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any


class Columns:
    """Columns of n items: `ids` (n,) in the order of the rows of `table`, a pyarrow table of n rows."""

    def __init__(self, ids: Sequence[str], table: Any) -> None:
        self.ids = list(ids)
        self.table = table.combine_chunks()

    @property
    def fields(self) -> list[Any]:
        """The pyarrow fields."""
        return list(self.table.schema)

    def of(self, item_id: str) -> dict[str, Any]:
        """The values of one item; none for one that has none."""
        row = self._rows.get(item_id)
        return {} if row is None else self.table.slice(row, 1).to_pylist()[0]

    def within(self, name: str) -> Columns:
        """The same under longer ids."""
        return Columns([name + item_id for item_id in self.ids], self.table)

    def only(self, ids: Iterable[str]) -> Columns:
        """Those of some items."""
        wanted = set(ids)
        rows = [row for row, item_id in enumerate(self.ids) if item_id in wanted]
        return Columns([self.ids[row] for row in rows], self.table.take(rows))

    def key(self, item_id: str) -> str:
        """One name for the values of an item, empty where it has none: it changes when any of them, or a type, does."""
        row = self._rows.get(item_id)
        return "" if row is None else self._keys[row]

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {item_id: row for row, item_id in enumerate(self.ids)}

    @cached_property
    def _keys(self) -> list[str]:
        types = repr([(field.name, str(field.type)) for field in self.fields]).encode()
        keys = []
        for batch in self.table.to_batches(max_chunksize=10_000):
            for row in batch.to_pylist():
                known = {name: value for name, value in row.items() if value is not None}
                digest = hashlib.blake2b(types + repr(known).encode("utf-8", "replace"), digest_size=16)
                keys.append(digest.hexdigest() if known else "")
        return keys


def together(several: Iterable[Columns | None]) -> Columns | None:
    """The columns of several sources as one; where two disagree about a type, the wider one counts."""
    import pyarrow as pa

    found = [columns for columns in several if columns is not None]
    if len(found) < 2:
        return found[0] if found else None
    types: dict[str, Any] = {}
    for field in (field for columns in found for field in columns.fields):
        types[field.name] = wider(types[field.name], field.type) if field.name in types else field.type
    schema = pa.schema(list(types.items()))
    ids = [item_id for columns in found for item_id in columns.ids]
    return Columns(ids, pa.concat_tables([cast(columns.table, schema) for columns in found]))


def wider(one: Any, other: Any) -> Any:
    """The type that holds the values of both: a number for whole numbers and numbers, otherwise text."""
    import pyarrow as pa

    if one == other:
        return one
    return pa.float64() if {one, other} == {pa.int64(), pa.float64()} else pa.string()


def cast(table: Any, schema: Any) -> Any:
    """The table with the columns of a schema, in its order; those that it lacks are null."""
    import pyarrow as pa

    return pa.Table.from_arrays(
        [
            _as_type(table[field.name], field.type)
            if field.name in table.column_names
            else pa.nulls(table.num_rows, field.type)
            for field in schema
        ],
        schema=schema,
    )


def _as_type(column: Any, kind: Any) -> Any:
    import pyarrow as pa

    if column.type == kind:
        return column
    if kind == pa.string() and pa.types.is_list(column.type):
        return pa.array([None if value is None else ", ".join(map(str, value)) for value in column.to_pylist()], kind)
    return column.cast(kind)


def of_rows(ids: Sequence[str], rows: Sequence[dict[str, Any]]) -> Columns | None:
    """Columns from what JSON says about each item; None where it says nothing."""
    import pyarrow as pa

    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: _of_values([row.get(name) for row in rows]) for name in names}
    known = {name: column for name, column in columns.items() if column is not None}
    return Columns(ids, pa.table(known)) if known else None


def _of_values(values: list[Any]) -> Any:
    """One column of JSON values; None if all of them are null."""
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return None
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds <= {int, float} and all(abs(value) < 2**63 for value in values if isinstance(value, int)):
        return pa.array(values, pa.int64() if kinds == {int} else pa.float64())
    if kinds == {list} and all(isinstance(part, str) for value in values if value for part in value):
        return pa.array(
            [None if value is None else list(map(_storable, value)) for value in values], pa.list_(pa.string())
        )
    return pa.array([None if value is None else _storable(value) for value in values], pa.string())


def _storable(value: Any) -> str:
    """Text that a database can hold: without lone surrogates and noughts, which damaged files have."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.replace("\0", " ").encode("utf-8", "replace").decode()


def simplified(table: Any) -> Any:
    """A pyarrow table with its columns in the few types; those of bytes, of vectors and of nulls are left out."""
    import pyarrow as pa

    columns = {name: _simple(table[name]) for name in table.column_names}
    return pa.table({name: column for name, column in columns.items() if column is not None})


def _simple(column: Any) -> Any:
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        return _simple(column.cast(kind.value_type))
    for test, wanted in _simple_types():
        if test(kind):
            return column if kind == wanted else column.cast(wanted, safe=False)
    if pa.types.is_null(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return None
    if pa.types.is_fixed_size_binary(kind) or pa.types.is_floating(getattr(kind, "value_type", kind)):
        return None  # of vectors, too: they are not properties that a filter could ask for
    return _of_values([_plain(value) for value in column.to_pylist()])


def _simple_types() -> list[tuple[Any, Any]]:
    import pyarrow as pa

    return [
        (pa.types.is_boolean, pa.bool_()),
        (pa.types.is_uint64, pa.float64()),
        (pa.types.is_integer, pa.int64()),
        (lambda kind: pa.types.is_floating(kind) or pa.types.is_decimal(kind), pa.float64()),
        (lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind), pa.string()),
        (lambda kind: pa.types.is_timestamp(kind) or pa.types.is_date(kind), pa.timestamp("us")),
    ]


def _plain(value: Any) -> Any:
    """A nested value as JSON could hold it."""
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
