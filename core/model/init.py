"""Draws the initial weights of a new model.

As OpenAI published it beside the paper (openai/CLIP, model.py, `initialize_parameters`, and torch's defaults where
that is silent): GPT-2's scheme for transformers, with residual branches scaled down by depth; zero gain on the last
normalisation of every ResNet bottleneck (Goyal et al. 2017), so that a block starts as the identity.
"""

from __future__ import annotations

import torch
from torch import nn

from core.model.clip import CLIP
from core.model.resnet import AttentionPool, Bottleneck, ModifiedResNet
from core.model.small_resnet import BasicBlock, SmallResNet
from core.model.text import TextBagOfWords, TextTransformer
from core.model.transformer import Block
from core.model.vit import VisionTransformer


def initialise(model: CLIP, seed: int) -> CLIP:
    """Draw all weights of `model` in place and return it; the same seed gives the same weights."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for module in model.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear, nn.Embedding, nn.LayerNorm, nn.BatchNorm2d)):
                module.reset_parameters()  # torch's own defaults for what is not named below
        if isinstance(model.visual, VisionTransformer):
            _vision_transformer(model.visual)
        elif isinstance(model.visual, ModifiedResNet):
            _resnet(model.visual)
        elif isinstance(model.visual, SmallResNet):
            _small_resnet(model.visual)
        if isinstance(model.text, TextTransformer):
            _text_transformer(model.text)
        elif isinstance(model.text, TextBagOfWords):
            _bag_of_words(model.text)
    return model


def _blocks(blocks: nn.ModuleList, width: int) -> None:
    attention_std = width**-0.5
    residual_std = attention_std * (2 * len(blocks)) ** -0.5
    mlp_std = (2 * width) ** -0.5
    for block in blocks:
        assert isinstance(block, Block)
        nn.init.normal_(block.attention.qkv.weight, std=attention_std)
        nn.init.normal_(block.attention.out.weight, std=residual_std)
        nn.init.normal_(block.mlp_in.weight, std=mlp_std)
        nn.init.normal_(block.mlp_out.weight, std=residual_std)
        for linear in (block.attention.qkv, block.attention.out, block.mlp_in, block.mlp_out):
            nn.init.zeros_(linear.bias)


def _vision_transformer(tower: VisionTransformer) -> None:
    width = len(tower.class_token)
    std = width**-0.5
    nn.init.normal_(tower.class_token, std=std)
    nn.init.normal_(tower.position_embedding, std=std)
    nn.init.normal_(tower.projection.weight, std=std)
    _blocks(tower.blocks, width)


def _resnet(tower: ModifiedResNet) -> None:
    pool: AttentionPool = tower.pool
    std = pool.position_embedding.shape[1] ** -0.5
    nn.init.normal_(pool.position_embedding, std=std)
    for linear in (pool.q, pool.k, pool.v, pool.out):
        nn.init.normal_(linear.weight, std=std)
    for module in tower.modules():
        if isinstance(module, Bottleneck):
            nn.init.zeros_(module.bn3.weight)


def _small_resnet(tower: SmallResNet) -> None:
    for module in tower.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")  # He et al. 2015
        if isinstance(module, BasicBlock):
            nn.init.zeros_(module.bn2.weight)


def _text_transformer(tower: TextTransformer) -> None:
    width = tower.token_embedding.embedding_dim
    nn.init.normal_(tower.token_embedding.weight, std=0.02)
    nn.init.normal_(tower.position_embedding, std=0.01)
    nn.init.normal_(tower.projection.weight, std=width**-0.5)
    _blocks(tower.blocks, width)


def _bag_of_words(tower: TextBagOfWords) -> None:
    nn.init.normal_(tower.token_embedding.weight, std=0.02)
    nn.init.normal_(tower.projection.weight, std=tower.token_embedding.embedding_dim**-0.5)
