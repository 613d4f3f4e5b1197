"""How does an older collection become a current one?

`collection.json` carries a format version. Step n turns the description of version n into that of n + 1, and changes
the files if need be. A version from the future is refused: this program could only misread it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.errors import CollectionError

FORMAT_VERSION = 1

Step = Callable[[Path, dict[str, Any]], dict[str, Any]]
STEPS: dict[int, Step] = {}  # from version n to n + 1; version 1 is the first


def migrate(path: Path, info: dict[str, Any]) -> dict[str, Any]:
    """The description of the collection at `path` in the current format. Raises `CollectionError`."""
    version = info.get("format_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise CollectionError(f"{path / 'collection.json'} names no format version; delete {path} and index again")
    if version > FORMAT_VERSION:
        raise CollectionError(
            f"the collection {path} has format {version} and this clipdex knows formats up to {FORMAT_VERSION}; "
            "update clipdex to open it"
        )
    for number in range(version, FORMAT_VERSION):
        info = STEPS[number](path, info) | {"format_version": number + 1}
    return info
