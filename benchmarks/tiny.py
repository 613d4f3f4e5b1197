"""How much does the bundled model know?  The floors it has to reach, on data it was not trained on.

    python -m benchmarks.tiny [DATA]    (a folder with cifar10/, tiny_imagenet/ and photos/; shared/data unless given)

Zero-shot accuracy with the prompt ensemble, retrieval on painted scenes and ordinary photos, and what a person sees:
the precision of the first ten hits of `clipdex search "a photo of a NAME"` over indexed files.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import tempfile
import time
from pathlib import Path

import clipdex
from benchmarks.report import Target, publish
from core.inference.load import load_encoder
from tests.shared import SHARED
from train.data.sources import read_class_data
from train.evaluation import evaluate
from train.scenes import paint

SCENES = 1000  # seeds 0 to 999; training starts at 1,000,000
PROMPT = "a photo of a {}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=SHARED / "data")
    parser.add_argument("--model", default="tiny", help="a model's name or directory")
    arguments = parser.parse_args()
    data, model = arguments.data, arguments.model
    if not data.is_dir():
        parser.error(f"there is no folder {data}; name the one that holds cifar10/, tiny_imagenet/ and photos/")
    encoder = load_encoder(model)
    cifar = evaluate.zeroshot(encoder, data / "cifar10/test.parquet")
    imagenet = evaluate.zeroshot(encoder, data / "tiny_imagenet/val.parquet")
    photos = evaluate.retrieval(encoder, data / "photos")
    with tempfile.TemporaryDirectory() as folder:
        scenes = evaluate.retrieval(encoder, painted(Path(folder) / "scenes"))
        cifar_precision = precision_at_10(data / "cifar10/test.parquet", model, Path(folder) / "cifar10")
        imagenet_precision = precision_at_10(data / "tiny_imagenet/val.parquet", model, Path(folder) / "imagenet")
    numbers = {
        "photos, image->text recall_at_10": photos.image_to_text.recall_at_10,
        "photos, text->image recall_at_1": photos.text_to_image.recall_at_1,
        "photos, text->image median rank of 200": photos.text_to_image.median_rank,
        "scenes, text->image recall_at_1": scenes.text_to_image.recall_at_1,
        "one text query, median ms": text_milliseconds(model),
    }
    targets = [
        Target("CIFAR-10 test, zero-shot top1", cifar.top1, at_least=0.84),
        Target("Tiny ImageNet val, zero-shot top1", imagenet.top1, at_least=0.42),
        Target("Tiny ImageNet val, zero-shot top5", imagenet.top5, at_least=0.68),
        Target("1,000 painted scenes, text->image recall_at_10", scenes.text_to_image.recall_at_10, at_least=0.80),
        Target("200 photos, text->image recall_at_10", photos.text_to_image.recall_at_10, at_least=0.20),
        Target("CIFAR-10 files, precision at 10", cifar_precision, at_least=0.90),
        Target("Tiny ImageNet files, precision at 10", imagenet_precision, at_least=0.42),
    ]
    publish("tiny", numbers, targets)


def painted(folder: Path) -> Path:
    """Scenes with their one attribute-precise caption each."""
    folder.mkdir()
    rows = [("image", "caption")]
    for seed in range(SCENES):
        scene = paint(seed, size=256)
        scene.image.save(folder / f"{seed:04d}.png")
        rows.append((f"{seed:04d}.png", scene.precise))
    with (folder / "captions.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return folder


def precision_at_10(data: Path, model: str, folder: Path) -> float:
    """Write labelled images out as files, index them, and search each class by its first name: mean share of right
    ones among ten hits."""
    classes = read_class_data(data)
    folder.mkdir()
    for number, (image, label) in enumerate(zip(classes.images, classes.labels, strict=True)):
        assert isinstance(image, bytes)
        (folder / f"{label:03d}-{number:05d}.jpg").write_bytes(image)
    clipdex.index(folder, model=model)
    collection = clipdex.open(folder)
    right = [
        statistics.mean(hit.id.startswith(f"{label:03d}-") for hit in collection.search(PROMPT.format(name), limit=10))
        for label, (name, *_) in enumerate(classes.names)
    ]
    return statistics.mean(right)


def text_milliseconds(model: str) -> float:
    """Median time of one query through the text tower, warm."""
    encoder = load_encoder(model)
    times = []
    for number in range(60):
        started = time.perf_counter()
        encoder.encode_texts([f"two red boats on a calm sea, number {number}"])
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times[10:])


if __name__ == "__main__":
    main()
