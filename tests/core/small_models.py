"""Small random models of every kind of tower, with a small real tokenizer, for tests of what surrounds the towers."""

from __future__ import annotations

from functools import cache

import torch

from core.model.clip import CLIP
from core.model.config import (
    CBOWTextConfig,
    CLIPConfig,
    ModelConfig,
    PreprocessConfig,
    ResNetConfig,
    SmallResNetConfig,
    TransformerTextConfig,
    VisionConfig,
    ViTConfig,
)
from core.model.init import initialise
from core.text.tokenizer import Tokenizer, train_tokenizer

KINDS = ("vit", "resnet", "small_resnet", "cbow")


@cache
def small_tokenizer() -> Tokenizer:
    return train_tokenizer(["a photo of a red dog on the beach", "a photo of the blue sea"] * 3, 540, context_length=24)


def small_config(kind: str, tokenizer: Tokenizer) -> ModelConfig:
    """The image towers with a transformer for texts; `cbow` is a ViT with the bag of words."""
    rules = tokenizer.config
    size, length, eot = tokenizer.vocab_size, rules.context_length, rules.eot_id
    images: dict[str, VisionConfig] = {
        "resnet": ResNetConfig(image_size=32, layers=(1, 1, 1, 1), width=8, heads=4),
        "small_resnet": SmallResNetConfig(image_size=32, layers=(1, 1, 1, 1), width=8),
    }
    vit = ViTConfig(image_size=32, patch_size=8, width=32, layers=2, heads=4, mlp_width=64, activation="gelu")
    transformer = TransformerTextConfig(
        vocab_size=size,
        context_length=length,
        eot_id=eot,
        width=32,
        layers=2,
        heads=4,
        mlp_width=64,
        activation="quick_gelu",
    )
    clip = CLIPConfig(
        embed_dim=24,
        vision=images.get(kind, vit),
        text=CBOWTextConfig(vocab_size=size, context_length=length, eot_id=eot, width=32)
        if kind == "cbow"
        else transformer,
    )
    preprocess = PreprocessConfig(image_size=32, convert="display")
    return ModelConfig(name=f"small-{kind}", clip=clip, preprocess=preprocess, tokenizer=rules)


def small_model(kind: str = "vit", seed: int = 0) -> tuple[CLIP, ModelConfig, Tokenizer]:
    tokenizer = small_tokenizer()
    config = small_config(kind, tokenizer)
    clip = initialise(CLIP(config.clip), seed)
    for module in clip.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # a new residual block is the identity; all should take part
            torch.nn.init.ones_(module.weight)
    return clip.eval(), config, tokenizer
