"""Reads and verifies stored weights: all of them, or one tower.

`model.safetensors` is mapped, not copied: a tensor's numbers are read when they are used, and those of a tower that
nobody asks for never. Names, shapes and number formats of all tensors are checked every time; they stand in the file's
header, and nothing is allocated before they fit the configuration. That every number is finite is checked for
whatever is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from core.errors import ModelError
from core.formats import weights_file
from core.model.clip import CLIP
from core.model.config import CLIPConfig

Tower = Literal["visual", "text"]
M = TypeVar("M", bound=nn.Module)


def values(module: nn.Module) -> dict[str, Tensor]:
    """What a feature depends on: parameters and running statistics, not the counters beside the latter."""
    return {name: tensor for name, tensor in module.state_dict().items() if tensor.is_floating_point()}


def load_clip(file: Path, config: CLIPConfig) -> CLIP:
    """The whole model in float32 on the CPU, in evaluation mode. Raises `ModelError` that lists what does not fit."""
    with _opened(file, config) as (tensors, clip):
        filled = fill(clip, tensors.get_tensor)
    check_finite(values(filled), file.parent)
    return filled


def load_tower(file: Path, config: CLIPConfig, tower: Tower) -> nn.Module:
    """One tower in float32 on the CPU, in evaluation mode; the other's numbers are not read."""
    with _opened(file, config) as (tensors, clip):
        filled: nn.Module = fill(getattr(clip, tower), lambda name: tensors.get_tensor(f"{tower}.{name}"))
    check_finite({f"{tower}.{name}": tensor for name, tensor in values(filled).items()}, file.parent)
    return filled


def fill(module: M, read: Callable[[str], Tensor]) -> M:
    """`module`, which has no memory yet, with stored numbers in float32, in evaluation mode."""
    names = values(module)
    tensors = {name: read(name).float() for name in names}
    counters = {name: torch.tensor(0) for name in module.state_dict() if name not in names}
    module.load_state_dict(tensors | counters, assign=True)
    return module.eval()


def digests(weights: Mapping[str, Tensor]) -> dict[str, str]:
    """`stored.by_part` of weights in memory."""
    return weights_file.by_part((name, _array(tensor)) for name, tensor in sorted(weights.items()))


def tower_digest(tower: nn.Module) -> str:
    """The digest that `digests` gives for one tower alone."""
    digest = hashlib.sha256()
    for name, tensor in sorted(values(tower).items()):
        weights_file.add_to(digest, name, _array(tensor))
    return digest.hexdigest()


def check_finite(tensors: Mapping[str, Tensor], where: Path) -> None:
    """Raises `ModelError` that lists the tensors with NaN or infinite numbers."""
    # One number that is not finite makes the sum so, which is quicker to see; a sum may also just be too large.
    doubtful = {name: tensor for name, tensor in tensors.items() if not tensor.sum().isfinite()}
    weights_file.refuse([name for name, tensor in doubtful.items() if not tensor.isfinite().all()], where)


def _array(tensor: Tensor) -> np.ndarray:
    array: np.ndarray = tensor.detach().float().cpu().numpy()
    return array


@contextmanager
def _opened(file: Path, config: CLIPConfig) -> Iterator[tuple[Any, CLIP]]:
    """The file, known to hold exactly the tensors of `config`, and the model of `config` without memory."""
    with weights_file.opened(file, config, "pt") as (tensors, _):
        yield tensors, _empty(config, file)


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
