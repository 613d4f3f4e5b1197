"""Reads and writes small files in an object store.

Through fsspec, without its cache of listings: other machines write at the same time. A file appears there whole, or
not at all, and one that must not exist yet is made by one machine only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

from core.errors import ClipdexError, MissingExtraError

PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs"}


class RemoteFiles:
    """The files below a URL."""

    def __init__(self, url: str) -> None:
        self.home = url
        self.scheme, _, self._root = url.partition("://")

    @cached_property
    def _fs(self) -> Any:
        import fsspec

        try:
            return fsspec.filesystem(self.scheme, use_listings_cache=False, skip_instance_cache=True)
        except ImportError:
            raise MissingExtraError(PACKAGES[self.scheme], "cloud", f"a collection at {self.home}") from None

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}".rstrip("/")

    def read(self, name: str) -> bytes:
        with _as_os_error():
            data: bytes = self._fs.cat_file(self._at(name))
            return data

    def write(self, name: str, data: bytes) -> None:
        with _as_os_error():
            if self.scheme != "file":
                self._fs.pipe_file(self._at(name), data)
                return
            self._fs.makedirs(self._at(name).rpartition("/")[0], exist_ok=True)
            self._fs.pipe_file(self._at(f"{name}.new"), data)
            self._fs.mv(self._at(f"{name}.new"), self._at(name))

    def append(self, name: str, data: bytes) -> None:
        """Object stores cannot append: the whole file goes there anew."""
        self.write(name, (self.read(name) if self.exists(name) else b"") + data)

    def make(self, name: str, data: bytes) -> bool:
        """Make a file that is not there; False if it is. Of several that try, one succeeds."""
        with _as_os_error():
            try:
                if self.scheme == "file":
                    self._fs.makedirs(self._at(name).rpartition("/")[0], exist_ok=True)
                    with self._fs.open(self._at(name), "xb") as file:
                        file.write(data)
                else:
                    self._fs.pipe_file(self._at(name), data, mode="create")
            except FileExistsError:
                return False
            return True

    def exists(self, name: str) -> bool:
        with _as_os_error():
            return bool(self._fs.exists(self._at(name)))

    def names(self, folder: str) -> list[str]:
        place = self._at(folder)
        with _as_os_error():
            try:
                found = self._fs.ls(place, detail=False)
            except FileNotFoundError:
                return []
            below = (entry.rstrip("/").removeprefix(place).strip("/") for entry in found)
            return sorted(name for name in below if name)

    def remove(self, name: str) -> None:
        with _as_os_error(), suppress(FileNotFoundError):
            self._fs.rm(self._at(name), recursive=True)

    def stamp(self, name: str) -> tuple[Any, ...]:
        with _as_os_error():
            found = self._fs.info(self._at(name))
            return found["size"], str(found.get("ETag") or found.get("etag") or found.get("mtime"))

    def size_bytes(self) -> int:
        with _as_os_error():
            return int(self._fs.du(self._root))


@contextmanager
def _as_os_error() -> Iterator[None]:
    """The libraries of each object store have error classes of their own; one reason for all of them: no access."""
    try:
        yield
    except (OSError, ClipdexError):
        raise
    except Exception as error:
        text = str(error).strip().splitlines()
        raise OSError(None, text[0][:300] if text else type(error).__name__) from error
