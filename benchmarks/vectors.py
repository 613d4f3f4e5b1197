"""Vectors to search: made-up ones like a CLIP model's, and real ones.

Real collections of a million captioned images are not at hand, and random vectors have no neighbours worth finding.
What makes searching by words hard is kept: images lie in nested clusters of low intrinsic dimension and share a
constant part; texts share another one, say only a part of what an image shows, and their hundred nearest images
have cosines that differ by hundredths.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from core.image.decode import open_image
from core.inference.load import load_encoder

D = 512
MEANING = 48  # intrinsic dimensions
THEMES, TOPICS = 50, 3_000
AT_ONCE = 50_000
CONE = 0.5  # the part of a vector's squared length that all vectors of its kind share
SPECIAL, PICTURE_NOISE = 0.8, 0.2  # how far an image is from its topic, and what only its tower sees
MIXED, LOOSE, TEXT_NOISE = 0.5, 0.5, 1.0  # how much of two other topics is in a text; the same two for texts


@dataclass(frozen=True)
class Data:
    """Images (n, d), queries like texts and like images (q, d) that are not among them, and texts to learn from."""

    pictures: np.ndarray
    texts: np.ndarray
    others: np.ndarray
    examples: np.ndarray


@dataclass(frozen=True)
class World:
    """Where meanings lie, and how the two towers show them."""

    topics: np.ndarray  # (topics, meaning)
    often: np.ndarray  # (topics,) probabilities
    axes: np.ndarray  # (meaning, d) orthonormal
    picture: np.ndarray  # (d,) the constant parts, orthogonal to the axes and to each other
    text: np.ndarray


def make(n: int, queries: int = 1_000, examples: int = 5_000, seed: int = 0) -> Data:
    """n images; the same seed gives the same ones."""
    generator = np.random.default_rng(seed)
    world = _world(generator)
    pictures = np.empty((n, D), np.float32)
    for start in range(0, n, AT_ONCE):
        part = pictures[start : start + AT_ONCE]
        part[:] = _pictures(world, generator, len(part))
    texts = _texts(world, generator, queries + examples)
    return Data(pictures, texts[:queries], _pictures(world, generator, queries), texts[queries:])


def real(folder: Path, queries: int = 500, examples: int = 5_000) -> Data:
    """The training images of Tiny ImageNet and CIFAR-10 as `tiny` embeds them, 149,993 vectors of 256 numbers; queries
    are captions of photos that it never saw, examples those of its captioned training photos. `folder` is the data."""
    encoder = load_encoder("tiny")
    parts = []
    for name in ("tiny_imagenet", "cifar10"):
        for batch in pq.ParquetFile(folder / name / "train.parquet").iter_batches(1_000, columns=["image"]):
            images = [open_image(image) for image in batch["image"].to_pylist()]
            parts.append(encoder.encode_images(images))
    with (folder / "photos" / "captions.csv").open(encoding="utf-8", newline="") as file:
        captions = [row["caption"] for row in csv.DictReader(file)]
    learnt = pq.read_table(folder / "captioned" / "train.parquet", columns=["captions"])["captions"].to_pylist()
    texts = encoder.encode_texts(captions[:: len(captions) // queries][:queries])
    more = encoder.encode_texts([words[0] for words in learnt[:examples]])
    pictures = np.concatenate(parts)
    return Data(pictures, texts, pictures[:: len(pictures) // queries][:queries], more)


def _world(generator: np.random.Generator) -> World:
    themes = generator.normal(size=(THEMES, MEANING))
    topics = themes[generator.integers(THEMES, size=TOPICS)] + 0.8 * generator.normal(size=(TOPICS, MEANING))
    often = 1 / np.arange(1, TOPICS + 1) ** 0.5
    frame = np.linalg.qr(generator.normal(size=(D, MEANING + 2)))[0].T.astype(np.float32)
    return World(_unit(topics), often / often.sum(), frame[2:], frame[0], frame[1])


def _pictures(world: World, generator: np.random.Generator, count: int) -> np.ndarray:
    """(count, d): a topic, what is special about the image, and what only the image's tower sees."""
    topic = world.topics[generator.choice(TOPICS, count, p=world.often)]
    return _seen(topic, world.axes, world.picture, SPECIAL, PICTURE_NOISE, generator)


def _texts(world: World, generator: np.random.Generator, count: int) -> np.ndarray:
    """(count, d): a topic with something of two others, and much that no image shows."""
    first, second, third = (world.topics[generator.choice(TOPICS, count)] for _ in range(3))
    mixed = _unit(first + MIXED * (second + third))
    return _seen(mixed, world.axes, world.text, LOOSE, TEXT_NOISE, generator)


def _seen(
    meaning: np.ndarray, axes: np.ndarray, cone: np.ndarray, loose: float, noise: float, generator: np.random.Generator
) -> np.ndarray:
    """Meanings (count, meaning) as a tower shows them: a little off, with noise in all dimensions, in its cone."""
    count = len(meaning)
    around = _unit(meaning + generator.normal(size=meaning.shape) * (loose / np.sqrt(MEANING)))
    own = generator.normal(size=(count, D)) * (noise / np.sqrt(D))
    return _unit(np.sqrt(CONE) * cone + np.sqrt(1 - CONE) * (around @ axes + own))


def _unit(rows: np.ndarray) -> np.ndarray:
    unit: np.ndarray = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit
