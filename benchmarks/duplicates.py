"""Are copies of photos found, each in its kind?  Precision and recall on pairs made by known changes.

    python -m benchmarks.duplicates [PHOTOS] [--photos 200]     (a folder of different photos; shared/data unless given)

Each photo lies in one collection with an equal copy or not, some changed copies (`benchmarks/changes.py`), and one that
looks as if it had been taken again. A pair is right for "picture" if both come from one photo without being taken
again, for "scene" if one of them was. Beside it: DCT hashes compared by Hamming distance, as imagededup's PHash does by
default (all pairs of at most 10 bits); imagededup itself where it is installed, else the same hash from here.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import shutil
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image

import clipdex
from benchmarks.changes import SAME_PICTURE, taken_again
from benchmarks.report import Target, publish
from indexer.dedup.duplicates import duplicates, pairs_of
from indexer.dedup.image_similarity import lightness, perceptual_hash
from indexer.dedup.neighbor_pairs import neighbor_pairs
from tests.shared import SHARED

COPIES = 4  # changed copies of each photo, taken in turn
BITS = 10
LARGE = 100_000  # vectors for the time

Pairs = set[tuple[str, str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=SHARED / "data/photos")
    parser.add_argument("--photos", type=int, default=200)
    arguments = parser.parse_args()
    photos = sorted(arguments.data.glob("*.jpg"))[: arguments.photos]
    if len(photos) < 2:
        parser.error(f"{arguments.data} holds no photos (*.jpg)")
    numbers: dict[str, float | str] = {"photos": float(len(photos))}
    with tempfile.TemporaryDirectory() as folder:
        made = copies(photos, Path(folder))
        clipdex.index(folder, model="tiny")
        snapshot = clipdex.open(folder).snapshot()
        started = time.perf_counter()
        groups = duplicates(snapshot)
        numbers["pictures"] = float(len(snapshot.ids))
        numbers["seconds"] = time.perf_counter() - started
        found: dict[str, Pairs] = {
            kind: set(pairs_of(g for g in groups if g.kind == kind)) for kind in ("bytes", "picture", "scene")
        }
        expanded = with_equal_files(found)
        hashed, name = by_hash(Path(folder), list(made))
    numbers["perceptual hash"] = name
    targets = judged(made, expanded, hashed, numbers)
    numbers[f"seconds for the near pairs of {LARGE:,} vectors of 256 numbers"] = large()
    publish("duplicates", numbers, targets)


def copies(photos: list[Path], folder: Path) -> dict[str, tuple[int, str]]:
    """Write the collection -> name of each file: number of its photo, and how it was made."""
    made, changes = {}, list(SAME_PICTURE)
    for number, photo in enumerate(photos):
        draw = np.random.default_rng(number)
        shutil.copyfile(photo, folder / f"{number:03}.jpg")
        made[f"{number:03}.jpg"] = (number, "the photo")
        if number % 4 == 0:
            shutil.copyfile(photo, folder / f"{number:03}-equal.jpg")
            made[f"{number:03}-equal.jpg"] = (number, "equal bytes")
        with Image.open(photo) as opened:
            image = opened.convert("RGB")
        chosen = [changes[(number * COPIES + turn) % len(changes)] for turn in range(COPIES)]
        for place, change in enumerate(chosen):
            name = f"{number:03}-{place}.jpg"
            SAME_PICTURE[change](image, draw).save(folder / name, quality=90)
            made[name] = (number, change)
        taken_again(image, draw).save(folder / f"{number:03}-again.jpg", quality=90)
        made[f"{number:03}-again.jpg"] = (number, "taken again")
    return made


def with_equal_files(found: dict[str, Pairs]) -> dict[str, Pairs]:
    """An image stands for its copies in the next kind; here every copy counts as a pair of its own."""
    stands: defaultdict[str, set[str]] = defaultdict(set)
    result = {"bytes": found["bytes"]}
    for kind in ("picture", "scene"):
        for one, other in found["bytes"] if kind == "picture" else result["picture"] | found["bytes"]:
            stands[one].add(other)
            stands[other].add(one)
        result[kind] = {
            (min(a, b), max(a, b))
            for one, other in found[kind]
            for a, b in itertools.product({one, *stands[one]}, {other, *stands[other]})
        }
    return result


def by_hash(folder: Path, names: list[str]) -> tuple[Pairs, str]:
    """The pairs of at most BITS different bits."""
    try:
        hasher = importlib.import_module("imagededup.methods").PHash(verbose=False)
    except ImportError:
        hashes = [perceptual_hash(lightness((folder / name).read_bytes())) for name in names]
        source = "the DCT hash from here, imagededup is not installed"
    else:
        hashes = [int(hasher.encode_image(folder / name), 16) for name in names]
        source = "imagededup"
    bits = np.array(hashes, np.uint64)
    near = np.argwhere(np.triu(np.bitwise_count(bits[:, np.newaxis] ^ bits) <= BITS, 1))
    pairs = {(min(names[a], names[b]), max(names[a], names[b])) for a, b in near.tolist()}
    return pairs, source


def judged(
    made: dict[str, tuple[int, str]], found: dict[str, Pairs], hashed: Pairs, numbers: dict[str, float | str]
) -> list[Target]:
    """Put precision and recall into `numbers`, the recall of each change with the photo itself, too."""
    true: dict[str, Pairs] = {"bytes": set(), "picture": set(), "scene": set()}
    by_change: defaultdict[str, Pairs] = defaultdict(set)
    for one, other in itertools.combinations(sorted(made), 2):
        (photo, first), (second_photo, second) = made[one], made[other]
        if photo != second_photo:
            continue
        again = (first == "taken again") + (second == "taken again")
        equal = {first, second} == {"the photo", "equal bytes"}
        true["scene" if again else "bytes" if equal else "picture"].add((one, other))
        if "the photo" in (first, second):
            by_change[first if second == "the photo" else second].add((one, other))
    targets = []
    for kind, pairs in found.items():
        right = pairs & true[kind]
        numbers[f"{kind}: precision"] = len(right) / max(1, len(pairs))
        numbers[f"{kind}: recall"] = len(right) / len(true[kind])
    wanted = true["picture"] | true["bytes"]
    numbers["perceptual hash: precision for the same image"] = len(hashed & wanted) / max(1, len(hashed))
    numbers["perceptual hash: recall for the same image"] = len(hashed & wanted) / len(wanted)
    mixed = found["picture"] & true["scene"]
    numbers["image: share of the pairs that were taken again"] = len(mixed) / max(1, len(found["picture"]))
    for change, pairs in sorted(by_change.items()):
        kind = {"equal bytes": "bytes", "taken again": "scene"}.get(change, "picture")
        numbers[f"recall, {change}"] = len(found[kind] & pairs) / len(pairs)
        numbers[f"recall of the hash, {change}"] = len(hashed & pairs) / len(pairs)
    for kind, measure, bound in (("bytes", "recall", 1.0), ("picture", "precision", 0.9), ("picture", "recall", 0.8)):
        targets.append(Target(f"{kind}: {measure}", float(numbers[f"{kind}: {measure}"]), at_least=bound))
    return targets


def large() -> float:
    draw = np.random.default_rng(0)
    centres = draw.normal(size=(2_000, 256))
    vectors = centres[draw.integers(0, len(centres), LARGE)] + draw.normal(size=(LARGE, 256))
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    started = time.perf_counter()
    neighbor_pairs(unit, 0.8, 8)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
