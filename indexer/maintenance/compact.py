"""Removes old versions and leftovers of a collection.

Each commit leaves a version of its table behind, and with it the files that only that version needs. Searches read
the version that was the newest when they began, so one goes only when it has not been the newest for a while.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from indexer.ann.optimize import sweep
from indexer.collection import concepts
from indexer.collection.collection import Collection
from indexer.collection.index_files import manifest as indexes
from indexer.collection.index_files.replace import building_alone
from indexer.collection.storage import lock, tables, tile_table
from indexer.ingest import model_migration

ASKING = 60.0  # seconds; it takes less than one


@dataclass(frozen=True)
class Compaction:
    """How large a collection was and is."""

    before: int  # bytes
    after: int
    kept: int  # versions that searches may still be reading
    seconds: float


def compact(collection: Collection, *, keep: timedelta = tables.KEEP_VERSIONS) -> Compaction:
    """Merge small files and drop what no search can be reading any more: versions, indexes, models before.

    Versions that were the newest less than `keep` ago stay. Raises `CollectionError` while a run is writing.
    """
    started = time.perf_counter()
    before = collection.size_bytes()
    kept = 0
    with lock.writing(collection.path), tables.storage_errors(collection.path, "compacting"):
        model_migration.clean(collection)
        for view in collection.views:
            for name in tile_table.names(view):
                table = view.table(name)
                # A file that belongs to no version is what an interrupted run left: nobody else writes, but people who
                # tag images. Of `images` it may be theirs, about to be committed; LanceDB lets it go after a week.
                tables.trim(table, keep, left_overs=name != "images")
                kept += len(table.list_versions()) - 1
        if (table := concepts.table_of(collection)) is not None:
            tables.trim(table, keep)  # people write there, too
            kept += len(table.list_versions()) - 1
        _remove_probes(collection.path)
        _sweep_indexes(collection.path / indexes.FOLDER)
    return Compaction(before, collection.size_bytes(), kept, time.perf_counter() - started)


def _remove_probes(folder: Path) -> None:
    """What killed runs left of their question whether the disk makes hard links; one may be asking just now."""
    for file in folder.glob(f"{lock.LOCK}.*"):
        with suppress(FileNotFoundError):
            if time.time() - file.stat().st_mtime > ASKING:
                file.unlink()


def _sweep_indexes(folder: Path) -> None:
    """Indexes that no manifest names any more, or that a killed run was building."""
    if folder.is_dir():
        with building_alone(folder):
            sweep(folder)
