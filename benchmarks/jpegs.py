"""Which images are benchmarks indexed with?  JPEGs of all sizes, and very many very small ones, made by a seed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from train.scenes import paint

# Of ten images: half as they come from the web, the others up to what a camera makes.
SIZES = [(500, 375)] * 5 + [(1024, 768)] * 2 + [(1600, 1200), (2592, 1944), (4000, 3000)]
NOISE, QUALITY = 4, 90  # of a sensor, in levels of 255; of the JPEG: 12 megapixels take about 3 MB
SCENES = 40


def mixed(folder: Path, n: int) -> Path:
    """n JPEGs of 500 x 375 pixels to 12 megapixels, no two alike."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    noise = generator.normal(0, NOISE, (3200, 4200, 1)).astype(np.float32)
    scenes = [paint(seed, size=768).image for seed in range(SCENES)]
    for number in range(n):
        file = folder / f"{number:05}.jpg"
        if file.exists():
            continue
        width, height = SIZES[number % len(SIZES)]
        pixels = np.asarray(scenes[number % SCENES].resize((width, height), Image.Resampling.BICUBIC), np.float32)
        down, right = (int(step) for step in generator.integers(0, 200, 2))
        pixels = pixels + noise[down : down + height, right : right + width]
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, quality=QUALITY)
    return folder


def small(folder: Path, n: int) -> Path:
    """n JPEGs of 64 x 48 pixels in folders of a thousand, each of another content: a number follows its end."""
    found = list(_small_bytes())
    for number in range(n):
        file = folder / f"{number // 1000:03}" / f"{number:06}.jpg"
        if not file.parent.exists():
            file.parent.mkdir(parents=True)
        if not file.exists():
            file.write_bytes(found[number % len(found)] + number.to_bytes(4))
    return folder


def _small_bytes() -> Iterator[bytes]:
    for seed in range(50):
        out = io.BytesIO()
        paint(seed, size=64).image.resize((64, 48)).save(out, "JPEG", quality=85)
        yield out.getvalue()
