"""Migrates older collections to the current format.

`collection.json` carries a format version. Step n turns the description of version n into that of n + 1, in memory:
opening writes nothing, so that an old collection can be searched on a disk that is read-only. The next run writes the
description and gives the tables the columns that they lack (`Collection.upgrade`). A version from the future is
refused: this program could only misread it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.errors import CollectionError
from indexer.collection.storage.tables import anew

FORMAT_VERSION = 3
MARKS_SINCE = 3  # people may tag and exclude images

Step = Callable[[Path, dict[str, Any]], dict[str, Any]]


def _more_sources(path: Path, info: dict[str, Any]) -> dict[str, Any]:
    """Version 2: a collection may have several sources, with settings; `images` has columns from inside the files.

    The only source of a version 1 has no prefix and no settings, which is what a source without those fields has.
    """
    return info


def _marks(path: Path, info: dict[str, Any]) -> dict[str, Any]:
    """Version 3: `images` has the columns `tags` and `excluded`, which people write. A source's own columns of these
    names go on as `source_tags` and `source_excluded`."""
    return info


STEPS: dict[int, Step] = {1: _more_sources, 2: _marks}  # from version n to n + 1; version 1 is the first


def migrate(path: Path, info: dict[str, Any]) -> dict[str, Any]:
    """The description of the collection at `path` in the current format. Raises `CollectionError`."""
    version = info.get("format_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise CollectionError(f"{path / 'collection.json'} names no format version; {anew(path)}")
    if version > FORMAT_VERSION:
        raise CollectionError(
            f"the collection {path} has format {version} and this clipdex knows formats up to {FORMAT_VERSION}; "
            "update clipdex to open it"
        )
    for number in range(version, FORMAT_VERSION):
        info = STEPS[number](path, info) | {"format_version": number + 1}
    return info
