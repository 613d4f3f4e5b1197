"""Adapts models of other packages to `Encoder`."""

from __future__ import annotations

import hashlib
import json
import threading
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.errors import ConfigError, unknown_choice
from core.formats import weights
from core.inference.device import autocast_dtype, choose_device
from core.inference.precision import PRECISIONS
from core.inference.text_cache import TextCache

if TYPE_CHECKING:
    from PIL import Image

BYTES = 256
IMAGES_AT_ONCE, TEXTS_AT_ONCE = {"cpu": 32}, {"cpu": 64}
ELSEWHERE = 256
LONGEST_WORD = 40  # characters of a word that is shown to people
# Texts whose ids stand for how a tokenizer cleans and cuts; its library may change, the ids of a model must not.
PROBES = ("a photo of a cat", "Hello,  WORLD! It's 3.14 &amp; more…", "naïve Straße 東京 🙂", "", "word " * 200)


@dataclass(frozen=True)
class Family:
    """A model of another package, as functions. Features need not have length 1; module is in evaluation mode.

    `prepare` and `decode_side` are those of an encoder. `table`: (3, 256) float32, what a byte of a channel becomes for
    the model. `image_features`: (n, 3, s, s) -> (n, d). `ids`: texts -> what the text tower takes, on the CPU; called
    by one thread at a time, as `tokens`, which counts the tokens of a text with those around it; what is over `room` is
    cut off.
    `logit_bias` is there for models trained with a sigmoid. `facts` is what else decides the vectors.
    """

    name: str
    module: nn.Module
    decode_side: int | None
    prepare: Callable[[Image.Image, tuple[int, int] | None], np.ndarray]
    table: np.ndarray
    image_features: Callable[[Tensor], Tensor]
    ids: Callable[[Sequence[str]], dict[str, Tensor]]
    text_features: Callable[[Mapping[str, Tensor]], Tensor]
    tokens: Callable[[str], int]
    room: int
    logit_scale: float
    logit_bias: float | None
    facts: dict[str, Any] = field(default_factory=dict)

    def fingerprint(self) -> str:
        """64 hexadecimal digits over weights, configuration, preparation and tokenizer: same vectors, same digits."""
        tensors = {name: tensor for name, tensor in self.module.state_dict().items() if tensor.is_floating_point()}
        weights.check_finite(tensors, Path(self.name))
        probes = {name: ids.tolist() for name, ids in self.ids(PROBES).items()}
        table = hashlib.sha256(np.ascontiguousarray(self.table, "<f4").tobytes()).hexdigest()
        said = {"facts": self.facts, "probes": probes, "table": table, "room": self.room}
        lines = [json.dumps(said, sort_keys=True, separators=(",", ":"))]
        lines += [f"{part} {digest}" for part, digest in sorted(weights.digests(tensors).items())]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


class FamilyEncoder:
    """An `Encoder` around a `Family`. Threads may share it.

    `precision`: fp32, or bf16 and fp16 where PyTorch's autocast computes in them; `auto` is fp32 on a CPU, whose
    vectors are exactly the package's, and bf16 where a GPU has it. int8 is for models of ours only.
    """

    def __init__(self, family: Family, device: str = "auto", precision: str = "auto") -> None:
        self.family, self.name = family, family.name
        self.logit_scale, self.logit_bias = family.logit_scale, family.logit_bias
        self.decode_side = family.decode_side
        self.device = choose_device(device)
        self._dtype = _dtype(precision, self.device)
        self.fingerprint = family.fingerprint()
        self._lock, self._cache = threading.Lock(), TextCache()
        family.module.eval().requires_grad_(False).to(self.device)
        self._table = torch.from_numpy(family.table).to(self.device)
        self.dim = self._encode_texts([""]).shape[1]

    def prepare(self, image: Image.Image, full: tuple[int, int] | None = None) -> np.ndarray:
        """One image as `open_image` returns it -> uint8 (s, s, 3); with `full`, as `open_reduced` does."""
        return self.family.prepare(image, full)

    def encode_prepared(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 (n, s, s, 3) -> (n, d) float32, rows of length 1."""
        step = IMAGES_AT_ONCE.get(self.device.type, ELSEWHERE)
        parts = [self._encode_images(pixels[i : i + step]) for i in range(0, len(pixels), step)]
        return np.concatenate(parts) if parts else self._no_rows()

    def encode_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        """n images -> (n, d) float32, rows of length 1."""
        step = IMAGES_AT_ONCE.get(self.device.type, ELSEWHERE)
        parts = [
            self._encode_images(np.stack([self.prepare(image) for image in images[i : i + step]]))
            for i in range(0, len(images), step)
        ]
        return np.concatenate(parts) if parts else self._no_rows()

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """n texts -> (n, d) float32, rows of length 1."""
        return self._cache.vectors(texts, self._encode_texts) if len(texts) else self._no_rows()

    def truncation(self, texts: Sequence[str]) -> list[str | None]:
        """For each text the first word that the model does not see whole, or None if it sees all of it."""
        with self._lock:
            return [self._first_cut(_clean(text)) for text in texts]

    def _first_cut(self, text: str) -> str | None:
        count, room = self.family.tokens, self.family.room
        if count(text) <= room:
            return None
        words = text.split()
        fitting = bisect_right(range(1, len(words) + 1), room, key=lambda n: count(" ".join(words[:n])))
        cut = words[min(fitting, len(words) - 1)]
        return cut if len(cut) <= LONGEST_WORD else cut[: LONGEST_WORD - 1] + "…"

    def _encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        step = TEXTS_AT_ONCE.get(self.device.type, ELSEWHERE)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # texts of like length share a batch
        vectors: list[np.ndarray] = [np.empty(0)] * len(texts)
        for start in range(0, len(order), step):
            rows = order[start : start + step]
            for row, vector in zip(rows, self._encode_batch([_clean(texts[i]) for i in rows]), strict=True):
                vectors[row] = vector
        return np.stack(vectors)

    @torch.inference_mode()
    def _encode_batch(self, texts: Sequence[str]) -> np.ndarray:
        with self._lock:  # tokenizers keep how they cut and pad in themselves
            ids = {name: tensor.to(self.device) for name, tensor in self.family.ids(texts).items()}
        with self._computing():
            return _unit(self.family.text_features(ids))

    @torch.inference_mode()
    def _encode_images(self, pixels: np.ndarray) -> np.ndarray:
        # A copy: torch takes no read-only array (a map of a file) and none with negative strides (a mirrored one).
        batch = torch.from_numpy(np.array(pixels, order="C")).to(self.device)
        channels = [self._table[channel][batch[..., channel].int()] for channel in range(3)]
        with self._computing():
            return _unit(self.family.image_features(torch.stack(channels, dim=1)))

    def _computing(self) -> Any:
        return torch.autocast(self.device.type, self._dtype) if self._dtype else nullcontext()

    def _no_rows(self) -> np.ndarray:
        return np.zeros((0, self.dim), np.float32)


def affine_table(mean: Sequence[float], std: Sequence[float]) -> np.ndarray:
    """The table of (byte / 255 - mean) / std, computed as torchvision and open_clip compute it, (3, 256) float32."""
    values = torch.arange(BYTES, dtype=torch.uint8).to(torch.float32).div(255)
    rows = [(values - torch.tensor(m, dtype=torch.float32)) / torch.tensor(s, dtype=torch.float32)
            for m, s in zip(mean, std, strict=True)]  # fmt: skip
    return torch.stack(rows).numpy()


def _dtype(precision: str, device: torch.device) -> torch.dtype | None:
    if precision not in PRECISIONS:
        raise ConfigError(unknown_choice("precision", precision, PRECISIONS))
    if precision == "int8":
        raise ConfigError("precision 'int8' is for models of clipdex; this one computes in fp32, bf16 or fp16")
    if precision == "auto":
        return autocast_dtype(device) if device.type == "cuda" else None
    return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)


def _clean(text: str) -> str:
    """Half of a surrogate pair is not a character, and tokenizers refuse it."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _unit(features: Tensor) -> np.ndarray:
    unit: np.ndarray = F.normalize(features.float(), dim=-1).cpu().numpy()
    return unit
