"""Summarizes a collection: counts, failures, index health."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.collection import tags
from indexer.collection.snapshot import TARGETS
from indexer.collection.storage import tables
from indexer.collection.storage.store import LocalStore
from indexer.sources import Place

if TYPE_CHECKING:
    from indexer.collection.collection import Collection
    from indexer.collection.snapshot import Snapshot


@dataclass(frozen=True)
class Failure:
    """Something that could not be indexed."""

    location: str  # an id, or that of a folder with a slash at its end
    reason: str
    message: str
    when: datetime


@dataclass(frozen=True)
class IndexStatus:
    """An approximate index beside the tables, and how far it is behind them."""

    target: str  # what it finds: images or texts
    kind: str
    rows: int  # vectors in it
    missing: int  # rows of the collection that are not in it: searches compare them one by one
    built: datetime | None  # None where it cannot be opened
    size_bytes: int
    problem: str | None  # why it is not used, or not as good as was asked for


@dataclass(frozen=True)
class Status:
    """What a collection is, at a glance."""

    folder: Path | str  # the first source: a path, or a URL
    collection: Place
    model: str
    fingerprint: str
    dim: int
    images: int
    texts: int
    failures: list[Failure]
    size_bytes: int
    format_version: int
    updated: datetime
    sources: list[str] = field(default_factory=list)  # where the images come from: the folder, and further ones
    indexes: list[IndexStatus] = field(default_factory=list)
    others: list[str] = field(default_factory=list)  # further models whose vectors are kept, or being made
    tiles: int | None = None  # parts of images with vectors of their own; None where there are to be none
    excluded: int = 0  # images that people want in no answer
    tags: dict[str, int] = field(default_factory=dict)  # each, and how many images have it; the most frequent first

    @property
    def reasons(self) -> dict[str, int]:
        """Reason of failures -> how many, the most frequent first."""
        counts = Counter(failure.reason for failure in self.failures)
        return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))


def failures_of(collection: Collection) -> list[Failure]:
    """What could not be indexed, by location."""
    with tables.storage_errors(collection.path, "reading"):
        found = tables.read(collection.table("failures"), ["location", "reason", "message", "when"])
    return [Failure(**row) for row in found.sort_by("location").to_pylist()]


def status_of(snapshot: Snapshot) -> Status:
    """What the collection of a snapshot is. Its folder need not be there."""
    collection = snapshot.collection
    info = collection.info
    return Status(
        folder=collection.source.location,
        collection=collection.path if isinstance(collection.store, LocalStore) else collection.place,
        model=info.model.name,
        fingerprint=info.model.fingerprint,
        dim=info.model.dim,
        images=len(snapshot.ids),
        texts=snapshot.texts.num_rows,
        failures=failures_of(collection),
        size_bytes=collection.size_bytes(),
        format_version=info.format_version,
        updated=info.updated,
        sources=[str(source.location) for source in collection.source.parts.values()],
        indexes=_indexes(snapshot),
        others=[f"{each.model.name} ({'kept' if each.finished else 'not finished'})" for each in info.others],
        tiles=snapshot.tiles_count,
        excluded=0 if snapshot.excluded is None else int(snapshot.excluded.sum()),
        tags=tags.counts(snapshot),
    )


def _indexes(snapshot: Snapshot) -> list[IndexStatus]:
    """The approximate indexes that are there. Without any, no vector is read."""
    from indexer.ann.candidates import indexed
    from indexer.ann.optimize import health
    from indexer.collection.index_files.manifest import manifest_file

    path = snapshot.collection.path
    if not any(manifest_file(path, target).exists() for target in TARGETS):
        return []
    found = []
    for each in health(snapshot.collection, snapshot):
        if each.built is None and each.problem is None:
            continue
        fitted = None if each.built is None else indexed(snapshot, each.target)
        rows = len(snapshot.vectors_of(each.target))
        missing = rows if fitted is None else len(fitted.new)
        found.append(IndexStatus(each.target, each.kind, each.n, missing, each.built, each.size_bytes, each.problem))
    return found
