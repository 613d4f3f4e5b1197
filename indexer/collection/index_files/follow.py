"""Keeps an index valid when only tags changed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import CollectionError
from indexer.collection.index_files import trust
from indexer.collection.index_files.manifest import FOLDER, Manifest, manifest_file
from indexer.collection.index_files.replace import building_alone, replace_manifest
from indexer.collection.index_files.row_pairing import digest
from indexer.collection.snapshot import TARGETS

if TYPE_CHECKING:
    from indexer.collection.collection import Collection
    from indexer.collection.snapshot import Snapshot

KEPT = 8
_other: dict[Path, datetime] = {}  # manifest -> when the index was built whose rows are others than the collection's


def follow(collection: Collection, versions: Sequence[int]) -> None:
    """Write into the manifests of a collection's indexes that `images` went through these versions, from the one before
    a change of tags to the one after: vectors, ids and captions are the same in all of them.

    Where other commits came between, people's or a run's, the rows are compared once. An index that is not followed,
    because they differ or a new one is being built, is compared row by row with the collection when it is next opened,
    as after any run.
    """
    first, last = versions[0], versions[-1]
    if first == last:
        return
    unbroken = list(versions) == list(range(first, last + 1))
    with suppress(CollectionError):
        if not any(manifest_file(collection.path, target).exists() for target in TARGETS):
            return
        with building_alone(collection.path / FOLDER):
            newest = _Newest(collection)
            for target in TARGETS:
                with suppress(trust.UntrustedError):
                    manifest = trust.read_manifest(manifest_file(collection.path, target))
                    if manifest is None or manifest.versions[0] >= last:
                        continue
                    if unbroken and manifest.versions[0] == first:
                        now: tuple[int, int] | None = (last, manifest.versions[1])
                    else:
                        now = newest.versions(manifest)
                    if now is not None:
                        followed = manifest.model_copy(update={"versions": now, "seal": ""})
                        replace_manifest(collection, trust.sealed(followed))


class _Newest:
    """The newest version of a collection, read when it is first needed."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    @cached_property
    def _snapshot(self) -> Snapshot:
        from indexer.collection.snapshot import Snapshot

        return Snapshot.load(self._collection)

    def versions(self, manifest: Manifest) -> tuple[int, int] | None:
        """Its versions, if an index was built from the same rows; asked again about the same index it is not read."""
        file = manifest_file(self._collection.path, manifest.target)
        if _other.get(file) == manifest.built:
            return None
        if manifest.rows == digest(self._snapshot.rows_of(manifest.target), manifest.target):
            return self._snapshot.versions
        while len(_other) >= KEPT:
            _other.pop(next(iter(_other)))
        _other[file] = manifest.built
        return None
