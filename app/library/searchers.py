"""Keeps one searcher for each open collection, shared by all sessions and routes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from app.library import open_collections, thumbnail_cache

if TYPE_CHECKING:
    from indexer.search.searcher import Searcher

MOST_OPEN = 8  # collections held in memory at once
SECONDS_CURRENT = 5.0  # for which the newest version of a collection counts as the newest: a page asks for it often


def folder_of(name: str) -> Path | None:
    """The collection of a name that `key` made."""
    return next((place for place in open_collections.open_places() if key(place) == name), None)


@st.cache_resource(show_spinner=False, max_entries=MOST_OPEN)
def _opened(path: str) -> Searcher:
    """One searcher a collection for all sessions; it notices by itself what later runs write."""
    import clipdex

    opened = clipdex.open(path)
    opened.look_again = SECONDS_CURRENT
    return opened


def searcher(place: Path) -> Searcher:
    """The collection of a place. Raises CollectionError when there is none, it is damaged, or too new."""
    from indexer.collection.storage.store import located, url_of

    if url_of(place) is not None:  # nothing to look for above it, and each look takes a while
        return _opened(str(located(place)))
    return _opened(str(open_collections.collection_of(place).path))


def key(place: Path) -> str:
    """A short name of a collection for URLs: a browser's cache must not mix two collections."""
    return hashlib.sha256(str(place).encode("utf-8", "surrogateescape")).hexdigest()[:12]


def thumbnails(place: Path, items: Sequence[str]) -> dict[str, bytes]:
    """The thumbnails of several items of a collection, those that are there. Raises CollectionError."""
    return thumbnail_cache.read_thumbnails(key(place), searcher(place).snapshot(), items)
