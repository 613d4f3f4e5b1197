"""Summarizes a collection without opening it for searches: counts, model, a few images."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from app.library import open_collections, path_probe
from core.errors import ClipdexError

if TYPE_CHECKING:
    from indexer.collection.collection import Collection

COVER = 4  # images


@dataclass(frozen=True)
class Overview:
    """A collection of the server, or why it cannot be opened."""

    place: Path
    images: int = 0
    failures: int = 0
    model: str = ""
    updated: datetime | None = None
    cover: tuple[bytes, ...] = ()
    problem: str = ""
    is_there: bool = True  # False where its disk is not connected, or does not answer


def overview(place: Path) -> Overview:
    """A collection from afar; what is wrong with it is told, not raised."""
    if not (found := path_probe.is_there(place)):
        what = "there is no folder" if found is False else "no answer from the disk of"
        problem = f"{what} {place} now: connect its disk, or close it here"
        return Overview(place, problem=problem, is_there=False)
    try:
        collection = open_collections.collection_of(place)
        versions = tuple(collection.table(name).version for name in ("images", "failures"))
        images, failures, cover = _counted(collection, (str(collection.path), *versions, *collection.stamp()))
    except ClipdexError as error:
        return Overview(place, problem=str(error))
    info = collection.info
    return Overview(place, images, failures, info.model.name, info.updated, cover)


@st.cache_data(show_spinner=False, max_entries=200)
def _counted(_collection: Collection, mark: tuple[object, ...]) -> tuple[int, int, tuple[bytes, ...]]:
    """Images, failures, and some thumbnails from all over the collection. `mark` changes with every commit."""
    from indexer.collection.storage import tables

    with tables.storage_errors(_collection.path, "reading"):
        table = _collection.table("images")
        count = table.count_rows()
        failures = _collection.table("failures").count_rows()
        cover = []
        for number in range(min(COVER, count)):
            row = table.search().select(["thumbnail"]).limit(1).offset(number * count // COVER).to_arrow()
            cover += row["thumbnail"].to_pylist()
    return count, failures, tuple(picture for picture in cover if picture)
