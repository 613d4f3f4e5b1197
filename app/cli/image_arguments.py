"""Resolves the ids and paths that a person names to images of the collection."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clipdex import Searcher

NAMED = 5  # of those that name nothing


def items(searcher: Searcher, given: Sequence[str]) -> list[str]:
    """The ids, each once. Raises `QueryError` for what is neither an id nor the path of an indexed image."""
    from core.errors import QueryError
    from indexer.collection.snapshot import row_of

    found = {one: known_id(searcher, one) for one in given}
    nothing = [one for one, item in found.items() if item is None]
    if nothing and len(found) == 1:
        row_of(searcher.snapshot(), nothing[0])
    if nothing:
        names = ", ".join(map(repr, nothing[:NAMED])) + (", …" if len(nothing) > NAMED else "")
        what = "is not an image that is" if len(nothing) == 1 else "are no images that are"
        raise QueryError(f"{len(nothing):,} of these {len(found):,} {what} indexed here, so nothing was done: {names}")
    return list(dict.fromkeys(item for item in found.values() if item is not None))


def known_id(searcher: Searcher, one: str) -> str | None:
    """The id of the image that an id or a path names, as it is or as a search prints it; None where it names none."""
    from core.escaping import unescape_line
    from indexer.sources.filenames import escape, unescape

    rows = searcher.snapshot().rows
    for item in (one, escape(unescape(one))):
        if item in rows:
            return item
    places = [(name, part.location) for name, part in searcher.collection.source.parts.items()]
    for path in dict.fromkeys((one, unescape_line(one))):
        for name, place in places:
            if isinstance(place, Path) and path and "\0" not in path:
                item = name + escape(os.path.relpath(path, place))
                if item in rows:
                    return item
    return None
