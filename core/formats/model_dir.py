"""Saves, loads and verifies model directories.

    config.json         ModelConfig: towers, preprocessing, tokenizer rules
    model.safetensors   the weights, float16 or float32
    tokenizer.json      vocabulary and merges; absent for a model without a tokenizer
    card.md             for people: how it was trained, what it can and cannot do
    origin.json         where it came from

Everything read here is untrusted: nothing is unpickled, sizes are checked before anything is allocated for them, and
a tensor too few, too many, of another shape or with a NaN is an error that lists it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core.errors import ConfigError, ModelError
from core.model.config import CLIPConfig, ModelConfig
from core.schema import parse
from core.text.tokenizer import Tokenizer
from core.text.tokenizer_file import read_bytes

if TYPE_CHECKING:
    from torch import Tensor

    from core.model.clip import CLIP

CONFIG, WEIGHTS, TOKENIZER, CARD, ORIGIN = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "card.md",
    "origin.json",
)
Dtype = Literal["float16", "float32", "exact"]
MAX_CONFIG_BYTES = 1024 * 1024
MAX_SIDE, MAX_CONTEXT = 4096, 65_536  # towers exist whose weights bear witness of neither


def save_model(
    path: str | Path,
    clip: CLIP,
    config: ModelConfig,
    tokenizer: Tokenizer | None,
    *,
    card: str,
    origin: dict[str, Any],
    dtype: Dtype = "float16",
) -> None:
    """Write a model directory, whole or not at all; one that already exists is replaced, other files stay.

    With float16 matrices are rounded and vectors (gains, biases, statistics) stay float32: they are few, and
    rounding them costs more accuracy than all matrices together. With exact each tensor is float16 if no number of it
    changes, else float32: what came as float16 stays as small, and nothing is lost. Raises `ModelError` when the
    parts do not fit each other or a weight is not finite or too large for float16.
    """
    from safetensors.torch import save as safetensors_bytes

    from core.formats import weights

    path = Path(path)
    if clip.config != config.clip:
        raise ModelError(f"{path}: the weights are of another shape than config.clip says")
    if (tokenizer.config if tokenizer else None) != config.tokenizer:
        raise ModelError(f"{path}: the tokenizer has other rules than config.tokenizer says")
    _check_tokenizer(tokenizer, config.clip, path)
    tensors = {name: _stored(tensor, dtype) for name, tensor in weights.values(clip).items()}
    weights.check_finite(tensors, path)

    path.mkdir(parents=True, exist_ok=True)
    _write(path / (WEIGHTS + ".partial"), safetensors_bytes(tensors))
    _write(path / (CARD + ".partial"), card.encode())
    _write(path / (ORIGIN + ".partial"), (json.dumps(origin, indent=2, ensure_ascii=False) + "\n").encode())
    _write(path / (CONFIG + ".partial"), (config.model_dump_json(indent=2) + "\n").encode())
    if tokenizer is not None:
        tokenizer.save(path / (TOKENIZER + ".partial"))
    # Without config.json a directory is not a model, so a kill between two of these lines leaves none, never a mixture.
    (path / CONFIG).unlink(missing_ok=True)
    (path / TOKENIZER).unlink(missing_ok=True)
    for name in (WEIGHTS, CARD, ORIGIN, *([TOKENIZER] if tokenizer else []), CONFIG):
        (path / (name + ".partial")).replace(path / name)


def is_model_directory(folder: Path) -> bool:
    """Whether the folder has a configuration of ours beside weights."""
    try:
        with (folder / CONFIG).open("rb") as file:
            data = json.loads(file.read(MAX_CONFIG_BYTES + 1))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(data, dict) and "format_version" in data and (folder / WEIGHTS).is_file()


def read_config(path: str | Path) -> ModelConfig:
    """The configuration of a model directory. Raises `ModelError` when the directory is not a model or damaged."""
    path = Path(path)
    missing = [name for name in (CONFIG, WEIGHTS) if not (path / name).is_file()]
    if missing:
        raise ModelError(f"{path} is not a model directory: {' and '.join(missing)} missing")
    try:
        with (path / CONFIG).open("rb") as file:
            data = file.read(MAX_CONFIG_BYTES + 1)
        if len(data) > MAX_CONFIG_BYTES:
            raise ModelError(f"{path / CONFIG} is larger than {MAX_CONFIG_BYTES} bytes; it is not a configuration")
        config = parse(ModelConfig, json.loads(data), str(path / CONFIG))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path / CONFIG} cannot be read: {error}") from None
    except ConfigError as error:
        raise ModelError(str(error)) from None
    if config.preprocess.image_size > MAX_SIDE or config.clip.text.context_length > MAX_CONTEXT:
        raise ModelError(
            f"{path / CONFIG} asks for images of {config.preprocess.image_size} pixels and texts of "
            f"{config.clip.text.context_length} tokens; more than {MAX_SIDE} and {MAX_CONTEXT} are refused"
        )
    if config.tokenizer is not None and not (path / TOKENIZER).is_file():
        raise ModelError(f"{path} is not a complete model directory: {TOKENIZER} missing")
    return config


def load_clip(path: str | Path) -> CLIP:
    """The model in float32 on the CPU, in evaluation mode. Raises `ModelError` that lists what does not fit."""
    from core.formats import weights

    path = Path(path)
    return weights.load_clip(path / WEIGHTS, read_config(path).clip)


def load_tokenizer(path: str | Path) -> Tokenizer | None:
    """The tokenizer of a model directory, None for a model without one. Raises `ModelError` when it does not fit."""
    path = Path(path)
    config = read_config(path)
    if config.tokenizer is None:
        return None
    tokenizer = Tokenizer.from_file(path / TOKENIZER, config.tokenizer)
    _check_tokenizer(tokenizer, config.clip, path)
    return tokenizer


def fingerprint(path: str | Path, clip: CLIP | None = None) -> str:
    """64 hexadecimal digits over configuration (not the name), tokenizer and weights: same vectors, same fingerprint.

    The values of the weights count, not the bytes of their file: the same numbers stored as float16 and as float32
    are the same model. `clip` saves reading the weights again when the caller has just loaded them.
    """
    from core.formats import weights, weights_file

    path = Path(path)
    config = read_config(path)
    parts = weights.digests(weights.values(clip)) if clip else weights_file.digests(path / WEIGHTS, config.clip)
    return fingerprint_of(path, config, parts)


def fingerprint_of(path: Path, config: ModelConfig, parts: Mapping[str, str]) -> str:
    """The fingerprint of a model directory whose weights have these digests (`weights.digests`)."""
    try:
        vocabulary = read_bytes(path / TOKENIZER) if config.tokenizer is not None else None
    except ModelError as error:
        raise ModelError(f"{path / TOKENIZER}: {error}") from None
    return _digest(config, vocabulary, parts)


def weights_fingerprint(config: ModelConfig, tokenizer: Tokenizer | None, tensors: Mapping[str, Tensor]) -> str:
    """The fingerprint that a model directory of these parts will have."""
    from core.formats import weights

    return _digest(config, tokenizer.to_json().encode() if tokenizer else None, weights.digests(tensors))


def _digest(config: ModelConfig, vocabulary: bytes | None, parts: Mapping[str, str]) -> str:
    rules = config.model_dump(mode="json", include={"clip", "preprocess", "tokenizer"})
    lines = [json.dumps(rules, sort_keys=True, separators=(",", ":"))]
    lines += [hashlib.sha256(vocabulary).hexdigest()] if vocabulary is not None else []
    lines += [f"{part} {digest}" for part, digest in sorted(parts.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _stored(tensor: Tensor, dtype: Dtype) -> Tensor:
    import torch

    tensor = tensor.detach().to("cpu", torch.float32)
    half = tensor.to(torch.float16) if dtype == "exact" or (dtype == "float16" and tensor.dim() >= 2) else tensor
    return (tensor if dtype == "exact" and not torch.equal(half.float(), tensor) else half).contiguous()


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _check_tokenizer(tokenizer: Tokenizer | None, config: CLIPConfig, path: Path) -> None:
    if tokenizer is None:
        return
    for what, given, limit in (
        ("vocabulary", tokenizer.vocab_size, config.text.vocab_size),
        ("context length", tokenizer.config.context_length, config.text.context_length),
    ):
        if given > limit:
            raise ModelError(f"{path}: the tokenizer's {what} of {given} is larger than the text tower's {limit}")
