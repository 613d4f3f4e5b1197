"""Adds the extra columns of sources to the table `images`.

They are added by their own names and types. Where a later run finds another type in a file, the column becomes wide
enough for both: a number for whole numbers and numbers, otherwise text. Nothing is embedded again for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from core.errors import SourceError
from indexer.collection.storage import tables
from indexer.sources import Listing
from indexer.sources.extra_columns import Columns, cast, wider

if TYPE_CHECKING:
    from indexer.collection.collection import Collection
    from indexer.ingest.writing.captions import Captions

RESERVED = frozenset(["_rowid", "_rowaddr", "_distance", "_score", "_relevance_score"])  # LanceDB's own
MAX_NAME = 100
_NEW = "new~"  # begins the name of a column that is taking another type
_SQL = {"double": "double", "string": "string", "int64": "bigint"}


def check_names(names: Iterable[str], where: str) -> None:
    """Raises `SourceError` for columns that cannot be kept under their names."""
    names = list(names)
    own = {*tables.schemas(1)["images"].names, *RESERVED}
    if clashes := [name for name in names if name in own]:
        raise SourceError(
            f"{where} has columns that clipdex itself keeps of every image: {', '.join(clashes)}; rename them, or "
            "name those to keep with --columns (--columns '' keeps none)"
        )
    odd = [name for name in names if not name.isprintable() or not 0 < len(name) <= MAX_NAME or set(name) & set(".~`")]
    if odd:
        raise SourceError(
            f"{where} has columns whose names cannot be kept: {', '.join(map(repr, odd))[:200]}; rename them without "
            "dots, backticks and tildes, or name those to keep with --columns"
        )


def renamed(listing: Listing) -> Listing:
    """A listing whose columns have not the names of what people write about images here, `tags` and `excluded`."""
    columns = listing.columns
    if columns is None:
        return listing
    names = columns.table.column_names
    others = [
        tables.THEIRS + name if name in tables.MARKS and tables.THEIRS + name not in names else name for name in names
    ]
    if others == names:
        return listing
    return replace(listing, columns=Columns(columns.ids, columns.table.rename_columns(others)))


def add_source_columns(collection: Collection, words: Captions) -> Captions:
    """Give the collection the columns that the sources have; the words with those columns in the collection's types.

    The caller holds the lock.
    """
    if words.columns is None:
        return words
    with tables.storage_errors(collection.path, "upgrading"):
        return replace(words, columns=make_room(collection.table("images"), words.columns))


def drop_empty(table: Any, words: Captions) -> None:
    """Take columns out of `images` that no source has any more and no row a value in. A source that is not there now
    has its values still."""
    fields = words.columns.fields if words.columns else ()
    there = {*tables.schemas(1)["images"].names, *(field.name for field in fields)}
    others = [name for name in table.schema.names if name not in there and not name.startswith(_NEW)]
    empty = [name for name in others if not table.count_rows(f"`{name}` IS NOT NULL")]
    if empty:
        tables.persistently(table, lambda: table.drop_columns(empty))


def make_room(table: Any, columns: Columns) -> Columns:
    """Give `images` the columns and the types that it lacks; the columns again, in the types of the table."""
    import pyarrow as pa

    _finish(table)
    there = {field.name: field.type for field in table.schema}
    tables.add_columns(table, [pa.field(field.name, field.type) for field in columns.fields])
    types = {field.name: wider(there.get(field.name, field.type), field.type) for field in columns.fields}
    for name, kind in types.items():
        if there.get(name, kind) != kind:
            _change_type(table, name, there[name], kind)
    return Columns(columns.ids, cast(columns.table, pa.schema(list(types.items()))))


def _change_type(table: Any, name: str, old: Any, new: Any) -> None:
    import pyarrow as pa

    quoted = f"`{name}`"
    text = f"array_to_string({quoted}, ', ')" if pa.types.is_list(old) else f"cast({quoted} as {_SQL[str(new)]})"
    table.add_columns({_NEW + name: text})
    _finish(table)


def _finish(table: Any) -> None:
    """Put columns with another type in the place of the old ones: the rest of what a killed run had begun, too."""
    for name in [name for name in table.schema.names if name.startswith(_NEW)]:
        wanted = name.removeprefix(_NEW)
        if wanted in table.schema.names:
            table.drop_columns([wanted])
        table.alter_columns({"path": name, "rename": wanted})
