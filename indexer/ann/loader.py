"""Opens the index in use for a collection. Any doubt about its files means none, with a warning."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import ClipdexError, ClipdexWarning
from indexer.ann.kinds import index_class
from indexer.collection.index_files import opened_files, trust
from indexer.collection.index_files.manifest import INDEX, manifest_file
from indexer.collection.index_files.opened_files import IndexFiles, PerManifest

if TYPE_CHECKING:
    from indexer.ann.kinds.base import VectorIndex
    from indexer.collection.collection import Collection


@dataclass(frozen=True)
class Opened:
    """An index with the files that it was built from."""

    files: IndexFiles
    index: VectorIndex


def opened(collection: Collection, target: str) -> Opened | None:
    """The index for `target`, kept open until it is replaced; None, and one warning, if it cannot be used."""
    return _indexes.get(collection, target)


def problem(collection: Collection, target: str) -> str | None:
    """Why the index that is there cannot be used."""
    try:
        load(collection, manifest_file(collection.path, target))
    except trust.UntrustedError as error:
        return str(error)
    return None


def load(collection: Collection, file: Path) -> Opened | None:
    """The index that a manifest tells of; None where there is none. Raises `UntrustedError`."""
    return opened_files.load(collection, file, _with_index)


def _with_index(files: IndexFiles) -> Opened:
    manifest = files.manifest
    try:
        index = index_class(manifest.kind).load(files.folder / INDEX, manifest.n, manifest.d)
    except (OSError, ValueError, RuntimeError, ClipdexError) as error:
        raise trust.UntrustedError(f"{files.folder} cannot be opened: {error}") from None
    return Opened(files, index)


def _open(collection: Collection, target: str) -> Opened | None:
    try:
        files = opened_files.trusted(collection, target)
        if files is None:
            return None
        try:
            return _with_index(files)
        except trust.UntrustedError:  # another index may have taken the place of this one meanwhile
            return load(collection, manifest_file(collection.path, target))
    except trust.UntrustedError as error:
        warnings.warn(
            f"{error}; searching without this index: clipdex optimize builds a new one", ClipdexWarning, stacklevel=5
        )
        return None


_indexes = PerManifest(_open)
