"""Compares the pixels of two thumbnails, whatever their crop and colors.

The best normalised cross-correlation of their lightness (Lewis 1995, "Fast normalized cross-correlation"), with the
smaller laid into the larger at falling sizes: a re-encoded, resized or recoloured copy fits as a whole, a cropped one
as a part, one with a border around the other. Another image of the same scene does not lie pixel on pixel.
"""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from PIL import Image

SIDE = 64  # the longer side of the larger image: enough to tell the next image of a burst from a copy
SOURCE_SIDE = 128  # of what is kept to make smaller ones from
STEP, STEPS = 0.96, 13  # sizes of the smaller image: down to 0.6 of the largest that fits
SHAPE = 1.04  # how much longer one image may be than the other to be compared as a whole
CERTAIN = 0.93  # as wholes: no need to look for parts
FLAT = 4.0  # standard deviation of lightness (of 255) below which there is nothing to lay on anything: no two are one
HASH_SIDE, HASH_LOW = 32, 8


def lightness(thumbnail: bytes) -> Image.Image:
    """The image in 8-bit grey, its longer side at most SOURCE_SIDE. Raises `OSError` for what is no image."""
    with Image.open(io.BytesIO(thumbnail)) as image:
        grey = image.convert("L")
    scale = min(1.0, SOURCE_SIDE / max(grey.size))
    size = (max(1, round(grey.width * scale)), max(1, round(grey.height * scale)))
    return grey.resize(size, Image.Resampling.BOX)


def sameness(one: Image.Image, other: Image.Image) -> float:
    """How well one of two images (see `lightness`) lies on the other or in it: 1 for the same, about 0 for others and
    for images of one colour, which cannot be told apart by this."""
    whole = _whole(one, other)
    return whole if whole >= CERTAIN else max(whole, _inside(one, other), _inside(other, one))


def _whole(one: Image.Image, other: Image.Image) -> float:
    """The correlation of two images of nearly the same shape, as wholes."""
    shapes = [image.width / image.height for image in (one, other)]
    if max(shapes) > min(shapes) * SHAPE:
        return 0.0
    pixels = [np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32) for image in (one, other)]
    first, second = (each - each.mean() for each in pixels)
    strength = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / strength if strength > first.size * FLAT**2 else 0.0


def _inside(whole: Image.Image, part: Image.Image) -> float:
    """The best correlation of `part`, at several sizes, with any window of `whole`."""
    area = np.asarray(whole.resize(_size(whole, SIDE / max(whole.size)), Image.Resampling.BOX), np.float64)
    spectrum, sums, squares = np.fft.rfft2(area), _table(area), _table(area**2)
    largest = min(area.shape[1] / part.width, area.shape[0] / part.height)
    sizes = dict.fromkeys(_size(part, largest * STEP**step) for step in range(STEPS))
    best = 0.0
    for width, height in sizes:
        if width > area.shape[1] or height > area.shape[0] or min(width, height) < 4:
            continue
        pattern = np.asarray(part.resize((width, height), Image.Resampling.BOX), np.float64)
        pattern = pattern - pattern.mean()
        strength = float((pattern**2).sum())
        if strength < FLAT**2 * pattern.size:
            continue
        places = (area.shape[0] - height + 1, area.shape[1] - width + 1)
        products = np.fft.irfft2(spectrum * np.conj(np.fft.rfft2(pattern, area.shape)), area.shape)
        energy = _window_sums(squares, height, width) - _window_sums(sums, height, width) ** 2 / pattern.size
        found = products[: places[0], : places[1]] / np.sqrt(np.maximum(energy, pattern.size * FLAT**2) * strength)
        best = max(best, float(found.max()))
    return best


def _size(image: Image.Image, scale: float) -> tuple[int, int]:
    return max(1, round(image.width * scale)), max(1, round(image.height * scale))


def _table(values: np.ndarray) -> np.ndarray:
    """The summed-area table of (h, w) values -> (h + 1, w + 1)."""
    table = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    table[1:, 1:] = values.cumsum(0).cumsum(1)
    return table


def _window_sums(table: np.ndarray, height: int, width: int) -> np.ndarray:
    sums: np.ndarray = table[height:, width:] - table[:-height, width:] - table[height:, :-width]
    return sums + table[:-height, :-width]


def perceptual_hash(image: Image.Image) -> int:
    """64 bits that small changes of an image leave as they are: whether each of its 64 lowest frequencies is above
    their median (Zauner 2010, "Implementation and benchmarking of perceptual image hash functions", DCT hash)."""
    pixels = np.asarray(image.resize((HASH_SIDE, HASH_SIDE), Image.Resampling.BOX), np.float64)
    low = _cosines() @ pixels @ _cosines().T
    bits = (low > np.median(low.flat[1:])).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


@cache
def _cosines() -> np.ndarray:
    """The first HASH_LOW rows of the matrix of the discrete cosine transform (HASH_LOW, HASH_SIDE)."""
    places, waves = np.arange(HASH_SIDE), np.arange(HASH_LOW)[:, np.newaxis]
    matrix: np.ndarray = np.cos(np.pi * waves * (2 * places + 1) / (2 * HASH_SIDE))
    return matrix
