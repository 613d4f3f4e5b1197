"""A model as read from any format."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.errors import ModelError
from core.formats.convert.weights import empty, parameters
from core.formats.model_dir import is_model_directory, save_model, weights_fingerprint
from core.model.clip import CLIP
from core.model.config import ModelConfig
from core.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Source:
    """What is to be read, and what the caller adds to it.

    `folder` holds the configuration; `weights` is the file of weights when one was named. `tokenizer` is a path,
    "none", or None for the source's own or the CLIP vocabulary; `preprocess` is the path of a configuration,
    "openai", or None for the source's own; `config` is the path of a configuration for weights that have none.
    """

    path: Path
    folder: Path
    weights: Path | None
    name: str
    tokenizer: str | Path | None = None
    preprocess: str | Path | None = None
    config: Path | None = None


@dataclass(frozen=True)
class Converted:
    """A model in our terms: configuration, weights under our names in the source's precision, tokenizer.

    `origin` tells where it came from, for origin.json; `files` are what was read.
    """

    config: ModelConfig
    weights: Mapping[str, Tensor]
    tokenizer: Tokenizer | None
    origin: dict[str, Any]
    format: str
    files: tuple[Path, ...] = field(default=())

    def clip(self) -> CLIP:
        """The model in float32 on the CPU, in evaluation mode."""
        clip = empty(self.config.clip, len(self.weights), Path(self.config.name))
        names = parameters(clip)
        counters = {name: torch.tensor(0) for name in clip.state_dict() if name not in names}
        floats = {name: tensor.float() for name, tensor in self.weights.items()}
        clip.load_state_dict(floats | counters, strict=True, assign=True)
        return clip.eval()

    def fingerprint(self) -> str:
        """64 hexadecimal digits, those of the model directory that `save` writes."""
        return weights_fingerprint(self.config, self.tokenizer, self.weights)


def save(converted: Converted, dest: str | Path, *, origin: Mapping[str, Any] | None = None) -> Path:
    """Write a model directory without losing a digit: what fits float16 exactly is stored so, the rest as float32.

    `origin` adds to what origin.json says, for example a revision. Raises `ModelError` when `dest` is a folder of
    something else.
    """
    dest = Path(dest)
    if dest.exists() and not (dest.is_dir() and (is_model_directory(dest) or not any(dest.iterdir()))):
        raise ModelError(f"{dest} already exists and is not a model directory of clipdex; choose another place")
    hashes = {file.name: _sha256(file) for file in converted.files}
    came_from = {**converted.origin, "sha256": hashes, **(origin or {})}
    card = (
        f"# {converted.config.name}\n\nConverted by clipdex from a model in the format {converted.format}. "
        "What it was trained on, what it can and cannot do, and its licence are its authors' to say.\n"
    )
    save_model(
        dest, converted.clip(), converted.config, converted.tokenizer, card=card, origin=came_from, dtype="exact"
    )
    return dest


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
