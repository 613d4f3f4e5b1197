"""Migrates older collections to the current format.

`collection.json` carries a format version. Step n turns the description of version n into that of n + 1, in memory:
opening writes nothing, so that an old collection can be searched on a disk that is read-only. The next run writes the
description and gives the tables the columns that they lack (`Collection.upgrade`). A version from the future is
refused: this program could only misread it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from core.errors import CollectionError
from indexer.collection.storage.tables import anew

FORMAT_VERSION = 1

Step = Callable[[Path, dict[str, Any]], dict[str, Any]]

STEPS: dict[int, Step] = {}  # from version n to n + 1; no format before the first was ever released


def migrate(
    path: Path, info: dict[str, Any], *, to: int = FORMAT_VERSION, steps: Mapping[int, Step] = STEPS
) -> dict[str, Any]:
    """The description of the collection at `path` in the current format. Raises `CollectionError`."""
    version = info.get("format_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise CollectionError(f"{path / 'collection.json'} names no format version; {anew(path)}")
    if version > to:
        raise CollectionError(
            f"the collection {path} has format {version} and this clipdex knows formats up to {to}; "
            "update clipdex to open it, or index again elsewhere (--to) if a development version wrote it"
        )
    for number in range(version, to):
        info = steps[number](path, info) | {"format_version": number + 1}
    return info
