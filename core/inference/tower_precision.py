"""Lays out a tower for lower precision while its vectors stay the same.

fp32    as it is: the reference
bf16    all weights rounded once and for all, matrices laid out for the processor in advance where it has such kernels
fp16    all weights rounded, for GPUs without bf16
int8    linear layers multiply bytes, but for a transformer's projection, and where weights have seven bits for a text
        transformer; the rest is bf16, or fp32 where the CPU has no native bf16

Layer norms keep float32 gains on the CPU, and sums inside them are float32 everywhere. Batch norms disappear: with
fixed statistics each is a factor and an offset of the convolution before it, multiplied out before anything is rounded.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from core.inference.device import BYTE, autocast_dtype, processor
from core.inference.inference_blocks import FastTextTransformer, FastVisionTransformer, MakeLinear
from core.inference.precision import Precision
from core.inference.quantized_linear import ByteLinear, PackedLinear, RoundedLinear
from core.model.resnet import ModifiedResNet
from core.model.small_resnet import SmallResNet
from core.model.text import TextTransformer
from core.model.transformer import Block
from core.model.vit import VisionTransformer

SMALLEST = 1e-6  # root of a channel's size; one that is always nought is nought afterwards, too


def reduced(tower: nn.Module, precision: Precision, device: torch.device) -> nn.Module:
    """`tower`, in float32 and evaluation mode, on `device` in `precision`.

    In fp32 it is moved and returned; else it is used up, and another module may come back.
    """
    tower = tower.to(device)
    if isinstance(tower, ModifiedResNet | SmallResNet):
        tower.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if precision == "fp32":
        return tower
    tower.requires_grad_(False)
    _fold_batch_norms(tower)
    dtype = _dtype(precision, device)
    rounded = _rounded(dtype, device)
    make = rounded
    if precision == "int8" and _gains_from_bytes(tower):
        _balance(tower)
        make = _bytes(dtype)
    tower = _with_linear(tower, make, rounded)
    for module in tower.modules():
        if not (isinstance(module, nn.LayerNorm) and device.type == "cpu"):
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.to(dtype)
    return tower


def input_dtype(tower: nn.Module) -> torch.dtype:
    """What the pixels for an image tower have to be: as its first layer, which is a convolution in all of them."""
    return next(module.weight.dtype for module in tower.modules() if isinstance(module, nn.Conv2d))


def _dtype(precision: Precision, device: torch.device) -> torch.dtype:
    if precision == "int8":
        return autocast_dtype(device) or torch.float32
    return torch.float16 if precision == "fp16" else torch.bfloat16


def _gains_from_bytes(tower: nn.Module) -> bool:
    """With weights of seven bits a text tower is not faster than in float32, laid out in advance, and less exact."""
    return processor().largest_weight == BYTE or not isinstance(tower, TextTransformer)


def _bytes(dtype: torch.dtype) -> MakeLinear:
    largest = processor().largest_weight
    return lambda linear, inner: ByteLinear(linear, dtype, largest, inner)


def _rounded(dtype: torch.dtype, device: torch.device) -> MakeLinear:
    packed = {torch.bfloat16: processor().packed_bf16, torch.float32: processor().packed_fp32}
    kind = PackedLinear if device.type == "cpu" and packed.get(dtype) else RoundedLinear
    return lambda linear, inner: kind(linear, dtype, inner)


def _with_linear(tower: nn.Module, make: MakeLinear, make_last: MakeLinear) -> nn.Module:
    """A tower whose linear layers are made by `make`; the projection of a transformer by `make_last`."""
    if isinstance(tower, VisionTransformer):
        return FastVisionTransformer(tower, make, make_last)
    if isinstance(tower, TextTransformer):
        return FastTextTransformer(tower, make, make_last)
    for module in list(tower.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear):
                setattr(module, name, make(child, "none"))
    return tower


def _balance(tower: nn.Module) -> None:
    """Divide what leaves a layer norm, and multiply the layer behind it, so that its channels are more alike in size.

    The function stays the same. In trained models a few gains are many times as large as the others, and a row of
    bytes is as coarse as its largest number. SmoothQuant (Xiao et al. 2023, section 4, with α = 0.5), with the norm's
    own gain and offset in place of samples: (x·g + b) has the size √(g² + b²) where x has length 1.
    """
    for block in (module for module in tower.modules() if isinstance(module, Block)):
        for norm, linear in ((block.norm_attention, block.attention.qkv), (block.norm_mlp, block.mlp_in)):
            root = torch.hypot(norm.weight, norm.bias).sqrt().clamp_min(SMALLEST)
            norm.weight, norm.bias = nn.Parameter(norm.weight / root), nn.Parameter(norm.bias / root)
            linear.weight = nn.Parameter(linear.weight * root)


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
