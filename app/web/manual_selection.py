"""Turns images chosen by hand into hits for the grid."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.web.map_colors import HIDDEN, Colours
from indexer.search.query import Hit

if TYPE_CHECKING:
    from indexer.collection.snapshot import Snapshot
    from indexer.search.searcher import Searcher

_NUMBER = re.compile(r"[0-9a-z]+")
MOST_CORNERS = 200
FINE = 4095  # steps of a side of the map, in which the corners of an area are written


def hits(source: Searcher, snapshot: Snapshot, rows: Sequence[int], scores: np.ndarray | None = None) -> list[Hit]:
    """Hits of rows, in their order."""
    found = snapshot.images.select(["id", "width", "height"]).take(list(rows)).to_pylist()
    return [
        Hit(
            id=row["id"],
            path=source.collection.source.path(row["id"]),
            score=0.0 if scores is None else float(scores[place]),
            rank=place + 1,
            caption=next(iter(snapshot.captions(row["id"])), None),
            width=row["width"],
            height=row["height"],
        )
        for place, row in enumerate(found)
    ]


def corners(text: str) -> np.ndarray | None:
    """The corners (m, 2) of an area from 0 to 1 as the URL writes them, x and y in turn, in steps of 1 in 4,095, base
    36; None for what is none."""
    numbers = [int(one, 36) for one in _NUMBER.findall(text.lower()) if len(one) < 6]
    if len(numbers) % 2 or not 6 <= len(numbers) <= 2 * MOST_CORNERS:
        return None
    return np.array(numbers, np.float64).reshape(-1, 2) / FINE


def written(area: np.ndarray) -> str:
    """The way back."""
    steps = np.clip(np.round(np.asarray(area) * FINE), 0, FINE).astype(int)
    return ".".join(np.base_repr(one, 36).lower() for one in steps.ravel().tolist())


def inside(places: np.ndarray, area: np.ndarray) -> np.ndarray:
    """Which of `places` (n, 2) lie in the polygon `area` (m, 2): (n,) bool, by even and odd where it crosses itself."""
    x, y = places[:, 0], places[:, 1]
    found = np.zeros(len(places), bool)
    for (x1, y1), (x2, y2) in zip(area, np.roll(area, -1, axis=0), strict=True):
        if y1 == y2:
            continue
        crosses = (y1 > y) != (y2 > y)
        found ^= crosses & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return found


# --- a map in words --------------------------------------------------------------------------------------------------

ROWS, COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")
MOST_NAMED = 3


@dataclass(frozen=True)
class Region:
    """A ninth of the map: its name, its corners, how many images it holds and what they mostly are."""

    name: str
    area: np.ndarray
    count: int
    mostly: list[tuple[str, int]]


def regions(places: np.ndarray, colours: Colours) -> list[Region]:
    """What is where on a map, for people who cannot see it. Regions without an image are left out."""
    if not len(places):
        return []
    low, high = places.min(axis=0), places.max(axis=0)
    steps = np.linspace(low - 0.002, high + 0.002, 4)
    found = []
    for row, column in np.ndindex(3, 3):
        (left, top), (right, bottom) = (steps[column, 0], steps[row, 1]), (steps[column + 1, 0], steps[row + 1, 1])
        exact = np.clip(np.array([(left, top), (right, top), (right, bottom), (left, bottom)]), 0, 1)
        area = np.round(exact * FINE) / FINE  # as the URL will have it
        here = inside(places, area) & (colours.codes != HIDDEN)
        if here.any():
            counts = np.bincount(colours.codes[here], minlength=256)[: len(colours.names)]
            best = [place for place in np.argsort(-counts, kind="stable")[:MOST_NAMED].tolist() if counts[place]]
            named = [(colours.names[place][0], int(counts[place])) for place in best]
            word = "centre" if (row, column) == (1, 1) else f"{ROWS[row]} {COLUMNS[column]}"
            found.append(Region(word, area, int(here.sum()), named))
    return found
