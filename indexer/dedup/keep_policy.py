"""Chooses which of several copies to keep, and says why.

What they are compared by, the first difference decides: more pixels; what the camera wrote is still in it; a format
that loses nothing; more bytes, so less was thrown away; the older file; the shorter name. Equal
files differ in the last two only. It is a suggestion: nothing here removes anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from indexer.collection.snapshot import Snapshot

LOSSLESS = ("PNG", "TIFF", "BMP")
FROM_THE_CAMERA = ("taken", "camera", "latitude")
RECENT = 1 << 62


@dataclass(frozen=True)
class Best:
    """The copy to keep, why, and the bytes that the others take."""

    id: str
    why: list[str]
    others: int


class KeepPolicy:
    """What speaks for each of a collection's n images against a copy of it."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.images, self.n = snapshot.images, len(snapshot.ids)

    @cached_property
    def pixels(self) -> np.ndarray:
        return self._numbers("width") * self._numbers("height")

    @cached_property
    def sizes(self) -> np.ndarray:
        return self._numbers("size")

    @cached_property
    def _known(self) -> np.ndarray:
        """How many of what a camera writes each has."""
        names = [name for name in FROM_THE_CAMERA if name in self.images.column_names]
        known = [np.asarray(self.images[name].is_valid()).astype(np.int64) for name in names]
        return np.sum(known, axis=0) if known else np.zeros(self.n, np.int64)

    @cached_property
    def _lossless(self) -> np.ndarray:
        if "format" not in self.images.column_names:
            return np.zeros(self.n, bool)
        return np.isin(np.array(self._texts("format"), dtype=str), LOSSLESS)

    @cached_property
    def _age(self) -> np.ndarray:
        return -self._numbers("mtime_ns", RECENT)

    @cached_property
    def _brevity(self) -> np.ndarray:
        import pyarrow.compute as pc

        return -np.asarray(pc.utf8_length(self.images["id"])).astype(np.int64)

    def ordered(self, group: Sequence[int]) -> list[int]:
        """The rows of a group, the one to keep first; what nothing tells apart in the order of ids."""
        return sorted(group, key=lambda row: (*(-int(value[row]) for value in self._all), row))

    def why(self, group: Sequence[int]) -> list[str]:
        """In words, what the first row of an ordered group has before the others, until no other is left."""
        best, left, found = group[0], list(group[1:]), []
        for value, say in zip(self._all, SAYINGS, strict=True):
            beaten = [row for row in left if value[row] < value[best]]
            if beaten:
                found.append(say(self, best))
                left = [row for row in left if value[row] == value[best]]
        return [*found, "the first by name"] if left else found

    @cached_property
    def _all(self) -> list[np.ndarray]:
        return [self.pixels, self._known, self._lossless, self.sizes, self._age, self._brevity]

    def text(self, row: int, name: str) -> str:
        value = self.images[name][row].as_py() if name in self.images.column_names else None
        return "" if value is None else str(value)

    def modified(self, row: int) -> str:
        moment = datetime.fromtimestamp(-int(self._age[row]) / 1e9, UTC)
        return f"{moment.day} {moment:%B %Y}"

    def _texts(self, name: str) -> list[str]:
        return [text or "" for text in self.images[name].to_pylist()]

    def _numbers(self, name: str, unknown: int = 0) -> np.ndarray:
        found: np.ndarray = self.images[name].fill_null(unknown).to_numpy().astype(np.int64)
        return found


def _size(merits: KeepPolicy, row: int) -> str:
    return f"largest: {merits.text(row, 'width')} × {merits.text(row, 'height')}"


def _camera(merits: KeepPolicy, row: int) -> str:
    return "still says when or with what it was taken"


def _format(merits: KeepPolicy, row: int) -> str:
    return f"{merits.text(row, 'format')} loses nothing"


def _bytes(merits: KeepPolicy, row: int) -> str:
    return "compressed least"


def _older(merits: KeepPolicy, row: int) -> str:
    return f"oldest file: {merits.modified(row)}"


def _shorter(merits: KeepPolicy, row: int) -> str:
    return "shortest name"


SAYINGS: tuple[Any, ...] = (_size, _camera, _format, _bytes, _older, _shorter)
