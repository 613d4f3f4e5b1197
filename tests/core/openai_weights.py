"""How do OpenAI's (and OpenCLIP's) parameter names map onto ours?  One to one, with two matrices transposed."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from core.model.clip import CLIP
from core.model.config import CLIPConfig, ResNetConfig, TransformerTextConfig, ViTConfig
from tests.shared import ROOT

TOWERS = ROOT / "tests" / "golden" / "towers"

# In this order: the first pattern that matches the whole name wins.
RENAMED = [
    (r"visual\.conv1\.weight", "visual.patch_embedding.weight"),  # of a ViT; a ResNet's is caught before
    (r"visual\.class_embedding", "visual.class_token"),
    (r"visual\.positional_embedding", "visual.position_embedding"),
    (r"visual\.ln_pre\.(.+)", r"visual.norm_pre.\1"),
    (r"visual\.ln_post\.(.+)", r"visual.norm_post.\1"),
    (r"visual\.proj", "visual.projection.weight"),
    (r"visual\.transformer\.resblocks\.(.+)", r"visual.blocks.\1"),
    (r"visual\.layer(\d)\.(\d+)\.downsample\.0\.(.+)", r"visual.stages.\1.\2.shortcut.1.\3"),
    (r"visual\.layer(\d)\.(\d+)\.downsample\.1\.(.+)", r"visual.stages.\1.\2.shortcut.2.\3"),
    (r"visual\.layer(\d)\.(.+)", r"visual.stages.\1.\2"),
    (r"visual\.attnpool\.positional_embedding", "visual.pool.position_embedding"),
    (r"visual\.attnpool\.([qkv])_proj\.(.+)", r"visual.pool.\1.\2"),
    (r"visual\.attnpool\.c_proj\.(.+)", r"visual.pool.out.\1"),
    (r"transformer\.resblocks\.(.+)", r"text.blocks.\1"),
    (r"token_embedding\.weight", "text.token_embedding.weight"),
    (r"positional_embedding", "text.position_embedding"),
    (r"ln_final\.(.+)", r"text.norm_final.\1"),
    (r"text_projection", "text.projection.weight"),
    (r"logit_scale", "logit_scale"),
]
IN_BLOCK = {
    "attn.in_proj_weight": "attention.qkv.weight",
    "attn.in_proj_bias": "attention.qkv.bias",
    "attn.out_proj.": "attention.out.",
    "ln_1.": "norm_attention.",
    "ln_2.": "norm_mlp.",
    "mlp.c_fc.": "mlp_in.",
    "mlp.c_proj.": "mlp_out.",
}
TRANSPOSED = {"visual.proj", "text_projection"}  # stored as x @ W


def our_name(name: str, resnet: bool) -> str:
    """Ours for one of OpenAI's names; a KeyError for an unknown one."""
    if resnet and re.fullmatch(r"visual\.(conv|bn)\d\..+", name):
        return name.replace("visual.", "visual.stem.")
    for pattern, ours in RENAMED:
        if match := re.fullmatch(pattern, name):
            renamed = match.expand(ours)
            # OpenAI counts stages from 1, we from 0.
            renamed = re.sub(r"stages\.(\d)", lambda m: f"stages.{int(m[1]) - 1}", renamed)
            for theirs, inner in IN_BLOCK.items():
                renamed = renamed.replace(theirs, inner)
            return renamed
    raise KeyError(name)


def map_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """OpenAI's weights under our names, in float32."""
    resnet = "visual.attnpool.positional_embedding" in weights
    return {
        our_name(name, resnet): (tensor.T.contiguous() if name in TRANSPOSED else tensor).to(
            torch.float32 if tensor.is_floating_point() else tensor.dtype
        )
        for name, tensor in weights.items()
    }


VIT = CLIPConfig(
    embed_dim=64,
    vision=ViTConfig(
        image_size=64, patch_size=16, width=128, layers=2, heads=2, mlp_width=512, activation="quick_gelu"
    ),
    text=TransformerTextConfig(
        vocab_size=512,
        context_length=77,
        eot_id=511,
        width=64,
        layers=1,
        heads=1,
        mlp_width=256,
        activation="quick_gelu",
    ),
)
RESNET = CLIPConfig(
    embed_dim=64,
    vision=ResNetConfig(image_size=64, layers=(1, 1, 2, 1), width=4, heads=2),
    text=VIT.text.model_copy(update={"layers": 2}),
)
CONFIGS = {"openai-vit": VIT, "openai-resnet": RESNET}


def loaded(config: CLIPConfig, weights: Mapping[str, Tensor]) -> CLIP:
    """A model of `config` with OpenAI-named weights; every tensor must find its place."""
    clip = CLIP(config)
    clip.load_state_dict(map_weights(weights), strict=True)
    return clip.eval()


def golden_clip(name: str) -> CLIP:
    """OpenAI's small reference model `openai-vit` or `openai-resnet` in our towers."""
    return loaded(CONFIGS[name], load_file(TOWERS / f"{name}.safetensors"))


def golden_numbers(name: str) -> dict[str, Tensor]:
    """Inputs and what OpenAI's code made of them."""
    with np.load(TOWERS / f"{name}.npz") as numbers:
        return {key: torch.from_numpy(numbers[key]) for key in numbers.files}
