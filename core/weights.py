"""How are stored weights read and verified: all of them, or one tower without the other?

`model.safetensors` is mapped, not copied: a tensor's numbers are read when they are used, and those of a tower that
nobody asks for never. Names, shapes and number formats of all tensors are checked every time; they stand in the file's
header, and nothing is allocated before they fit the configuration. That every number is finite is checked for
whatever is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from core.clip import CLIP
from core.config import CLIPConfig, TransformerTextConfig, ViTConfig
from core.errors import ModelError

Tower = Literal["visual", "text"]
M = TypeVar("M", bound=nn.Module)

STORED = ("F16", "BF16", "F32")  # number formats of safetensors that we read, all as float32
LISTED = 8  # names in a message; the rest are counted


def values(module: nn.Module) -> dict[str, Tensor]:
    """What a feature depends on: parameters and running statistics, not the counters beside the latter."""
    return {name: tensor for name, tensor in module.state_dict().items() if tensor.is_floating_point()}


def load_clip(file: Path, config: CLIPConfig) -> CLIP:
    """The whole model in float32 on the CPU, in evaluation mode. Raises `ModelError` that lists what does not fit."""
    with _opened(file, config) as (stored, clip):
        filled = fill(clip, stored.get_tensor)
    check_finite(values(filled), file.parent)
    return filled


def load_tower(file: Path, config: CLIPConfig, tower: Tower) -> nn.Module:
    """One tower in float32 on the CPU, in evaluation mode; the other's numbers are not read."""
    with _opened(file, config) as (stored, clip):
        filled: nn.Module = fill(getattr(clip, tower), lambda name: stored.get_tensor(f"{tower}.{name}"))
    check_finite({f"{tower}.{name}": tensor for name, tensor in values(filled).items()}, file.parent)
    return filled


def load_logit_scale(file: Path, config: CLIPConfig) -> float:
    """What cosines are multiplied with before a softmax; its logarithm is stored."""
    with _opened(file, config) as (stored, _):
        scale: Tensor = stored.get_tensor("logit_scale").float()
    check_finite({"logit_scale": scale}, file.parent)
    return float(scale.exp())


def fill(module: M, stored: Callable[[str], Tensor]) -> M:
    """`module`, which has no memory yet, with stored numbers in float32, in evaluation mode."""
    names = values(module)
    tensors = {name: stored(name).float() for name in names}
    counters = {name: torch.tensor(0) for name in module.state_dict() if name not in names}
    module.load_state_dict(tensors | counters, assign=True)
    return module.eval()


def digests(weights: Mapping[str, Tensor]) -> dict[str, str]:
    """A sha256 for each part of a model ("logit_scale", "text", "visual") over the names, shapes and numbers in it.

    Numbers count, not bytes: the same ones stored as float16 and as float32 have the same digest.
    """
    parts: dict[str, Any] = {}
    for name, tensor in sorted(weights.items()):
        part, _, rest = name.partition(".")
        _add(parts.setdefault(part, hashlib.sha256()), rest, tensor)
    return {part: digest.hexdigest() for part, digest in parts.items()}


def tower_digest(tower: nn.Module) -> str:
    """The digest that `digests` gives for one tower alone."""
    digest = hashlib.sha256()
    for name, tensor in sorted(values(tower).items()):
        _add(digest, name, tensor)
    return digest.hexdigest()


def stored_digests(file: Path, config: CLIPConfig) -> dict[str, str]:
    """`digests` of a file, tensor by tensor: the model is never whole in memory. Raises `ModelError` as `load_clip`."""
    with _opened(file, config) as (stored, clip):
        parts: dict[str, Any] = {}
        for name in sorted(values(clip)):
            tensor = stored.get_tensor(name).float()
            check_finite({name: tensor}, file.parent)
            part, _, rest = name.partition(".")
            _add(parts.setdefault(part, hashlib.sha256()), rest, tensor)
    return {part: digest.hexdigest() for part, digest in parts.items()}


def check_finite(tensors: Mapping[str, Tensor], where: Path) -> None:
    """Raises `ModelError` that lists the tensors with NaN or infinite numbers."""
    # One number that is not finite makes the sum so, which is quicker to see; a sum may also just be too large.
    doubtful = {name: tensor for name, tensor in tensors.items() if not tensor.sum().isfinite()}
    broken = [name for name, tensor in doubtful.items() if not tensor.isfinite().all()]
    if broken:
        raise ModelError(f"{where}: {len(broken)} tensors hold NaN or infinite numbers: {_some(broken)}")


def _add(digest: Any, name: str, tensor: Tensor) -> None:
    digest.update(f"{name}:{tuple(tensor.shape)}".encode() + b"\0")
    digest.update(tensor.detach().float().cpu().contiguous().numpy().data)


@contextmanager
def _opened(file: Path, config: CLIPConfig) -> Iterator[tuple[Any, CLIP]]:
    """The file, known to hold exactly the tensors of `config`, and the model of `config` without memory."""
    try:
        with safe_open(file, framework="pt") as stored:
            names = set(stored.keys())
            if _layers(config) > len(names):
                raise ModelError(
                    f"{file.parent}: config.json promises {_layers(config)} layers, {file.name} holds "
                    f"{len(names)} tensors"
                )
            clip = _empty(config, file)
            expected = values(clip)
            _check_names(expected, names, file)
            slices = {name: stored.get_slice(name) for name in expected}
            _check_shapes(expected, {name: (s.get_shape(), s.get_dtype()) for name, s in slices.items()}, file)
            yield stored, clip
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{file} is damaged or cut short ({error}); copy or download it again") from None


def _empty(config: CLIPConfig, file: Path) -> CLIP:
    """The model without memory: nothing is allocated before the file has proved the sizes of the configuration."""
    try:
        with torch.device("meta"), _NothingDrawn():
            return CLIP(config)
    except RuntimeError as error:  # sizes beyond what torch can count
        raise ModelError(f"{file.parent / 'config.json'} describes an impossible model ({error})") from None


class _NothingDrawn(TorchFunctionMode):
    """Initial weights are not drawn: there is nothing to draw them into, and on the device "meta" torch would import
    its compiler for it, which takes longer than reading a model."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)


def _layers(config: CLIPConfig) -> int:
    vision = config.vision.layers if isinstance(config.vision, ViTConfig) else sum(config.vision.layers)
    return vision + (config.text.layers if isinstance(config.text, TransformerTextConfig) else 0)


def _check_names(expected: dict[str, Tensor], found: set[str], file: Path) -> None:
    missing = [name for name in expected if name not in found]
    unexpected = sorted(found - expected.keys())
    problems = [
        f"{len(names)} tensors {kind}: {_some(names)}"
        for kind, names in (("missing", missing), ("unexpected", unexpected))
        if names
    ]
    if problems:
        raise ModelError(f"{file} does not hold the model of config.json; {'; '.join(problems)}")


def _check_shapes(expected: dict[str, Tensor], found: dict[str, tuple[list[int], str]], file: Path) -> None:
    problems = [
        f"{name} is {tuple(found[name][0])}, not {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if tuple(found[name][0]) != tuple(tensor.shape)
    ]
    problems += [
        f"{name} is {kind}, not {' or '.join(STORED)}" for name, (_, kind) in found.items() if kind not in STORED
    ]
    if problems:
        raise ModelError(f"{file} does not fit config.json: {_some(problems)}")


def _some(names: Iterable[str]) -> str:
    names = list(names)
    rest = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {rest} more" if rest > 0 else "")
