"""The tables of a collection: schemas, reads and writes.

`images` is the commit point: a row of it says that its image is indexed and which captions belong to it
(`texts_key`). Rows of `texts` with another key are left-overs of an interrupted run; readers pass over them and the
next run sweeps them. `failures` holds what could not be indexed. `id` is unique in `images` and `texts`, `location`
in `failures`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from core.errors import CollectionError
from indexer.collection.storage.arrays import numbers

KEYS = {"images": "id", "texts": "id", "failures": "location"}
PHOTO = ("taken", "camera", "lens", "latitude", "longitude", "format")  # columns of `images` from inside the file
MARKS = (
    "tags",
    "excluded",
)  # columns of `images` that people write (see `indexer.collection.tags`), and no run ever does
HASH = 64  # digits of a content hash
MOVED = "00"  # before the hash of a row whose image is indexed under another name: that row has its marks now
THEIRS = "source_"  # begins the name of a source's own column that would have the name of one of `MARKS`
CONFLICT, TRIES = "commit conflict", 5
GONE = re.compile(r"Not found: .*\.(lance|manifest)")
CHUNK = 10_000  # keys in one SQL condition, and how many characters: a name may have thousands
CHUNK_CHARACTERS = 1_000_000
KEEP_VERSIONS = timedelta(minutes=10)  # searches that opened an older one have long gone on
NEVER, AT_ONCE = timedelta(days=36_500), timedelta(milliseconds=1)  # LanceDB warns of nought
MARGIN = timedelta(seconds=1)
WHERE_IN_LANCE = re.compile(r",? \S+\.rs:\d+:\d+")  # a line of its source says nothing to anybody
LANCE_SAYS = re.compile(r"^lance error: (LanceError\(\w+\): )?")
# How disks say that there can be no table: a read-only one, and one that was copied to where hard links do not work.
FORBIDDEN = ("Permission denied", "Read-only file system", "Operation not permitted", "Operation not supported")


T = TypeVar("T")


def schemas(dim: int) -> dict[str, Any]:
    """The pyarrow schema of each table for vectors of `dim` float32 numbers."""
    import pyarrow as pa

    vector = pa.field("vector", pa.list_(pa.float32(), dim), nullable=False)
    marks = pa.field("tags", pa.list_(pa.string())), pa.field("excluded", pa.bool_())  # tags sorted, each once

    def required(name: str, kind: Any) -> Any:
        return pa.field(name, kind, nullable=False)

    return {
        "images": pa.schema(
            [
                required("id", pa.string()),
                required("hash", pa.string()),  # of the whole file: blake2b, 32 bytes in hexadecimal
                required("size", pa.int64()),
                required("mtime_ns", pa.int64()),
                required("width", pa.int32()),  # upright, as people see it
                required("height", pa.int32()),
                required("embedded", pa.list_(pa.string())),  # captions inside the file itself
                required("texts_key", pa.string()),
                required("thumbnail", pa.binary()),  # JPEG
                vector,
                # What follows is null where it is not known.
                pa.field("taken", pa.timestamp("us")),  # by the camera's clock, in no zone
                pa.field("camera", pa.string()),
                pa.field("lens", pa.string()),
                pa.field("latitude", pa.float64()),  # degrees; south and west are negative
                pa.field("longitude", pa.float64()),
                pa.field("format", pa.string()),
                pa.field("folder", pa.string()),  # "trips/2024", empty at the top
                pa.field("columns_key", pa.string()),  # changes with the values of the source's own columns
                *marks,
            ]
        ),
        "texts": pa.schema(
            [
                required("id", pa.string()),
                required("image_id", pa.string()),
                required("key", pa.string()),
                required("position", pa.int32()),
                required("text", pa.string()),
                vector,
            ]
        ),
        "failures": pa.schema(
            [
                required("location", pa.string()),
                required("reason", pa.string()),
                required("message", pa.string()),
                required("size", pa.int64()),
                required("mtime_ns", pa.int64()),
                required("when", pa.timestamp("us", tz="UTC")),
                *marks,  # of the image that was indexed before it failed: it gets them back
            ]
        ),
    }


def add_columns(table: Any, fields: Iterable[Any]) -> None:
    """Give a table those of the pyarrow fields that it lacks; its rows hold null there."""
    there = set(table.schema.names)
    if missing := [field for field in fields if field.name not in there]:
        table.add_columns(missing)


def with_marks(found: Any) -> Any:
    """Rows of `images` in memory, excluded or not: null says that nobody ever decided."""
    place = found.schema.get_field_index("excluded")
    return found.set_column(place, "excluded", found["excluded"].fill_null(False))


def read(table: Any, columns: Sequence[str], where: str | None = None) -> Any:
    """Some columns of all rows, or of those that meet a condition, as a pyarrow table."""
    query = table.search().select(list(columns))
    if where is not None:
        query = query.where(where)
    return query.to_arrow().select(list(columns))


def read_keys(table: Any, column: str, values: Iterable[str], columns: Sequence[str]) -> list[dict[str, Any]]:
    """The rows whose `column` is one of `values`, as dictionaries; a vector is a numpy array."""
    rows: list[dict[str, Any]] = []
    for condition in conditions(column, values):
        rows.extend(dictionaries(read(table, columns, condition)))
    return rows


def dictionaries(found: Any) -> list[dict[str, Any]]:
    """The rows of a pyarrow table as dictionaries; a vector is a numpy array."""
    with_vector = "vector" in found.column_names
    rows: list[dict[str, Any]] = (found.drop_columns(["vector"]) if with_vector else found).to_pylist()
    if with_vector:
        for row, vector in zip(rows, matrix(found), strict=True):
            row["vector"] = vector
    return rows


def matrix(found: Any) -> np.ndarray:
    """The column `vector` of a pyarrow table -> (n, d) float32."""
    column = found["vector"].combine_chunks()
    shaped: np.ndarray = numbers(column.flatten()).reshape(len(column), column.type.list_size)
    return shaped.astype(np.float32, copy=False)


def append(table: Any, rows: Sequence[dict[str, Any]]) -> None:
    """Add rows with keys that are not in the table, in one commit. Unlike `upsert` it does not read the table."""
    if rows:
        table.add(_arrow(table, rows))


def upsert(table: Any, rows: Sequence[dict[str, Any]], key: str) -> None:
    """Insert rows, or replace those with the same key, in one commit; what people marked in them stays."""
    if rows:
        found = _arrow(table, rows, but=MARKS)
        table.merge_insert(key).when_matched_update_all().when_not_matched_insert_all().execute(found)


def mark(table: Any, rows: Sequence[dict[str, Any]], key: str = "id") -> None:
    """Write `MARKS` of rows that are there, told by their keys, in one commit."""
    import pyarrow as pa

    if rows:
        schema = pa.schema([table.schema.field(name) for name in (key, *MARKS)])
        found = pa.Table.from_pylist(list(rows), schema)
        insert = table.merge_insert(key).when_matched_update_all()
        persistently(table, lambda: insert.execute(found), cleared=True)


def persistently(table: Any, act: Callable[[], T], *, cleared: bool = False) -> T:
    """Do something to a table, and again on its newest version where a commit of somebody else came between; also, if
    it may be `cleared` meanwhile, where the files of the version that it was begun on have gone."""
    for _ in range(TRIES - 1):
        try:
            return act()
        except RuntimeError as error:
            if CONFLICT not in str(error) and not (cleared and GONE.search(str(error))):
                raise
        table.checkout_latest()
    return act()


def remove(table: Any, column: str, values: Iterable[str]) -> int:
    """Delete the rows whose `column` is one of `values`."""
    return sum(table.delete(condition).num_deleted_rows for condition in conditions(column, values))


def conditions(column: str, values: Iterable[str]) -> Iterator[str]:
    """SQL conditions that together mean: `column` is one of `values`. Text becomes SQL by `quoted_text` alone."""
    quoted: list[str] = []
    length = 0
    for value in sorted(set(values)):
        quoted.append(quoted_text(value))
        length += len(value)
        if len(quoted) == CHUNK or length >= CHUNK_CHARACTERS:
            yield f"`{column}` IN ({', '.join(quoted)})"
            quoted, length = [], 0
    if quoted:
        yield f"`{column}` IN ({', '.join(quoted)})"


def quoted_text(value: str) -> str:
    """A text as SQL writes it."""
    return "'" + value.replace("'", "''") + "'"


def _arrow(table: Any, rows: Sequence[dict[str, Any]], but: Sequence[str] = ()) -> Any:
    import pyarrow as pa

    schema = pa.schema([field for field in table.schema if field.name not in but])
    columns = []
    for field in schema:
        values: list[Any] = [row.get(field.name) if field.nullable else row[field.name] for row in rows]
        if field.name == "vector":
            flat = np.concatenate(values).astype(np.float32, copy=False)
            columns.append(pa.FixedSizeListArray.from_arrays(pa.array(flat), field.type.list_size))
        else:
            columns.append(pa.array(values, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def tidy(table: Any, more_than: int) -> None:
    """Merge the fragments and drop the old versions that commits leave behind, once there are more than so many.

    Without this the disk would grow without end, and each commit would take longer than the last.
    """
    if len(table.list_versions()) > more_than:
        trim(table)


def trim(table: Any, keep: timedelta | None = None, *, left_overs: bool = False) -> None:
    """Merge the small files of a table and drop the versions that have not been the newest for `keep`.

    LanceDB by itself counts from when a version was made: the one that a search opened a moment ago may be days old,
    and would go under its hands.
    """
    with _unless_disturbed():
        persistently(table, lambda: table.optimize(cleanup_older_than=NEVER))
        age = _age(table, KEEP_VERSIONS if keep is None else keep)
        if age is not None:
            persistently(table, lambda: table.optimize(cleanup_older_than=age, delete_unverified=left_overs))


@contextmanager
def _unless_disturbed() -> Iterator[None]:
    """Give up on what need not be done now, while people write into the same rows again and again."""
    try:
        yield
    except RuntimeError as error:
        if CONFLICT not in str(error):
            raise


def _age(table: Any, keep: timedelta) -> timedelta | None:
    """How old a version must be to go: older than the one that was the newest `keep` ago. None if there is none."""
    if not keep:
        return AT_ONCE
    now = datetime.now()
    made = [version["timestamp"] for version in table.list_versions()]  # in local time, without a zone
    long_ago = [when for when in made if when <= now - keep]
    return None if not long_ago else now - max(long_ago) + MARGIN


@contextmanager
def storage_errors(path: Path, doing: str) -> Iterator[None]:
    """Turn what LanceDB and the disk raise into one sentence. Its own error classes are the built-in ones."""
    try:
        yield
    except OSError as error:
        raise CollectionError(_sentence(path, doing, error.strerror or str(error))) from error
    except (RuntimeError, ValueError) as error:
        raise CollectionError(_sentence(path, doing, str(error).strip() or type(error).__name__)) from error


def anew(place: str | Path) -> str:
    """What to do with a collection that cannot be mended, with what it costs."""
    return f"bring it back from a copy, or delete {place} and index again; tags and concepts go with it"


def _sentence(path: Path, doing: str, said: str) -> str:
    reason = LANCE_SAYS.sub("", WHERE_IN_LANCE.sub("", said.splitlines()[0]))[:300]
    if "No space left" in said:
        reason = "the disk is full; make space and run it again, finished work is kept"
    elif found := next((words for words in FORBIDDEN if words in said), None):
        reason = f"{found}; if nobody may write there, keep the collection in another place with --to DIR"
    elif doing.startswith(("reading", "tagging")):
        reason += f"; to see what is damaged: clipdex verify {path}"
    elif doing == "opening":
        reason += f"; {anew(path)}"
    return f"{doing} the collection {path} failed: {reason}"
