"""Linear layers with int8 or bfloat16 weights.

Three of one interface: `layer(x)`, or `layer(x, plus)` that adds `plus` to the result; an activation may be part of the
layer. (…, in) -> (…, out). They are for inference: the weights are constants, rounded once.
"""

from __future__ import annotations

from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.inference.device import BYTE

Inner = Literal["none", "gelu", "swish"]  # as oneDNN calls them; swish is x·σ(x)

AT_ONCE = 256  # rows that become bytes together
OFFSET = 128  # oneDNN's fast kernels take activations as unsigned bytes


class Linear(Protocol):
    """A linear layer, an activation, and an addition."""

    def __call__(self, x: Tensor, plus: Tensor | None = None) -> Tensor: ...


class RoundedLinear(nn.Module):
    """The plain layer with rounded weights, for every device."""

    _weight: Tensor
    _bias: Tensor | None

    def __init__(self, linear: nn.Linear, dtype: torch.dtype, inner: Inner = "none") -> None:
        super().__init__()
        self.register_buffer("_weight", linear.weight.detach().to(dtype))
        self.register_buffer("_bias", None if linear.bias is None else linear.bias.detach().to(dtype))
        self._inner: Inner = inner

    def forward(self, x: Tensor, plus: Tensor | None = None) -> Tensor:
        out = _activate(F.linear(x, self._weight, self._bias), self._inner)
        return out if plus is None else out + plus


class PackedLinear(nn.Module):
    """On a CPU: the matrix lies in memory as oneDNN's kernels read it, not rearranged at every call.

    With one query of ten words that would take longer than the product itself. Activation and addition happen in the
    kernel, while the numbers are still in registers.
    """

    def __init__(self, linear: nn.Linear, dtype: torch.dtype, inner: Inner = "none") -> None:
        super().__init__()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach().to(dtype))
        self._bias = None if linear.bias is None else linear.bias.detach().to(dtype)
        self._inner: Inner = inner

    def forward(self, x: Tensor, plus: Tensor | None = None) -> Tensor:
        # The overload by its name: to find it among several, PyTorch first words the error of each that does not fit,
        # with the tensors printed out, and with short texts that took longer than all products.
        product: Tensor
        if plus is None:
            product = torch.ops.mkldnn._linear_pointwise.default(x, self._weight, self._bias, self._inner, [], "none")
        else:
            product = torch.ops.mkldnn._linear_pointwise.binary(x, plus, self._weight, self._bias, "add")
        return product


class ByteLinear(nn.Module):
    """A layer that multiplies bytes: each output channel and each input row has a scale of its own.

    A row's scale comes from its own largest number, so an image's vector does not depend on what is beside it in a
    batch, and one row with large numbers does not coarsen the others (Dettmers et al. 2022, "LLM.int8()", section 2,
    vector-wise quantisation). `dtype` is what goes in and comes out; `largest_weight` is the processor's
    (`core.inference.device.Processor`): where sums of two products saturate, weights have seven bits, and activations
    keep eight. They need them more, for some of their numbers are many times as large as the others.
    """

    def __init__(self, linear: nn.Linear, dtype: torch.dtype, largest_weight: int, inner: Inner = "none") -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        self._scale = (weight.abs().amax(dim=1) / largest_weight).clamp_min(torch.finfo(torch.float32).tiny)
        rounded = (weight / self._scale[:, None]).round().clamp(-largest_weight, largest_weight).to(torch.int8)
        self._weight = torch.ops.onednn.qlinear_prepack(rounded, None)
        self._zero = torch.zeros(len(weight), dtype=torch.int32)
        bias = linear.bias.detach() if linear.bias is not None else torch.zeros(len(weight))
        self._bias, self._dtype, self._inner = bias.to(dtype), dtype, inner

    def forward(self, x: Tensor, plus: Tensor | None = None) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        unsigned = torch.empty(rows.shape, dtype=torch.uint8)
        step = torch.empty(len(rows), 1)
        for start in range(0, len(rows), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            step[part] = _to_bytes(rows[part], unsigned[part])
        product = torch.ops.onednn.qlinear_pointwise.default(
            unsigned, 1.0, OFFSET, self._weight, self._scale, self._zero, None, 1.0, 0, self._dtype, "none", [], ""
        )
        torch.addcmul(self._bias, product, step.to(self._dtype), out=product)
        out = _activate(product, self._inner).view(*x.shape[:-1], -1)
        return out if plus is None else out.add_(plus)


def _to_bytes(rows: Tensor, unsigned: Tensor) -> Tensor:
    """Rows (n, in) rounded into `unsigned` (n, in) bytes, nought at `OFFSET` -> the step of each row (n, 1).

    For few rows at a time everything but the result stays in the processor's cache, and in memory that is used again:
    pages that are new to the process cost more than all the arithmetic here.
    """
    numbers = rows.to(torch.float32, copy=True)
    # Two plain extremes are several times as fast as one of absolute values or an infinity norm.
    largest = torch.maximum(numbers.amax(dim=1, keepdim=True), -numbers.amin(dim=1, keepdim=True)).clamp_min(1e-30)
    # By way of signed bytes: PyTorch's conversion to unsigned ones is not vectorised, seven times as slow.
    unsigned.view(torch.int8).copy_(numbers.mul_(BYTE / largest).round_())
    unsigned.bitwise_xor_(OFFSET)
    return largest / BYTE


def _activate(x: Tensor, inner: Inner) -> Tensor:
    if inner == "none":
        return x
    return F.gelu(x) if inner == "gelu" else F.silu(x)
