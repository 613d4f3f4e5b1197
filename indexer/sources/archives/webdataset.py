"""Images in tar files: WebDatasets and any other.

A place is one tar file, a pattern (`data-{000..010}.tar`) or a folder of tar files, on this disk or in an object
store. An id is the name of the tar file below the folder and that of the member; the images of a single file have
the members' names alone. Nothing is unpacked: an image is read from where it lies. The size of an item is that of
the member and its time is that of the tar file: a file that was written anew is read again, and what is unchanged in
it is known by its content.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from core.errors import ImageError, SourceError
from indexer.sources.archives.archive_members import is_hidden
from indexer.sources.archives.webdataset_shard import Shard, beside_of, read_shard
from indexer.sources.base import NOTHING_SAID, Item, Listing, Place, Problem, Settings
from indexer.sources.braces import expand
from indexer.sources.extra_columns import of_rows, simplified
from indexer.sources.file_access import Found, Storage, reason, remote_errors, split, storage_of, unreadable
from indexer.sources.filenames import escape
from indexer.sources.patterns import Selection


class WebDatasetSource:
    """Tar files of images, with captions and columns beside each."""

    kind = "webdataset"

    def __init__(self, location: Place, settings: Settings = NOTHING_SAID) -> None:
        self.location = location
        self.settings = settings
        self._shards: dict[str, tuple[tuple[Found, Found | None], Shard]] = {}
        self._lock = threading.Lock()

    def scan(self) -> Listing:
        """Every image in every tar file. Raises `SourceError` where none of the files can be read."""
        storage, names, listed = self._tars()
        selection = Selection(self.settings)
        shards: list[Shard] = []
        problems: list[Problem] = []
        hidden: list[str] = []
        for name in names:
            prefix = self._prefix(name)
            try:
                shard = self._shard(storage, name)
            except OSError as error:
                message = f"{escape(name)}: cannot be read: {error.strerror or error}"
                problems.append(Problem(prefix or escape(name), reason(error), message))
                hidden.append(prefix)
                continue
            shards.append(shard)
            if shard.cut:
                problems.append(Problem(prefix or escape(name), "damaged archive", f"{escape(name)}: {shard.cut}"))
                hidden.append(prefix)
        if names and not any(shard.items for shard in shards) and hidden:
            raise SourceError(f"{self.location}: no image can be read: {problems[0].message}")
        items = sorted(item for shard in shards for item in shard.items if selection.wants(item.id))
        return Listing(
            items=items,
            problems=sorted(
                [*problems, *(p for shard in shards for p in shard.problems if selection.wants(p.location))]
            ),
            unreadable=sorted(hidden),
            ignored=listed + sum(len(shard.items) + shard.ignored for shard in shards) - len(items),
            captions={key: texts for shard in shards for key, texts in shard.captions.items()},
            columns=_columns(items, shards),
        )

    def read(self, item_id: str) -> bytes:
        """The bytes of one member. Raises `ImageError`."""
        name, storage = self._tar_of(item_id), self._storage()
        if name is None:
            raise ImageError("vanished", "is in none of the tar files")
        try:
            known = self._shards.get(name) if storage.far else None
            offset, size = (known[1] if known else self._shard(storage, name)).places[item_id]
            with storage.open(name) as file, remote_errors():
                file.seek(offset)
                data = file.read(size)
        except KeyError:
            raise ImageError("vanished", f"is not in {name} any more") from None
        except OSError as error:
            raise unreadable(error) from None
        if len(data) < size:
            raise ImageError("truncated", f"is cut short: {name} ends within it")
        return data

    def path(self, item_id: str) -> Path | None:
        """None: no file holds exactly one image."""
        return None

    @property
    def _is_single(self) -> bool:
        return str(self.location).lower().endswith(".tar") and "{" not in str(self.location)

    @property
    def _is_pattern(self) -> bool:
        return "{" in str(self.location).rpartition("/")[2]

    def _storage(self) -> Storage:
        """The folder in which the names of tar files are meant."""
        if not (self._is_single or self._is_pattern):
            return storage_of(self.location)
        return split(self.location)[0]

    def _tars(self) -> tuple[Storage, list[str], int]:
        """The names of the tar files, and how many other files lie beside them."""
        storage, last = self._storage(), str(self.location).rpartition("/")[2]
        try:
            if self._is_single or self._is_pattern:
                names = expand(last) if self._is_pattern else [last]
                if not any(_is_there(storage, name) for name in names):
                    raise FileNotFoundError(2, "there is no such file")
                return storage, names, 0
            files = [found.name for found in storage.files() if not is_hidden(found.name)]
        except OSError as error:
            raise SourceError(
                f"{self.location} cannot be read: {error.strerror or error}; is the disk connected?"
            ) from None
        tars = sorted(name for name in files if name.lower().endswith(".tar"))
        stems = {name[: -len(".tar")] for name in tars}
        beside = {stem + ending for stem in stems for ending in (".parquet", "_stats.json", ".json", ".idx")}
        return storage, tars, sum(name not in beside for name in files) - len(tars)

    def _prefix(self, name: str) -> str:
        return "" if self._is_single else escape(name) + "/"

    def _tar_of(self, item_id: str) -> str | None:
        """Which tar file an id belongs to. Ids come from outside: only files that the source names are looked at."""
        if self._is_single:
            return str(self.location).rpartition("/")[2]
        with self._lock:
            known = list(self._shards)
        places = {self._prefix(name): name for name in (known if self._knows(item_id, known) else self._tars()[1])}
        at = item_id.lower().find(".tar/")
        while at >= 0:
            if (prefix := item_id[: at + len(".tar/")]) in places:
                return places[prefix]
            at = item_id.lower().find(".tar/", at + 1)
        return None

    def _knows(self, item_id: str, names: list[str]) -> bool:
        return any(item_id.startswith(self._prefix(name)) for name in names)

    def _shard(self, storage: Storage, name: str) -> Shard:
        """What a tar file holds; read again only when it, or the table beside it, has changed. Raises `OSError`."""
        table = name[: -len(".tar")] + ".parquet"
        state = storage.state(name), _state(storage, table)
        with self._lock:
            before = self._shards.get(name)
            if before is not None and before[0] == state:
                return before[1]
            beside = {} if state[1] is None else _read_beside(storage, table, self.settings)
            with storage.open(name) as file, remote_errors():
                shard = read_shard(file, state[0], self._prefix(name), self.settings, beside)
            self._shards[name] = state, shard
            return shard


def _columns(items: list[Item], shards: list[Shard]) -> Any:
    rows = {key: row for shard in shards for key, row in shard.rows.items()}
    described = [item.id for item in items if item.id in rows]
    return of_rows(described, [rows[item_id] for item_id in described])


def _state(storage: Storage, name: str) -> Found | None:
    try:
        return storage.state(name)
    except OSError:
        return None


def _is_there(storage: Storage, name: str) -> bool:
    return _state(storage, name) is not None


def _read_beside(storage: Storage, name: str, settings: Settings) -> dict[str, dict[str, Any]]:
    """The table beside a tar file; one that cannot be read says nothing, as it is only a copy of what the JSON says."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with storage.open(name) as file, remote_errors():
            table = pq.read_table(file)
        return beside_of(simplified(table), settings)
    except (OSError, pa.ArrowException):
        return {}
