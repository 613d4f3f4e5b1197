"""Opens the files beside an index: the vectors that it was built from and their keys, mapped into memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from core.errors import ClipdexError
from indexer.collection.index_files import trust
from indexer.collection.index_files.manifest import KEYS, VECTORS, Manifest, manifest_file
from indexer.collection.index_files.row_pairing import digest

if TYPE_CHECKING:
    from indexer.collection.collection import Collection

MOST_OPEN = 8  # indexes that are open at once in one process
TRIES = 3

T = TypeVar("T")


@dataclass(frozen=True)
class IndexFiles:
    """The files of an index that its manifest vouches for."""

    manifest: Manifest
    folder: Path
    vectors: np.ndarray  # (n, d) float32, mapped
    keys: np.ndarray  # (n,) uint64, see `indexer.collection.index_files.row_pairing`


class PerManifest(Generic[T]):
    """One value for each index in use, made anew when another index takes its place. Safe between threads.

    A collection that another model took over has another space: its values are kept apart."""

    def __init__(self, make: Callable[[Collection, str], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._values: dict[tuple[Path, str, str, datetime], tuple[tuple[int, ...] | None, T]] = {}

    def get(self, collection: Collection, target: str) -> T:
        file = manifest_file(collection.path, target)
        stamp = _stamp(file)
        key = (collection.path, target, collection.info.model.fingerprint, collection.info.created)
        with self._lock:
            found = self._values.get(key)
            if found is None or found[0] != stamp:
                found = stamp, self._make(collection, target)
                self._values.pop(key, None)
                while len(self._values) >= MOST_OPEN:
                    self._values.pop(next(iter(self._values)))
                self._values[key] = found
        return found[1]


def load(collection: Collection, file: Path, use: Callable[[IndexFiles], T]) -> T | None:
    """`use` of the files that the manifest at `file` names; None where there is none. Raises `UntrustedError`."""
    for attempt in range(TRIES):
        manifest = trust.read_manifest(file)
        if manifest is None:
            return None
        try:
            return use(_load(collection, file.parent / manifest.folder, manifest))
        except trust.UntrustedError:
            # A new index may have taken the place of this one between two looks.
            if attempt == TRIES - 1 or trust.read_manifest(file) == manifest:
                raise
    return None


def files_of(collection: Collection, target: str) -> IndexFiles | None:
    """The files beside the index in use, kept open until it is replaced; None where there are none to be trusted."""
    try:
        return trusted(collection, target)
    except trust.UntrustedError:  # whoever searches with the index is warned
        return None


def trusted(collection: Collection, target: str) -> IndexFiles | None:
    """As `files_of`. Raises `UntrustedError` where there are files, and they are not to be trusted."""
    found = _files.get(collection, target)
    if isinstance(found, trust.UntrustedError):
        raise found
    return found


def is_unchanged(manifest: Manifest, versions: tuple[int, int], table: Any) -> bool:
    """Are the rows of a snapshot's table, at these versions, those that the index was built from, one for one?"""
    target = manifest.target
    counted = slice(1) if target == "images" else slice(2)  # captions come and go without moving the images
    return manifest.versions[counted] == versions[counted] and manifest.rows == digest(table, target)


def _open(collection: Collection, target: str) -> IndexFiles | trust.UntrustedError | None:
    try:
        return load(collection, manifest_file(collection.path, target), lambda files: files)
    except trust.UntrustedError as error:
        return error


_files = PerManifest(_open)


def _load(collection: Collection, folder: Path, manifest: Manifest) -> IndexFiles:
    info = collection.info
    if (manifest.created, manifest.fingerprint, manifest.d) != (info.created, info.model.fingerprint, info.model.dim):
        raise trust.UntrustedError(f"{folder} was built from another collection")
    try:
        trust.check(folder, manifest)
        vectors = _array(folder / VECTORS, np.float32, (manifest.n, manifest.d))
        keys = _array(folder / KEYS, np.uint64, (manifest.n,))
    except (OSError, ValueError, RuntimeError, ClipdexError) as error:
        raise trust.UntrustedError(f"{folder} cannot be opened: {error}") from None
    return IndexFiles(manifest, folder, vectors, keys)


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
