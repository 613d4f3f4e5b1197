"""The collections that this server has open, and the folders it may read.

It begins with the folders it was started with, and those that were opened or made in a browser before
(`recent_collections`); what is indexed or opened in the browser is added while it runs. Folders are typed into a page,
so who can open the page decides what is read, and which of the kept ones are seen:

- where only this machine can reach the server, and no token was set, any folder that its user may read, as on the
  command line;
- elsewhere only those it was started with, and those of `clipdex ui --allow-folders`, with all that lies in them.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from urllib.parse import unquote

from app.library import path_probe, recent_collections
from app.settings import FOLDERS_VARIABLE, TOKEN_VARIABLE, VARIABLE, is_around, is_loopback
from core.errors import ClipdexError, CollectionError, SourceError
from indexer.collection.collection import FOLDER, INFO, Collection
from indexer.collection.storage.store import url_of

LONGEST = 4096  # characters of a path, as in Linux

_added: list[Path] = []
_removed: set[Path] = set()
_lock = threading.Lock()


def open_places() -> list[Path]:
    """The collections, those that the server was started with first. One whose disk is not there is among them."""
    remembered = _remembered()
    with _lock:
        every = [*start_places(), *remembered, *_added]
        return [place for place in dict.fromkeys(every) if place not in _removed]


def first_open() -> Path | None:
    """The one to show where none is named: not one that is only remembered, and not there, while there are others."""
    places, remembered = open_places(), set(_remembered()) - set(start_places())
    if not start_places():
        path_probe.begin(places)
    there = (place for place in places if place not in remembered or path_probe.is_there(place))
    return next(there, next(iter(places), None))


def _remembered() -> list[Path]:
    """Those of earlier servers, as far as they may be read from here."""
    within = roots()
    places = [as_place(told) for told in recent_collections.remembered_places()]
    if within is None:
        return places
    return [place for place in places if url_of(place) is None and _lay_in(place, tuple(within))]


def start_places() -> list[Path]:
    """Those that the server was started with: the variable, arguments after `--`, or the collection around here."""
    told = os.environ.get(VARIABLE, "")
    if told.startswith("["):
        return [as_place(one) for one in json.loads(told)]
    return [as_place(one) for one in ([told] if told else sys.argv[1:])] or _around(Path.cwd())


def as_place(text: str) -> Path:
    """A folder or a URL as a path. That of a URL has lost a slash, which the library knows to read."""
    # Not resolve(): a collection beneath a link belongs to the link's place, as on the command line.
    return Path(text) if url_of(text) else Path(text).expanduser().absolute()


def display_name(place: Path) -> str:
    """A place as people know it."""
    return url_of(place) or str(place)


@cache
def _around(folder: Path) -> list[Path]:
    return [folder] if is_around(folder) else []


def add(place: Path) -> None:
    """One more collection, for all windows, and for later servers unless this one was started with it."""
    with _lock:
        _removed.discard(place)
        if place not in _added:
            _added.append(place)
    if place not in start_places():
        recent_collections.remember(display_name(place))


def remove(place: Path) -> None:
    """Take a collection from the list, for later servers, too; nothing on disk changes."""
    with _lock:
        _removed.add(place)
        if place in _added:
            _added.remove(place)
    recent_collections.forget_place(display_name(place))


def collection_of(place: Path) -> Collection:
    """The collection at a place or above it. Raises `CollectionError`, also for one above that may not be read from
    here: the folder of a collection that went may lie in another one."""
    found = Collection.find(place)
    within = roots()
    if (
        within is not None
        and place not in start_places()
        and url_of(place) is None
        and not _lies_in(found.path, within)
    ):
        raise CollectionError(f"no collection in {place}")
    return found


def opened(text: str) -> tuple[Path, bool]:
    """The collection that a person typed, added to the others, and whether it is new among them. A folder inside a
    collection's means that one. Raises `SourceError`, `CollectionError`."""
    place = to_open(text)
    path = collection_of(place).path
    if url_of(place) is None:
        place = path.parent if path.name == FOLDER else path
        others = open_places()
        path_probe.begin(others)
        for other in others:
            if _is_of(other, path):
                return other, False
    is_new = place not in open_places()
    add(place)
    return place, is_new


def _is_of(place: Path, path: Path) -> bool:
    """Whether a place on this machine is that of the collection at a path, whatever it is called there."""
    if url_of(place) is not None or not path_probe.is_there(place):
        return False
    with suppress(OSError, ClipdexError):
        return Collection.find(place).path.samefile(path)
    return False


def roots() -> list[Path] | None:
    """The folders that may be read with all that lies in them; None for every one."""
    chosen = json.loads(os.environ.get(FOLDERS_VARIABLE) or "[]")
    if not chosen and not _is_reachable():
        return None
    return [*map(as_place, chosen), *(place for place in start_places() if url_of(place) is None)]


def _is_reachable() -> bool:
    """Whether others than the user of this machine may see the pages."""
    import streamlit as st

    address = str(st.get_option("server.address") or "0.0.0.0")
    return bool(os.environ.get(TOKEN_VARIABLE)) or not is_loopback(address)


def allowed(text: str, what: str = "folder", *, new: bool = False) -> Path:
    """The path that a person typed, if it may be read; a `new` one need not be there yet.

    Raises `SourceError`, which tells nothing of what lies elsewhere. Links are followed before it is compared."""
    typed = _unwrapped(text)
    if not typed:
        raise SourceError(f"type the path of a {what}, for example {Path.home() / 'Pictures'}")
    if len(typed) > LONGEST:
        raise SourceError(f"that is no path of a {what}: it has {len(typed):,} characters")
    if "\0" in typed or "://" in typed:
        raise SourceError(f"{typed!r} is not a path of a {what} on this machine")
    try:
        place = Path(typed).expanduser()
    except RuntimeError:  # the home of somebody unknown
        place = Path()
    if not place.is_absolute():
        raise SourceError(f"{typed!r} is not a full path: begin at / or at ~, for example {Path.home() / 'Pictures'}")
    place = Path(os.path.abspath(place))  # noqa: PTH100 - a link keeps its place
    within = roots()
    if within is not None and not _lies_in(place, within):
        places = ", ".join(str(root) for root in within) or "none"
        raise SourceError(
            f"{typed} may not be read from here. Allowed are these and what lies in them: {places}. More are allowed "
            "where the server is started, with clipdex ui --allow-folders FOLDER"
        )
    try:
        if not place.exists():
            if new:
                return place
            raise SourceError(f"there is no {what} {place}")
        if not os.access(place, os.R_OK | (os.X_OK if place.is_dir() else 0)):
            raise SourceError(f"{place} may not be read by the user that runs the server")
    except OSError as error:
        raise SourceError(f"{place} cannot be looked at: {error.strerror or error}") from None
    return place


def _unwrapped(text: str) -> str:
    """A path as people paste it: in the quotes of a command line, or as a file manager's file:///…"""
    typed = text.strip()
    if len(typed) > 1 and typed[0] == typed[-1] and typed[0] in "'\"":
        typed = typed[1:-1]
    if typed.startswith("file:///"):
        typed = unquote(typed.removeprefix("file://"), errors="surrogateescape")
    return typed


def collection_around(place: Path) -> Path | None:
    """The folder of the nearest collection that a folder lies in, if it may be read from here."""
    within = roots()
    with suppress(OSError):
        for above in place.parents:
            if (above / FOLDER / INFO).is_file() and (within is None or _lies_in(above, within)):
                return above
    return None


def to_open(text: str) -> Path:
    """The place of a collection that a person typed: a folder that may be read, or a URL where any folder may.

    Raises `SourceError`, and `CollectionError` for a URL of no use."""
    typed = text.strip()
    if "://" not in typed:
        place = allowed(typed)
        if not place.is_dir():
            raise SourceError(f"{place} is a file: a collection is opened by the folder that was indexed")
        return place
    url_of(typed)  # says what is wrong with it
    if roots() is not None:
        raise SourceError(f"{typed} may not be opened from here; start the server with it: clipdex ui {typed}")
    return as_place(typed)


@lru_cache
def _lay_in(place: Path, within: tuple[Path, ...]) -> bool:
    """As `_lies_in`, asked once: every page wants to know, and a disk may not answer."""
    return _lies_in(place, within)


def _lies_in(place: Path, within: Sequence[Path]) -> bool:
    try:
        real = place.resolve()
        return any(real.is_relative_to(root.resolve()) for root in within)
    except (OSError, RuntimeError):
        return False
