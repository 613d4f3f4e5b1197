"""Exports a model so that `CLIPModel.from_pretrained` loads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.errors import ModelError
from core.formats.convert import Converted
from core.formats.convert.preprocessing import PILLOW, PREPROCESSOR
from core.formats.convert.transformers import CONFIG, LEGACY_EOS, WEIGHTS, transformers_place
from core.formats.export.files import came_back, refuse_other_towers, write_json, write_tokenizer, write_weights
from core.model.config import PreprocessConfig, TransformerTextConfig, ViTConfig

FORMAT = "transformers"


def write(converted: Converted, folder: Path) -> list[str]:
    """Configuration, weights, preprocessing and tokenizer; see `core.formats.export.export`."""
    config = converted.config
    text, vision = refuse_other_towers(config, FORMAT, resnet=False), config.clip.vision
    assert isinstance(vision, ViTConfig)
    if text.eot_id == LEGACY_EOS:
        raise ModelError(
            f"{config.name} ends texts with the id {LEGACY_EOS}, which transformers takes for an old mistake and reads "
            "as the highest id of a text"
        )
    start = config.tokenizer.sot_id if config.tokenizer else text.eot_id - 1
    options = {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "dtype": "float32",
        "projection_dim": config.clip.embed_dim,
        "logit_scale_init_value": float(converted.weights["logit_scale"].float()),
        "text_config": {
            "model_type": "clip_text_model",
            "vocab_size": text.vocab_size,
            "max_position_embeddings": text.context_length,
            "bos_token_id": start,
            "eos_token_id": text.eot_id,
            "pad_token_id": text.eot_id,
            "projection_dim": config.clip.embed_dim,
            **_transformer(text),
        },
        "vision_config": {
            "model_type": "clip_vision_model",
            "image_size": vision.image_size,
            "patch_size": vision.patch_size,
            "num_channels": 3,
            "projection_dim": config.clip.embed_dim,
            **_transformer(vision),
        },
    }
    write_json(folder / CONFIG, options)
    write_json(folder / PREPROCESSOR, _preprocessor(config.preprocess))
    write_weights(converted, transformers_place, folder / WEIGHTS[0])
    if converted.tokenizer is not None:
        write_tokenizer(converted.tokenizer, folder)
    return came_back(converted, folder, FORMAT)


def _transformer(tower: ViTConfig | TransformerTextConfig) -> dict[str, Any]:
    return {
        "hidden_size": tower.width,
        "intermediate_size": tower.mlp_width,
        "num_hidden_layers": tower.layers,
        "num_attention_heads": tower.heads,
        "hidden_act": tower.activation,
        "layer_norm_eps": tower.norm_eps,
    }


def _preprocessor(rules: PreprocessConfig) -> dict[str, Any]:
    side = {"height": rules.image_size, "width": rules.image_size}
    if rules.resize == "longest":
        raise ModelError(f"the format {FORMAT} knows no padding of the longest side; its resize is shortest or squash")
    shortest = rules.resize == "shortest"
    return {
        "image_processor_type": "CLIPImageProcessorFast" if rules.backend == "torch" else "CLIPImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"shortest_edge": rules.image_size} if shortest else side,
        "resample": PILLOW[rules.interpolation],
        "do_center_crop": shortest,
        "crop_size": side,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(rules.mean),
        "image_std": list(rules.std),
    }
