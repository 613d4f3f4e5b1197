"""Draws batches from the sources of a recipe.

Every image is decoded once, to the square its source asks for, and kept in a file that is mapped into memory; every
caption is kept in one list. Which images and captions make up step 100 is a function of the seed and the number 100
alone: an interrupted run that goes on at step 100 sees what an undisturbed one would have seen.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import DataError, ImageError
from core.model.config import PreprocessConfig
from train.data.class_captions import captions_of
from train.data.sources import read_captioned, read_class_data
from train.recipe import AnySource, CaptionSource, ClassSource, Recipe, SceneSource

CHUNK = 256  # images handed to a decoding process at a time


@dataclass(frozen=True)
class Part:
    """One source, decoded. Label l's captions are texts `first_text[l]` to `first_text[l] + text_count[l] - 1`; an
    image with captions of its own has a label of its own."""

    source: AnySource
    pixels: np.ndarray  # (n, side, side, 3) uint8
    labels: np.ndarray  # (n,) int64
    first_text: np.ndarray  # (labels,) int64
    text_count: np.ndarray  # (labels,) int64

    def rows(self, seed: int, start: int, count: int) -> np.ndarray:
        """The `count` images after `start` visits: each epoch visits every image once, in an order of its own."""
        n = len(self.pixels)
        positions = np.arange(start, start + count)
        return np.concatenate(
            [_order(n, seed, int(epoch))[positions[positions // n == epoch] % n] for epoch in np.unique(positions // n)]
        )

    def texts(self, rows: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """One caption for each label among the rows: text numbers and their labels."""
        labels = np.unique(self.labels[rows])
        return self.first_text[labels] + rng.integers(0, self.text_count[labels]), labels


@dataclass(frozen=True)
class Corpus:
    """All parts of a recipe and the one list of texts that they point into."""

    parts: tuple[Part, ...]
    texts: list[str]


def load_corpus(recipe: Recipe, data: Path, cache: Path) -> Corpus:
    """Read and decode every source of `recipe` below the folder `data`; decoded images are kept in `cache`.

    Raises `DataError` for a source that is missing, empty or holds an image that cannot be decoded.
    """
    cache.mkdir(parents=True, exist_ok=True)
    texts: list[str] = []
    parts = [_load(source, recipe.preprocess, data, cache, texts) for source in recipe.data]
    return Corpus(tuple(parts), texts)


def _load(source: AnySource, preprocess: PreprocessConfig, data: Path, cache: Path, texts: list[str]) -> Part:
    rule = preprocess.model_copy(update={"image_size": source.side})
    if isinstance(source, SceneSource):
        seeds = range(source.first_seed, source.first_seed + source.count)
        pixels, captions = _painted(seeds, source.side, cache)
        return Part(source, pixels, np.arange(len(pixels)), *_append_each(texts, captions))
    if isinstance(source, CaptionSource):
        captioned = read_captioned(data / source.path)
        pixels = _decoded(captioned.images, rule, cache)
        return Part(source, pixels, np.arange(len(pixels)), *_append_each(texts, captioned.captions))
    assert isinstance(source, ClassSource)
    classes = read_class_data(data / source.path)
    pixels = _decoded(classes.images, rule, cache)
    first, count = _append_each(texts, [captions_of(names) for names in classes.names])
    return Part(source, pixels, np.asarray(classes.labels, dtype=np.int64), first, count)


def _append_each(texts: list[str], groups: Sequence[Sequence[str]]) -> tuple[np.ndarray, np.ndarray]:
    """Append all groups to `texts`; returns where each begins and how long it is."""
    count = np.array([len(group) for group in groups], dtype=np.int64)
    first = len(texts) + np.concatenate([[0], count.cumsum()[:-1]]).astype(np.int64)
    for group in groups:
        texts.extend(group)
    return first, count


@lru_cache(maxsize=16)  # two epochs of each of a handful of sources
def _order(n: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, n, epoch]).permutation(n)


def _decoded(images: Sequence[bytes | Path], rule: PreprocessConfig, cache: Path) -> np.ndarray:
    digest = hashlib.sha256(rule.model_dump_json().encode())
    for image in images:
        digest.update(image if isinstance(image, bytes) else f"{image}:{image.stat().st_mtime_ns}".encode())
    path = cache / f"pixels-{digest.hexdigest()[:16]}.npy"
    if not path.exists():
        _write(path, partial(_decode_chunk, rule), images, rule.image_size)
    return np.load(path, mmap_mode="r")


def _painted(seeds: range, side: int, cache: Path) -> tuple[np.ndarray, list[list[str]]]:
    from train.scenes import VERSION

    version = f"-v{VERSION}" if VERSION > 1 else ""
    path = cache / f"scenes-{seeds.start}-{seeds.stop}-{side}{version}.npy"
    words = path.with_suffix(".json")
    if not (path.exists() and words.exists()):
        captions = _write(path, partial(_paint_chunk, side), seeds, side)
        temporary = words.with_suffix(".partial-json")
        temporary.write_text(json.dumps(captions), "utf-8")
        temporary.replace(words)
    return np.load(path, mmap_mode="r"), json.loads(words.read_text("utf-8"))


def _write(path: Path, work: Callable[[Any], tuple[np.ndarray, list[Any]]], items: Sequence[Any], side: int) -> list:
    """Run `work` over chunks of `items` and write the pixels to `path`, whole or not at all."""
    if not len(items):
        raise DataError(f"nothing to train on: {path.stem} has no images")
    temporary = path.with_suffix(".partial")
    pixels = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=(len(items), side, side, 3))
    extras: list[Any] = []
    for start, (chunk, extra) in zip(range(0, len(items), CHUNK), _worked(work, items), strict=True):
        pixels[start : start + len(chunk)] = chunk
        extras.extend(extra)
    pixels.flush()
    del pixels
    temporary.replace(path)
    return extras


def _worked(work: Callable[[Any], tuple[np.ndarray, list[Any]]], items: Sequence[Any]) -> Iterator[Any]:
    """What comes of each chunk, in order; computed in processes, unless there is only one."""
    if len(items) <= CHUNK:
        yield work(items)
        return
    # spawn: forked children of a process with running threads may hang
    with ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(work, _chunks(items))


def _chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))


def _decode_chunk(rule: PreprocessConfig, images: Sequence[bytes | Path]) -> tuple[np.ndarray, list[Any]]:
    from core.image.decode import open_image
    from core.image.preprocess import resize_crop

    pixels = []
    for image in images:
        try:
            pixels.append(resize_crop(open_image(image), rule))
        except ImageError as error:
            raise DataError(f"a training image cannot be read: {error}") from None
    return np.stack(pixels), []


def _paint_chunk(side: int, seeds: Sequence[int]) -> tuple[np.ndarray, list[list[str]]]:
    from train.scenes import paint

    scenes = [paint(seed, size=side) for seed in seeds]
    return np.stack([np.asarray(scene.image) for scene in scenes]), [
        [*s.captions, s.precise, s.precise] for s in scenes
    ]
