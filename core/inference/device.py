"""Chooses the device, and detects what the processor can do.

Both answers are functions of what the machine has, asked where they are needed and handed on as values. `processor()`
is the one place that knows what the CPU can do; `CLIPDEX_CPU=avx2` restricts it, and PyTorch with it, to what a machine
without AVX-512 can do.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from core.errors import ConfigError, unknown_choice

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda", "mps")
RESTRICTION = "CLIPDEX_CPU"
# What a restriction is called for PyTorch's own kernels, oneDNN and MKL: each has its own names.
RESTRICTED = {
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "default": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
}
BYTE = 127  # the largest weight of a signed byte; -128 is left out, so that the range is symmetric
HALF_BYTE = 64  # 255 * 64 * 2 still fits into 16 bits


@dataclass(frozen=True)
class Processor:
    """What the CPU multiplies, beside float32."""

    kind: str
    """Its class, for people and benchmarks: "AVX2", "AVX2-VNNI", "AVX512-BF16", …"""
    native_bf16: bool
    """Whether bf16 is multiplied in hardware; elsewhere it is emulated, slower than float32."""
    packed_bf16: bool
    packed_fp32: bool
    """Whether oneDNN has kernels for matrices in that format that were laid out in advance."""
    largest_weight: int
    """Up to which weight a sum of products of bytes is exact: 127 or 64; 0 where there are no such kernels.

    AVX2 adds two products of an unsigned and a signed byte in 16 bits, which saturate beyond 64; VNNI adds in 32.
    """


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
    else:
        native = device.type == "cpu" and processor().native_bf16
    return torch.bfloat16 if native else None


@cache
def processor() -> Processor:
    """What this CPU can do: asked of PyTorch, and tried with small products.

    Raises `ConfigError` for a restriction that is unknown.
    """
    restricted = restrict()
    import torch

    level = torch.backends.cpu.get_cpu_capability()
    if restricted and level not in ("DEFAULT", restricted.upper()):
        raise ConfigError(
            f"{RESTRICTION}={restricted} comes too late: PyTorch has computed already, with {level}; "
            "set it before the program starts, and load the model before anything is computed"
        )
    ask = getattr(torch.cpu, "get_capabilities", None)  # absent from older PyTorch
    has = ask() if ask and not restricted else {}
    native = bool(has.get("avx512_bf16") or has.get("amx_bf16"))
    largest = next((weight for weight in (BYTE, HALF_BYTE) if level.startswith("AVX") and _adds_up(weight)), 0)
    return Processor(
        kind=level + ("-BF16" if native else "-VNNI" if largest == BYTE else ""),
        native_bf16=native,
        packed_bf16=not restricted and _packs(torch.bfloat16),
        packed_fp32=_packs(torch.float32),
        largest_weight=largest,
    )


def restrict() -> str:
    """What `CLIPDEX_CPU` restricts the CPU to, or "". PyTorch is told so, and listens until it first computes.

    Raises `ConfigError` for an unknown restriction.
    """
    name = os.environ.get(RESTRICTION, "")
    if name and name not in RESTRICTED:
        raise ConfigError(unknown_choice(RESTRICTION, name, list(RESTRICTED)))
    os.environ.update(RESTRICTED.get(name, {}))
    return name


def _adds_up(weight: int) -> bool:
    """Whether products of the largest activations with such weights are added without saturating."""
    import torch

    depth, width = 64, 32
    try:
        packed = torch.ops.onednn.qlinear_prepack(torch.full((width, depth), weight, dtype=torch.int8), None)
        ones, zeros = torch.ones(width), torch.zeros(width, dtype=torch.int32)
        activations = torch.full((1, depth), 255, dtype=torch.uint8)
        found = torch.ops.onednn.qlinear_pointwise.default(
            activations, 1.0, 0, packed, ones, zeros, None, 1.0, 0, torch.float32, "none", [], ""
        )
    except (AttributeError, RuntimeError):  # a build without oneDNN, or an older one
        return False
    return bool((found == depth * weight * 255).all())


def _packs(dtype: torch.dtype) -> bool:
    """Whether a matrix can be laid out for oneDNN's kernels, and multiplied."""
    import torch

    ones = torch.ones((32, 32), dtype=dtype)
    try:
        packed = torch.ops.mkldnn._reorder_linear_weight(ones)
        found = torch.ops.mkldnn._linear_pointwise.default(ones, packed, None, "none", [], "none")
    except (AttributeError, RuntimeError):  # PyTorch refuses it by the processor
        return False
    return bool((found == 32).all())
