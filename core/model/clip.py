"""Joins an image tower and a text tower into one CLIP model.

Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision", figure 3: both towers
project into one space, and the cosine of two features, times a learned temperature, says how well they fit.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.model.config import (
    CBOWTextConfig,
    CLIPConfig,
    ResNetConfig,
    SmallResNetConfig,
    TransformerTextConfig,
    ViTConfig,
)
from core.model.resnet import ModifiedResNet
from core.model.small_resnet import SmallResNet
from core.model.text import TextBagOfWords, TextTransformer
from core.model.vit import VisionTransformer

INITIAL_TEMPERATURE = 0.07  # section 2.5; the scale of the logits is its inverse
MAX_LOGIT_SCALE = 100.0  # section 2.5: "clipped to prevent scaling the logits by more than 100"; the trainer does


def image_tower(config: CLIPConfig) -> nn.Module:
    """The image tower that `config.vision` describes, with weights not yet drawn."""
    match config.vision:
        case ViTConfig():
            return VisionTransformer(config.vision, config.embed_dim)
        case ResNetConfig():
            return ModifiedResNet(config.vision, config.embed_dim)
        case SmallResNetConfig():
            return SmallResNet(config.vision, config.embed_dim)


def text_tower(config: CLIPConfig) -> nn.Module:
    """The text tower that `config.text` describes, with weights not yet drawn."""
    match config.text:
        case TransformerTextConfig():
            return TextTransformer(config.text, config.embed_dim)
        case CBOWTextConfig():
            return TextBagOfWords(config.text, config.embed_dim)


class CLIP(nn.Module):
    """An image tower, a text tower and the logarithm of the logit scale."""

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        self.config = config
        self.visual: nn.Module = image_tower(config)
        self.text: nn.Module = text_tower(config)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / INITIAL_TEMPERATURE)))

    def encode_image(self, pixels: Tensor) -> Tensor:
        """(n, 3, s, s) normalised pixels -> (n, d) features, not of unit length."""
        return self.visual(pixels)

    def encode_text(self, ids: Tensor) -> Tensor:
        """(n, t) token ids -> (n, d) features, not of unit length."""
        return self.text(ids)

    def forward(self, pixels: Tensor, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Unit image features (n, d), unit text features (n, d) and the logit scale."""
        images = F.normalize(self.encode_image(pixels), dim=-1)
        texts = F.normalize(self.encode_text(ids), dim=-1)
        return images, texts, self.logit_scale.exp()
