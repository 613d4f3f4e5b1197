"""The table of tiles.

A collection may have tiles (`indexer.ingest.embedding.tiles`) or not. Rows of `tiles` belong to the content of a file,
not to its id: so copies share them and an image that is moved keeps them. All tiles of a content are written in one
commit, before the row of its image in `images`; those of a content that no image has are left-overs, which readers
pass over and the next run sweeps. An image whose content should have tiles and has none is embedded again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from indexer.collection.storage import tables

if TYPE_CHECKING:
    from indexer.collection.collection import Collection

NAME = "tiles"
SIDES = ("left", "top", "right", "bottom")


@dataclass(frozen=True)
class Tiles:
    """The t tiles of one image."""

    boxes: np.ndarray  # (t, 4) float32: left, top, right and bottom as fractions of the upright image
    vectors: np.ndarray  # (t, d) float32 unit rows


def schema(dim: int) -> Any:
    """The pyarrow schema for vectors of `dim` numbers. Half precision: there are many, and it moves a cosine by 1e-4
    at most."""
    import pyarrow as pa

    fields = [("hash", pa.string()), ("position", pa.int32()), ("total", pa.int32())]  # total: of that content
    fields += [(side, pa.float32()) for side in SIDES]  # parts of the upright image
    return pa.schema([pa.field(*field, nullable=False) for field in [*fields, ("vector", pa.list_(pa.float16(), dim))]])


def is_there(collection: Collection) -> bool:
    """Has this collection tiles, by the model that counts?"""
    return collection.info.tiles and collection.store.exists(_file(collection.info.tables))


def names(collection: Collection) -> list[str]:
    """All tables that a collection has."""
    return [*tables.KEYS, NAME] if is_there(collection) else [*tables.KEYS]


def set_wanted(collection: Collection, wanted: bool | None) -> None:
    """Let a collection have tiles from now on, or none, or whatever it had before. The caller holds the lock.

    Searches that have just begun read the table no more once it is gone, and begin anew."""
    wanted = collection.info.tiles if wanted is None else wanted
    if wanted and not is_there(collection):
        left = collection.store.exists(_file(collection.info.tables))  # by a run that was killed just here
        with tables.storage_errors(collection.path, "making"):
            database = collection.store.connect(collection.info.tables)
            kind = schema(collection.info.model.dim)
            database.create_table(NAME, schema=kind, mode="overwrite" if left else "create")
    if wanted != collection.info.tiles:
        collection.save(collection.info.model_copy(update={"tiles": wanted}))
    if not wanted:
        for place in {collection.info.tables, *(space.tables for space in collection.info.others)}:
            collection.store.remove(_file(place))


def contents(table: Any) -> set[str]:
    """The hashes of those contents that have tiles."""
    found: list[str] = tables.read(table, ["hash"], "position = 0")["hash"].to_pylist()
    return set(found)


def append(table: Any, found: Iterable[tuple[str, Tiles]]) -> None:
    """Add the tiles of contents that have none yet, in one commit."""
    import pyarrow as pa

    found = [(digest, tiles) for digest, tiles in found if len(tiles.vectors)]
    if not found:
        return
    counts = [len(tiles.vectors) for _, tiles in found]
    sides = np.concatenate([tiles.boxes for _, tiles in found])
    flat = np.concatenate([tiles.vectors for _, tiles in found]).astype(np.float16).ravel()
    columns = [
        pa.array([digest for digest, tiles in found for _ in tiles.vectors], pa.string()),
        pa.array(np.concatenate([np.arange(count, dtype=np.int32) for count in counts])),
        pa.array(np.repeat(np.array(counts, np.int32), counts)),
        *(pa.array(np.ascontiguousarray(sides[:, side])) for side in range(len(SIDES))),
        pa.FixedSizeListArray.from_arrays(pa.array(flat), table.schema.field("vector").type.list_size),
    ]
    table.add(pa.Table.from_arrays(columns, schema=table.schema))


def sweep(images: Any, table: Any) -> None:
    """Remove the tiles of contents that no image has any more."""
    used = set(tables.read(images, ["hash"])["hash"].to_pylist())
    tables.remove(table, "hash", contents(table) - used)


def _file(place: str) -> str:
    return f"{place}/{NAME}.lance".lstrip("/")
