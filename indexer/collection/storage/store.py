"""Locates the parts of a collection: in a folder or in an object store.

A collection in an object store (`s3://bucket/collection`) has its `collection.json` and its tables there. On each
machine that uses it a folder in the user's cache stands for it: there lie the locks and what can be made again
(approximate indexes, words for full-text search), so that everything that works with a folder works with it, too.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from core.errors import CollectionError, unknown_choice
from indexer.collection.storage.remote_files import RemoteFiles

SCHEMES = ("s3", "gs", "az", "file")  # those that LanceDB and fsspec both know; file:// is for trying things out
ELSEWHERE = ("abfs", "abfss", "adl", "ftp", "gcs", "hdfs", "http", "https", "r2", "s3a", "sftp", "ssh", "wasb")
URL = re.compile(r"^([a-z][a-z0-9+.-]*):(/{1,3})(.*)$")
POINTER = "at.url"  # in a folder that stands for a collection elsewhere: where that is


class Store(Protocol):
    """The files of one collection, by names below it."""

    home: str
    """Where it is, for people."""

    def read(self, name: str) -> bytes:
        """A whole file. Raises `OSError`, of which `FileNotFoundError` means that there is none."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Make or replace a file, in one step. Raises `OSError`."""
        ...

    def append(self, name: str, data: bytes) -> None:
        """Add to the end of a file, or make it. Raises `OSError`."""
        ...

    def exists(self, name: str) -> bool: ...

    def names(self, folder: str) -> list[str]:
        """What is in a folder, sorted; nothing if it is not there."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file or a folder, if it is there."""
        ...

    def stamp(self, name: str) -> tuple[Any, ...]:
        """Changes whenever a file is replaced. Raises `OSError`."""
        ...

    def size_bytes(self) -> int: ...

    def connect(self, folder: str) -> Any:
        """The LanceDB database in a folder of the collection."""
        ...


class LocalStore:
    """A folder on this machine, or on a disk that several share."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.home = str(path)

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        # Below the top, several machines may write the same file at the same time, each by a name of its own.
        new = self.path / (f"{name}.{secrets.token_hex(4)}.new" if "/" in name else f"{name}.new")
        new.parent.mkdir(parents=True, exist_ok=True)
        with new.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path / name)

    def append(self, name: str, data: bytes) -> None:
        with (self.path / name).open("ab") as file:
            file.write(data)

    def exists(self, name: str) -> bool:
        return (self.path / name).exists()

    def names(self, folder: str) -> list[str]:
        place = self.path / folder
        return sorted(entry.name for entry in place.iterdir()) if place.is_dir() else []

    def remove(self, name: str) -> None:
        place = self.path / name
        if place.is_dir():
            shutil.rmtree(place, ignore_errors=True)
        else:
            place.unlink(missing_ok=True)

    def stamp(self, name: str) -> tuple[Any, ...]:
        found = (self.path / name).stat()
        return found.st_ino, found.st_mtime_ns

    def size_bytes(self) -> int:
        total = 0
        for folder, _, names in os.walk(self.path):
            for name in names:
                with suppress(FileNotFoundError):
                    total += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 - many files
        return total

    def connect(self, folder: str) -> Any:
        import lancedb

        return lancedb.connect(self.path / folder)


class RemoteStore(RemoteFiles):
    """A place in an object store, by its URL. Credentials come from the environment (AWS_… and so on)."""

    def connect(self, folder: str) -> Any:
        import lancedb

        plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
        return lancedb.connect(
            f"{self.home}/{folder}".rstrip("/"), storage_options={"allow_http": "true"} if plain else None
        )


def located(given: str | Path) -> Path:
    """The full path of a collection; for a URL, of the folder that stands for it. Raises `CollectionError`.

    A `Path` that was made from a URL has lost one of its slashes; it is understood all the same.
    """
    url = url_of(given)
    if url is None:
        # Not resolve(): a collection inside a linked folder belongs to the link's place, as people see it.
        return Path(os.path.abspath(Path(given).expanduser()))  # noqa: PTH100
    readable = re.sub(r"[^A-Za-z0-9.-]+", "-", url)[:60].strip("-.")
    path = _stand_ins() / f"{readable}-{hashlib.blake2b(url.encode(), digest_size=8).hexdigest()}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / POINTER).write_text(url, "utf-8")
    except OSError as error:
        raise CollectionError(
            f"{url} needs a folder on this machine for locks and indexes, and {path} cannot be written "
            f"({error.strerror}): set XDG_CACHE_HOME to another place"
        ) from None
    return path


def url_of(given: str | Path) -> str | None:
    """The URL of an object store that was given, None for a path. Raises `CollectionError` for one of no use here."""
    match = URL.match(str(given))
    if match is None or (match[2] == "/" and isinstance(given, str)):
        return None
    scheme, _, rest = match.groups()
    if scheme not in SCHEMES:
        if "://" in str(given) or scheme in ELSEWHERE:
            raise CollectionError(
                f"a collection cannot be kept at {given}: {unknown_choice('kind of object store', scheme, SCHEMES)}"
            )
        return None
    rest = os.path.normpath(f"/{rest}").strip("/")
    if not rest:
        raise CollectionError(f"{given} names no place: say which bucket and folder, as in s3://bucket/collection")
    return f"{scheme}://{'/' if scheme == 'file' else ''}{rest}"


def store_of(path: Path) -> Store:
    """The store of the collection at a path: elsewhere, if the path is one of ours that stands for a URL.

    Such a pointer counts only in the user's own cache: a folder that came from others sends nobody to the network.
    """
    if path.parent == _stand_ins():
        with suppress(OSError):
            return RemoteStore((path / POINTER).read_text("utf-8"))
    return LocalStore(path)


def store_at(home: str) -> Store:
    """The store whose `home` this is, on any machine."""
    return RemoteStore(home) if "://" in home else LocalStore(Path(home))


def _stand_ins() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("clipdex") / "collections"
