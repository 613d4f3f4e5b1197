"""Do tiles find small things in large images, and what do they cost?

    python -m benchmarks.tiles [DATA]    (a folder with photos/ and cifar10/; shared/data unless given)

Into each of 200 photos one small image of CIFAR-10 is pasted, at a random place and with sides of 1/3, 1/4 and 1/5 of
the photo's shorter one. Asked for are these small images themselves (recall_at_10: is the photo that holds it among
the ten best?) and the words for them (how many of the ten best hold such a thing?), with tiles and without. What tiles
must not cost is told, too: recall_at_10 of the photos as they are by their own captions, which speak of the whole.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import clipdex
from benchmarks.report import Target, publish
from core.image.decode import open_image, to_rgb
from indexer.search.searcher import Searcher
from tests.shared import SHARED
from train.data.sources import read_class_data

SIZES = {"a third": 3, "a quarter": 4, "a fifth": 5}
PROMPT = "a photo of a {}"
QUALITY = 92
ASKED = 100  # searches that are timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=SHARED / "data")
    parser.add_argument("--model", default="tiny", help="a model's name or directory")
    arguments = parser.parse_args()
    if not (arguments.data / "photos").is_dir():
        parser.error(f"there is no folder {arguments.data / 'photos'}; name the one that holds photos/ and cifar10/")
    photos = sorted((arguments.data / "photos").glob("*.jpg"))
    numbers: dict[str, Any] = {"photos": len(photos)}
    with tempfile.TemporaryDirectory(prefix="clipdex-tiles-") as temporary:
        small, names, labels = things(arguments.data, len(photos))
        for size, parts in SIZES.items():
            folder = Path(temporary) / size
            paste(photos, small, parts, folder)
            clipdex.index(folder, model=arguments.model, tiles=True)
            pictures = clipdex.open(folder)
            for tiles in (False, True):
                numbers[f"{size}, {told(tiles)}, by image: recall_at_10"] = by_picture(pictures, small, tiles)
                numbers[f"{size}, {told(tiles)}, by words: of the ten best"] = by_words(pictures, names, labels, tiles)
        numbers |= whole(arguments.data, photos, Path(temporary) / "whole", arguments.model)
    best = "a third, with tiles, by image: recall_at_10"
    gain = numbers[best] / numbers[best.replace("with tiles", "without")]
    publish("tiles", numbers, [Target("a third by image, recall_at_10 with tiles beside without", gain, at_least=3)])


def told(tiles: bool) -> str:
    return "with tiles" if tiles else "without"


def things(data: Path, count: int) -> tuple[list[Image.Image], list[str], np.ndarray]:
    """So many small images, the names of all classes, and the class of each image."""
    classes = read_class_data(data / "cifar10/test.parquet")
    drawn = np.random.default_rng(0).permutation(len(classes.images))[:count]
    small = [to_rgb(open_image(classes.images[place])) for place in drawn]
    return small, [names[0] for names in classes.names], np.array(classes.labels)[drawn]


def paste(photos: list[Path], small: list[Image.Image], parts: int, folder: Path) -> None:
    """Each photo with one of the small images in it, as NUMBER.jpg."""
    draw = np.random.default_rng(1)
    folder.mkdir()
    for number, (path, thing) in enumerate(zip(photos, small, strict=True)):
        image = to_rgb(open_image(path)).copy()
        side = round(min(image.size) / parts)
        left, top = (int(draw.integers(0, length - side + 1)) for length in image.size)
        image.paste(thing.resize((side, side), Image.Resampling.BICUBIC), (left, top))
        image.save(folder / f"{number:03}.jpg", quality=QUALITY)


def by_picture(pictures: Searcher, small: list[Image.Image], tiles: bool) -> float:
    found = [pictures.search(image=thing, tiles=tiles, limit=10) for thing in small]
    return statistics.mean(f"{n:03}.jpg" in {hit.id for hit in hits} for n, hits in enumerate(found))


def by_words(pictures: Searcher, names: list[str], labels: np.ndarray, tiles: bool) -> float:
    shares = []
    for label, name in enumerate(names):
        hits = pictures.search(PROMPT.format(name), tiles=tiles, limit=10)
        shares.append(statistics.mean(float(labels[int(hit.id[:3])] == label) for hit in hits))
    return statistics.mean(shares)


def whole(data: Path, photos: list[Path], folder: Path, model: str) -> dict[str, Any]:
    """What tiles cost: time, space, and answers to those who describe the whole."""
    folder.mkdir()
    for path in photos:
        shutil.copy(path, folder / path.name)
    numbers: dict[str, Any] = {}
    for tiles in (False, True):
        started = time.perf_counter()
        to = folder.with_name(told(tiles))
        clipdex.index(folder, model=model, to=to, tiles=tiles)
        numbers[f"index, {told(tiles)}: seconds"] = time.perf_counter() - started
        numbers[f"index, {told(tiles)}: bytes a photo"] = clipdex.open(to).status().size_bytes / len(photos)
    pictures = clipdex.open(to)
    status = pictures.status()
    assert status.tiles is not None
    numbers["tiles a photo"] = status.tiles / len(photos)
    with (data / "photos/captions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for tiles in (False, True):
        found = [pictures.search(row["caption"], tiles=tiles, limit=10) for row in rows]
        right = [row["image"] in {hit.id for hit in hits} for row, hits in zip(rows, found, strict=True)]
        numbers[f"captions, {told(tiles)}: recall_at_10"] = statistics.mean(right)
        vector, spent = pictures.snapshot().vectors[0], []
        for _ in range(ASKED):
            started = time.perf_counter()
            pictures.search(vector=vector, tiles=tiles, limit=10)
            spent.append(1000 * (time.perf_counter() - started))
        numbers[f"search, {told(tiles)}: ms"] = statistics.median(spent)
    return numbers


if __name__ == "__main__":
    main()
