"""A lock on a collection on disk: one writer at a time.

The lock belongs to the process and goes with it, however it ends: a lock file that a killed run left behind stops
nobody. The process id in it is only for the message. A collection in an object store is locked twice: here for the
programs of this machine, and there by a lease for those of others.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import CollectionError
from indexer.collection.storage.lease import leased
from indexer.collection.storage.remote_files import RemoteFiles
from indexer.collection.storage.store import store_of

LOCK = "lock"
LOOK_AGAIN = 0.5  # seconds

_held: set[tuple[int, int]] = set()  # the files whose locks this process has, by device and number


@contextmanager
def writing(path: Path, *, wait: Callable[[], bool] = lambda: False) -> Iterator[bool]:
    """Hold the one right to write to the collection at `path`. Yields whether another process had it first.

    While another one has it, `wait` is asked twice a second whether to go on waiting.
    Raises `CollectionError` if another process has it, or if nobody may write there.
    """
    waited = False
    try:
        file = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise CollectionError(
            f"the collection {path} cannot be written: {error.strerror}; keep one in another place with --to DIR"
        ) from None
    try:
        while not _taken(file, path):
            if not wait():
                owner = os.pread(file, 20, 0).decode("ascii", "replace").strip() or "unknown"
                raise CollectionError(
                    f"another run is indexing this folder (process {owner}); wait until it is done, or use --wait"
                )
            waited = True
            time.sleep(LOOK_AGAIN)
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        _held.add(mark := _mark(os.fstat(file)))
        try:
            store = store_of(path)
            if isinstance(store, RemoteFiles):
                with leased(store, wait) as waited_there:
                    yield waited or waited_there
            else:
                yield waited
        finally:
            _held.discard(mark)
    finally:
        os.close(file)  # releases the lock


def _taken(file: int, path: Path) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise CollectionError(f"{path / LOCK} cannot be locked: {error.strerror}; use --to DIR") from None
    return True


def check_there(path: Path) -> None:
    """Whoever holds the lock asks before each commit: in the place of a collection that somebody deleted or moved
    meanwhile, writing on would make half of one, or write into one that another run has begun there since. Raises
    `CollectionError`."""
    try:
        is_ours = _mark((path / LOCK).stat()) in _held
    except OSError:
        is_ours = False
    if not is_ours:
        raise CollectionError(f"the collection {path} was deleted or moved while it was written to: index again")


def _mark(file: os.stat_result) -> tuple[int, int]:
    return file.st_dev, file.st_ino


def is_held(path: Path) -> bool:
    """Is somebody writing to the collection at `path` now?"""
    try:
        file = os.open(path / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # never written to, or to be read by nobody
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a disk that knows no locks has no run that holds one
        return False
    finally:
        os.close(file)
    return False


def check_hard_links(path: Path) -> None:
    """LanceDB commits by hard links. Some disks (exFAT) have none: say so before any work is done.

    Each time, because a collection may have been copied to such a disk.
    """
    probe, link = (path / f"{LOCK}.{os.getpid()}{end}" for end in ("", ".link"))
    try:
        probe.touch()
    except OSError:
        if (path / LOCK).exists():
            return  # whoever wants to write here is told by the lock, or by the tables
        raise
    try:
        link.unlink(missing_ok=True)
        link.hardlink_to(probe)
    except OSError as error:
        raise OSError(error.errno, "the disk cannot make hard links, which LanceDB needs") from None
    finally:
        link.unlink(missing_ok=True)
        probe.unlink(missing_ok=True)
