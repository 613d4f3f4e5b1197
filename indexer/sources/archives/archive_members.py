"""Decides which members of an archive are images, and names them.

Members are never unpacked to the disk, so that a name can do no harm; but an id must be a plain path. Names are
therefore read as `tar` and `unzip` read them: without a slash or `./` at the beginning; one that climbs (`..`) is a
problem. A name that comes again gets a number, because two members are two images.
"""

from __future__ import annotations

from core.image.decode import PICTURES, UNSUPPORTED
from indexer.sources.base import Problem
from indexer.sources.filenames import escape


class Names:
    """Ids for the members of one archive, in their order."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def id_of(self, name: str) -> str | None:
        """A printable, unique path; None for a name that climbs out of the archive or is none."""
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if not parts or ".." in parts:
            return None
        path = escape("/".join(parts))
        if path not in self._taken:
            self._taken.add(path)
            return path
        stem, dot, ending = path.rpartition(".")
        if not dot or "/" in ending:
            stem, dot, ending = path, "", ""
        number = self._next.get(path, 2)
        while (fresh := f"{stem} ({number}){dot}{ending}") in self._taken:
            number += 1
        self._next[path] = number + 1
        self._taken.add(fresh)
        return fresh


def is_hidden(name: str) -> bool:
    """Does a part of the name begin with a dot, or is it one of the folders in which macOS keeps what others drop?"""
    parts = name.split("/")
    return "__MACOSX" in parts or any(part.startswith(".") and part not in (".", "..") for part in parts)


def ending(name: str) -> str:
    """The ending without its dot, in small letters; empty for none."""
    stem, _, found = name.rpartition("/")[2].rpartition(".")
    return found.lower() if stem else ""


def is_picture(name: str) -> bool:
    """Is this an image by its name, one that can be read or not?"""
    return ending(name) in PICTURES or ending(name) in UNSUPPORTED


def unsupported(place: str, name: str) -> Problem | None:
    """The problem of an image that cannot be read because of its kind."""
    why = UNSUPPORTED.get(ending(name))
    return None if why is None else Problem(place, "unsupported", f"{place}: {why}; convert it to JPEG")


def climbs(location: str, name: str) -> Problem:
    """The problem of a member whose name leads out of its archive."""
    shown = escape(name)[:200]
    return Problem(f"{location}{shown}", "unsafe name", f"{shown}: its name leads out of the archive; it was left out")
