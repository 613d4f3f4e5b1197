"""The `Encoder` protocol: images and texts in, unit vectors of one space out.

`Encoder` is the interface that everything outside `core` sees; `load_encoder` turns a name, or a model of any format
in `core.formats.convert.FORMATS`, into one. A new encoder is one class and one line in `ENCODERS`; the models of
another package are one file and one line in `core.inference.families.FAMILIES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

    from core.image.decode import Opened


class Encoder(Protocol):
    """Two towers, one object: images and texts in, vectors of one space out. Safe to call from several threads."""

    name: str
    """What people call the model: "tiny", "toy", or `name` in a model directory's configuration."""
    fingerprint: str
    """64 hexadecimal digits; same vectors, same fingerprint."""
    dim: int
    """d, the length of a vector."""
    logit_scale: float
    """What a cosine is multiplied with before a softmax; learned with the model. A model that was trained with a
    sigmoid also has a `logit_bias`, which is added before it."""
    decode_side: int | None
    """How small, in pixels of its shorter side, an image may be decoded for `prepare`; None: in full, to be exact."""

    def prepare(self, image: Image.Image, full: tuple[int, int] | None = None) -> np.ndarray:
        """One image as `core.image.decode.open_image` returns it -> uint8 (s, s, 3). Cheap enough for decode threads.

        `full` is the size of the whole image where `open_reduced` gave it: then nearly the same pixels, sooner.
        """
        ...

    def encode_prepared(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 (n, s, s, 3) -> (n, d) float32, rows of length 1."""
        ...

    def encode_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        """n images -> (n, d) float32, rows of length 1: `encode_prepared` of each one's `prepare`."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """n texts -> (n, d) float32, rows of length 1."""
        ...

    def truncation(self, texts: Sequence[str]) -> list[str | None]:
        """For each text the first word that is too far behind for the model to see, None where it sees all."""
        ...


def read_picture(
    encoder: Encoder,
    source: str | Path | bytes | Image.Image,
    zoom: float = 1.0,
    admit: Callable[[int], None] = lambda pixels: None,
) -> tuple[Opened, np.ndarray]:
    """An image, decoded as far as the encoder and a thumbnail need it, and what the encoder sees of it, uint8
    (s, s, 3). Indexing and queries both come this way, so that one file has one vector. With a `zoom` it is decoded
    finer, for parts of it so many times smaller than the whole; `admit` is `open_reduced`'s. Raises `ImageError`."""
    from core.image.decode import THUMBNAIL_SIDE, open_reduced

    if encoder.decode_side is None:
        opened = open_reduced(source, None, admit=admit)
        return opened, encoder.prepare(opened.image)
    opened = open_reduced(source, max(math.ceil(zoom * encoder.decode_side), THUMBNAIL_SIDE), admit=admit)
    return opened, encoder.prepare(opened.image, (opened.width, opened.height))
