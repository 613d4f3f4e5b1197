"""What does a search cost beyond the engine?  A collection of made-up vectors, with no images behind them."""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from core.encoder import Encoder
from indexer.ann.candidates import candidates
from indexer.collection.collection import Collection, SourceInfo
from indexer.collection.storage import tables
from indexer.search.searcher import Searcher

PART, HITS = 10_000, 10


@dataclass(frozen=True)
class Nobody:
    """A model by name only; queries are given as vectors."""

    name: str = "made-up"
    fingerprint: str = "0" * 64
    dim: int = 512


def metadata(pictures: np.ndarray, queries: np.ndarray) -> tuple[float, float]:
    """Milliseconds, medians: of a search down to rows and scores, and of the whole search with ten hits."""
    with tempfile.TemporaryDirectory() as folder:
        searcher = Searcher(collection_of(Path(folder), pictures))
        engine, whole = [], []
        for query in queries:
            started = time.perf_counter()
            candidates(searcher.snapshot(), query, HITS)
            between = time.perf_counter()
            searcher.search(vector=query, limit=HITS)
            engine.append(between - started)
            whole.append(time.perf_counter() - between)
    return 1000 * statistics.median(engine), 1000 * statistics.median(whole)


def collection_of(
    folder: Path, pictures: np.ndarray, encoder: Encoder | None = None, load: str | None = None
) -> Collection:
    """A collection with these vectors (n, d) in it, as `encoder`'s if one is given, which is loaded by `load`."""
    path = folder / ".clipdex"
    Collection.prepare(path)
    model = encoder or cast(Encoder, Nobody(dim=pictures.shape[1]))
    collection = Collection.create(path, model, [SourceInfo(kind="folder", location=str(folder))], load=load)
    for start in range(0, len(pictures), PART):
        part = pictures[start : start + PART]
        tables.append(collection.table("images"), [_row(start + i, row) for i, row in enumerate(part)])
    return collection


def _row(number: int, vector: np.ndarray) -> dict[str, Any]:
    numbers = {"size": 1, "mtime_ns": 1, "width": 640, "height": 480}
    words = {"id": f"{number:09}.jpg", "hash": f"{number:064x}", "texts_key": "", "folder": "", "format": "JPEG"}
    return {**numbers, **words, "embedded": [], "thumbnail": b"", "vector": vector}
