"""How do two towers become one model?

Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision", figure 3: both towers
project into one space, and the cosine of two features, times a learned temperature, says how well they fit.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.config import CLIPConfig, TransformerTextConfig, ViTConfig
from core.resnet import ModifiedResNet
from core.text import TextBagOfWords, TextTransformer
from core.vit import VisionTransformer

INITIAL_TEMPERATURE = 0.07  # section 2.5; the scale of the logits is its inverse
MAX_LOGIT_SCALE = 100.0  # section 2.5: "clipped to prevent scaling the logits by more than 100"; the trainer does


class CLIP(nn.Module):
    """An image tower, a text tower and the logarithm of the logit scale."""

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        self.config = config
        self.visual: nn.Module = (
            VisionTransformer(config.vision, config.embed_dim)
            if isinstance(config.vision, ViTConfig)
            else ModifiedResNet(config.vision, config.embed_dim)
        )
        self.text: nn.Module = (
            TextTransformer(config.text, config.embed_dim)
            if isinstance(config.text, TransformerTextConfig)
            else TextBagOfWords(config.text, config.embed_dim)
        )
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
