"""Which kinds of source are there?  One line a kind; the contract battery finds it here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from core.errors import SourceError, unknown_choice
from indexer.sources.base import TRANSIENT, Item, Listing, Problem, Source
from indexer.sources.folder import FolderSource

__all__ = ["SOURCES", "TRANSIENT", "Item", "Listing", "Problem", "Source", "make_source"]

SOURCES: dict[str, Callable[[Path], Source]] = {"folder": FolderSource}


def make_source(kind: str, location: Path) -> Source:
    """The source of a registered kind. Raises `SourceError` for an unknown kind."""
    if kind not in SOURCES:
        raise SourceError(unknown_choice("kind of source", kind, SOURCES))
    return SOURCES[kind](location)
