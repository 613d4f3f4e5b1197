"""Remembers the collections of the Library between server starts.

Those that were opened or made in the browser, in one small file of the user's: `{"collections": ["/full/path", "s3://…"]}`.
Several servers may run at once: each change is made to what the file says then, under a lock, and replaces it whole.
The file is not believed: what is no list of full paths and URLs is left out, and that is said (`problem`).
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.errors import CollectionError
from indexer.collection.storage.store import url_of

VARIABLE = "CLIPDEX_LIBRARY"  # the file; empty: nothing is remembered
NAME = "collections.json"
MOST = 100  # collections
LARGEST = 4_000_000  # bytes of the file
LONGEST = 4096  # characters of a place, as of a path in Linux

_lock = threading.Lock()
_read: tuple[tuple[object, ...], list[str], str] = ((), [], "")  # the stamp of the file, its places, what is wrong
_unwritten = ""  # why the last change could not be written


def file() -> Path | None:
    """Where they are remembered, None for nowhere."""
    told = os.environ.get(VARIABLE)
    if told is not None:
        return Path(told).expanduser().absolute() if told else None
    from platformdirs import user_state_path

    return user_state_path("clipdex", appauthor=False) / NAME


def remembered_places() -> list[str]:
    """Full paths and URLs, the first to come first. Looks whether the file is another one, and reads it only then."""
    return _known()[0]


def problem() -> str:
    """What is wrong with the list, in a sentence; empty for nothing."""
    return " ".join(part for part in (_known()[1], _unwritten) if part)


def remember(place: str) -> None:
    """Remember one more. Where that cannot be written, `problem` says so; nobody's work ends for that."""
    if place in remembered_places() or not _is_place(place):
        return
    _change(lambda known: known if place in known else [*known, place])


def forget_place(place: str) -> None:
    """Do not remember one any longer."""
    if place in remembered_places():
        _change(lambda known: [each for each in known if each != place])


def _known() -> tuple[list[str], str]:
    global _read
    path = file()
    if path is None:
        return [], ""
    try:
        seen = path.stat()
        stamp: tuple[object, ...] = (str(path), seen.st_mtime_ns, seen.st_ino, seen.st_size)
    except OSError as error:
        stamp = (str(path), error.errno)
    with _lock:
        if _read[0] != stamp:
            try:
                _read = (stamp, *_parsed(path))
            except OSError as error:
                _read = (stamp, [], f"The list of your collections {path} cannot be read ({error.strerror}).")
        return list(_read[1]), _read[2]


def _parsed(path: Path) -> tuple[list[str], str]:
    """The places in the file, and what is wrong with it. Raises `OSError` where it cannot be read."""
    aside = f"{path}.damaged keeps what was in it; open your collections once more"
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # /dev/null, or a folder that was meant otherwise
            raise OSError(errno.EINVAL, "it is not a regular file")
        with path.open("rb") as opened:
            text = opened.read(LARGEST + 1)
    except FileNotFoundError:
        return [], ""
    try:
        if len(text) > LARGEST:
            raise ValueError("it is too large")
        told = json.loads(text)["collections"]
        if not isinstance(told, list):
            raise TypeError("no list")
    except (ValueError, TypeError, KeyError, RecursionError):
        return [], f"The list of your collections {path} is damaged. The next change begins a new one: {aside}."
    good = [os.path.normpath(each) if _is_path(each) else each for each in told if _is_place(each)]
    good = list(dict.fromkeys(good))[:MOST]
    wrong = len(told) - len(good)
    entries = "entry names" if wrong == 1 else "entries name"
    return good, f"{wrong:,} {entries} no place in {path}, or one twice, or one too many: left out." if wrong else ""


def _is_place(told: object) -> bool:
    """Whether this can be a full path, or the URL of a collection."""
    if not isinstance(told, str) or not 0 < len(told) <= LONGEST or "\0" in told:
        return False
    try:
        os.fsencode(told)
        return _is_path(told) or url_of(told) is not None
    except (UnicodeEncodeError, CollectionError):
        return False


def _is_path(told: str) -> bool:
    return Path(told).is_absolute()


def _change(change: Callable[[list[str]], list[str]]) -> None:
    """Replace the file by what a change makes of it, whole or not at all."""
    global _unwritten
    path = file()
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _alone(path):
            known, wrong = _parsed(path)
            if len(wanted := change(known)) > MOST:
                _unwritten = f"No more than {MOST} collections are remembered: close some, so that others are."
                return
            if wrong and path.exists():
                path.replace(f"{path}.damaged")
            new = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
            try:
                with os.fdopen(
                    os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
                ) as out:
                    json.dump({"collections": wanted}, out, indent=1)  # as ASCII: names need not be valid UTF-8
                    out.write("\n")
                    out.flush()
                    os.fsync(out.fileno())
                new.replace(path)
            finally:
                with suppress(OSError):
                    new.unlink(missing_ok=True)
        _unwritten = ""
    except OSError as error:
        _unwritten = (
            f"The list of your collections {path} cannot be written ({error.strerror}): what was opened or closed here "
            "is forgotten when the server ends."
        )


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the one right to change the file; a change takes a moment, so wait for that of another server."""
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)  # releases it
