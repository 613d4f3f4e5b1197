"""Which kind of source is a folder, a file, a pattern or a URL?  Where it could be several, nothing is guessed."""

from __future__ import annotations

import os
from pathlib import Path

from core.errors import SourceError, unknown_choice
from indexer.sources.base import Place

ENDINGS: dict[str, str] = {}  # of a file's name, in lower case -> kind


def recognise(given: str | Path, kind: str | None, kinds: list[str]) -> tuple[str, Place]:
    """The kind of a source and its full place. Raises `SourceError` where that cannot be told.

    `kind` is what a person said, `kinds` are those that there are.
    """
    if kind is not None and kind not in kinds:
        raise SourceError(unknown_choice("kind of source", kind, kinds))
    # Not resolve(): a collection inside a linked folder belongs to the link's place, as people see it.
    place = Path(os.path.abspath(Path(given).expanduser()))  # noqa: PTH100
    return kind or "folder", place
