"""Computes and caches the map of a collection.

Places are made from the vectors alone (`indexer.map.layout`) and kept in the collection's folder `map/`, one file for
each model. The file is derived: deleted or damaged, it is made again. It knows vectors, not names, so what was renamed
stays where it was; an image that came later is put beside its nearest ones until the map is made anew.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from indexer.collection.index_files.row_pairing import keys, pair
from indexer.collection.storage.store import LocalStore
from indexer.map.layout import Progress, lay_out

if TYPE_CHECKING:
    from indexer.collection.snapshot import Snapshot

FOLDER = "map"
MAGIC = b"clipdex map 1\n"
DIGEST = 32
ROW = 8 + 2 * 4  # bytes: a key and two numbers
MOST_CHANGED = 0.2  # came or went since the map was made; beyond that it is worth making anew
NEIGHBOURS = 5
PAIRS_AT_ONCE = 1 << 24  # cosines: 64 MB, and a few times that to sort them


@dataclass(frozen=True)
class Map:
    """The places (n, 2) float32 of a collection's images, from 0 to 1, in the order of a snapshot's rows."""

    places: np.ndarray
    new: int  # of them only put beside their nearest ones
    stale: bool  # so much has changed that it is worth making anew


def project(snapshot: Snapshot, *, seed: int = 0, progress: Progress | None = None) -> Map:
    """Make the map of all images and keep it. The same vectors and seed give the same map; about a minute for
    100,000 vectors of 512 numbers on two cores. Where nothing can be written, nothing is kept."""
    places = lay_out(snapshot.vectors, seed=seed, progress=progress)
    with suppress(OSError):
        file = _file(snapshot)
        LocalStore(file.parent).write(file.name, _packed(keys(snapshot.vectors), places))
    return Map(places, 0, False)


def cached_map(snapshot: Snapshot) -> Map | None:
    """The map that was made before, with what came since put beside its nearest ones; None where there is none that
    can be used."""
    n = len(snapshot.ids)
    read = _read(_file(snapshot))
    if read is None or not n:
        return None
    then, places = read
    pairing = pair(then, keys(snapshot.vectors))
    if len(pairing.new) > n / 2:
        return None
    found = np.full((n, 2), np.nan, np.float32)
    known = pairing.row >= 0
    found[pairing.row[known]] = places[known]
    if len(pairing.new):
        found[pairing.new] = _beside(snapshot.vectors, found, pairing.new)
    return Map(found, len(pairing.new), pairing.change > MOST_CHANGED)


def discard_map(snapshot: Snapshot) -> None:
    """Delete the map, if there is one."""
    with suppress(OSError):
        _file(snapshot).unlink(missing_ok=True)


def _beside(vectors: np.ndarray, places: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Places for `new` rows (m,) -> (m, 2): of the nearest few that have a place, the one most among the others. A
    mean of them would lie in the void between two groups."""
    old = np.setdiff1d(np.arange(len(vectors)), new)
    k = min(NEIGHBOURS, len(old))
    found = np.empty((len(new), 2), np.float32)
    there, step = vectors[old], max(1, PAIRS_AT_ONCE // len(old))
    for start in range(0, len(new), step):
        part = new[start : start + step]
        scores = vectors[part] @ there.T
        near = places[old[np.argpartition(-scores, k - 1, axis=1)[:, :k]]]  # (p, k, 2)
        apart = np.linalg.norm(near[:, :, np.newaxis] - near[:, np.newaxis], axis=3).sum(axis=2)
        found[start : start + step] = near[np.arange(len(part)), apart.argmin(axis=1)]
    # A hair beside it, so that both can be seen.
    beside = np.random.default_rng(0).normal(0, 0.3 / max(1.0, len(vectors) ** 0.5), found.shape).astype(np.float32)
    return np.clip(found + 0.2 * beside, 0, 1)


# --- the file: the magic, a SHA-256 of the rest, n keys, n places ----------------------------------------------------


def _file(snapshot: Snapshot) -> Path:
    return snapshot.collection.path / FOLDER / f"{snapshot.collection.info.model.fingerprint[:16]}.places"


def _packed(marks: np.ndarray, places: np.ndarray) -> bytes:
    rest = marks.astype("<u8").tobytes() + places.astype("<f4").tobytes()
    return MAGIC + hashlib.sha256(rest).digest() + rest


def _read(file: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """Keys (n,) and places (n, 2); None where there is no whole file."""
    try:
        data = file.read_bytes()
    except OSError:
        return None
    head, rest = data[: len(MAGIC) + DIGEST], data[len(MAGIC) + DIGEST :]
    if head != MAGIC + hashlib.sha256(rest).digest() or len(rest) % ROW:
        return None
    n = len(rest) // ROW
    marks = np.frombuffer(rest, "<u8", n).astype(np.uint64)
    places = np.frombuffer(rest, "<f4", 2 * n, 8 * n).reshape(n, 2).astype(np.float32)
    return (marks, places) if np.isfinite(places).all() else None
