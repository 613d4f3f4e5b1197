"""Images in a folder and below it.

Hidden files and folders are left out, links to folders are followed at most once, and a folder that cannot be read
is reported instead of passing for empty. An id is the path below the folder, written by `names.escape`.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from core.errors import ImageError, SourceError
from core.image.decode import PICTURES, UNSUPPORTED
from indexer.sources.base import NOTHING_SAID, Item, Listing, Place, Problem, Settings
from indexer.sources.file_access import Disk, read_bounded, reason
from indexer.sources.filenames import escape, unescape
from indexer.sources.patterns import Selection
from indexer.sources.sidecars import sidecars_of

Identity = tuple[int, int]  # device and inode: the same folder under any name


class FolderSource:
    """A folder of images on disk."""

    kind = "folder"

    def __init__(self, location: Place, settings: Settings = NOTHING_SAID) -> None:
        self.location = Path(location)
        self.settings = settings

    def scan(self) -> Listing:
        """Every image at and below the folder, sorted by id. Raises `SourceError` if the folder cannot be read."""
        return _Walk(self.location, Selection(self.settings)).listing()

    def read(self, item_id: str) -> bytes:
        """All bytes of one file. Raises `ImageError`."""
        if self.path(item_id) is None:
            raise ImageError("vanished", "is not in the folder")
        return read_bounded(Disk(self.location), unescape(item_id))

    def path(self, item_id: str) -> Path | None:
        """The file of an id; nothing outside the folder, even if a collection that somebody gave us asks for it."""
        name = unescape(item_id)
        if name.startswith("/") or ".." in name.split("/") or "\0" in name:
            return None
        return self.location / name


class _Walk:
    """One walk over a folder: what was seen so far, and what is still to be seen."""

    def __init__(self, root: Path, selection: Selection) -> None:
        self.root = root
        self.selection = selection
        self.items: list[Item] = []
        self.problems: list[Problem] = []
        self.unreadable: list[str] = []
        self.texts: set[str] = set()
        self.ignored = 0
        # Real folders come before linked ones, so that an image with two paths is listed under its real one.
        self.links: deque[str] = deque()
        self.seen: set[Identity] = set()

    def listing(self) -> Listing:
        try:
            self.root.stat()
            # A link to a folder above would lead through half the disk and back here.
            self.seen.update(_identity(folder.stat()) for folder in self.root.resolve().parents)
            self.enter("")
        except OSError as error:
            raise _missing(self.root, error) from None
        while self.links:
            self.enter(self.links.popleft())
        self.items.sort()
        self.problems.sort()
        sidecars = sidecars_of(self.items, self.texts)
        unused = self.texts - set(sidecars.values()) - {"captions.csv"}
        return Listing(self.items, self.problems, sorted(self.unreadable), sidecars, self.ignored + len(unused))

    def enter(self, prefix: str) -> None:
        """List one folder and, in it, every real folder. `prefix` ends with a slash, or is empty for the root."""
        pending = [prefix]
        while pending:
            here = pending.pop()
            try:
                found = (self.root / here).stat()
                if _identity(found) in self.seen:
                    continue
                if here and _is_collection(self.root / here):
                    continue  # kept inside the folder, and no part of it
                entries = sorted(os.scandir(self.root / here), key=lambda entry: entry.name)
            except OSError as error:
                if not here:
                    raise
                self.unreadable.append(escape(here))
                message = f"{escape(here)}: the folder cannot be listed: {error.strerror or error}"
                self.problems.append(Problem(escape(here), reason(error), message))
                continue
            self.seen.add(_identity(found))
            pending.extend(reversed(list(self.subfolders(here, entries))))

    def subfolders(self, prefix: str, entries: list[os.DirEntry[str]]) -> Iterator[str]:
        """Note the files of one folder; yield the real folders in it, remember the linked ones."""
        for entry in entries:
            name = prefix + entry.name
            if entry.name.startswith("."):
                self.ignored += entry.name != ".clipdex"
                continue
            try:
                if not self.selection.enters(escape(name) + "/") and entry.is_dir():
                    self.ignored += 1
                elif entry.is_dir(follow_symlinks=False):
                    yield name + "/"
                elif entry.is_dir():
                    self.links.append(name + "/")
                else:
                    if entry.is_symlink() and not (self.root / name).exists():
                        self.unreadable.append(escape(name) + "/")  # perhaps on a disk that is not connected
                    self.file(name, entry)
            except OSError as error:
                self.unreadable.append(escape(name) + "/")
                self.problems.append(Problem(escape(name), reason(error), f"{escape(name)}: {error.strerror or error}"))

    def file(self, name: str, entry: os.DirEntry[str]) -> None:
        extension = entry.name.rpartition(".")[2].lower()
        if (extension in PICTURES or extension in UNSUPPORTED) and not self.selection.wants(escape(name)):
            self.ignored += 1
        elif extension in PICTURES:
            self.picture(escape(name), entry)
        elif extension in UNSUPPORTED:
            message = f"{escape(name)}: {UNSUPPORTED[extension]}; convert it to JPEG"
            self.problems.append(Problem(escape(name), "unsupported", message))
        elif extension == "txt" or name == "captions.csv":
            self.texts.add(escape(name))
        else:
            self.ignored += 1

    def picture(self, item_id: str, entry: os.DirEntry[str]) -> None:
        try:
            found = entry.stat()
        except FileNotFoundError:
            message = f"{item_id}: is a link to a file that does not exist"
            self.problems.append(Problem(item_id, "vanished", message))
            return
        if stat.S_ISREG(found.st_mode):
            self.items.append(Item(item_id, found.st_size, found.st_mtime_ns))
        else:
            self.problems.append(Problem(item_id, "not an image", f"{item_id}: is not a regular file"))


def _is_collection(folder: Path) -> bool:
    if not (folder / "collection.json").exists():
        return False
    return (folder / "images.lance").exists() or (folder / "models").exists()


def _identity(found: os.stat_result) -> Identity:
    return found.st_dev, found.st_ino


def _missing(root: Path, error: OSError) -> SourceError:
    if isinstance(error, FileNotFoundError):
        return SourceError(f"there is no folder {root}; is the disk connected?")
    if isinstance(error, NotADirectoryError):
        return SourceError(f"{root} is a file; give the folder it lies in")
    if error.errno == errno.ELOOP:
        return SourceError(f"{root} is a link that leads to itself")
    return SourceError(f"the folder {root} cannot be read: {error.strerror or error}")
