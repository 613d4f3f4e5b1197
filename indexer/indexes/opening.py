"""Which index is in use for a collection, opened?  Any doubt about it means none, with a warning."""

from __future__ import annotations

import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import ClipdexError, ClipdexWarning
from indexer.indexes import files, index_class
from indexer.indexes.manifest import Manifest, place

if TYPE_CHECKING:
    from indexer.collection import Collection
    from indexer.indexes.base import VectorIndex
    from indexer.snapshot import Snapshot

INDEX, VECTORS, KEYS = "index", "vectors.npy", "keys.npy"
KEPT = 8  # indexes that are open at once in one process
TRIES = 3


@dataclass(frozen=True)
class Opened:
    """An index with what it was built from."""

    manifest: Manifest
    index: VectorIndex
    vectors: np.ndarray  # (n, d) float32, mapped
    keys: np.ndarray  # (n,) uint64, see `indexer.indexes.rows`


_lock = threading.Lock()
_kept: dict[tuple[Path, str], tuple[tuple[int, ...] | None, Opened | None]] = {}


def opened(collection: Collection, target: str) -> Opened | None:
    """The index for `target`, kept open until it is replaced; None, and one warning, if it cannot be used."""
    file = place(collection.path, target)
    stamp = _stamp(file)
    key = (collection.path, target)
    with _lock:
        found = _kept.get(key)
        if found is None or found[0] != stamp:
            found = stamp, _open(collection, file)
            _kept.pop(key, None)
            while len(_kept) >= KEPT:
                _kept.pop(next(iter(_kept)))
            _kept[key] = found
    return found[1]


def problem(collection: Collection, target: str) -> str | None:
    """Why the index that is there cannot be used."""
    try:
        load(collection, place(collection.path, target))
    except files.UntrustedError as error:
        return str(error)
    return None


def load(collection: Collection, file: Path) -> Opened | None:
    """The index that a manifest tells of; None where there is none. Raises `UntrustedError`."""
    for attempt in range(TRIES):
        manifest = files.read(file)
        if manifest is None:
            return None
        try:
            return _load(collection, file.parent / manifest.folder, manifest)
        except files.UntrustedError:
            # A new index may have taken the place of this one between two looks.
            if attempt == TRIES - 1 or files.read(file) == manifest:
                raise
    return None


def mapped_vectors(snapshot: Snapshot, target: str) -> np.ndarray | None:
    """The vectors of a snapshot as they lie beside its index, mapped; None unless they are surely the same ones."""
    found = opened(snapshot.collection, target)
    return found.vectors if found is not None and is_unchanged(found.manifest, snapshot, target) else None


def is_unchanged(manifest: Manifest, snapshot: Snapshot, target: str) -> bool:
    """Are the rows of a snapshot those that the index was built from, one for one?"""
    from indexer.indexes.rows import digest

    counted = slice(1) if target == "images" else slice(2)  # captions come and go without moving the pictures
    return manifest.versions[counted] == snapshot.versions[counted] and manifest.rows == digest(snapshot, target)


def _open(collection: Collection, file: Path) -> Opened | None:
    try:
        return load(collection, file)
    except files.UntrustedError as error:
        warnings.warn(
            f"{error}; searching without this index: clipdex optimize builds a new one", ClipdexWarning, stacklevel=4
        )
        return None


def _load(collection: Collection, folder: Path, manifest: Manifest) -> Opened:
    info = collection.info
    if (manifest.created, manifest.fingerprint, manifest.d) != (info.created, info.model.fingerprint, info.model.dim):
        raise files.UntrustedError(f"{folder} was built from another collection")
    try:
        files.check(folder, manifest)
        vectors = _array(folder / VECTORS, np.float32, (manifest.n, manifest.d))
        keys = _array(folder / KEYS, np.uint64, (manifest.n,))
        index = index_class(manifest.kind).load(folder / INDEX, manifest.n, manifest.d)
    except (OSError, ValueError, RuntimeError, ClipdexError) as error:
        raise files.UntrustedError(f"{folder} cannot be opened: {error}") from None
    return Opened(manifest, index, vectors, keys)


def _array(path: Path, kind: Any, shape: tuple[int, ...]) -> np.ndarray:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.shape != shape or array.dtype != kind or not array.flags.c_contiguous:
        raise ValueError(f"{path.name} does not hold {shape}")
    return np.asarray(array)


def _stamp(file: Path) -> tuple[int, ...] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
