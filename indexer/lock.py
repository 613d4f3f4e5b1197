"""Is somebody else writing to this collection?

The lock belongs to the process and goes with it, however it ends: a lock file that a killed run left behind stops
nobody. The process id in it is only for the message.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import CollectionError

LOCK = "lock"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Hold the one right to write to the collection at `path`.

    Raises `CollectionError` if another process has it, or if nobody may write there.
    """
    try:
        file = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise CollectionError(
            f"the collection {path} cannot be written: {error.strerror}; keep one in another place with --to DIR"
        ) from None
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(file, 20, 0).decode("ascii", "replace").strip() or "unknown"
            raise CollectionError(
                f"another run is indexing this folder (process {owner}); wait until it is done"
            ) from None
        except OSError as error:
            raise CollectionError(f"{path / LOCK} cannot be locked: {error.strerror}; use --to DIR") from None
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(file)  # releases the lock


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
