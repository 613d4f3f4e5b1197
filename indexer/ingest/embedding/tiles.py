"""Cuts an image into tiles so that small things are found.

A model sees an image as a small square, in which a small thing is a few pixels. Tiles are squares over the whole
image, all of one size; each gets a vector of its own. `python -m benchmarks.tiles` measures what they find and cost.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from core.image.decode import Opened

if TYPE_CHECKING:
    from core.encoder import Encoder

ZOOM = 3.0  # how many tiles lie beside each other on the shorter side, but for their overlap
OVERLAP = 1 / 3  # of a tile's side, at least: a thing of that size is whole in one of them
MOST = 32  # of one image
WORTH = 1.5  # where the shorter side has not so many times the pixels that the model sees, tiles would show no more

PixelBox = tuple[int, int, int, int]


def boxes(width: int, height: int, side: int) -> list[PixelBox]:
    """Left, top, right and bottom in pixels of each tile of an image, for a model that sees `side` x `side` pixels.

    Rows from the top, in each from the left. None for images hardly larger than `side`. In a long image tiles are
    larger than elsewhere, or do not cover all, so that there are never more than MOST.
    """
    shorter = min(width, height)
    if shorter < WORTH * side:
        return []
    tile = min(shorter, max(round(shorter / ZOOM), round(side / WORTH)))
    while (found := _grid(width, height, tile)) and len(found) > MOST and tile < shorter:
        tile = min(shorter, math.ceil(tile * 1.1))
    if len(found) > MOST:
        found = [found[place] for place in np.linspace(0, len(found) - 1, MOST).astype(int)]
    return found


def _grid(width: int, height: int, tile: int) -> list[PixelBox]:
    return [(x, y, x + tile, y + tile) for y in _starts(height, tile) for x in _starts(width, tile)]


def _starts(length: int, tile: int) -> list[int]:
    """Where tiles begin, evenly from one end to the other."""
    steps = math.ceil((length - tile) / (tile * (1 - OVERLAP)) - 1e-9)
    return [round(number * (length - tile) / steps) for number in range(steps + 1)] if steps > 0 else [0]


def input_side(encoder: Encoder) -> int:
    """How many pixels wide is what a model sees?"""
    from PIL import Image

    return int(encoder.prepare(Image.new("RGB", (8, 8))).shape[0])


def prepare_tiles(encoder: Encoder, opened: Opened, wanted: list[PixelBox]) -> list[np.ndarray]:
    """What the encoder sees of each tile of an image that was opened for it, uint8 (s, s, 3)."""
    image, width, height = opened
    across, down = image.width / width, image.height / height
    seen = []
    for left, top, right, bottom in wanted:
        corner = round(left * across), round(top * down)
        end = max(corner[0] + 1, round(right * across)), max(corner[1] + 1, round(bottom * down))
        full = None if encoder.decode_side is None else (right - left, bottom - top)
        seen.append(encoder.prepare(image.crop((*corner, *end)), full))
    return seen


def fractions(wanted: list[PixelBox], width: int, height: int) -> np.ndarray:
    """Tiles in pixels as parts of the image (t, 4) float32."""
    shape = np.array([width, height, width, height], np.float64)
    return (np.array(wanted, np.float64).reshape(-1, 4) / shape).astype(np.float32)
