"""Reads OpenAI checkpoints, as TorchScript archives or plain state dicts.

The file holds no configuration: sizes are those of the tensors, and the rest is fixed by OpenAI's code (openai/CLIP,
model.py and clip.py): 64 numbers a head, QuickGELU, the end-of-text token as the last of the vocabulary, one way to
prepare images. OpenCLIP's files have the same names and leave the first two open, so a plain state dict counts as
OpenAI's only if its tensors come in the order in which OpenAI's code writes them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from core.errors import ConfigError, ModelError
from core.formats.convert.converted import Converted, Source
from core.formats.convert.names import counts_nothing, openai_place
from core.formats.convert.preprocessing import given_preprocess, openai_preprocess
from core.formats.convert.vocabulary import OPENAI_SPECIALS, openai_tokenizer
from core.formats.convert.weights import fit
from core.formats.torch_archive import container, load_archive, tensors_of
from core.formats.torchscript import load_torchscript
from core.model.config import ModelConfig
from core.schema import parse

HEAD_WIDTH = 64
SIZES = ("input_resolution", "context_length", "vocab_size")  # numbers that OpenAI's code stores beside the weights
WRAPPERS = ("state_dict", "model_state_dict", "model")


def read_openai(source: Source) -> Converted:
    """Raises `ModelError` when the file is damaged, is not OpenAI's or leaves something open."""
    path = source.weights or source.path
    found = _tensors(path)
    for size in SIZES:
        found.pop(size, None)
    try:
        clip = _Shapes(found, path).clip()
        config = parse(ModelConfig, {"name": source.name, **clip}, str(path))
    except ConfigError as error:
        raise ModelError(str(error)) from None
    weights = fit(config.clip, found, openai_place, path, counts_nothing)
    text = config.clip.text
    tokenizer = openai_tokenizer(source, text.context_length, text.vocab_size, OPENAI_SPECIALS)
    changes: dict[str, Any] = {"tokenizer": tokenizer.config if tokenizer else None}
    if source.preprocess:
        changes["preprocess"] = given_preprocess(source.preprocess, config.clip.vision.image_size)
    origin = {"format": "openai", "source": path.name}
    return Converted(config.model_copy(update=changes), weights, tokenizer, origin, "openai", (path,))


def state_dict(value: Any, path: Path) -> dict[str, Tensor]:
    """The tensors of a plain state dict, or of a training checkpoint that holds one among other things.

    Prefixes of wrappers around the model, `module.` (data parallel) and `_orig_mod.` (compiled), are taken off.
    """
    if isinstance(value, dict):
        value = next((value[name] for name in WRAPPERS if isinstance(value.get(name), dict)), value)
    if not isinstance(value, dict) or not value:
        raise ModelError(f"{path} holds no state dict, only {type(value).__name__}")
    tensors: dict[str, Tensor] = {}
    for name, tensor in value.items():
        plain = re.sub(r"^(module\.)+|_orig_mod\.", "", str(name)).removeprefix("module.")
        if plain in tensors:
            raise ModelError(f"{path} holds {plain} twice, once with a prefix")
        tensors[plain] = tensor
    return tensors_of(tensors, path)


def is_openais_order(names: Mapping[str, Any]) -> bool:
    """Whether a block's attention comes before its first layer norm, as in OpenAI's modules and not in OpenCLIP's."""
    order = list(names)
    attention, norm = ("transformer.resblocks.0." + part for part in ("attn.in_proj_weight", "ln_1.weight"))
    return attention in names and norm in names and order.index(attention) < order.index(norm)


def _tensors(path: Path) -> dict[str, Tensor]:
    kind = container(path)
    if kind == "torchscript":
        found = load_torchscript(path)
        missing = [name for name in SIZES if name not in found]
        if missing:
            raise ModelError(f"{path} is a TorchScript archive, but not OpenAI's: it holds no {', '.join(missing)}")
        resolution = int(found["input_resolution"])
        if _Shapes(found, path).image_size() != resolution:
            raise ModelError(f"{path} declares images of {resolution} pixels; its tensors are for another size")
        return found
    if kind not in ("zip", "stream"):
        raise ModelError(
            f"{path} is not a checkpoint: neither a TorchScript archive nor a file of torch.save"
            + ("; safetensors alone leave the architecture open, give the folder" if kind == "safetensors" else "")
        )
    found = state_dict(load_archive(path), path)
    if "logit_bias" not in found and not is_openais_order(found):
        raise ModelError(
            f"{path} was not written by OpenAI's code and has no configuration beside it, so its activation (gelu or "
            "quick_gelu) and head counts are open; put the model's open_clip_config.json into the same folder, or "
            "name it (--config PATH)"
        )
    return found


class _Shapes:
    """The configuration that shapes tell, in the terms of ours."""

    def __init__(self, found: Mapping[str, Tensor], path: Path) -> None:
        self.found, self.path = found, path

    def shape(self, name: str, axes: int) -> tuple[int, ...]:
        if name not in self.found or self.found[name].dim() != axes:
            raise ModelError(f"{self.path} is not a CLIP model of OpenAI: {name} is missing or has not {axes} axes")
        return tuple(self.found[name].shape)

    def layers(self, prefix: str) -> int:
        numbers = (re.match(re.escape(prefix) + r"(\d{1,4})\.", name) for name in self.found)
        return len({int(number[1]) for number in numbers if number})

    def is_vit(self) -> bool:
        return "visual.proj" in self.found

    def image_size(self) -> int:
        place = "visual.positional_embedding" if self.is_vit() else "visual.attnpool.positional_embedding"
        positions = self.shape(place, 2)[0]
        step = self.shape("visual.conv1.weight", 4)[-1] if self.is_vit() else 32
        return math.isqrt(max(positions - 1, 0)) * step

    def clip(self) -> dict[str, Any]:
        vocab_size, width = self.shape("token_embedding.weight", 2)
        text = {
            "kind": "transformer",
            "vocab_size": vocab_size,
            "eot_id": vocab_size - 1,
            "width": width,
            "context_length": self.shape("positional_embedding", 2)[0],
            "heads": width // HEAD_WIDTH,
            "layers": self.layers("transformer.resblocks."),
            "mlp_width": width * 4,
            "activation": "quick_gelu",
        }
        vision = self.vit() if self.is_vit() else self.resnet()
        clip = {"embed_dim": self.shape("text_projection", 2)[1], "vision": vision, "text": text}
        return {"clip": clip, "preprocess": openai_preprocess(self.image_size()), "tokenizer": None}

    def vit(self) -> dict[str, Any]:
        width, _, _, patch = self.shape("visual.conv1.weight", 4)
        return {
            "kind": "vit",
            "image_size": self.image_size(),
            "patch_size": patch,
            "width": width,
            "layers": self.layers("visual.transformer.resblocks."),
            "heads": width // HEAD_WIDTH,
            "mlp_width": width * 4,
            "activation": "quick_gelu",
        }

    def resnet(self) -> dict[str, Any]:
        width = self.shape("visual.layer1.0.conv1.weight", 4)[0]
        layers = [self.layers(f"visual.layer{stage}.") for stage in (1, 2, 3, 4)]
        heads = width * 32 // HEAD_WIDTH
        return {"kind": "resnet", "image_size": self.image_size(), "layers": layers, "width": width, "heads": heads}
