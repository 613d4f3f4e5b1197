"""Detects the kind of a source from its name and contents."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path

from core.errors import SourceError, unknown_choice
from core.image.decode import PICTURES
from indexer.sources.base import Place

ENDINGS = {  # of a file's name, in lower case -> kind
    ".tar": "webdataset",
    ".zip": "zip",
    ".csv": "table",
    ".tsv": "table",
    ".jsonl": "table",
    ".ndjson": "table",
    ".parquet": "table",
}
_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
_BESIDE_TARS = (".tar", ".json", ".parquet", ".txt", ".md", ".idx", ".index")  # what is found beside shards


def recognise(given: str | Path, kind: str | None, kinds: Collection[str]) -> tuple[str, Place]:
    """The kind of a source and its full place. Raises `SourceError` where that cannot be told.

    `kind` is what a person said, `kinds` are those that there are.
    """
    if kind is not None and kind not in kinds:
        raise SourceError(unknown_choice("kind of source", kind, kinds))
    if isinstance(given, str) and re.match(r"[a-z][a-z0-9+.-]*://", given, re.IGNORECASE):
        return kind or _of_url(given), given.rstrip("/")
    # Not resolve(): a collection inside a linked folder belongs to the link's place, as people see it.
    place = Path(os.path.abspath(Path(given).expanduser()))  # noqa: PTH100
    return kind or _of_path(place), place


def _of_url(url: str) -> str:
    if url.lower().startswith(("http://", "https://")):
        raise SourceError(
            f"{url}: images are not downloaded from the web; img2dataset does that well, and what it writes is read "
            "as it is"
        )
    return _by_ending(url) or "cloud"


def _of_path(place: Path) -> str:
    if place.is_dir():
        return _of_folder(place)
    found = _by_ending(str(place))
    if found is not None:
        return found
    if place.is_file():
        if place.suffix.lower().removeprefix(".") in PICTURES:
            raise SourceError(f"{place} is a file, one image; give the folder it lies in")
        raise SourceError(f"{place} is a file; give the folder it lies in, or a file of {', '.join(ENDINGS)}")
    return "folder"  # which is not there; reading it says so


def _by_ending(name: str) -> str | None:
    lower = name.lower()
    if lower.endswith(_COMPRESSED):
        raise SourceError(f"{name} is compressed, so that one image cannot be read alone: unpack it to a .tar file")
    return next((kind for ending, kind in ENDINGS.items() if lower.endswith(ending)), None)


def _of_folder(place: Path) -> str:
    """A folder of shards holds tar files and what belongs to them; anything else beside them is ambiguous."""
    try:
        entries = [entry for entry in os.scandir(place) if not entry.name.startswith(".")]
        tars = [entry.name for entry in entries if entry.name.lower().endswith(".tar")]
        others = [entry.name for entry in entries if entry.is_dir() or not entry.name.lower().endswith(_BESIDE_TARS)]
    except OSError:
        return "folder"  # reading it says why
    if tars and others:
        raise SourceError(
            f"{place} holds tar files ({min(tars)}) beside other things ({min(others)}): say --kind webdataset for the "
            "images in the tar files, or --kind folder for those beside them"
        )
    return "webdataset" if tars else "folder"
