"""Loads each tower when it is first needed, once, and verifies it."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from core.formats import fingerprints
from core.inference.precision import Precision
from core.model.config import CLIPConfig

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from core.formats.weights import Tower
    from core.model.clip import CLIP

# PyTorch is imported when a tower is loaded: who has a model need not ask it for anything yet.


class Towers:
    """Two towers on a device in a precision, each loaded when it is first asked for. Safe between threads."""

    def __init__(
        self, load: Callable[[Tower], nn.Module], choose: Callable[[], tuple[torch.device, Precision]]
    ) -> None:
        self._load, self._choose = load, choose
        self._locks: dict[Tower, threading.Lock] = {"visual": threading.Lock(), "text": threading.Lock()}
        self._towers: dict[Tower, nn.Module] = {}

    def __getitem__(self, tower: Tower) -> nn.Module:
        if tower not in self._towers:
            from core.inference.tower_precision import reduced

            with self._locks[tower]:
                if tower not in self._towers:
                    device, precision = self._choose()
                    self._towers[tower] = reduced(self._load(tower), precision, device)
        return self._towers[tower]


def of_clip(clip: CLIP, precision: Precision) -> Callable[[Tower], nn.Module]:
    """The towers of a model in memory: its own in fp32, else copies, so that the model itself stays exact."""

    def load(tower: Tower) -> nn.Module:
        module: nn.Module = getattr(clip, tower)
        return module if precision == "fp32" else copy.deepcopy(module)

    return load


def of_weights(tensors: Mapping[str, Tensor], config: CLIPConfig) -> Callable[[Tower], nn.Module]:
    """The towers of weights under our names, in any number format; they are read when a tower is built."""

    def load(tower: Tower) -> nn.Module:
        import torch

        from core.formats import weights
        from core.model.clip import image_tower, text_tower

        with torch.device("meta"):
            module = image_tower(config) if tower == "visual" else text_tower(config)
        return weights.fill(module, lambda name: tensors[f"{tower}.{name}"])

    return load


def of_file(file: Path, config: CLIPConfig, digests: Mapping[str, str]) -> Callable[[Tower], nn.Module]:
    """The towers of a weights file, verified against its digests: a swapped file raises `ModelError`."""

    def load(tower: Tower) -> nn.Module:
        from core.formats import weights

        module = weights.load_tower(file, config, tower)
        fingerprints.confirm(file, weights.tower_digest(module), digests[tower])
        return module

    return load
