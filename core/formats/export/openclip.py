"""Exports a model so that `open_clip.create_model` loads it from a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.errors import ModelError
from core.formats.convert import Converted
from core.formats.convert.names import openai_place
from core.formats.convert.openclip import CONFIG, WEIGHTS
from core.formats.export.files import came_back, refuse_other_towers, write_json, write_tokenizer, write_weights
from core.model.config import ModelConfig, PreprocessConfig, ResNetConfig, TransformerTextConfig, ViTConfig

FORMAT = "openclip"
PUBLISHED = 49408  # tokens of the vocabulary that OpenCLIP brings along
DEFAULT_EPS = 1e-5


def write(converted: Converted, folder: Path) -> list[str]:
    """Configuration, weights and tokenizer; see `core.formats.export.export`."""
    config = converted.config
    text = refuse_other_towers(config, FORMAT, resnet=True)
    write_json(folder / CONFIG, {"model_cfg": _model(config, text), "preprocess_cfg": _preprocess(config.preprocess)})
    write_weights(converted, openai_place, folder / WEIGHTS[0])
    if converted.tokenizer is not None:
        write_tokenizer(converted.tokenizer, folder)
    notes = came_back(converted, folder, FORMAT)
    if text.vocab_size != PUBLISHED:
        notes.append(
            f"its vocabulary of {text.vocab_size} tokens is not the one that OpenCLIP brings along: make token ids "
            "from the tokenizer.json beside it, not with open_clip.get_tokenizer"
        )
    return notes


def _model(config: ModelConfig, text: TransformerTextConfig) -> dict[str, Any]:
    vision = config.clip.vision
    if isinstance(vision, ViTConfig) and vision.activation != text.activation:
        raise ModelError(
            f"{config.name} has {vision.activation} in the image tower and {text.activation} in the text tower; the "
            f"format {FORMAT} has one activation for both"
        )
    options: dict[str, Any] = {"embed_dim": config.clip.embed_dim}
    if text.activation == "quick_gelu":
        options["quick_gelu"] = True
    # The end-of-text token is found as the highest id of a text unless another one is named.
    at_highest = text.eot_id == text.vocab_size - 1
    pool = {"pool_type": "argmax"} if at_highest else {"pool_type": "eos", "eos_id": text.eot_id}
    text_options = {"context_length": text.context_length, "vocab_size": text.vocab_size, "heads": text.heads}
    return {
        **options,
        "vision_cfg": _vision(vision),
        "text_cfg": {**text_options, **_transformer(text), **pool},
    }


def _vision(vision: Any) -> dict[str, Any]:
    if isinstance(vision, ResNetConfig):
        head = vision.width * 32 // vision.heads
        layers = list(vision.layers)
        return {"image_size": vision.image_size, "layers": layers, "width": vision.width, "head_width": head}
    sizes = {"image_size": vision.image_size, "patch_size": vision.patch_size}
    return {**sizes, "head_width": vision.width // vision.heads, **_transformer(vision)}


def _transformer(tower: ViTConfig | TransformerTextConfig) -> dict[str, Any]:
    ratio = tower.mlp_width / tower.width
    if int(tower.width * ratio) != tower.mlp_width:
        ratio += 1e-9  # int() cuts, and the quotient was rounded down
    eps = {} if tower.norm_eps == DEFAULT_EPS else {"norm_kwargs": {"eps": tower.norm_eps}}
    return {"width": tower.width, "layers": tower.layers, "mlp_ratio": ratio, **eps}


def _preprocess(rules: PreprocessConfig) -> dict[str, Any]:
    return {
        "size": [rules.image_size, rules.image_size],
        "mode": "RGB",
        "mean": list(rules.mean),
        "std": list(rules.std),
        "interpolation": rules.interpolation,
        "resize_mode": rules.resize,
        "fill_color": 0,
    }
