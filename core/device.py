"""Which device and number format, and why?

Both answers are functions of what the machine has, asked where they are needed and handed on as values.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, cast

from core.errors import ConfigError, unknown_choice

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda", "mps")
Precision = Literal["fp32", "bf16", "fp16", "int8"]
PRECISIONS = ("auto", "fp32", "bf16", "fp16", "int8")


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


def choose_precision(name: str, device: torch.device) -> Precision:
    """The number format to encode in: `auto` takes bf16 where the hardware multiplies it natively, else fp32.

    int8 is for the linear layers on CPUs that multiply and add bytes in one instruction: without it (AVX2) a sum of
    two products saturates at 16 bits, and vectors are wrong. Raises `ConfigError` for an unknown name, and for int8
    where it does not work.
    """
    if name not in PRECISIONS:
        raise ConfigError(unknown_choice("precision", name, PRECISIONS))
    if name == "auto":
        return "fp32" if autocast_dtype(device) is None else "bf16"
    if name == "int8" and not multiplies_bytes(device):
        raise ConfigError(
            f"precision 'int8' does not work on this {device.type} device, only on a CPU with AVX512-VNNI, AVX-VNNI or "
            "AMX; use 'auto'"
        )
    return cast(Precision, name)


def multiplies_bytes(device: torch.device) -> bool:
    """Does PyTorch have a matrix product of bytes here that adds them up in 32 bits?"""
    import torch

    ask = getattr(torch.cpu, "get_capabilities", None)  # absent from older PyTorch
    capabilities = ask() if ask and device.type == "cpu" else {}
    known = any(capabilities.get(name) for name in ("avx512_vnni", "avx_vnni", "amx_int8"))
    return known and hasattr(torch.ops.onednn, "qlinear_pointwise")
