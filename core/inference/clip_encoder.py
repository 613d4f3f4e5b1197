"""Encodes images and texts with a CLIP model, the same in every batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.errors import ModelError
from core.formats import fingerprints, model_dir, weights_file
from core.image.preprocess import LEFT_BY_JPEG, normalise, resize_crop
from core.inference import lazy_towers, numpy_text
from core.inference.cpu_parallelism import Lanes
from core.inference.device import choose_device
from core.inference.precision import Precision, choose_precision
from core.inference.text_cache import TextCache
from core.model.config import ModelConfig, ViTConfig
from core.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from torch import Tensor, nn

    from core.formats.weights import Tower
    from core.model.clip import CLIP

# These bound the memory of a forward pass, whatever the caller hands over. On a CPU more at once is slower: the numbers
# between two layers no longer fit its caches.
IMAGES_AT_ONCE = {"cpu": 32}
TOKENS_AT_ONCE = 512
IMAGES_ELSEWHERE, TOKENS_ELSEWHERE = 128, 32_768


class CLIPEncoder:
    """An `Encoder` around a CLIP model. Threads may share it.

    `precision` is what it computes in; vectors of one model in different precisions are of the same space, so the
    fingerprint does not depend on it. Over the towers here the mean cosine to fp32 is at least 0.9995 in bf16 and fp16
    and 0.995 in int8 (`tests/core/inference/test_precision.py`).
    """

    def __init__(
        self,
        clip: CLIP,
        config: ModelConfig,
        tokenizer: Tokenizer | None,
        *,
        device: str | torch.device = "auto",
        precision: str = "fp32",
        fingerprint: str = "unsaved",
    ) -> None:
        """In fp32 `clip` itself is used, moved to the device and put into evaluation mode; else copies of its towers.

        Only a saved model has a true fingerprint.
        """
        self._describe(config, tokenizer, device, precision, fingerprint)
        self.logit_scale = float(clip.logit_scale.detach().exp())
        clip.eval()
        self._towers = self._loaded_by(lazy_towers.of_clip(clip, self.precision))

    @classmethod
    def from_weights(
        cls,
        tensors: Mapping[str, Tensor],
        config: ModelConfig,
        tokenizer: Tokenizer | None,
        *,
        device: str = "auto",
        precision: str = "auto",
        fingerprint: str = "unsaved",
    ) -> CLIPEncoder:
        """The encoder of weights under our names that are known to fit `config`; read tower by tower when needed."""
        self = cls.__new__(cls)
        self._describe(config, tokenizer, device, precision, fingerprint)
        self.logit_scale = float(tensors["logit_scale"].float().exp())
        self._towers = self._loaded_by(lazy_towers.of_weights(tensors, config.clip))
        return self

    @classmethod
    def from_directory(cls, path: str | Path, *, device: str = "auto", precision: str = "auto") -> CLIPEncoder:
        """The encoder of a model directory; a tower's weights are read when it is first needed.

        Raises `ModelError` when the directory is not a model, incomplete or damaged.
        """
        path = Path(path)
        config, file = model_dir.read_config(path), path / model_dir.WEIGHTS
        self = cls.__new__(cls)
        digests = fingerprints.weights_digests(file, config.clip)
        fingerprint = model_dir.fingerprint_of(path, config, digests)
        self._describe(config, model_dir.load_tokenizer(path), device, precision, fingerprint)
        self.logit_scale = weights_file.load_logit_scale(file, config.clip)
        self._towers = self._loaded_by(lazy_towers.of_file(file, config.clip, digests))
        if self._is_plain:
            self._before_torch = numpy_text.BeforeTorch(lambda: numpy_text.load(file, config.clip, digests))
        return self

    def _describe(
        self,
        config: ModelConfig,
        tokenizer: Tokenizer | None,
        device: str | torch.device,
        precision: str,
        fingerprint: str,
    ) -> None:
        self.name = config.name
        self.fingerprint = fingerprint
        self.dim = config.clip.embed_dim
        self.decode_side: int | None = LEFT_BY_JPEG * config.preprocess.image_size
        self.config = config
        self._asked = device, precision
        self._is_plain = device in ("auto", "cpu") and precision in ("auto", "fp32")
        if not self._is_plain:
            self.precision  # noqa: B018 - what cannot be had here is said at once
        self._tokenizer = tokenizer
        self._cache, self._lanes = TextCache(), Lanes()
        self._before_torch: numpy_text.BeforeTorch | None = None

    @cached_property
    def device(self) -> torch.device:
        """What it computes on; PyTorch knows which there are."""
        device = self._asked[0]
        return choose_device(device) if isinstance(device, str) else device

    @cached_property
    def precision(self) -> Precision:
        """What it computes in."""
        return choose_precision(self._asked[1], self.device)

    def _loaded_by(self, load: Callable[[Tower], nn.Module]) -> lazy_towers.Towers:
        return lazy_towers.Towers(load, lambda: (self.device, self.precision))

    def prepare(self, image: Image.Image, full: tuple[int, int] | None = None) -> np.ndarray:
        """One image as `open_image` returns it -> uint8 (s, s, 3); with `full`, as `open_reduced` does."""
        return resize_crop(image, self.config.preprocess, full)

    def encode_prepared(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 (n, s, s, 3) -> (n, d) float32, rows of length 1."""
        parts = self._lanes.run(self._encode_images, pixels) if self.device.type == "cpu" else None
        if parts is None:
            step = IMAGES_AT_ONCE.get(self.device.type, IMAGES_ELSEWHERE)
            parts = [self._encode_images(pixels[i : i + step]) for i in range(0, len(pixels), step)]
        return np.concatenate(parts) if parts else self._no_rows()

    def encode_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        """n images -> (n, d) float32, rows of length 1."""
        step = IMAGES_AT_ONCE.get(self.device.type, IMAGES_ELSEWHERE)
        parts = [
            self._encode_images(np.stack([self.prepare(image) for image in images[i : i + step]]))
            for i in range(0, len(images), step)
        ]
        return np.concatenate(parts) if parts else self._no_rows()

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """n texts -> (n, d) float32, rows of length 1. Raises `ModelError` for a model without a tokenizer."""
        self._needed_tokenizer()
        return self._cache.vectors(texts, self._encode_texts) if len(texts) else self._no_rows()

    def truncation(self, texts: Sequence[str]) -> list[str | None]:
        """For each text the first word that the model does not see, or None if it sees all of it."""
        tokenizer = self._needed_tokenizer()
        return [tokenizer.first_cut(text) for text in texts]

    def _needed_tokenizer(self) -> Tokenizer:
        if self._tokenizer is None:
            raise ModelError(f"model {self.name!r} has no tokenizer, so it cannot read texts, only images")
        return self._tokenizer

    def _encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        tokenizer = self._needed_tokenizer()
        ids = tokenizer.encode(texts)
        # Whatever follows the first end-of-text token cannot change the result, so each batch is cut to its longest
        # text, and texts of like length share a batch.
        lengths = (ids == tokenizer.config.eot_id).argmax(axis=1) + 1
        vectors = np.empty((len(texts), self.dim), np.float32)
        before_torch = None if self._before_torch is None else self._before_torch.tower(len(texts))
        encode: Callable[[np.ndarray], np.ndarray] = before_torch or self._encode_ids
        on_cpu = before_torch is not None or self.device.type == "cpu"
        groups = list(_alike(lengths, TOKENS_AT_ONCE if on_cpu else TOKENS_ELSEWHERE))
        batches = [ids[rows, : lengths[rows[-1]]] for rows in groups]
        parts = self._lanes.map(encode, batches) if on_cpu and before_torch is None else None
        for rows, part in zip(groups, parts or map(encode, batches), strict=True):
            vectors[rows] = part
        return vectors

    def _encode_images(self, pixels: np.ndarray) -> np.ndarray:
        import torch

        from core.inference.tower_precision import input_dtype

        tower = self._towers["visual"]
        # A copy: torch takes no read-only array (a map of a file) and none with negative strides (a mirrored one).
        with torch.inference_mode():
            batch = normalise(torch.from_numpy(np.array(pixels, order="C")).to(self.device), self.config.preprocess)
            if not isinstance(self.config.clip.vision, ViTConfig):
                batch = batch.contiguous(memory_format=torch.channels_last)
            return _unit(tower(batch.to(input_dtype(tower))))

    def _encode_ids(self, ids: np.ndarray) -> np.ndarray:
        import torch

        tower = self._towers["text"]
        with torch.inference_mode():
            return _unit(tower(torch.from_numpy(ids).to(self.device)))

    def _no_rows(self) -> np.ndarray:
        return np.zeros((0, self.dim), np.float32)


def _alike(lengths: np.ndarray, tokens: int) -> Iterator[np.ndarray]:
    """Rows in groups of like length, shortest first; a group padded to its longest text has at most `tokens`."""
    order = np.argsort(lengths, kind="stable")
    start = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or (end + 1 - start) * lengths[order[end]] > tokens:
            yield order[start:end]
            start = end


def _unit(features: Tensor) -> np.ndarray:
    import torch.nn.functional as F

    unit: np.ndarray = F.normalize(features.float(), dim=-1).cpu().numpy()
    return unit
