"""Collects the captions of each image.

They come from a CSV file with the columns `image,caption` (several rows an image) and from a text file beside the
image, one caption a line. An image that has neither keeps those inside its file. A CSV row names its image by
the path below the folder or, where only one image has it, by the file name alone; rows that name none are counted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.errors import DataError, ImageError, SourceError
from core.text.caption_table import NAME, Row, read_rows, rows_of
from indexer.collection.storage.remote_files import RemoteFiles
from indexer.sources import TRANSIENT, Listing, Place, Problem, Source
from indexer.sources.extra_columns import Columns, together
from indexer.sources.filenames import escape

AUTOMATIC = NAME  # found by itself in the folder
MAX_SIDECAR = 1 << 20  # bytes; more than a megabyte is a document and no caption


@dataclass(frozen=True)
class Captions:
    """What people wrote about the images: item id -> captions."""

    by_item: dict[str, list[str]] = field(default_factory=dict)
    unmatched: int = 0  # CSV rows that name no image, or have no caption
    problems: list[Problem] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)
    """Items whose text file cannot be read now: the captions that they had stay."""
    columns: Columns | None = None  # what else the sources say about the images

    def of(self, item_id: str, embedded: Iterable[str]) -> list[str]:
        """The captions of one image. Those inside the file count where nobody wrote others: many are a camera's."""
        return self.by_item.get(item_id) or clean(embedded)

    def columns_key(self, item_id: str) -> str:
        """Changes when anything changes that the source says about the image beside its captions."""
        return self.columns.key(item_id) if self.columns else ""

    def columns_of(self, item_id: str) -> dict[str, Any]:
        """The values of these columns, and their key."""
        if self.columns is None:
            return {"columns_key": None}
        return self.columns.of(item_id) | {"columns_key": self.columns.key(item_id) or None}


def read_captions(source: Source, listing: Listing, table: Place | None) -> Captions:
    """The captions of a listing; `table` is a CSV file, here or at a URL. Raises `SourceError` if it cannot be read."""
    by_item = {item_id: list(texts) for item_id, texts in listing.captions.items()}
    problems: list[Problem] = []
    unread: set[str] = set()
    rows = _rows(source, listing, table)
    find = _Finder([item.id for item in listing.items] + [problem.location for problem in listing.problems])
    unmatched = 0
    for _, name, caption in rows:
        found = find(name)
        if found is None or not caption.strip():
            unmatched += 1
        else:
            by_item.setdefault(found, []).append(caption)
    for item_id, sidecar in listing.sidecars.items():
        try:
            by_item.setdefault(item_id, []).extend(_read_sidecar(source, sidecar))
        except ImageError as error:
            if error.reason in TRANSIENT:
                unread.add(item_id)
            problem = Problem(sidecar, error.reason, f"{sidecar}: {error}")
            if problem not in problems:  # photo.txt may serve photo.jpg and photo.png
                problems.append(problem)
    cleaned = {key: clean(texts) for key, texts in by_item.items()}
    return Captions(cleaned, unmatched, problems, unread, listing.columns)


def unite_captions(several: Mapping[str, Captions]) -> Captions:
    """The captions of several sources under the ids of the collection; the key is what those begin with."""
    return Captions(
        {name + key: texts for name, words in several.items() for key, texts in words.by_item.items()},
        sum(words.unmatched for words in several.values()),
        [
            problem._replace(location=name + problem.location)
            for name, words in several.items()
            for problem in words.problems
        ],
        {name + key for name, words in several.items() for key in words.unread},
        together([words.columns and words.columns.within(name) for name, words in several.items()]),
    )


def clean(texts: Iterable[str]) -> list[str]:
    """Captions with single spaces, without empty ones and repetitions, in their order."""
    joined = (" ".join(text.replace("\0", " ").split()) for text in texts)
    # A lone surrogate (from a damaged file) has no UTF-8 form and could not be stored.
    return list(dict.fromkeys(text.encode("utf-8", "replace").decode() for text in joined if text))


def key(item_id: str, texts: list[str]) -> str:
    """One name for the captions of one image, empty for none: it changes when any of them does."""
    if not texts:
        return ""
    growing = GrowingKey(item_id)
    for text in texts:
        growing.add(text)
    return growing.key


class GrowingKey:
    """The key of one image's captions while they come one by one."""

    def __init__(self, item_id: str) -> None:
        self._digest = hashlib.blake2b(digest_size=16)
        self.add(item_id)

    def add(self, part: str) -> None:
        data = part.encode()
        self._digest.update(len(data).to_bytes(8, "little") + data)

    @property
    def key(self) -> str:
        """Of what was added so far."""
        return self._digest.hexdigest()


class _Finder:
    """Which image does a name in a CSV file mean?"""

    def __init__(self, ids: list[str]) -> None:
        self.ids = set(ids)
        self.by_name: dict[str, str | None] = {}
        for item_id in ids:
            name = item_id.rpartition("/")[2]
            self.by_name[name] = None if name in self.by_name else item_id

    def __call__(self, name: str) -> str | None:
        name = name.removeprefix("./")
        for candidate in (escape(name), name):  # as on disk, or already written as an id
            if candidate in self.ids:
                return candidate
        return self.by_name.get(escape(name).rpartition("/")[2])


def _rows(source: Source, listing: Listing, table: Place | None) -> list[Row]:
    """The rows of the caption file that was given, or else of the one that the source holds itself."""
    try:
        if isinstance(table, str):
            folder, _, name = table.rpartition("/")
            return rows_of(RemoteFiles(folder).read(name), table)
        if table is not None:
            return read_rows(table)
        if listing.caption_table is not None:
            return rows_of(source.read(listing.caption_table), f"{source.location}: {listing.caption_table}")
    except (DataError, ImageError) as error:
        raise SourceError(str(error)) from None
    except OSError as error:
        raise SourceError(f"the captions in {table} cannot be read: {error.strerror or error}") from None
    return []


def _read_sidecar(source: Source, sidecar: str) -> list[str]:
    data = source.read(sidecar)
    if len(data) > MAX_SIDECAR:
        raise ImageError("caption too long", f"has more than {MAX_SIDECAR:,} bytes; no captions were taken from it")
    try:
        return data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ImageError("caption not UTF-8", "is not UTF-8; no captions were taken from it") from None
