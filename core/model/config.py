"""The configuration of a model: towers, tokenizer, preprocessing.

Frozen descriptions of the towers, the tokenizer and the preprocessing. They hold every number that the weights alone
do not tell, are what `config.json` of a model directory contains, and reject anything unknown. The nine presets are
the models of the CLIP paper (Radford et al. 2021, tables 19 and 20).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from core.errors import ConfigError, unknown_choice
from core.schema import Frozen

Activation = Literal["gelu", "quick_gelu"]

# Mean and standard deviation of the images CLIP was trained on (openai/CLIP, clip.py).
OPENAI_MEAN = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD = (0.26862954, 0.26130258, 0.27577711)


class ViTConfig(Frozen):
    """A Vision Transformer image tower."""

    kind: Literal["vit"] = "vit"
    image_size: PositiveInt
    patch_size: PositiveInt
    width: PositiveInt
    layers: PositiveInt
    heads: PositiveInt
    mlp_width: PositiveInt
    activation: Activation
    norm_eps: PositiveFloat = 1e-5

    @model_validator(mode="after")
    def _divides(self) -> ViTConfig:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        if self.image_size % self.patch_size:
            raise ValueError(f"image_size {self.image_size} is not a multiple of patch_size {self.patch_size}")
        return self


class ResNetConfig(Frozen):
    """The paper's modified ResNet image tower; the pooled width is 32 times `width`."""

    kind: Literal["resnet"] = "resnet"
    image_size: PositiveInt
    layers: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt]
    width: PositiveInt
    heads: PositiveInt

    @model_validator(mode="after")
    def _divides(self) -> ResNetConfig:
        if self.width * 32 % self.heads:
            raise ValueError(f"pooled width {self.width * 32} is not a multiple of heads {self.heads}")
        if self.image_size % 32:
            raise ValueError(f"image_size {self.image_size} is not a multiple of 32, the tower's total stride")
        return self


class SmallResNetConfig(Frozen):
    """A plain residual image tower for images of 32 to 96 pixels (not in the paper); see
    core/model/small_resnet.py."""

    kind: Literal["small_resnet"] = "small_resnet"
    image_size: PositiveInt
    layers: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt]
    width: PositiveInt


class TransformerTextConfig(Frozen):
    """A causal transformer text tower; the feature stands at the first `eot_id`."""

    kind: Literal["transformer"] = "transformer"
    vocab_size: PositiveInt
    context_length: PositiveInt
    eot_id: int = Field(ge=0)
    width: PositiveInt
    layers: PositiveInt
    heads: PositiveInt
    mlp_width: PositiveInt
    activation: Activation
    norm_eps: PositiveFloat = 1e-5

    @model_validator(mode="after")
    def _divides(self) -> TransformerTextConfig:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self


class CBOWTextConfig(Frozen):
    """The paper's cheap text tower: the mean of the token embeddings (continuous bag of words)."""

    kind: Literal["cbow"] = "cbow"
    vocab_size: PositiveInt
    context_length: PositiveInt
    eot_id: int = Field(ge=0)
    width: PositiveInt
    norm_eps: PositiveFloat = 1e-5


VisionConfig = Annotated[ViTConfig | ResNetConfig | SmallResNetConfig, Field(discriminator="kind")]
TextConfig = Annotated[TransformerTextConfig | CBOWTextConfig, Field(discriminator="kind")]


class CLIPConfig(Frozen):
    """Two towers that meet in a space of `embed_dim` numbers."""

    embed_dim: PositiveInt
    vision: VisionConfig
    text: TextConfig


class PreprocessConfig(Frozen):
    """How an image becomes the model's input; it travels with the model because the origins disagree.

    `resize`: `shortest` side to `image_size` and centre crop, `longest` side and padding, or `squash` to a square.
    `convert`: when and how an image becomes RGB. `after_resize`: resized in its own mode, then converted (OpenAI,
    OpenCLIP); `before_resize`: converted first, alpha dropped (transformers 4); `on_white`: converted first, alpha
    on white (transformers 5); `display`: as people see it, alpha on white and 16-bit greys scaled (models of ours).
    `crop_rounding`: how half a pixel of crop offset is rounded (`half_even` OpenAI and OpenCLIP, `floor`
    transformers). `backend`: Pillow's resampling, or torch's on uint8 tensors (transformers 5 with torchvision).
    """

    image_size: PositiveInt
    mean: tuple[float, float, float] = OPENAI_MEAN
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = OPENAI_STD
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    resize: Literal["shortest", "longest", "squash"] = "shortest"
    convert: Literal["after_resize", "before_resize", "on_white", "display"] = "after_resize"
    crop_rounding: Literal["half_even", "floor"] = "half_even"
    backend: Literal["pil", "torch"] = "pil"


class TokenizerConfig(Frozen):
    """How a sentence is cleaned and framed before and after the byte-pair encoding of `tokenizer.json`."""

    clean: Literal["openai", "transformers"] = "openai"
    context_length: PositiveInt = 77
    sot_id: int = Field(ge=0)
    eot_id: int = Field(ge=0)
    pad_id: int = Field(default=0, ge=0)


class ModelConfig(Frozen):
    """Everything in `config.json` of a model directory. `tokenizer` is absent for a model without one."""

    format_version: Literal[1] = 1
    name: str = Field(min_length=1)
    clip: CLIPConfig
    preprocess: PreprocessConfig
    tokenizer: TokenizerConfig | None

    @model_validator(mode="after")
    def _agrees(self) -> ModelConfig:
        if self.preprocess.image_size != self.clip.vision.image_size:
            raise ValueError(
                f"preprocess.image_size {self.preprocess.image_size} is not the image tower's "
                f"{self.clip.vision.image_size}"
            )
        if self.tokenizer is not None and self.tokenizer.eot_id != self.clip.text.eot_id:
            raise ValueError(
                f"tokenizer.eot_id {self.tokenizer.eot_id} is not the text tower's {self.clip.text.eot_id}"
            )
        return self


def _vit(embed_dim: int, image_size: int, patch_size: int, width: int, layers: int, text_width: int) -> CLIPConfig:
    vision = ViTConfig(
        image_size=image_size,
        patch_size=patch_size,
        width=width,
        layers=layers,
        heads=width // 64,
        mlp_width=width * 4,
        activation="quick_gelu",
    )
    return CLIPConfig(embed_dim=embed_dim, vision=vision, text=_text(text_width))


def _resnet(embed_dim: int, image_size: int, layers: tuple[int, int, int, int], width: int, text: int) -> CLIPConfig:
    vision = ResNetConfig(image_size=image_size, layers=layers, width=width, heads=width // 2)
    return CLIPConfig(embed_dim=embed_dim, vision=vision, text=_text(text))


def _text(width: int) -> TransformerTextConfig:
    return TransformerTextConfig(
        vocab_size=49408,
        context_length=77,
        eot_id=49407,
        width=width,
        layers=12,
        heads=width // 64,
        mlp_width=width * 4,
        activation="quick_gelu",
    )


PRESETS: dict[str, CLIPConfig] = {
    "RN50": _resnet(1024, 224, (3, 4, 6, 3), 64, 512),
    "RN101": _resnet(512, 224, (3, 4, 23, 3), 64, 512),
    "RN50x4": _resnet(640, 288, (4, 6, 10, 6), 80, 640),
    "RN50x16": _resnet(768, 384, (6, 8, 18, 8), 96, 768),
    "RN50x64": _resnet(1024, 448, (3, 15, 36, 10), 128, 1024),
    "ViT-B-32": _vit(512, 224, 32, 768, 12, 512),
    "ViT-B-16": _vit(512, 224, 16, 768, 12, 512),
    "ViT-L-14": _vit(768, 224, 14, 1024, 24, 768),
    "ViT-L-14-336": _vit(768, 336, 14, 1024, 24, 768),
}


def preset(name: str) -> CLIPConfig:
    """One of the paper's nine models by name."""
    if name not in PRESETS:
        raise ConfigError(unknown_choice("preset", name, PRESETS))
    return PRESETS[name]
