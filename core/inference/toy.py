"""A training-free encoder for tests: color and layout histograms.

`ToyEncoder` is for tests and demonstrations, never for real search: nothing in it is learned. An image becomes its
histogram of twelve named colours, its shares of dark and bright pixels and a 4x4 map of its lightness. A text becomes
the same colour and lightness axes for the words that name them ("red", "dark"), and a small direction of its own,
hashed from its letters, for every other word, on axes where images are zero. So "red" finds red images, a copy
of an image finds it, texts that share words are near, and anything else ties.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from core.model.config import PreprocessConfig

if TYPE_CHECKING:
    from PIL import Image

COLOURS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "brown", "black", "white", "gray")
SYNONYMS = {
    "grey": "gray",
    "violet": "purple",
    "turquoise": "cyan",
    "teal": "cyan",
    "magenta": "pink",
    "gold": "yellow",
}
LIGHTNESS = ("dark", "bright")

SIDE = 32  # pixels, a multiple of GRID
GRID = 4
WORD_AXES = 34
DIM = len(COLOURS) + len(LIGHTNESS) + GRID * GRID + WORD_AXES  # 64

LAYOUT_WEIGHT = 0.5  # below the colours', so that a colour word is decided by colour
LIGHTNESS_WEIGHT = 0.3
WORD_WEIGHT = 0.25


class ToyEncoder:
    """An `Encoder` with no training, for tests. Deterministic on every machine: no seed, no floating-point model."""

    name = "toy"
    fingerprint = hashlib.sha256(b"clipdex toy encoder 1").hexdigest()  # raise the number when a vector changes
    dim = DIM
    logit_scale = 100.0
    decode_side: int | None = None

    def prepare(self, image: Image.Image, full: tuple[int, int] | None = None) -> np.ndarray:
        """The whole image squashed to uint8 (32, 32, 3)."""
        from core.image.preprocess import resize_crop

        return resize_crop(image, _preprocess())

    def encode_prepared(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 (n, 32, 32, 3) -> (n, d) float32, rows of length 1."""
        n = len(pixels)
        if n == 0:
            return np.zeros((0, DIM), np.float32)
        share = np.stack([np.bincount(row, minlength=len(COLOURS)) for row in _colour_of(pixels)]) / (SIDE * SIDE)
        # Integer sums: an image's vector has the same bits in any batch.
        light = pixels.astype(np.int32) @ np.array([2126, 7152, 722], np.int32)  # 0 .. 2,550,000
        dark = (light < 600_000).mean((1, 2))
        bright = (light > 1_950_000).mean((1, 2))
        block = SIDE // GRID
        cells = light.reshape(n, GRID, block, GRID, block).sum((2, 4), dtype=np.int64).reshape(n, GRID * GRID)
        layout = (cells - cells.mean(1, keepdims=True)) / (2_550_000 * block * block)
        lightness = LIGHTNESS_WEIGHT * np.stack([dark, bright], 1)
        return _unit(np.hstack([share, lightness, LAYOUT_WEIGHT * layout, np.zeros((n, WORD_AXES))]))

    def encode_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Images -> (n, d) float32, rows of length 1."""
        prepared = [self.prepare(image) for image in images]
        return self.encode_prepared(np.stack(prepared) if prepared else np.zeros((0, SIDE, SIDE, 3), np.uint8))

    def truncation(self, texts: Sequence[str]) -> list[str | None]:
        """Every word counts, so nothing is ever cut off."""
        return [None] * len(texts)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Texts -> (n, d) float32, rows of length 1; the order of words does not matter."""
        vectors = np.zeros((len(texts), DIM))
        for row, text in zip(vectors, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()) or [text]:
                _add_word(row, SYNONYMS.get(word, word))
        return _unit(vectors)


@functools.cache
def _preprocess() -> PreprocessConfig:
    return PreprocessConfig(image_size=SIDE, interpolation="bilinear", resize="squash", convert="display")


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Never divides by zero: an image has colours that sum to 1, a text at least one word."""
    unit: np.ndarray = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _add_word(row: np.ndarray, word: str) -> None:
    """Add one word to a text's vector, in place."""
    if word in COLOURS:
        row[COLOURS.index(word)] += 1.0
    elif word in LIGHTNESS:
        row[len(COLOURS) + LIGHTNESS.index(word)] += 1.0
    else:
        # hashlib, not hash(): the same on every run. surrogatepass: file names reach us as text too.
        digest = hashlib.sha256(word.encode("utf-8", "surrogatepass")).digest()
        # An odd step from 1 to 31 an axis: two words never cancel out exactly.
        steps = np.frombuffer(digest + digest[:2], np.uint8).astype(np.float64)[:WORD_AXES] % 32 * 2 - 31
        row[-WORD_AXES:] += WORD_WEIGHT * steps / np.linalg.norm(steps)


def _colour_of(pixels: np.ndarray) -> np.ndarray:
    """uint8 (n, s, s, 3) -> index into COLOURS of every pixel, (n, s * s)."""
    level = (pixels >> 4).astype(np.int32)  # 16 levels a channel are enough to name a colour
    code = level[..., 0] << 8 | level[..., 1] << 4 | level[..., 2]
    found: np.ndarray = _colour_table()[code.reshape(len(pixels), -1)]
    return found


@functools.cache
def _colour_table() -> np.ndarray:
    """The colour name of each of the 16x16x16 levels, index into COLOURS (4096,)."""
    import colorsys

    levels = np.arange(16) / 15
    names = [_colour_name(*colorsys.rgb_to_hsv(r, g, b)) for r in levels for g in levels for b in levels]
    return np.array([COLOURS.index(name) for name in names])


def _colour_name(hue: float, saturation: float, value: float) -> str:
    """What people call a colour; the borders are rough and only have to be reasonable."""
    if value < 0.2:
        return "black"
    if saturation < 0.15:
        return "white" if value > 0.85 else "gray"
    degrees = hue * 360
    if degrees < 15 or degrees >= 345:
        return "pink" if saturation < 0.5 and value > 0.8 else "red"
    for border, name in ((40, "orange"), (70, "yellow"), (165, "green"), (200, "cyan"), (255, "blue"), (290, "purple")):
        if degrees < border:
            return "brown" if name == "orange" and value < 0.7 else name
    return "pink"
