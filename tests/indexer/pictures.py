"""What do the tests of the indexer share?  Small real images, and a look at all that a collection holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import clipdex
from core.inference.load import load_encoder
from core.inference.toy import DIM, ToyEncoder
from indexer.collection.collection import Collection
from indexer.collection.storage import tables
from indexer.ingest import sync
from indexer.ingest.options import Options
from indexer.ingest.report import Report

COLOURS = {"red": (220, 20, 20), "green": (20, 160, 30), "blue": (20, 40, 220), "white": (250, 250, 250)}


def paint(path: Path, colour: str = "red", *, size: tuple[int, int] = (60, 40), seed: int | None = None) -> Path:
    """A small image of one colour; with a seed it differs a little from every other one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((size[1], size[0], 3), COLOURS[colour], np.uint8)
    if seed is not None:
        generator = np.random.default_rng(seed)
        pixels[: size[1] // 2, : size[0] // 2] = generator.integers(0, 256, 3)
        pixels[0, :8] = generator.integers(0, 256, (8, 3))
    Image.fromarray(pixels).save(path)
    return path


def paint_three(folder: Path) -> Path:
    """red.jpg, green.jpg and blue.png in a folder."""
    paint(folder / "red.jpg", "red")
    paint(folder / "green.jpg", "green")
    paint(folder / "blue.png", "blue")
    return folder


def index(folder: Path | str | Sequence[Path | str], **options: Any) -> Report:
    return clipdex.index(folder, model="toy", **options)


def ids(folder: Path) -> list[str]:
    return sorted(state(folder)["images"])


def failures(folder: Path) -> dict[str, str]:
    """Location -> reason."""
    return {location: row["reason"] for location, row in state(folder)["failures"].items()}


def state(folder: Path) -> dict[str, dict[str, Any]]:
    """Everything in the tables but the times of failures, as comparable values."""
    collection = Collection.find(folder)
    found: dict[str, dict[str, Any]] = {}
    for name, schema in tables.schemas(load_encoder("toy").dim).items():
        rows = tables.read(collection.table(name), [column for column in schema.names if column != "when"]).to_pylist()
        found[name] = {row[tables.KEYS[name]]: row for row in rows}
        assert len(found[name]) == len(rows), f"{name} has a key twice"
    return found


class Half(ToyEncoder):
    """Another model than the toy: half as many numbers, other vectors."""

    name = "half"
    fingerprint = "1" * 64
    dim = DIM // 2

    def encode_prepared(self, pixels: np.ndarray) -> np.ndarray:
        return _folded(super().encode_prepared(pixels))

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        return _folded(super().encode_texts(texts))


def _folded(vectors: np.ndarray) -> np.ndarray:
    """(n, 64) -> (n, 32) rows of length 1."""
    folded = vectors[:, : DIM // 2] + 0.5 * vectors[:, DIM // 2 :]
    unit: np.ndarray = folded / np.linalg.norm(folded, axis=1, keepdims=True)
    return unit


def go_over(folder: Path, to: Path | None = None, *, progress: Any = None, **options: Any) -> Report:
    """Let `Half` take over from the toy."""
    asked = Options(change_model=True, **options)
    return sync.index(folder, encoder=Half(), to=to, progress=progress, options=asked)
