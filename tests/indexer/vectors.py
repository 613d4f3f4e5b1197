"""What do the tests of searching share?  Collections of made-up vectors, with no images behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from core.inference.toy import ToyEncoder
from indexer.collection.collection import Collection, SourceInfo
from indexer.collection.storage import tables

D = ToyEncoder().dim


def clustered(n: int, seed: int = 0, clusters: int = 30, d: int = D) -> np.ndarray:
    """n unit vectors (n, d) float32 in clusters, every tenth a copy of the one before, so that scores tie."""
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(clusters, d))
    rows = (centres[generator.integers(clusters, size=n)] + 0.6 * generator.normal(size=(n, d))).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows[9::10] = rows[8::10][: len(rows[9::10])]
    return rows


def collection_of(folder: Path, vectors: np.ndarray, captions: np.ndarray | None = None) -> Collection:
    """A collection of the toy encoder with these vectors as images "000000", "000001", …, and as their captions."""
    path = folder / ".clipdex"
    Collection.prepare(path)
    collection = Collection.create(path, ToyEncoder(), [SourceInfo(kind="folder", location=str(folder))])
    add(collection, vectors, 0)
    if captions is not None:
        tables.append(collection.table("texts"), [_text(number, row) for number, row in enumerate(captions)])
    return collection


def add(collection: Collection, vectors: np.ndarray, first: int) -> None:
    """Add images, or replace those with the same number."""
    tables.upsert(collection.table("images"), [_image(first + i, row) for i, row in enumerate(vectors)], "id")


def remove(collection: Collection, numbers: list[int]) -> None:
    tables.remove(collection.table("images"), "id", [f"{number:06}" for number in numbers])


def _image(number: int, vector: np.ndarray) -> dict[str, Any]:
    return {
        "id": f"{number:06}",
        "hash": f"{number:064x}",
        "size": 1,
        "mtime_ns": 1,
        "width": 1,
        "height": 1,
        "embedded": [],
        "texts_key": f"key-{number}",
        "thumbnail": b"",
        "vector": vector,
    }


def _text(number: int, vector: np.ndarray) -> dict[str, Any]:
    return {
        "id": f"{number:06}-0",
        "image_id": f"{number:06}",
        "key": f"key-{number}",
        "position": 0,
        "text": f"number {number}",
        "vector": vector,
    }
