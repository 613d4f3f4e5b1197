"""The manifest of an index: its files, origin and measured recall."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from core.schema import Frozen

FOLDER = "indexes"
INDEX, VECTORS, KEYS = "index", "vectors.npy", "keys.npy"  # in the folder that a manifest names
FORMAT = 1

QueryKind = Literal["text", "image"]


class File(Frozen):
    """One file of an index. While its stamp is the one it was written with, nobody has touched it."""

    size: NonNegativeInt
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    stamp: tuple[int, int, int]  # inode, time of the last change of its content, and of anything about it


class Point(Frozen):
    """What one search effort brings."""

    effort: PositiveInt
    ann_recall: float  # @10: the part of the ten exact answers that are found, ties counted as found
    milliseconds: float  # median of single searches, exact scores included


class Measured(Frozen):
    """How well the index answers queries of one kind, and the effort that it is searched with."""

    queries: int
    origin: str  # where the queries came from
    effort: PositiveInt
    ann_recall: float
    milliseconds: float
    reached: bool  # the recall that was asked for
    curve: list[Point]


class Filtered(Frozen):
    """What it takes to search a part of the rows through the index, beside comparing all of that part."""

    share: float  # of the rows that are allowed
    effort: PositiveInt
    ann_recall: float
    milliseconds: float
    exact_milliseconds: float

    def pays(self, target: float) -> bool:
        """Half the misses of a search without a filter: the rows that a real one keeps are not drawn by chance."""
        return self.ann_recall >= (1 + target) / 2 and self.milliseconds < self.exact_milliseconds


class Manifest(Frozen):
    """All of `indexes/TARGET.json`."""

    format: Literal[1] = 1
    kind: str
    target: Literal["images", "texts"]
    folder: str = Field(pattern="^[a-z0-9-]+$")  # beside this file
    n: PositiveInt
    d: PositiveInt
    created: datetime  # of the collection
    fingerprint: str  # of its model
    versions: tuple[int, int]  # of its tables
    rows: str  # digest of what the rows are, in their order
    built: datetime
    seconds: float
    size_bytes: NonNegativeInt
    target_recall: float
    reasons: list[str]
    files: dict[str, File]
    measured: dict[QueryKind, Measured]
    filters: list[Filtered]  # from many allowed rows to few
    seal: str = ""


def manifest_file(collection: Path, target: str) -> Path:
    """The file that says which index is in use; replaced in one step."""
    return collection / FOLDER / f"{target}.json"
