"""Measures how close the vectors of a lower precision are to those of float32."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.encoder import Encoder
from core.errors import ConfigError
from core.inference.load import load_encoder
from core.schema import Frozen

if TYPE_CHECKING:
    from PIL import Image

FEWER_BITS = ("bf16", "fp16", "int8")


class Agreement(Frozen):
    """Cosines between the vectors of the same images, and of the same texts, in a precision and in fp32."""

    images_mean: float
    images_least: float
    texts_mean: float
    texts_least: float


def agreement(
    model: str | Path, images: Sequence[Image.Image], texts: Sequence[str], *, device: str = "auto"
) -> dict[str, Agreement]:
    """By precision; one that this device does not compute in is left out. Raises `ModelError` as `load_encoder`."""
    exact = _vectors(load_encoder(model, device=device, precision="fp32", download=False), images, texts)
    found = {}
    for precision in FEWER_BITS:
        try:
            encoder = load_encoder(model, device=device, precision=precision, download=False)
        except ConfigError:
            continue
        pictures, words = (
            (ours * theirs).sum(axis=1) for ours, theirs in zip(_vectors(encoder, images, texts), exact, strict=True)
        )
        found[precision] = Agreement(
            images_mean=float(pictures.mean()),
            images_least=float(pictures.min()),
            texts_mean=float(words.mean()),
            texts_least=float(words.min()),
        )
    return found


def _vectors(encoder: Encoder, images: Sequence[Image.Image], texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    return encoder.encode_images(images), encoder.encode_texts(texts)
