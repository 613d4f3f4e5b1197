"""Images in an object store below a URL: `s3://bucket/photos` and whatever fsspec knows.

As in a folder: hidden names are left out, an id is the name below the URL, and texts beside the images and a
`captions.csv` at the top count. The size of an item is that of its object and its time is when that was last written.
"""

from __future__ import annotations

import threading
from pathlib import Path

from core.errors import ImageError, SourceError
from core.text.caption_table import NAME
from indexer.sources.archives.archive_members import Names, ending, is_hidden, is_picture, unsupported
from indexer.sources.base import NOTHING_SAID, Item, Listing, Place, Problem, Settings
from indexer.sources.file_access import Remote, read_bounded
from indexer.sources.filenames import escape, unescape
from indexer.sources.patterns import Selection
from indexer.sources.sidecars import with_texts


class CloudSource:
    """Images in an object store."""

    kind = "cloud"

    def __init__(self, location: Place, settings: Settings = NOTHING_SAID) -> None:
        self.location = str(location)
        self.settings = settings
        self._storage: Remote | None = None
        self._lock = threading.Lock()

    def scan(self) -> Listing:
        """Every image below the URL. Raises `SourceError` where nothing is there, or it cannot be reached."""
        try:
            found = self._remote().files()
        except OSError as error:
            raise SourceError(f"{self.location} cannot be read: {error.strerror or error}") from None
        selection, unique, texts = Selection(self.settings), Names(), set[str]()
        items: list[Item] = []
        problems: list[Problem] = []
        ignored = 0
        for file in found:
            name = file.name
            if is_hidden(name) or not (is_picture(name) or ending(name) == "txt" or name == NAME):
                ignored += 1
                continue
            item_id = escape(name)
            if unique.id_of(name) != item_id:  # a store may hold `a//b` and `../b`, which are not paths
                message = f"{item_id}: its name is not a path; rename the object"
                problems.append(Problem(item_id.replace("//", "/"), "unsafe name", message))
            elif not is_picture(name):
                texts.add(item_id)
            elif not selection.wants(item_id):
                ignored += 1
            elif (problem := unsupported(item_id, name)) is not None:
                problems.append(problem)
            else:
                items.append(Item(item_id, file.size, file.mtime_ns))
        return with_texts(items, problems, ignored, texts)

    def read(self, item_id: str) -> bytes:
        """The bytes of one object. Raises `ImageError`."""
        name = unescape(item_id)
        if Names().id_of(name) != item_id:
            raise ImageError("vanished", "is not below the URL")
        return read_bounded(self._remote(), name)

    def path(self, item_id: str) -> Path | None:
        """None: objects are not files of this machine."""
        return None

    def _remote(self) -> Remote:
        with self._lock:
            if self._storage is None:
                self._storage = Remote(self.location)
            return self._storage
