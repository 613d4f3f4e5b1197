"""The files in which workers hand over their results.

A shard is a list of items. Its name is a hash of them and of the model, so that whoever works on it writes the same
file again: workers may be restarted, and do a shard twice. The file is a Parquet table with a row for each outcome.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.image.metadata import Metadata
from indexer.collection.storage import tables
from indexer.collection.storage.tile_table import Tiles
from indexer.ingest.embedding.pipeline import Embedded, Failed, Outcome, Same
from indexer.sources import Item

VERSION = 2  # of the file; another one is not read


@dataclass(frozen=True)
class Shard:
    """Some images for one worker."""

    key: str
    items: list[Item]
    texts: dict[str, list[str]]  # item id -> captions that people wrote, for those that have some
    each: bool = False  # embed each one, also those with the same content

    def to_json(self) -> str:
        return json.dumps([self.key, self.items, self.texts, self.each])

    @classmethod
    def from_json(cls, text: str) -> Shard:
        key, items, texts, each = json.loads(text)
        return cls(key, [Item(*item) for item in items], texts, each)


@dataclass(frozen=True)
class Finished:
    """One outcome, and the vectors of the image's captions where they could be made: text -> (d,)."""

    outcome: Outcome
    texts: Mapping[str, np.ndarray] = field(default_factory=dict)


def cut(
    items: Sequence[Item], texts: Mapping[str, list[str]], fingerprint: str, size: int, *, each: bool = False
) -> Iterator[Shard]:
    """The items as shards of at most `size`, in their order."""
    for start in range(0, len(items), size):
        part = list(items[start : start + size])
        words = {item.id: texts[item.id] for item in part if item.id in texts}
        named = json.dumps([VERSION, fingerprint, part, words, each]).encode()
        yield Shard(hashlib.blake2b(named, digest_size=16).hexdigest(), part, words, each)


def to_bytes(finished: Iterable[Finished], dim: int) -> bytes:
    """The file of a shard."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema(dim)
    rows = [_row(each) for each in finished]
    columns = [pa.array([row.get(name) for row in rows], schema.field(name).type) for name in schema.names]
    file = io.BytesIO()
    # Thumbnails and vectors neither shrink nor repeat; the rest is small.
    table = pa.Table.from_arrays(columns, schema=schema)
    pq.write_table(table, file, compression="none", use_dictionary=False, write_statistics=False)
    return file.getvalue()


def from_bytes(data: bytes, dim: int) -> list[Finished]:
    """What `to_bytes` was given. Raises `ValueError` for anything else."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"no Parquet file: {error}") from None
    expected = _schema(dim)
    if not table.schema.equals(expected) or table.schema.metadata != expected.metadata:
        raise ValueError("a file of another version, or for another model")
    column = table["vector"].combine_chunks()
    vectors = iter(column.flatten().to_numpy(zero_copy_only=False).reshape(-1, dim))  # of those rows that have one
    rows = table.drop_columns(["vector"]).to_pylist()
    there = column.is_valid().to_pylist()
    return [_finished(row, next(vectors) if has else None, dim) for row, has in zip(rows, there, strict=True)]


def _schema(dim: int) -> Any:
    import pyarrow as pa

    images = tables.schemas(dim)["images"]
    own = [images.field(name).with_nullable(True) for name in ("hash", "width", "height", "embedded", "thumbnail")]
    photo = [images.field(name) for name in tables.PHOTO]
    return pa.schema(
        [
            *(pa.field("kind", pa.string()), images.field("id"), images.field("size"), images.field("mtime_ns")),
            *own,
            *photo,
            pa.field("vector", pa.list_(pa.float32(), dim)),
            pa.field("tile_boxes", pa.list_(pa.float32())),  # one after the other; null where none were asked for
            pa.field("tile_vectors", pa.list_(pa.float32())),
            pa.field("reason", pa.string()),
            pa.field("message", pa.string()),
            pa.field("texts", pa.list_(pa.string())),
            pa.field("text_vectors", pa.list_(pa.float32())),  # one after the other
        ],
        metadata={"clipdex.shard": str(VERSION)},
    )


def _row(finished: Finished) -> dict[str, Any]:
    outcome = finished.outcome
    found = vars(outcome) | outcome.item._asdict() | {"kind": type(outcome).__name__.lower()}
    if isinstance(outcome, Embedded):
        found |= vars(outcome.metadata)
        if outcome.tiles is not None:
            found |= {"tile_boxes": outcome.tiles.boxes.ravel(), "tile_vectors": outcome.tiles.vectors.ravel()}
    vectors = list(finished.texts.values())
    return found | {"texts": list(finished.texts), "text_vectors": np.concatenate(vectors) if vectors else []}


def _finished(row: dict[str, Any], vector: np.ndarray | None, dim: int) -> Finished:
    item = Item(row["id"], row["size"], row["mtime_ns"])
    texts = dict(zip(row["texts"], np.asarray(row["text_vectors"], np.float32).reshape(-1, dim), strict=True))
    if row["kind"] == "failed":
        return Finished(Failed(item, row["reason"], row["message"]), texts)
    if row["kind"] == "same":
        return Finished(Same(item, row["hash"]), texts)
    if row["kind"] != "embedded" or vector is None:
        raise ValueError(f"an outcome of the kind {row['kind']!r}")
    found = Metadata(**{name: row[name] for name in tables.PHOTO})
    content = row["hash"], row["width"], row["height"], row["embedded"], found, row["thumbnail"]
    tiles = None
    if row["tile_boxes"] is not None:
        boxes = np.asarray(row["tile_boxes"], np.float32).reshape(-1, 4)
        tiles = Tiles(boxes, np.asarray(row["tile_vectors"], np.float32).reshape(len(boxes), dim))
    return Finished(Embedded(item, *content, vector, tiles), texts)
