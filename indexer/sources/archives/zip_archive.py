"""Images in a zip archive.

An id is the name of the member. Nothing is unpacked to the disk, and never more than the archive declares is unpacked
in memory. Texts beside the images and a `captions.csv` at the top count as in a folder. The size of an item is that
of the unpacked member and its time is that of the archive: one that was written anew is read again, and what is
unchanged in it is known by its content.
"""

from __future__ import annotations

import threading
import zipfile
import zlib
from pathlib import Path

from core.errors import ImageError, SourceError
from core.text.caption_table import NAME
from indexer.sources.archives.archive_members import Names, climbs, ending, is_hidden, is_picture, unsupported
from indexer.sources.base import NOTHING_SAID, Item, Listing, Place, Problem, Settings
from indexer.sources.file_access import MAX_BYTES, remote_errors, split, too_large, unreadable
from indexer.sources.patterns import Selection
from indexer.sources.sidecars import with_texts

_LINK, _KINDS = 0xA000, 0xF000  # in the upper half of the attributes that Unix programs write
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
# What damaged archives make of the standard library.
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, MemoryError)


class _Opened:
    """An open archive with what is in it. Members may be read from several threads."""

    def __init__(self, location: Place, selection: Selection) -> None:
        storage, name = split(location)
        self.state = storage.state(name)
        self.file = storage.open(name)
        self.members: dict[str, zipfile.ZipInfo] = {}
        try:
            with remote_errors(*_BROKEN):
                self.archive = zipfile.ZipFile(self.file)
            self.listing = self._list(selection)
        except BaseException:
            self.file.close()
            raise

    def __del__(self) -> None:
        if hasattr(self, "file"):
            self.file.close()

    def _list(self, selection: Selection) -> Listing:
        names, texts = Names(), set()
        items: list[Item] = []
        problems: list[Problem] = []
        ignored = 0
        for info in self.archive.infolist():
            name = info.filename
            if info.is_dir():
                continue
            if is_hidden(name) or not (is_picture(name) or ending(name) == "txt" or name == NAME):
                ignored += 1
                continue
            item_id = names.id_of(name)
            if item_id is None:
                problems.append(climbs("", name))
            elif not is_picture(name):
                self.members[item_id] = info
                texts.add(item_id)
            elif not selection.wants(item_id):
                ignored += 1
            elif (problem := _problem(item_id, info)) is not None:
                problems.append(problem)
            else:
                self.members[item_id] = info
                items.append(Item(item_id, info.file_size, self.state.mtime_ns))
        return with_texts(items, problems, ignored, texts)


class ZipSource:
    """A zip archive of images."""

    kind = "zip"

    def __init__(self, location: Place, settings: Settings = NOTHING_SAID) -> None:
        self.location = location
        self.settings = settings
        self._opened: _Opened | None = None
        self._lock = threading.Lock()

    def scan(self) -> Listing:
        """Every image in the archive. Raises `SourceError` where it cannot be read."""
        try:
            return self._current().listing
        except OSError as error:
            what = error.strerror or error
            raise SourceError(f"{self.location} cannot be read: {what}; is the disk connected?") from None
        except _BROKEN as error:
            raise SourceError(f"{self.location} is not a whole zip archive: {error}") from None

    def read(self, item_id: str) -> bytes:
        """The bytes of one member. Raises `ImageError`."""
        try:
            far = "://" in str(self.location)
            opened = self._opened if far and self._opened is not None else self._current()
            info = opened.members.get(item_id)
            if info is None:
                raise ImageError("vanished", "is not in the archive")
            if info.file_size > MAX_BYTES:
                raise too_large()
            with remote_errors(*_BROKEN), opened.archive.open(info) as member:
                return member.read(info.file_size)
        except OSError as error:
            raise unreadable(error) from None
        except _BROKEN as error:
            raise ImageError("truncated", f"is damaged in its archive: {error}") from None

    def path(self, item_id: str) -> Path | None:
        """None: no file holds exactly one image."""
        return None

    def _current(self) -> _Opened:
        """The archive as it is now; opened and listed again only when it has changed."""
        storage, name = split(self.location)
        state = storage.state(name)
        with self._lock:
            if self._opened is None or self._opened.state != state:
                self._opened = _Opened(self.location, Selection(self.settings))
            return self._opened


def _problem(item_id: str, info: zipfile.ZipInfo) -> Problem | None:
    """Why a member cannot be read, as far as its entry tells."""
    if (info.external_attr >> 16) & _KINDS == _LINK:
        return Problem(item_id, "not an image", f"{item_id}: is a link in its archive, not an image")
    if info.flag_bits & _ENCRYPTED:
        return Problem(item_id, "unsupported", f"{item_id}: is encrypted; unpack the archive with its password")
    if info.compress_type not in _METHODS:
        message = f"{item_id}: is packed by a method ({info.compress_type}) that cannot be read; pack it anew"
        return Problem(item_id, "unsupported", message)
    if info.file_size > MAX_BYTES:
        return Problem(item_id, "too large", f"{item_id}: has {info.file_size:,} bytes, more than {MAX_BYTES:,}")
    return unsupported(item_id, info.filename)
