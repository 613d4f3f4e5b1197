"""Finds files whose content changed while size and time did not.

`--checksum` reads every file that looks unchanged: a program may write into a file and set its time back.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from contextlib import closing

from core.errors import ImageError
from indexer.ingest.embedding.prefetch import Prefetcher
from indexer.ingest.options import Options
from indexer.ingest.planning.existing_rows import ExistingRows
from indexer.ingest.report import Meter, Stopwatch
from indexer.sources import Item

WINDOW = 64  # files that are read ahead

Found = tuple[Item, str | None]  # the content hash, None where the file cannot be read now


def compare(
    items: Sequence[Item],
    known: ExistingRows,
    read: Callable[[str], bytes],
    options: Options,
    meter: Meter,
    watch: Stopwatch,
) -> tuple[list[Item], list[str]]:
    """Those whose content is not the known one, and the ids of those that cannot be read now."""

    def digest(item: Item) -> Found:
        started = time.perf_counter()
        try:
            return item, hashlib.blake2b(read(item.id), digest_size=32).hexdigest()
        except ImageError:
            return item, None
        finally:
            watch.add("read", time.perf_counter() - started)

    ahead: Prefetcher[Item, Found] = Prefetcher(
        digest,
        lambda item: (item, None),
        threads=min(16, max(2, os.cpu_count() or 2)),
        window=WINDOW,
        limit=options.time_limit,
    )
    changed: list[Item] = []
    unread: list[str] = []
    with closing(ahead.run(items)) as results:
        for result in results:
            if options.stop():
                break
            if result is None:
                continue
            item, found = result
            if found is None:
                unread.append(item.id)
            elif found != known.hash(item.id):
                changed.append(item)
            meter.count()
    return changed, unread
