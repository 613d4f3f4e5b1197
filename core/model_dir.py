"""How is a model kept on disk, read and verified?

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
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from core.clip import CLIP
from core.config import CLIPConfig, ModelConfig, TransformerTextConfig, ViTConfig, parse
from core.errors import ConfigError, ModelError
from core.tokenizer import Tokenizer

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
LISTED = 8  # names in a message; the rest are counted
STORED = ("F16", "BF16", "F32")  # number formats of safetensors that we read, all as float32


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
    """Write a model directory, whole or not at all; one that is there already is replaced, other files stay.

    With float16 matrices are rounded and vectors (gains, biases, statistics) stay float32: they are few, and
    rounding them costs more accuracy than all matrices together. With exact each tensor is float16 if no number of it
    changes, else float32: what came as float16 stays as small, and nothing is lost. Raises `ModelError` when the
    parts do not fit each other or a weight is not finite or too large for float16.
    """
    path = Path(path)
    if clip.config != config.clip:
        raise ModelError(f"{path}: the weights are of another shape than config.clip says")
    if (tokenizer.config if tokenizer else None) != config.tokenizer:
        raise ModelError(f"{path}: the tokenizer has other rules than config.tokenizer says")
    _check_tokenizer(tokenizer, config.clip, path)
    tensors = {name: _stored(tensor, dtype) for name, tensor in _weights(clip).items()}
    _check_finite(tensors, path)

    path.mkdir(parents=True, exist_ok=True)
    _write(path / (WEIGHTS + ".partial"), safetensors_bytes(tensors))
    _write(path / (CARD + ".partial"), card.encode())
    _write(path / (ORIGIN + ".partial"), (json.dumps(origin, indent=2, ensure_ascii=False) + "\n").encode())
    _write(path / (CONFIG + ".partial"), (config.model_dump_json(indent=2) + "\n").encode())
    if tokenizer is not None:
        tokenizer.save(path / (TOKENIZER + ".partial"))
    # Without config.json a directory is no model, so a kill between two of these lines leaves none, never a mixture.
    (path / CONFIG).unlink(missing_ok=True)
    (path / TOKENIZER).unlink(missing_ok=True)
    for name in (WEIGHTS, CARD, ORIGIN, *([TOKENIZER] if tokenizer else []), CONFIG):
        (path / (name + ".partial")).replace(path / name)


def read_config(path: str | Path) -> ModelConfig:
    """The configuration of a model directory. Raises `ModelError` when the directory is no model or damaged."""
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
            f"{path / CONFIG} asks for pictures of {config.preprocess.image_size} pixels and texts of "
            f"{config.clip.text.context_length} tokens; more than {MAX_SIDE} and {MAX_CONTEXT} are refused"
        )
    if config.tokenizer is not None and not (path / TOKENIZER).is_file():
        raise ModelError(f"{path} is not a complete model directory: {TOKENIZER} missing")
    return config


def load_clip(path: str | Path) -> CLIP:
    """The model in float32 on the CPU, in evaluation mode. Raises `ModelError` that lists what does not fit."""
    path = Path(path)
    config = read_config(path).clip
    try:
        with safe_open(path / WEIGHTS, framework="pt") as file:
            names = set(file.keys())
            if _layers(config) > len(names):
                raise ModelError(
                    f"{path}: {CONFIG} promises {_layers(config)} layers, {WEIGHTS} holds {len(names)} tensors"
                )
            clip = _shapes(config, path)
            expected = _weights(clip)
            _check_names(expected, names, path)
            shapes = {name: (file.get_slice(name).get_shape(), file.get_slice(name).get_dtype()) for name in expected}
            _check_shapes(expected, shapes, path)
            tensors = {name: file.get_tensor(name).float() for name in expected}
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path / WEIGHTS} is damaged or cut short ({error}); copy or download it again") from None
    _check_finite(tensors, path)
    counters = {name: torch.tensor(0) for name in clip.state_dict() if name not in expected}
    clip.load_state_dict(tensors | counters, assign=True)
    return clip.eval()


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
    path = Path(path)
    config = read_config(path)
    vocabulary = (path / TOKENIZER).read_bytes() if config.tokenizer is not None else None
    return _digest(config, vocabulary, _weights(clip or load_clip(path)))


def weights_fingerprint(config: ModelConfig, tokenizer: Tokenizer | None, weights: Mapping[str, Tensor]) -> str:
    """The fingerprint that a model directory of these parts will have."""
    return _digest(config, tokenizer.to_json().encode() if tokenizer else None, weights)


def _digest(config: ModelConfig, vocabulary: bytes | None, weights: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    rules = config.model_dump(mode="json", include={"clip", "preprocess", "tokenizer"})
    digest.update(json.dumps(rules, sort_keys=True, separators=(",", ":")).encode() + b"\0")
    if vocabulary is not None:
        digest.update(hashlib.sha256(vocabulary).digest())
    for name, tensor in sorted(weights.items()):
        digest.update(f"{name}:{tuple(tensor.shape)}".encode() + b"\0")
        digest.update(tensor.detach().float().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def _weights(clip: CLIP) -> dict[str, Tensor]:
    """What a feature depends on: parameters and running statistics, not the counters beside the latter."""
    return {name: tensor for name, tensor in clip.state_dict().items() if tensor.is_floating_point()}


def _shapes(config: CLIPConfig, path: Path) -> CLIP:
    """The model without memory: nothing is allocated before the file has proved the sizes of the configuration."""
    try:
        with torch.device("meta"):
            return CLIP(config)
    except RuntimeError as error:  # sizes beyond what torch can count
        raise ModelError(f"{path / CONFIG} describes an impossible model ({error})") from None


def _stored(tensor: Tensor, dtype: Dtype) -> Tensor:
    tensor = tensor.detach().to("cpu", torch.float32)
    half = tensor.to(torch.float16) if dtype == "exact" or (dtype == "float16" and tensor.dim() >= 2) else tensor
    return (tensor if dtype == "exact" and not torch.equal(half.float(), tensor) else half).contiguous()


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _layers(config: CLIPConfig) -> int:
    vision = config.vision.layers if isinstance(config.vision, ViTConfig) else sum(config.vision.layers)
    return vision + (config.text.layers if isinstance(config.text, TransformerTextConfig) else 0)


def _check_tokenizer(tokenizer: Tokenizer | None, config: CLIPConfig, path: Path) -> None:
    if tokenizer is None:
        return
    for what, given, limit in (
        ("vocabulary", tokenizer.vocab_size, config.text.vocab_size),
        ("context length", tokenizer.config.context_length, config.text.context_length),
    ):
        if given > limit:
            raise ModelError(f"{path}: the tokenizer's {what} of {given} is larger than the text tower's {limit}")


def _check_names(expected: dict[str, Tensor], found: set[str], path: Path) -> None:
    missing = [name for name in expected if name not in found]
    unexpected = sorted(found - expected.keys())
    problems = [
        f"{len(names)} tensors {kind}: {_some(names)}"
        for kind, names in (("missing", missing), ("unexpected", unexpected))
        if names
    ]
    if problems:
        raise ModelError(f"{path / WEIGHTS} does not hold the model of {CONFIG}; {'; '.join(problems)}")


def _check_shapes(expected: dict[str, Tensor], found: dict[str, tuple[list[int], str]], path: Path) -> None:
    problems = [
        f"{name} is {tuple(found[name][0])}, not {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if tuple(found[name][0]) != tuple(tensor.shape)
    ]
    problems += [
        f"{name} is {kind}, not {' or '.join(STORED)}" for name, (_, kind) in found.items() if kind not in STORED
    ]
    if problems:
        raise ModelError(f"{path / WEIGHTS} does not fit {CONFIG}: {_some(problems)}")


def _check_finite(tensors: dict[str, Tensor], path: Path) -> None:
    broken = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if broken:
        raise ModelError(f"{path}: {len(broken)} tensors hold NaN or infinite numbers: {_some(broken)}")


def _some(names: Iterable[str]) -> str:
    names = list(names)
    rest = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {rest} more" if rest > 0 else "")
