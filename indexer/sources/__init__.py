"""The registry of source kinds: one line each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from core.errors import SourceError, unknown_choice
from indexer.sources.archives.webdataset import WebDatasetSource
from indexer.sources.archives.zip_archive import ZipSource
from indexer.sources.base import NOTHING_SAID, TRANSIENT, Item, Listing, Place, Problem, Settings, Source
from indexer.sources.cloud import CloudSource
from indexer.sources.detect import recognise
from indexer.sources.folder import FolderSource
from indexer.sources.multi import Several
from indexer.sources.tables.table import TableSource

__all__ = [
    "NOTHING_SAID",
    "SOURCES",
    "TRANSIENT",
    "Item",
    "Listing",
    "Place",
    "Problem",
    "Settings",
    "Several",
    "Source",
    "find_source",
    "make_source",
]

SOURCES: dict[str, Callable[[Place, Settings], Source]] = {
    "cloud": CloudSource,
    "folder": FolderSource,
    "table": TableSource,
    "webdataset": WebDatasetSource,
    "zip": ZipSource,
}


def make_source(kind: str, location: Place, settings: Settings = NOTHING_SAID) -> Source:
    """The source of a registered kind. Raises `SourceError` for an unknown kind."""
    if kind not in SOURCES:
        raise SourceError(unknown_choice("kind of source", kind, SOURCES))
    return SOURCES[kind](location, settings)


def find_source(given: str | Path, kind: str | None = None) -> tuple[str, Place]:
    """The kind and the full place of what a person gave. Raises `SourceError` where it may be several kinds."""
    return recognise(given, kind, sorted(SOURCES))
