"""An encoder that answers with vectors that exist already.

The run reads, decodes and writes as always, with an encoder that makes no vector of an image, because the right one
is put in its place, and vectors of captions only where none came with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

    from core.encoder import Encoder


CLOSE = 1e-6  # what rounding to float32 may change


class GivenVectors:
    """An encoder for what is embedded already; everything else about it is that of the real one."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.name, self.fingerprint, self.dim = encoder.name, encoder.fingerprint, encoder.dim
        self.logit_scale, self.decode_side = encoder.logit_scale, encoder.decode_side
        self.truncation = encoder.truncation
        self.texts: dict[str, np.ndarray] = {}  # text -> its vector (d,) of length 1

    def prepare(self, image: Image.Image, full: tuple[int, int] | None = None) -> np.ndarray:
        return np.zeros((1, 1, 3), np.uint8)

    def encode_prepared(self, pixels: np.ndarray) -> np.ndarray:
        """A vector of length 1 for each; nobody keeps it."""
        vectors = np.zeros((len(pixels), self.dim), np.float32)
        vectors[:, 0] = 1
        return vectors

    def encode_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        return self.encode_prepared(np.stack([self.prepare(image) for image in images]))

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        missing = [text for text in dict.fromkeys(texts) if text not in self.texts]
        made = dict(zip(missing, self.encoder.encode_texts(missing), strict=True)) if missing else {}
        return np.stack([self.texts[text] if text in self.texts else made[text] for text in texts])


def unit(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (n, d) of any length -> the same of length 1, float32; and which of them (n,) can be made so.

    Those that have it already stay as they are, to the bit.
    """
    wide = vectors.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1)
    good = np.isfinite(lengths) & (lengths > 0)
    lengths[~good | (np.abs(lengths - 1) < CLOSE)] = 1
    return (wide / lengths[:, np.newaxis]).astype(np.float32), good
