"""Groups the duplicates of a collection: equal bytes, same image, same scene.

- bytes: the files are the same, byte for byte.
- picture: the same image, encoded again, resized, cropped, recoloured or with a border. Candidates are near in the
  model's space or in perceptual hash; a pair counts if one thumbnail lies on the other
  (`indexer.dedup.image_similarity`).
- scene: another image of the same scene, such as the next one of a burst: near in the model's space, and laid on each
  other the thumbnails nearly fit; neither alone tells it from another scene of its kind.

An image stands for all its copies in the next kind: a group of kind "picture" holds one of each set of equal files, a
group of kind "scene" one of each set of the same image. Nothing is compared with everything
(`indexer.dedup.neighbor_pairs`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from indexer.dedup.duplicate_rule import (
    CANDIDATE,
    KINDS,
    NEAREST,
    SURE_CANDIDATE,
    Closeness,
    Kind,
    Thumbnails,
    are_copies,
    likeness,
)
from indexer.dedup.image_similarity import perceptual_hash
from indexer.dedup.keep_policy import Best, KeepPolicy
from indexer.dedup.neighbor_pairs import neighbor_pairs

if TYPE_CHECKING:
    from indexer.collection.snapshot import Snapshot


MOST_NEAREST = 8  # of each image, that are looked at at all
BANDS, BAND_BITS, MOST_BITS, HASH_NEIGHBOURS = 4, 16, 10, 8
AT_ONCE = 512

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Group:
    """Images that are one: the one to keep first (`best_of`)."""

    kind: Kind
    ids: list[str]


def duplicates(snapshot: Snapshot, kinds: Iterable[Kind] = KINDS, progress: Progress | None = None) -> list[Group]:
    """All groups of some kinds, by kind, the groups by the first of their ids. `progress(stage, done, of)` is told how
    far it is. Raises `CollectionError` if the thumbnails cannot be read."""
    wanted, tell = set(kinds), progress or (lambda stage, done, of: None)
    merits = KeepPolicy(snapshot)
    shown = np.arange(len(snapshot.ids)) if snapshot.excluded is None else np.flatnonzero(~snapshot.excluded)
    groups: dict[Kind, list[list[int]]] = {"bytes": _equal(snapshot.images["hash"].take(shown).to_pylist(), shown)}
    rows = _standing(shown, groups["bytes"], merits)
    if wanted & {"picture", "scene"} and len(rows) > 1:
        tell("comparing vectors", 0, len(rows))
        close = Closeness.of(snapshot.vectors)
        pairs, cosines = neighbor_pairs(snapshot.vectors[rows], close.cosine(CANDIDATE), MOST_NEAREST)
        pairs, same = _laid(snapshot, rows, rows[pairs][_worth(pairs, close(cosines))], tell)
        closeness = close((snapshot.vectors[pairs[:, 0]] * snapshot.vectors[pairs[:, 1]]).sum(axis=1))
        groups["picture"] = _joined(pairs[are_copies("picture", closeness, same)].tolist())
        rows = _standing(rows, groups["picture"], merits)
        near = are_copies("scene", closeness, same) & np.isin(pairs, rows).all(axis=1)
        groups["scene"] = _around_leaders(pairs[near], (closeness + same)[near])
    ids = snapshot.ids
    return [
        Group(kind, [ids[row] for row in ordered])
        for kind in KINDS
        if kind in wanted
        for ordered in sorted((merits.ordered(group) for group in groups.get(kind, [])), key=min)
    ]


def best_of(snapshot: Snapshot, groups: Sequence[Group]) -> list[Best]:
    """For each group the image to keep, why, and how many bytes the others take. Nothing is removed."""
    merits, found = KeepPolicy(snapshot), []
    for group in groups:
        ordered = merits.ordered([snapshot.rows[one] for one in group.ids])
        others = int(merits.sizes[ordered[1:]].sum())
        found.append(Best(snapshot.ids[ordered[0]], merits.why(ordered), others))
    return found


def _standing(rows: np.ndarray, groups: list[list[int]], merits: KeepPolicy) -> np.ndarray:
    """`rows` with one of each group, the one to keep."""
    others = [row for group in groups for row in merits.ordered(group)[1:]]
    return np.setdiff1d(rows, np.array(others, np.int64))


def _equal(values: Sequence[str | None], rows: np.ndarray) -> list[list[int]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for row, value in zip(rows.tolist(), values, strict=True):
        if value:  # an image that was imported without its file has none
            found[value].append(row)
    return [rows for rows in found.values() if len(rows) > 1]


def _worth(pairs: np.ndarray, closeness: np.ndarray) -> np.ndarray:
    """(m,) bool: pairs that are near, or among the nearest few of one of the two."""
    worth = closeness >= SURE_CANDIDATE
    for side in (0, 1):
        order = np.lexsort((-closeness, pairs[:, side]))
        of = pairs[order, side]
        starts = np.flatnonzero(np.append(True, of[1:] != of[:-1])) if len(of) else np.zeros(0, np.int64)
        place = np.arange(len(of)) - np.repeat(starts, np.diff(np.append(starts, len(of))))
        worth[order[place < NEAREST]] = True
    return worth


def _laid(
    snapshot: Snapshot, rows: np.ndarray, candidates: np.ndarray, tell: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """The candidates and what is near in perceptual hash, pairs of rows (m, 2), and how well the thumbnails of each
    lie on each other (m,)."""
    thumbnails = Thumbnails(snapshot)
    hashes = np.zeros(len(rows), np.uint64)
    for start in range(0, len(rows), AT_ONCE):
        tell("reading thumbnails", start, len(rows))
        part = thumbnails.of(rows[start : start + AT_ONCE])
        known = [0 if image is None else perceptual_hash(image) for image in part]
        hashes[start : start + AT_ONCE] = np.array(known, np.uint64)
    every = np.unique(np.vstack([candidates, rows[_near_hashes(hashes)]]), axis=0)
    same = np.zeros(len(every))
    for start in range(0, len(every), AT_ONCE):
        tell("comparing images", start, len(every))
        images = thumbnails.of(every[start : start + AT_ONCE].ravel())
        for place, (one, other) in enumerate(zip(images[::2], images[1::2], strict=True), start):
            same[place] = likeness(one, other)
    return every, same


def _near_hashes(hashes: np.ndarray) -> np.ndarray:
    """Pairs (m, 2) of places whose hashes differ in few bits: they agree in one of four bands and are neighbours there.
    A hash of 0 is none."""
    found = []
    for band in range(BANDS):
        keys = (hashes >> np.uint64(band * BAND_BITS)) & np.uint64((1 << BAND_BITS) - 1)
        order = np.lexsort((hashes, keys))
        for step in range(1, HASH_NEIGHBOURS + 1):
            one, other = order[:-step], order[step:]
            near = (keys[one] == keys[other]) & (hashes[one] != 0) & (hashes[other] != 0)
            near &= np.bitwise_count(hashes[one] ^ hashes[other]) <= MOST_BITS
            found.append(np.stack([one[near], other[near]], axis=1))
    pairs = np.vstack(found)
    pairs.sort(axis=1)
    unique: np.ndarray = np.unique(pairs, axis=0)
    return unique


def _joined(pairs: Iterable[Sequence[int]]) -> list[list[int]]:
    """Groups of what is connected: a copy of a copy is a copy."""
    parent: dict[int, int] = {}

    def root(row: int) -> int:
        while parent.setdefault(row, row) != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for one, other in pairs:
        parent[max(root(one), root(other))] = min(root(one), root(other))
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for row in sorted(parent):
        groups[root(row)].append(row)
    return list(groups.values())


def _around_leaders(pairs: np.ndarray, nearness: np.ndarray) -> list[list[int]]:
    """Groups in which all are near the first that was chosen, the one with the most near ones: likeness is not passed
    on from one to the next, so a long burst that wanders is several groups."""
    near: defaultdict[int, list[tuple[float, int]]] = defaultdict(list)
    for (one, other), value in zip(pairs.tolist(), nearness.tolist(), strict=True):
        near[one].append((-value, other))
        near[other].append((-value, one))
    taken: set[int] = set()
    groups = []
    for leader in sorted(near, key=lambda row: (-len(near[row]), row)):
        if leader not in taken:
            members = [row for _, row in sorted(near[leader]) if row not in taken]
            taken.update(members, [leader])
            if members:
                groups.append([leader, *members])
    return groups


def pairs_of(groups: Iterable[Group]) -> Iterator[tuple[str, str]]:
    """Every two images of one group, as ids in their order."""
    for group in groups:
        ordered = sorted(group.ids)
        yield from ((one, other) for place, one in enumerate(ordered) for other in ordered[place + 1 :])
