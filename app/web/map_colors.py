"""Colors the points of the map.

Each image gets one byte: the place of its value among the most frequent ones, or how far along a scale it is. Which
colours that are the browser decides, because dark and light differ. Values of text columns and tags are named; numbers
and dates, and how near an image is to words, are a scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from indexer.collection.storage.columns import BOOLEAN, DATE, NUMBER, TEXT, TEXTS, kind_of
from indexer.search.facets import FOLDER, MOST_VALUES

if TYPE_CHECKING:
    from indexer.collection.snapshot import Snapshot

NAMED = 8  # as many colours as most people can tell apart; further values share a grey
OTHER, UNKNOWN, HIDDEN = 8, 254, 255
STEPS = 250  # of a scale
SHOWN_LOW, SHOWN_HIGH = 0.5, 99.5  # percentiles between which a scale goes
UNSEEN = {"id", "hash", "size", "mtime_ns", "modified", "latitude", "longitude", "excluded", "_rowid"}
FIRST = (FOLDER, "tags", "taken", "camera", "lens", "format")


@dataclass(frozen=True)
class Colours:
    """Codes (n,) uint8, and what they mean: names with counts, or the two ends of a scale."""

    codes: np.ndarray
    names: list[tuple[str, int]]
    other: int = 0  # how many have a further value
    unknown: int = 0  # how many have none
    ends: tuple[str, str] | None = None
    far: bool = False  # the low end of the scale is of no interest


def plain(n: int) -> Colours:
    """All alike."""
    return Colours(np.zeros(n, np.uint8), [])


def offered(snapshot: Snapshot) -> list[str]:
    """The columns worth colouring by: at least two values, and not one for each image. The most usual first."""
    found = []
    for name, kind in snapshot.columns.items():
        if name in UNSEEN or kind_of(kind) not in (TEXT, TEXTS, BOOLEAN, NUMBER, DATE):
            continue
        count = _distinct(snapshot.images[name])
        words = kind_of(kind) in (TEXT, TEXTS)
        if count > 1 and not (words and (count > MOST_VALUES or count > len(snapshot.ids) / 2 > NAMED)):
            found.append(name)
    return sorted(found, key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name))


def by_column(snapshot: Snapshot, name: str) -> Colours:
    """Coloured by the values of a column; of several tags the first counts, of a folder its first two levels."""
    kind = kind_of(snapshot.columns[name])
    column = snapshot.images[name].combine_chunks()
    if kind in (NUMBER, DATE):
        return _along(column, dates=kind is DATE)
    values = [_word(value) for value in column.to_pylist()]
    if name == FOLDER:
        values = _shallow([value or "" for value in values])
    return _named(values)


def by_scores(scores: np.ndarray) -> Colours:
    """Coloured by cosines (n,): from the middle one, as good as any, to the best."""
    if not len(scores):
        return plain(0)
    low, high = float(np.median(scores)), float(scores.max())
    return Colours(_steps(scores, low, high), [], ends=(f"{low:.3f} or less", f"{high:.3f}"), far=True)


def _distinct(column: Any) -> int:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        column = pc.list_flatten(column)
    return int(pc.count_distinct(column).as_py())


def _word(value: Any) -> str | None:
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if value not in (None, "") else None


def _shallow(folders: list[str]) -> list[str | None]:
    """Folders by as few levels as tell at least two apart, and what lies at the top named so."""
    for depth in (1, 2, 3):
        found = ["/".join(one.split("/")[:depth]) or "(top)" for one in folders]
        if len(set(found)) > 1:
            break
    return list(found)


def _named(values: list[str | None]) -> Colours:
    known, places = np.unique(
        np.array([value or "" for value in values], dtype=object).astype(str), return_inverse=True
    )
    counts = np.bincount(places, minlength=len(known))
    order = [place for place in np.lexsort((known, -counts)).tolist() if known[place]]
    codes = np.full(len(known), OTHER, np.uint8)
    codes[known == ""] = UNKNOWN
    for code, place in enumerate(order[:NAMED]):
        codes[place] = code
    names = [(str(known[place]), int(counts[place])) for place in order[:NAMED]]
    found = codes[places].astype(np.uint8)
    return Colours(found, names, int((found == OTHER).sum()), int((found == UNKNOWN).sum()))


def _along(column: Any, *, dates: bool) -> Colours:
    import pyarrow as pa

    known = np.asarray(column.is_valid())
    if dates:
        numbers = column.cast(pa.timestamp("us")).cast(pa.int64()).fill_null(0).to_numpy().astype(np.float64)
    else:
        numbers = column.cast(pa.float64(), safe=False).fill_null(0).to_numpy(zero_copy_only=False).astype(np.float64)
    known &= np.isfinite(numbers)
    if not known.any():
        return Colours(np.full(len(column), UNKNOWN, np.uint8), [], unknown=len(column))
    low, high = (float(one) for one in np.percentile(numbers[known], (SHOWN_LOW, SHOWN_HIGH)))
    codes = np.where(known, _steps(np.where(known, numbers, low), low, high), UNKNOWN).astype(np.uint8)
    say = _day if dates else _number
    return Colours(codes, [], unknown=int((~known).sum()), ends=(say(low), say(high)))


def _steps(values: np.ndarray, low: float, high: float) -> np.ndarray:
    part = np.clip((values - low) / max(high - low, 1e-12), 0, 1)
    return np.round(part * (STEPS - 1)).astype(np.uint8)


def _day(microseconds: float) -> str:
    return str(np.datetime64(int(microseconds), "us").astype("datetime64[D]"))


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"
