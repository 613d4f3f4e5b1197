"""How does a tower compute with fewer bits and still give the same vectors?

fp32    as it is: the reference
bf16    all weights rounded once and for all, matrices laid out for the processor in advance (CPU)
fp16    all weights rounded, for GPUs without bf16
int8    linear layers multiply bytes, the rest is bf16 (or fp32 where the CPU has no bf16)

Layer norms keep float32 gains on the CPU, and sums inside them are float32 everywhere. Batch norms disappear: with
fixed statistics each is a factor and an offset of the convolution before it, multiplied out before anything is rounded.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from core.device import Precision, autocast_dtype

LARGEST = 127  # of a signed byte; -128 is left out, so that the range is symmetric
OFFSET = 128  # oneDNN's fast kernels take activations as unsigned bytes


def reduced(tower: nn.Module, precision: Precision, device: torch.device) -> nn.Module:
    """`tower`, a float32 one in evaluation mode, on `device` in `precision`. It is changed in place, for fp32 too."""
    tower = tower.to(device).requires_grad_(False)
    if precision == "fp32":
        return tower
    _fold_batch_norms(tower)
    dtype = _dtype(precision, device)
    if device.type == "cpu":
        _replace_linear(tower, precision, dtype)
    for module in tower.modules():
        if not (isinstance(module, nn.LayerNorm) and device.type == "cpu"):
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.to(dtype)
    return tower


def input_dtype(tower: nn.Module) -> torch.dtype:
    """What a reduced tower's pixels have to be: the format of its embeddings and convolutions."""
    dtypes = {parameter.dtype for parameter in tower.parameters()}
    return min(dtypes, key=lambda dtype: dtype.itemsize)


class PackedLinear(nn.Module):
    """A linear layer whose matrix lies in memory as oneDNN's kernels read it, not rearranged at every call."""

    def __init__(self, linear: nn.Linear, dtype: torch.dtype) -> None:
        super().__init__()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach().to(dtype))
        self._bias = None if linear.bias is None else linear.bias.detach().to(dtype)

    def forward(self, x: Tensor) -> Tensor:
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, "none", [], "")
        return product


class ByteLinear(nn.Module):
    """A linear layer that multiplies bytes: each output channel and each input row has a scale of its own.

    A row's scale comes from its own largest number, so a picture's vector does not depend on what is beside it in a
    batch, and one row with large numbers does not coarsen the others (Dettmers et al. 2022, "LLM.int8()", section 2,
    vector-wise quantisation).
    """

    def __init__(self, linear: nn.Linear, dtype: torch.dtype) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        self._scale = (weight.abs().amax(dim=1) / LARGEST).clamp_min(torch.finfo(torch.float32).tiny)
        rounded = (weight / self._scale[:, None]).round().clamp(-LARGEST, LARGEST).to(torch.int8)
        self._weight = torch.ops.onednn.qlinear_prepack(rounded, None)
        self._zero = torch.zeros(len(weight), dtype=torch.int32)
        bias = linear.bias.detach() if linear.bias is not None else torch.zeros(len(weight))
        self._bias, self._dtype = bias.to(dtype), dtype

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, x.shape[-1]).float()
        # Two plain extremes are several times as fast as one of absolute values or an infinity norm.
        largest = torch.maximum(rows.amax(dim=1, keepdim=True), -rows.amin(dim=1, keepdim=True)).clamp_min(1e-30)
        signed = (rows * (LARGEST / largest)).round_().to(torch.int8)
        unsigned = signed.view(torch.uint8).bitwise_xor_(OFFSET)
        product = torch.ops.onednn.qlinear_pointwise(
            unsigned, 1.0, OFFSET, self._weight, self._scale, self._zero, None, 1.0, 0, self._dtype, "none", [], ""
        )
        out = torch.addcmul(self._bias, product, (largest / LARGEST).to(self._dtype))
        return out.view(*x.shape[:-1], -1)


def _dtype(precision: Precision, device: torch.device) -> torch.dtype:
    if precision == "int8":
        return autocast_dtype(device) or torch.float32
    return torch.float16 if precision == "fp16" else torch.bfloat16


def _replace_linear(tower: nn.Module, precision: Precision, dtype: torch.dtype) -> None:
    packs = dtype == torch.bfloat16 and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    for module in list(tower.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear):
                if precision == "int8":
                    setattr(module, name, ByteLinear(child, dtype))
                elif packs:
                    setattr(module, name, PackedLinear(child, dtype))


def _fold_batch_norms(tower: nn.Module) -> None:
    """Each batch norm into the convolution that is defined just before it, which all towers here apply just before."""
    for module in list(tower.modules()):
        before: tuple[str, nn.Module] | None = None
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                assert before is not None and isinstance(before[1], nn.Conv2d)
                setattr(module, before[0], fuse_conv_bn_eval(before[1], child))
                setattr(module, name, nn.Identity())
            before = name, child
