"""Which pictures of the collection does a person mean who names ids or paths?"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clipdex import Searcher


def items(searcher: Searcher, given: Sequence[str]) -> list[str]:
    """The ids, each once. Raises `QueryError` for what is neither an id nor the path of an indexed picture."""
    from indexer.answers.composed import row_of
    from indexer.sources.names import escape

    snapshot, found = searcher.snapshot(), []
    places = [(name, one.location) for name, one in searcher.collection.source.parts.items()]
    for one in given:
        known = one
        if one not in snapshot.rows:
            below = [
                name + escape(os.path.relpath(one, place))
                for name, place in places
                if isinstance(place, Path) and os.path.exists(one)  # noqa: PTH110 - words may be of any length
            ]
            known = next((each for each in below if each in snapshot.rows), one)
        row_of(snapshot, known)
        found.append(known)
    return list(dict.fromkeys(found))
