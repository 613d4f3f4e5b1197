"""Hands shards to workers and merges their results by key.

The run (`run`) is that of one machine; only where images become vectors, a pool of Ray actors takes the place of the
local pipeline. A worker writes what became of its shard into one file in the collection's `staging` folder, at least
once. The run alone writes tables: it takes each outcome that its plan still waits for, once, by id, size and time, and
commits; the row in `images` is the record that it was merged. Whatever ends the run, the next one first merges the
shards that are finished, and has only the rest to do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, closing
from typing import TYPE_CHECKING, Protocol

from core.errors import CollectionError
from indexer.collection.collection import STAGING
from indexer.ingest.distributed import shards
from indexer.ingest.distributed.shard_worker import Order, file_of, folder_of
from indexer.ingest.distributed.shards import Shard
from indexer.ingest.embedding.given_vectors import GivenVectors
from indexer.ingest.embedding.pipeline import BATCH, Claims, Embedded, Outcome
from indexer.sources import Item

if TYPE_CHECKING:
    from indexer.ingest.run import Run

SHARD = 1_000  # images: what a worker on a CPU does in about a minute, and what is done again when it is lost
SHARD_GPU = 5_000
ROUNDS = 3  # so often what workers did not hand over is given to them again


class Pool(Protocol):
    """Workers, somewhere."""

    workers: int
    gpus: bool

    def finished(self, order: Order, todo: Sequence[Shard]) -> Generator[str, None, None]:
        """Have all shards done, in any order; the key of each once its file is there."""
        ...


class Distributed:
    """What takes the place of the local pipeline in a run. `pool` is asked for only if there is work."""

    def __init__(
        self,
        run: Run,
        pool: Callable[[], AbstractContextManager[Pool]],
        *,
        precision: str = "auto",
        exact: bool = False,
    ) -> None:
        self.task, self.pool = run, pool
        self.store, model = run.collection.store, run.collection.info.model
        self.given = GivenVectors(run.job.encoder)
        run.writer.encoder = self.given  # captions have their vectors from the workers
        gone = set(run.plan.gone.values())
        self.order = Order(
            self.store.home,
            tuple(run.collection.info.sources),
            str(run.collection.path),
            model.load,
            model.fingerprint,
            precision,
            exact,
            run.job.options.time_limit,
            tuple(sorted(gone)),
            tiles=run.known.tiled is not None,
        )

    def run(self, items: Iterable[Item], claims: Claims | None) -> Generator[Outcome | None, None, None]:
        """As `Pipeline.run`. Raises `CollectionError` if workers do not hand over what they were given."""
        wanted = {item.id: item for item in items}
        for name in self.store.names(folder_of(self.order.fingerprint)):
            yield from self._merge(f"{folder_of(self.order.fingerprint)}/{name}", wanted)
        for _ in range(ROUNDS):
            if not wanted or self.task.job.options.stop():
                break
            yield from self._embed(wanted, each=claims is None)
        if self.task.job.options.stop():
            return  # finished shards stay for the next run
        if wanted:
            raise CollectionError(
                f"{len(wanted):,} images were given to workers and are not in {self.store.home}/{STAGING}, "
                f"{next(iter(wanted))} among them: do all machines see the same files there? What is finished is kept"
            )
        self.store.remove(STAGING)

    def _embed(self, wanted: dict[str, Item], *, each: bool) -> Generator[Outcome, None, None]:
        with self.pool() as pool:
            most = SHARD_GPU if pool.gpus else SHARD
            size = min(most, max(BATCH, math.ceil(len(wanted) / (4 * pool.workers))))
            texts = self.task.job.words.by_item
            made_by = self.order.fingerprint + ("+tiles" if self.order.tiles else "")
            todo = list(shards.cut(list(wanted.values()), texts, made_by, size, each=each))
            with closing(pool.finished(self.order, todo)) as finished:
                for key in finished:
                    yield from self._merge(file_of(self.order.fingerprint, key), wanted)
                    if self.task.job.options.stop():
                        return

    def _merge(self, name: str, wanted: dict[str, Item]) -> Generator[Outcome, None, None]:
        """Take what is still waited for from a shard, have it committed, and let the file go."""
        try:
            found = shards.from_bytes(self.store.read(name), self.given.dim)
        except (OSError, ValueError):  # not whole: its images are still wanted
            found = []
        for finished in found:
            item = finished.outcome.item
            if wanted.get(item.id) != item:
                continue  # merged before, or another file by now
            if self.order.tiles and isinstance(finished.outcome, Embedded) and finished.outcome.tiles is None:
                continue  # from a run without tiles
            del wanted[item.id]
            self.given.texts.update(finished.texts)
            yield finished.outcome
        self.task.writer.commit()
        self.given.texts.clear()
        self.store.remove(name)
