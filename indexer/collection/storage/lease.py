"""A lease on a collection in an object store: one writer at a time.

There are no locks there, but a file that must not exist yet is made by one machine only. Leases are numbered files;
who made the highest one holds the right until the time written in it, and writes a later time there again and again.
When that has passed (the machine was killed), the next number is free to be made. Clocks may differ by a minute.
"""

from __future__ import annotations

import json
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from core.errors import CollectionError
from indexer.collection.storage.remote_files import RemoteFiles

LEASE = "lease-"  # begins the name of each, a number of eight digits follows
VALID = 300.0  # seconds
RENEWED = 60.0
LOOK_AGAIN = 2.0


@contextmanager
def leased(files: RemoteFiles, wait: Callable[[], bool] = lambda: False) -> Iterator[bool]:
    """Hold the one right to write at a URL. Yields whether somebody else had it first; `wait` as in `lock.writing`.

    Raises `CollectionError` if another machine has it, or if nothing can be written there.
    """
    waited = False
    try:
        while not isinstance(holder := _take(files), _Lease):
            if not wait():
                raise CollectionError(
                    f"another run is writing to {files.home} ({holder}); wait until it is done, or use --wait; if it "
                    f"was killed, its right ends after {VALID / 60:.0f} minutes"
                )
            waited = True
            time.sleep(LOOK_AGAIN)
    except OSError as error:
        raise CollectionError(
            f"the collection {files.home} cannot be written: {error.strerror or error}; check the bucket, the "
            "credentials and their rights, or keep it in another place with --to"
        ) from None
    with holder.kept():
        yield waited


def _take(files: RemoteFiles) -> _Lease | str:
    """A lease, or who has it."""
    there = [name for name in files.names("") if name.startswith(LEASE)]
    number = 1
    if there:
        last = there[-1]
        try:
            data = json.loads(files.read(last))
            until, owner = float(data["until"]), str(data["owner"])[:200]
        except (ValueError, TypeError, KeyError):
            until, owner = 0.0, "unknown"
        except FileNotFoundError:  # given back meanwhile
            return _take(files)
        if until > time.time():
            return owner
        number = int(last.removeprefix(LEASE)) + 1
    lease = _Lease(files, f"{LEASE}{number:08d}")
    if not files.make(lease.name, lease.text()):
        return "it began at the same moment"
    for name in there:
        files.remove(name)
    return lease


class _Lease:
    """The right to write, once it is held."""

    def __init__(self, files: RemoteFiles, name: str) -> None:
        self.files, self.name = files, name
        self._over = threading.Event()

    def text(self, seconds: float = VALID) -> bytes:
        owner = f"process {os.getpid()} on {platform.node()}"
        return json.dumps({"owner": owner, "until": time.time() + seconds}).encode()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renew it from a thread until the end, and end it then. Its file stays, so that numbers only grow."""
        thread = threading.Thread(target=self._renew, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()
            with suppress(OSError):  # it ends by itself
                self.files.write(self.name, self.text(0))

    def _renew(self) -> None:
        while not self._over.wait(RENEWED):
            with suppress(OSError):  # there are four more times to try
                self.files.write(self.name, self.text())
