"""Finds and reads files on this disk or in an object store.

Archives and tables are read through this, so that they may lie anywhere. A place is a path or a URL (`s3://bucket/x`);
URLs go through fsspec and what it needs for their scheme (extra `cloud`).
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

from core.errors import ImageError, MissingExtraError, SourceError
from indexer.sources.base import Place

MAX_BYTES = 1 << 30  # an image file above a gigabyte is a mistake or an attack; it would be read into memory whole


_SETTINGS = ("AWS_", "AZURE_", "FSSPEC_", "GOOGLE_", "GCSFS_")  # how the names of such variables begin


class Found(NamedTuple):
    """A file: its name below the place that was looked at, with slashes, and its state."""

    name: str
    size: int
    mtime_ns: int


class Storage(Protocol):
    """Files by their names below one place. Everything raises `OSError` as a disk does."""

    far: bool
    """Does each look at a file take a request? Then what was listed is trusted while it is read, until the next run."""

    def files(self) -> list[Found]:
        """All files below the place but those in hidden folders."""
        ...

    def state(self, name: str) -> Found:
        """One file."""
        ...

    def open(self, name: str) -> BinaryIO:
        """A file to read and seek in."""
        ...


class Disk:
    """Files of this machine below a folder."""

    far = False

    def __init__(self, root: Path) -> None:
        self.root = root

    def files(self) -> list[Found]:
        """The regular files of the folder and of the folders in it; links to folders are not followed."""
        found = []
        for folder, below, names in os.walk(self.root, onerror=_raise):
            below[:] = sorted(name for name in below if not name.startswith("."))
            for name in sorted(names):
                path = Path(folder, name)
                state = path.stat()
                if stat.S_ISREG(state.st_mode):
                    found.append(Found(path.relative_to(self.root).as_posix(), state.st_size, state.st_mtime_ns))
        return found

    def state(self, name: str) -> Found:
        """One file; it must be a regular one."""
        found = (self.root / name).stat()
        if not stat.S_ISREG(found.st_mode):
            raise IsADirectoryError(21, "is not a regular file", name)
        return Found(name, found.st_size, found.st_mtime_ns)

    def open(self, name: str) -> BinaryIO:
        """A regular file. Without waiting: a named pipe put in its place must not hang the run."""
        descriptor = os.open(self.root / name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        file = os.fdopen(descriptor, "rb")
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            file.close()
            raise IsADirectoryError(21, "is not a regular file", name)
        return file


class Remote:
    """Files of an object store, or of anything that fsspec knows, below a URL."""

    far = True

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._system, self._root = _file_system(self.url)

    def files(self) -> list[Found]:
        """All objects whose names begin with the place."""
        with remote_errors():
            below = self._system.find(self._root, detail=True)
            prefix = self._root.rstrip("/") + "/"
            if not below and not self._system.exists(self._root):
                raise FileNotFoundError(2, "there is nothing", self.url)
        return [
            Found(path.removeprefix(prefix), int(entry.get("size") or 0), _time(entry))
            for path, entry in sorted(below.items())
            if entry.get("type", "file") == "file" and path.startswith(prefix) and not path.endswith("/")
        ]

    def state(self, name: str) -> Found:
        """One object, as it is now."""
        with remote_errors():
            entry = self._system.info(self._path(name))
        return Found(name, int(entry.get("size") or 0), _time(entry))

    def open(self, name: str) -> BinaryIO:
        """An object; parts of it are fetched as they are read."""
        with remote_errors():
            opened: BinaryIO = self._system.open(self._path(name), "rb")
        return opened

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}" if name else self._root


def storage_of(place: Place) -> Storage:
    """What reads the files below a folder or a URL. Raises `MissingExtraError` where a URL needs a package."""
    return Remote(place) if isinstance(place, str) and "://" in place else Disk(Path(place))


def split(place: Place) -> tuple[Storage, str]:
    """The storage and the name of one file."""
    folder, _, name = str(place).rpartition("/")
    return storage_of(folder if "://" in folder else Path(folder or "/")), name


def read_bounded(storage: Storage, name: str) -> bytes:
    """All bytes of a file that holds one image. Raises `ImageError`."""
    try:
        with storage.open(name) as file, remote_errors():
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise unreadable(error) from None
    if len(data) > MAX_BYTES:
        raise too_large()
    return data


def too_large() -> ImageError:
    return ImageError("too large", f"has more than {MAX_BYTES:,} bytes")


def unreadable(error: OSError) -> ImageError:
    """Why a file that was listed cannot be read now."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return ImageError("vanished", "was there when the source was listed and is gone now")
    if isinstance(error, PermissionError):
        return ImageError("no permission", "may not be read by this user; check the permissions of the file")
    if isinstance(error, IsADirectoryError):
        return ImageError("not an image", "is not a regular file")
    return ImageError("read error", f"cannot be read: {error.strerror or error}")


def reason(error: OSError) -> str:
    """The word under which a failure of the disk is counted."""
    if isinstance(error, PermissionError):
        return "no permission"
    return "vanished" if isinstance(error, FileNotFoundError) else "read error"


@contextmanager
def remote_errors(*but: type[Exception]) -> Iterator[None]:
    """Turn what object stores raise (each client its own classes) into an `OSError`, but for what a caller expects."""
    try:
        yield
    except Exception as error:
        if isinstance(error, (OSError, *but)):
            raise
        first = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
        raise OSError(5, first) from error


def _raise(error: OSError) -> None:
    raise error


def _file_system(url: str) -> tuple[Any, str]:
    import fsspec

    scheme = url.partition("://")[0]
    try:
        with remote_errors():
            # Credentials and endpoints stand in the environment, and fsspec's own cache does not look there.
            system = _connected(
                scheme, tuple(item for item in sorted(os.environ.items()) if item[0].startswith(_SETTINGS))
            )
            return system, fsspec.core.strip_protocol(url)
    except OSError as error:
        if isinstance(error.__cause__, ImportError):
            raise MissingExtraError(_package(error.__cause__, scheme), "cloud", f"{scheme}://") from None
        raise SourceError(f"{url} cannot be reached: {error.strerror or error}") from None


@lru_cache(maxsize=8)
def _connected(scheme: str, environment: tuple[tuple[str, str], ...]) -> Any:
    import fsspec

    # Other machines write meanwhile, so that no list of objects is kept.
    return fsspec.filesystem(scheme, use_listings_cache=False, skip_instance_cache=True)


def _package(error: ImportError, scheme: str) -> str:
    return error.name or {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs"}.get(scheme, f"for {scheme}")


def _time(entry: dict[str, Any]) -> int:
    """When an object was last written, in nanoseconds; nought where the store does not say.

    S3 tells whole seconds. Within one an object may be replaced by another of the same size, so the fraction of the
    second is made of the ETag, which changes with the content.
    """
    from datetime import datetime

    fraction = int.from_bytes(hashlib.blake2b(str(entry.get("ETag", "")).encode(), digest_size=4).digest()) % 10**9
    for key in ("LastModified", "last_modified", "mtime", "updated", "created"):
        value = entry.get(key)
        seconds = value.timestamp() if isinstance(value, datetime) else value
        if isinstance(seconds, int | float):
            return int(seconds) * 10**9 + fraction if "ETag" in entry else int(seconds * 1e9)
    return 0
