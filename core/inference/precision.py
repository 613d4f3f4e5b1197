"""Chooses the precision to encode in: float32, bfloat16, float16 or int8."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from core.errors import ConfigError, unknown_choice
from core.inference.device import autocast_dtype, processor

if TYPE_CHECKING:
    import torch

Precision = Literal["fp32", "bf16", "fp16", "int8"]
PRECISIONS = ("auto", "fp32", "bf16", "fp16", "int8")


def choose_precision(name: str, device: torch.device) -> Precision:
    """The number format to encode in.

    `auto` takes bf16 where the hardware multiplies it natively, else int8 on a CPU that has it, else fp32. Raises
    `ConfigError` for an unknown name, and for int8 where it does not work.
    """
    if name not in PRECISIONS:
        raise ConfigError(unknown_choice("precision", name, PRECISIONS))
    has_bytes = device.type == "cpu" and processor().largest_weight > 0
    if name == "auto":
        return "bf16" if autocast_dtype(device) is not None else "int8" if has_bytes else "fp32"
    if name == "int8" and not has_bytes:
        raise ConfigError(
            f"precision 'int8' does not work on this {device.type} device, only on a CPU with AVX2 or more; "
            "use auto, fp32, bf16 or fp16"
        )
    return cast(Precision, name)
