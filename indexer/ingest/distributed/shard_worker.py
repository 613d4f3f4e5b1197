"""Embeds one shard in one worker, as a run on one machine does."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.errors import CollectionError, WrongModelError
from indexer.collection.collection import INFO, STAGING, SourceInfo, sources_of
from indexer.collection.storage.store import store_at
from indexer.ingest.distributed import shards
from indexer.ingest.distributed.shards import Finished, Shard
from indexer.ingest.embedding.pipeline import BATCH, Claims, Embedded, Outcome, Pipeline, Same, encode_each
from indexer.ingest.report import Stopwatch
from indexer.ingest.writing.captions import Captions
from indexer.sources import Item

if TYPE_CHECKING:
    from core.encoder import Encoder


@dataclass(frozen=True)
class Order:
    """All that a worker on any machine has to know, but for which images are its share."""

    home: str  # of the collection: a path that all machines share, or a URL
    sources: tuple[SourceInfo, ...]
    path: str  # what relative locations of sources are meant from
    model: str  # as `core.inference.load.load_encoder` finds it
    fingerprint: str
    precision: str
    exact: bool
    time_limit: float
    gone: tuple[str, ...]  # hashes of contents that are in the collection under names that are gone: they moved
    tiles: bool = False


def file_of(fingerprint: str, key: str) -> str:
    """The file of a shard, by its name in the collection."""
    return f"{folder_of(fingerprint)}/{key}.parquet"


def folder_of(fingerprint: str) -> str:
    """Where the finished shards of a model are."""
    return f"{STAGING}/{fingerprint[:16]}"


class ShardWorker:
    """Loads the model once, then does one shard after the other."""

    def __init__(self, order: Order) -> None:
        """Raises `CollectionError` where the collection is not to be seen from this machine, `ModelError` where the
        model is not to be had, `WrongModelError` if it is another."""
        from core.inference.load import load_encoder

        self.order = order
        self.store = store_at(order.home)
        if not self.store.exists(INFO):
            raise CollectionError(
                f"a worker does not see the collection at {order.home}: it must be a folder that all machines share "
                "under the same name, or an object store (--to s3://bucket/collection)"
            )
        self.source = sources_of(order.sources, Path(order.path))
        self.encoder: Encoder = load_encoder(order.model, precision=order.precision, exact=order.exact, download=False)
        if self.encoder.fingerprint != order.fingerprint:
            raise WrongModelError(
                f"the model {order.model} is another one on this machine ({self.encoder.fingerprint[:12]}) than where "
                f"the run was started ({order.fingerprint[:12]}): bring the same one to all machines"
            )

    def work(self, shard: Shard) -> None:
        """Make the file of a shard, if it is not there yet. Raises `SourceError` where images hang one by one."""
        name = file_of(self.order.fingerprint, shard.key)
        if self.store.exists(name):
            return
        limit, tiles = self.order.time_limit, self.order.tiles
        pipeline = Pipeline(self.source.read, self.encoder, Stopwatch(), limit=limit, tiles=tiles)
        done = _all(pipeline, shard.items, None if shard.each else Claims(self.order.gone))
        there = {*self.order.gone, *(outcome.hash for outcome in done if isinstance(outcome, Embedded))}
        # Copies of a file that could not be embedded: each is tried for itself, as in a run on one machine.
        orphans = [outcome.item for outcome in done if isinstance(outcome, Same) and outcome.hash not in there]
        done = [outcome for outcome in done if not isinstance(outcome, Same) or outcome.hash in there]
        done += _all(pipeline, orphans, None)
        self.store.write(name, shards.to_bytes(self._with_texts(done, Captions(shard.texts)), self.encoder.dim))

    def _with_texts(self, done: list[Outcome], words: Captions) -> list[Finished]:
        """The outcomes with the vectors of their captions. One that cannot be made is left to the run that merges."""
        captions = [
            words.of(outcome.item.id, outcome.embedded if isinstance(outcome, Embedded) else ()) for outcome in done
        ]
        vectors: dict[str, np.ndarray] = {}
        texts = list(dict.fromkeys(text for each in captions for text in each))
        for start in range(0, len(texts), 4 * BATCH):
            part = texts[start : start + 4 * BATCH]
            made = zip(part, encode_each(self.encoder.encode_texts, part), strict=True)
            vectors |= {text: vector for text, vector in made if not isinstance(vector, str)}
        return [
            Finished(outcome, {text: vectors[text] for text in each if text in vectors})
            for outcome, each in zip(done, captions, strict=True)
        ]


def _all(pipeline: Pipeline, items: list[Item], claims: Claims | None) -> list[Outcome]:
    with closing(pipeline.run(items, claims)) as outcomes:
        return [outcome for outcome in outcomes if outcome is not None]
