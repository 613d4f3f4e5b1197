"""Repairs the rows that verification found wrong.

What the table itself or an unchanged file can answer is set right. What they cannot is taken away, so that the next
index run finds it missing and makes it anew. The images themselves are never touched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from core.errors import ClipdexError
from indexer.collection import concepts
from indexer.collection.storage import row_reader, tables, tile_table
from indexer.ingest.planning.name_sets import NameSet

if TYPE_CHECKING:
    from indexer.collection.collection import Collection


class Kind(StrEnum):
    """What can be wrong, in the order in which it is told."""

    NO_TABLE = "tables that are missing"
    UNREADABLE = "rows that cannot be read"
    NOT_FINITE = "vectors that are not finite"
    NOT_UNIT = "vectors that are not of length 1"
    TWICE = "ids that are there twice"
    NO_CAPTIONS = "images whose captions are missing or damaged"
    ORPHANS = "captions that belong to no image"
    STRAY_TILES = "tiles that belong to no image"
    PART_OF_TILES = "tiles of images that have not all of theirs"
    THUMBNAIL = "thumbnails that cannot be shown"
    BOTH = "places that are indexed and among the failures"


_REMEDIES = {
    Kind.NO_TABLE: "made anew, empty; the next clipdex index reads captions again and finds failures again",
    Kind.TWICE: "all but the first go",
    Kind.NO_CAPTIONS: "the image stays without; the next clipdex index reads its captions again",
    Kind.ORPHANS: "they go",
    Kind.STRAY_TILES: "they go",
    Kind.PART_OF_TILES: "they go; the next clipdex index makes all of the image's tiles anew",
    Kind.THUMBNAIL: "made anew where the file is there unchanged, taken out where not",
    Kind.BOTH: "the failure goes",
}
_MENDED = (Kind.NO_CAPTIONS, Kind.THUMBNAIL)  # all others go
_AT_ONCE = 200

Faults = dict[tuple[str, Kind], list[int]]  # table and kind -> numbers of the rows


def remedy(table: str, kind: Kind) -> str:
    """What `repair` does about it."""
    if table == concepts.TABLE:
        return "the concept goes; keep it again from its examples"
    anew = "the row goes; the next clipdex index embeds the image anew if its file is there"
    return _REMEDIES.get(kind, anew if table == "images" else "the row goes")


def lost(table: Any, numbers: Sequence[int]) -> str:
    """What people wrote about images whose rows go, in words to put behind the remedy."""
    marks = row_reader.readable(table, numbers, ["tags", "excluded"])
    marked = sum(bool(row["tags"]) or bool(row["excluded"]) for row in marks.to_pylist())
    unread = len(numbers) - len(marks)
    said = []
    if marked:
        said.append(f"{marked:,} of them have tags or are left out, which is lost")
    if unread:
        said.append(f"what tags {unread:,} of them have cannot be read, and is lost")
    return "".join(f"; {each}" for each in said)


def repair(collection: Collection, faults: Faults) -> None:
    """Repair what was found. The caller has the right to write."""
    gone: dict[str, set[int]] = {name: set() for name in (*tile_table.names(collection), concepts.TABLE)}
    for (name, kind), numbers in faults.items():
        if kind not in _MENDED:
            gone[name].update(numbers)
    for name, doomed in gone.items():
        if doomed:
            table = concepts.table_of(collection) if name == concepts.TABLE else collection.table(name)
            row_reader.remove(table, sorted(doomed))
    _mend(
        collection,
        silent=set(faults.get(("images", Kind.NO_CAPTIONS), [])) - gone["images"],
        blind=set(faults.get(("images", Kind.THUMBNAIL), [])) - gone["images"],
    )
    _sweep(collection)


def _mend(collection: Collection, silent: set[int], blind: set[int]) -> None:
    """Rows without their captions, and rows without their thumbnail."""
    images = collection.table("images")
    wanted = sorted(silent | blind)
    for start in range(0, len(wanted), _AT_ONCE):
        found = row_reader.take(images, wanted[start : start + _AT_ONCE], images.schema.names)
        for row in found:
            number = row.pop("_rowid")
            row["texts_key"] = "" if number in silent else row["texts_key"]
            row["thumbnail"] = _thumbnail(collection, row) if number in blind else row["thumbnail"]
        tables.upsert(images, found, "id")


def _sweep(collection: Collection) -> None:
    """Captions whose image went go as well."""
    used, there = NameSet(), NameSet()
    for part in row_reader.parts(collection.table("images"), ["texts_key"]):
        used.add(part.numbers, part.found["texts_key"].to_pylist())
    for part in row_reader.parts(collection.table("texts"), ["key"]):
        there.add(part.numbers, part.found["key"].to_pylist())
    row_reader.remove(collection.table("texts"), there.absent(used))


def _thumbnail(collection: Collection, row: dict[str, Any]) -> bytes:
    """Of the file if it is the one that was indexed, otherwise none."""
    from core.image.decode import open_image, thumbnail

    try:
        data = collection.source.read(row["id"])
        if hashlib.blake2b(data, digest_size=32).hexdigest() == row["hash"]:
            return thumbnail(open_image(data))
    except ClipdexError:  # gone or unreadable; the next index run tells of it
        pass
    return b""
