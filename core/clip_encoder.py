"""How does a CLIP model encode pictures and texts, fast and the same in every batch?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from core.clip import CLIP
from core.config import ModelConfig, ViTConfig
from core.device import choose_device
from core.errors import ModelError
from core.model_dir import fingerprint as fingerprint_of
from core.model_dir import load_clip, load_tokenizer, read_config
from core.preprocess import normalise, resize_crop
from core.tokenizer import Tokenizer

if TYPE_CHECKING:
    from PIL import Image

IMAGES_AT_ONCE = 128  # bounds the memory of a forward pass, whatever the caller hands over
TEXTS_AT_ONCE = 512


class CLIPEncoder:
    """An `Encoder` around a CLIP model. It has no state that changes, so threads may share it.

    Computes in float32: collections outlive the machine that made them, and lower precision differs from one to the
    next.
    """

    def __init__(
        self,
        clip: CLIP,
        config: ModelConfig,
        tokenizer: Tokenizer | None,
        *,
        device: str | torch.device = "auto",
        fingerprint: str = "unsaved",
    ) -> None:
        """`clip` is moved to the device and put into evaluation mode. Only a saved model has a true fingerprint."""
        self.name = config.name
        self.fingerprint = fingerprint
        self.dim = config.clip.embed_dim
        self.logit_scale = float(clip.logit_scale.detach().exp())
        self.config = config
        self.device = choose_device(device) if isinstance(device, str) else device
        self._tokenizer = tokenizer
        self._convolutional = not isinstance(config.clip.vision, ViTConfig)
        self._clip = clip.to(self.device).eval()
        if self._convolutional:
            self._clip.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @classmethod
    def from_directory(cls, path: str | Path, *, device: str = "auto") -> CLIPEncoder:
        """The encoder of a model directory. Raises `ModelError` when it is none, incomplete or damaged."""
        config, clip = read_config(path), load_clip(path)
        fingerprint = fingerprint_of(path, clip)
        return cls(clip, config, load_tokenizer(path), device=device, fingerprint=fingerprint)

    def prepare(self, image: Image.Image) -> np.ndarray:
        """One picture as `open_image` returns it -> uint8 (s, s, 3)."""
        return resize_crop(image, self.config.preprocess)

    def encode_prepared(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 (n, s, s, 3) -> (n, d) float32, rows of length 1."""
        parts = [self._encode_images(pixels[i : i + IMAGES_AT_ONCE]) for i in range(0, len(pixels), IMAGES_AT_ONCE)]
        return np.concatenate(parts) if parts else self._no_rows()

    def encode_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        """n pictures -> (n, d) float32, rows of length 1."""
        starts = range(0, len(images), IMAGES_AT_ONCE)
        parts = [
            self._encode_images(np.stack([self.prepare(image) for image in images[i : i + IMAGES_AT_ONCE]]))
            for i in starts
        ]
        return np.concatenate(parts) if parts else self._no_rows()

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """n texts -> (n, d) float32, rows of length 1. Raises `ModelError` for a model without a tokenizer."""
        if self._tokenizer is None:
            raise ModelError(f"model {self.name!r} has no tokenizer, so it cannot read texts, only pictures")
        if len(texts) == 0:
            return self._no_rows()
        ids = self._tokenizer.encode(texts)
        # Whatever follows the first end-of-text token cannot change the result, so each batch is cut to its longest
        # text, and texts of like length share a batch.
        lengths = (ids == self._tokenizer.config.eot_id).argmax(axis=1) + 1
        order = np.argsort(lengths, kind="stable")
        vectors = np.empty((len(texts), self.dim), np.float32)
        for i in range(0, len(texts), TEXTS_AT_ONCE):
            rows = order[i : i + TEXTS_AT_ONCE]
            vectors[rows] = self._encode_ids(ids[rows, : lengths[rows[-1]]])
        return vectors

    @torch.inference_mode()
    def _encode_images(self, pixels: np.ndarray) -> np.ndarray:
        # A copy: torch takes no read-only array (a map of a file) and none with negative strides (a mirrored one).
        batch = normalise(torch.from_numpy(np.array(pixels, order="C")).to(self.device), self.config.preprocess)
        if self._convolutional:
            batch = batch.contiguous(memory_format=torch.channels_last)
        return _unit(self._clip.encode_image(batch))

    @torch.inference_mode()
    def _encode_ids(self, ids: np.ndarray) -> np.ndarray:
        return _unit(self._clip.encode_text(torch.from_numpy(ids).to(self.device)))

    def _no_rows(self) -> np.ndarray:
        return np.zeros((0, self.dim), np.float32)


def _unit(features: Tensor) -> np.ndarray:
    unit: np.ndarray = F.normalize(features.float(), dim=-1).cpu().numpy()
    return unit
