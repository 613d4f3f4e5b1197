"""Exports selected images as a table, a zip file or a list of paths."""

from __future__ import annotations

import csv
import io
import os
import re
import secrets
import stat
import time
import unicodedata
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from core.errors import ConfigError, DataError, ImageError, QueryError, unknown_choice
from indexer.collection.snapshot import row_of
from indexer.exchange.export_vectors import left_out, theirs_as
from indexer.search.query import Hit
from indexer.sources.filenames import escape, unescape

if TYPE_CHECKING:
    from indexer.collection.snapshot import Snapshot
    from indexer.exchange.import_rows import Tell
    from indexer.sources import Source

KINDS = ("csv", "parquet", "zip", "txt")
TOLD = ("path", "rank", "score", "relevance", "caption")  # columns of a table that are not of the collection
MISSING = "missing.txt"  # in a zip: what could not be put into it
_FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]')  # in names of files, somewhere
_DEVICE = re.compile(r"^((?:con|prn|aux|nul|com[1-9]|lpt[1-9])(?:\.|$))", re.IGNORECASE)  # of Windows
_EARLIEST, _LATEST = (1980, 1, 1, 0, 0, 0), (2107, 12, 31, 23, 59, 58)  # that a zip can tell
PART = 1_000  # rows at a time
AT_ONCE = 1 << 20  # bytes


@dataclass(frozen=True)
class Saved:
    """What was written."""

    path: Path
    kind: str
    pictures: int
    size_bytes: int
    missing: list[str] = field(default_factory=list)  # ids of images whose files could not be had

    def summary(self) -> str:
        """A line for people."""
        told = f"{self.pictures:,} {'image' if self.pictures == 1 else 'images'} in {self.path}"
        if self.missing:
            names = ", ".join(self.missing[:3]) + (", …" if len(self.missing) > 3 else "")
            told += f"; {len(self.missing):,} could not be had: {names}"
        return told


def kind_of(path: Path, kind: str | None = None) -> str:
    """What is to be written. Raises `ConfigError`."""
    wanted = kind if kind is not None else path.suffix.removeprefix(".").lower()
    if wanted not in KINDS:
        what = "kind of export" if wanted else "kind of export (the end of the file's name)"
        raise ConfigError(unknown_choice(what, wanted, KINDS))
    return wanted


def save(
    snapshot: Snapshot, chosen: Sequence[str | Hit], to: Path, kind: str | None = None, *, progress: Tell | None = None
) -> Saved:
    """Write images, told by their ids or as hits, in their order, into the file `to`, which is whole or absent.

    Raises `DataError` if it cannot be written, `ConfigError` for an unknown kind, `QueryError` for an unknown id.
    """
    if not chosen:
        raise QueryError("there is nothing to export: no image was chosen")
    kind = kind_of(to, kind)
    try:
        with _whole(to) as file:
            missing = write(snapshot, chosen, file, kind, progress=progress)
        size = to.stat().st_size
    except OSError as error:
        raise DataError(f"{to} cannot be written: {error.strerror or error}") from None
    return Saved(to, kind, len(set(map(_id, chosen))) - len(missing), size, missing)


def write(
    snapshot: Snapshot, chosen: Sequence[str | Hit], out: IO[bytes], kind: str, *, progress: Tell | None = None
) -> list[str]:
    """Write images into an open file; the ids of those whose files could not be had."""
    tell = progress or (lambda done, total: None)
    if kind == "zip":
        return _zip(snapshot, chosen, out, tell)
    if kind == "txt":
        return _paths(snapshot, chosen, out)
    if kind == "csv":
        _csv(snapshot, chosen, out)
    else:
        _parquet(snapshot, chosen, out)
    return []


@contextmanager
def _whole(to: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of `to` when all of it is written."""
    part = to.with_name(f".{to.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(to)
    finally:
        part.unlink(missing_ok=True)


# --- tables ----------------------------------------------------------------------------------------------------------


def _table(snapshot: Snapshot, chosen: Sequence[str | Hit]) -> Any:
    """What is known of images, a row each: where they are, how they were found, and every column about them."""
    import pyarrow as pa

    ids = [_id(one) for one in chosen]
    source = snapshot.collection.source
    places = [source.path(item_id) for item_id in ids]
    paths = [item_id if place is None else _text(str(place)) for item_id, place in zip(ids, places, strict=True)]
    columns: dict[str, Any] = {"id": pa.array(ids, pa.string()), "path": pa.array(paths, pa.string())}
    hits = [one for one in chosen if isinstance(one, Hit)]
    if len(hits) == len(chosen):
        columns["rank"] = pa.array([hit.rank for hit in hits], pa.int64())
        columns["score"] = pa.array([hit.score if hit.parts else None for hit in hits], pa.float64())
        columns["relevance"] = pa.array([hit.relevance for hit in hits], pa.float64())
        captions = [hit.caption for hit in hits]  # of a search of captions, those that were found
    else:
        captions = [next(iter(snapshot.captions(item_id)), None) for item_id in ids]
    columns["caption"] = pa.array(captions, pa.string())
    images = snapshot.images.take([row_of(snapshot, item_id) for item_id in ids])
    unsaid = left_out(snapshot)
    for name in ("folder", *images.column_names):
        if name == "folder" or (name not in unsaid and name not in columns):
            columns[name] = images[name]
        elif name in TOLD:  # a source has a column of this name, too
            columns[theirs_as(name, (*columns, *images.column_names))] = images[name]
    return pa.table(columns)


def _csv(snapshot: Snapshot, chosen: Sequence[str | Hit], out: IO[bytes]) -> None:
    text = io.TextIOWrapper(out, "utf-8", newline="", write_through=True)
    rows = csv.writer(text, lineterminator="\n")
    table = _table(snapshot, chosen)
    rows.writerow(table.column_names)
    for start in range(0, table.num_rows, PART):
        for row in table.slice(start, PART).to_pylist():
            rows.writerow([_cell(value) for value in row.values()])
    text.detach()


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return "; ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value


def _parquet(snapshot: Snapshot, chosen: Sequence[str | Hit], out: IO[bytes]) -> None:
    from pyarrow import parquet

    parquet.write_table(_table(snapshot, chosen), out)


def _text(name: str) -> str:
    """A name as text; one that is not UTF-8 as in ids."""
    return name if os.fsencode(name).decode("utf-8", "replace") == name else escape(name)


# --- files -----------------------------------------------------------------------------------------------------------


def _paths(snapshot: Snapshot, chosen: Sequence[str | Hit], out: IO[bytes]) -> list[str]:
    """A path a line, byte for byte as the disk has it; left out are names that hold a line break themselves."""
    source, odd = snapshot.collection.source, []
    for item_id in dict.fromkeys(map(_id, chosen)):
        place = source.path(item_id)
        line = os.fsencode(item_id if place is None else place)
        if b"\n" in line:
            odd.append(item_id)
        else:
            out.write(line + b"\n")
    return odd


def _zip(snapshot: Snapshot, chosen: Sequence[str | Hit], out: IO[bytes], tell: Tell) -> list[str]:
    missing: list[str] = []
    for _ in _zip_steps(snapshot, chosen, out, tell, missing):
        pass
    return missing


def stream_zip(snapshot: Snapshot, chosen: Sequence[str | Hit]) -> Iterator[bytes]:
    """A zip of images in parts, while it is made: nothing of it is kept."""
    sink = _Sink()
    for _ in _zip_steps(snapshot, chosen, cast("IO[bytes]", sink), lambda done, total: None, []):
        yield from sink.taken()
    yield from sink.taken()


class _Sink:
    """A file that can only be written to, and hands on what was."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """There is nothing to wait for."""

    def taken(self) -> list[bytes]:
        parts, self._parts = self._parts, []
        return parts


def _zip_steps(
    snapshot: Snapshot, chosen: Sequence[str | Hit], out: IO[bytes], tell: Tell, missing: list[str]
) -> Iterator[None]:
    """Write the files as they are, a part of one in memory at a time, and what could not be had in a list among them.
    Its ids go into `missing`."""
    source, names, why = snapshot.collection.source, _Names(), list[str]()
    ids = list(dict.fromkeys(map(_id, chosen)))
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:  # images do not shrink
        for number, item_id in enumerate(ids):
            try:
                with _opened(source, item_id) as file:
                    when = snapshot.images["mtime_ns"][row_of(snapshot, item_id)].as_py()
                    with archive.open(_entry(names.of(item_id), when), "w", force_zip64=True) as entry:
                        while part := _read(file):
                            entry.write(part)
                            yield
            except ImageError as error:
                missing.append(item_id)
                why.append(f"{item_id}\t{' '.join(str(error).split())}\n")
            tell(number + 1, len(ids))
        if why:
            archive.writestr(
                _entry(names.of(MISSING), time.time_ns()), "".join(why).encode("utf-8", "backslashreplace")
            )


def _opened(source: Source, item_id: str) -> IO[bytes]:
    """An image to be read. Raises `ImageError`."""
    place = source.path(item_id)
    if place is None:  # in an archive, a table or an object store
        return io.BytesIO(source.read(item_id))
    try:
        if not stat.S_ISREG(place.stat().st_mode):
            raise ImageError("vanished", "is not a file any more")
        return place.open("rb")
    except OSError as error:
        raise ImageError("vanished", error.strerror or str(error)) from None


def _read(file: IO[bytes]) -> bytes:
    """Raises `ImageError` where the disk fails on the way."""
    try:
        return file.read(AT_ONCE)
    except OSError as error:
        raise ImageError("vanished", f"could be read only in part: {error.strerror or error}") from None


def _entry(name: str, when: int | None) -> zipfile.ZipInfo:
    moment = time.localtime((when or 0) / 1e9)[:6]
    entry = zipfile.ZipInfo(name, min(max(moment, _EARLIEST), _LATEST))
    entry.external_attr = 0o644 << 16
    return entry


class _Names:
    """Names in a zip: those of the ids, but safe on every system, below the place where it is unpacked, and no two the
    same whatever the case."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, item_id: str) -> str:
        parts = [_FORBIDDEN.sub("_", part).rstrip(". ") for part in unescape(item_id).split("/")]
        name = "/".join(_DEVICE.sub(r"_\1", part) for part in parts if part) or "picture"
        stem, dot, end = name.rpartition(".")
        if not dot or "/" in end:
            stem, dot, end = name, "", ""
        number = 1
        while _alike(name) in self._taken:
            number += 1
            name = f"{stem} ({number}){dot}{end}"
        self._taken.add(_alike(name))
        return name


def _alike(name: str) -> str:
    """The same for names that some system takes for one: whatever the case, and letters with accents in one or two."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _id(one: str | Hit) -> str:
    return one.id if isinstance(one, Hit) else one
