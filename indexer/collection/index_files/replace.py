"""Replaces the manifest of an index, by one process at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import CollectionError
from indexer.collection.collection import Collection
from indexer.collection.index_files.manifest import Manifest, manifest_file
from indexer.collection.storage import lock


def replace_manifest(collection: Collection, manifest: Manifest) -> None:
    """Put a sealed manifest into the place of the one before, in one step."""
    file = manifest_file(collection.path, manifest.target)
    new = file.with_suffix(".new")
    with new.open("w", encoding="utf-8") as out:
        out.write(manifest.model_dump_json(indent=1) + "\n")
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)


@contextmanager
def building_alone(folder: Path) -> Iterator[None]:
    """Hold the one right to build indexes here; runs and searches are not held up."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise CollectionError(f"indexes cannot be kept in {folder}: {error.strerror}") from None
    if lock.is_held(folder):
        raise CollectionError(f"another clipdex optimize is at work in {folder}; wait until it is done")
    with lock.writing(folder):
        yield
