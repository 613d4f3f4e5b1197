"""Shows which parts of an image match a text.

Occlusion (Zeiler and Fergus 2014, "Visualizing and understanding convolutional networks", section 4.2): a grey patch is
moved over what the model sees, and where it covers something that the query is about, the cosine falls. It asks the
model only for vectors, so it is true to the score that people see, and the same for every tower, in every precision.
Left aside: patch features against the text, which CLIP's training never asks to be near it (Zhou et al. 2022,
"Extract free dense labels from CLIP", had to take its last attention layer apart), and gradients, which the reduced
precisions have not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from core.encoder import Encoder

CELLS = 7
REACH = 1.0  # cells that a patch covers beyond its own on every side: what fills a cell rarely ends with it


@dataclass(frozen=True)
class Heat:
    """Where an image matches."""

    values: np.ndarray
    """(CELLS, CELLS) float32, row by row: 0 where covering it does not hurt, 1 where it hurts most; or all 0."""
    box: tuple[float, float, float, float]
    """What of the image the model sees: left, top, right, bottom as fractions of it."""
    most: float
    """By how much the cosine falls where it falls most."""


def heat(encoder: Encoder, image: Image.Image, query: np.ndarray) -> Heat:
    """Where an image, as `open_image` returns it, matches a query (d,) of length 1."""
    pixels = encoder.prepare(image)
    grey = np.round(pixels.reshape(-1, 3).mean(axis=0)).astype(np.uint8)
    covered = np.stack([_covered(pixels, grey, cell) for cell in range(CELLS * CELLS)])
    vectors = encoder.encode_prepared(np.concatenate([pixels[np.newaxis], covered]))
    cosines = vectors.astype(np.float64) @ query.astype(np.float64)
    falls = np.maximum(cosines[0] - cosines[1:], 0).reshape(CELLS, CELLS)
    most = float(falls.max())
    values = falls / most if most > 0 else falls
    return Heat(values.astype(np.float32), seen_part(encoder, image.size), most)


def _covered(pixels: np.ndarray, grey: np.ndarray, cell: int) -> np.ndarray:
    """The pixels (s, s, 3) with a patch over one cell and around it, in the image's mean colour."""
    row, column = divmod(cell, CELLS)
    height, width = pixels.shape[0] / CELLS, pixels.shape[1] / CELLS
    top, bottom = max(0, round((row - REACH / 2) * height)), round((row + 1 + REACH / 2) * height)
    left, right = max(0, round((column - REACH / 2) * width)), round((column + 1 + REACH / 2) * width)
    out = pixels.copy()
    out[top:bottom, left:right] = grey
    return out


def seen_part(encoder: Encoder, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """What the model's preparation leaves of an image of this size: it is shown one whose colours are places."""
    width, height = size
    scale = 512 / max(size)
    small = max(1, round(width * scale)), max(1, round(height * scale))
    places = np.zeros((small[1], small[0], 3), np.uint8)
    places[..., 0] = np.linspace(0, 255, small[0]).round()[np.newaxis, :]
    places[..., 1] = np.linspace(0, 255, small[1]).round()[:, np.newaxis]
    seen = encoder.prepare(Image.fromarray(places)).astype(np.float64) / 255
    sides = (seen[:, 0, 0].mean(), seen[0, :, 1].mean(), seen[:, -1, 0].mean(), seen[-1, :, 1].mean())
    left, top, right, bottom = (min(max(float(side), 0.0), 1.0) for side in sides)
    edge = 1.5 / min(seen.shape[:2])  # a whole side is never quite reached: the outermost pixels are means
    return (
        0.0 if left < edge else left,
        0.0 if top < edge else top,
        1.0 if right > 1 - edge else right,
        1.0 if bottom > 1 - edge else bottom,
    )
