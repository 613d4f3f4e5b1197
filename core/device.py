"""Which device and number format, and why?

Both answers are functions of what the machine has, asked where they are needed and handed on as values.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from core.errors import ConfigError, unknown_choice

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda", "mps")


def choose_device(name: str = "auto") -> torch.device:
    """The device to compute on: `auto` takes CUDA, then Apple's MPS, then the CPU; `cuda:1` names one of several.

    Raises `ConfigError` for an unknown name and for a device that this machine does not have.
    """
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind not in DEVICES or kind == "auto" or not re.fullmatch(r"(cpu|mps)|cuda(:\d+)?", name):
        raise ConfigError(unknown_choice("device", name, [*DEVICES, "cuda:0"]))
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise ConfigError(f"device {name!r} is not here: PyTorch sees {found} CUDA devices; use 'auto' or 'cpu'")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("device 'mps' is not here; use 'auto' or 'cpu'")
    return torch.device(name)


def autocast_dtype(device: torch.device) -> torch.dtype | None:
    """bfloat16 where the hardware multiplies it natively, else None: compute in float32.

    Elsewhere it is emulated, slower than float32 and less exact. float16 is not offered because it overflows in
    training unless the loss is scaled.
    """
    import torch

    if device.type == "cuda":
        # Ampere and later; is_bf16_supported() alone also says yes to emulation.
        native = torch.cuda.get_device_capability(device) >= (8, 0)
    elif device.type == "cpu":
        ask = getattr(torch.cpu, "get_capabilities", None)  # absent from older PyTorch
        capabilities = ask() if ask else {}
        native = bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    else:
        native = False
    return torch.bfloat16 if native else None
