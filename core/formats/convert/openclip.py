"""Reads OpenCLIP models.

A folder with `open_clip_config.json` and weights, or a training checkpoint beside such a configuration. The options
are those of OpenCLIP's CLIPVisionCfg and CLIPTextCfg (open_clip 3.3.0, model.py), with its defaults; an option that
changes the towers into something that ours are not is refused by name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from core.errors import ConfigError, ModelError
from core.formats.convert.converted import Converted, Source
from core.formats.convert.fields import Fields, read_json
from core.formats.convert.names import counts_nothing, custom_text_place, openai_place
from core.formats.convert.openai import state_dict
from core.formats.convert.preprocessing import given_preprocess, openclip_preprocess
from core.formats.convert.vocabulary import OPENCLIP_SPECIALS, openai_tokenizer
from core.formats.convert.weights import fit, read_safetensors
from core.formats.torch_archive import container, load_archive
from core.model.config import Activation, ModelConfig
from core.schema import parse

CONFIG = "open_clip_config.json"
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin")
OTHER = "this kind of model is not ours; load it through the package open_clip_torch (openclip:ARCHITECTURE/PRETRAINED)"

# Values that leave a tower as it is, by option; None always does.
PLAIN_VISION: dict[str, tuple[Any, ...]] = {
    "timm_model_name": (),
    "ls_init_value": (),
    "attentional_pool": (False,),
    "no_ln_pre": (False,),
    "pos_embed_type": ("learnable",),
    "final_ln_after_pool": (False,),
    "pool_type": ("tok",),
    "act_kwargs": ({},),
    "block_type": ("default",),
    "qk_norm": (False,),
    "scaled_cosine_attn": (False,),
    "scale_heads": (False,),
    "scale_attn_inner": (False,),
    "scale_attn": (False,),
    "scale_fc": (False,),
    "input_patchnorm": (False,),
    "global_average_pool": (False,),
}
PLAIN_TEXT: dict[str, tuple[Any, ...]] = {
    "hf_model_name": (),
    "hf_tokenizer_name": (),
    "tokenizer_kwargs": ({}, {"clean": "lower"}),
    "ls_init_value": (),
    "embed_cls": (False,),
    "ln_post_emb": (False,),
    "no_causal_mask": (False,),
    "final_ln_after_pool": (False,),
    "proj_bias": (False,),
    "proj_type": ("linear",),
    "act_kwargs": ({},),
    **{name: PLAIN_VISION[name] for name in PLAIN_VISION if name.startswith(("block_", "qk_", "scale"))},
}
# Options that say how to train, where to start from, or what to return besides the feature; or parts of a pooler or a
# tower that the options above exclude.
HARMLESS_VISION = (
    *("patch_dropout", "output_tokens", "attn_pooler_queries", "attn_pooler_heads", "n_queries"),
    *("timm_model_pretrained", "timm_pool", "timm_proj", "timm_proj_bias", "timm_drop", "timm_drop_path"),
)
HARMLESS_TEXT = (
    *("pad_id", "output_tokens", "tokenizer_mode"),
    *("hf_model_pretrained", "hf_proj_type", "hf_pooler_type", "proj", "pooler_type"),
)
HARMLESS = ("init_logit_scale", "nonscalar_logit_scale", "cast_dtype", "output_dict", "custom_text")


def read_openclip(source: Source) -> Converted:
    """Raises `ModelError` for a missing or damaged file, and for an option that is unknown or of another kind."""
    config_file = source.config or source.folder / CONFIG
    options = read_json(config_file)
    path = source.weights or _weights(source.folder)
    found = _tensors(path)
    where = config_file.name if config_file.parent == path.parent else str(config_file)
    clip, pool = clip_config(options.get("model_cfg", options), where)
    image_size, text = clip["vision"]["image_size"], clip["text"]
    preprocess = (
        given_preprocess(source.preprocess, image_size)
        if source.preprocess
        else openclip_preprocess(options.get("preprocess_cfg"), image_size, where)
    )
    tokenizer = openai_tokenizer(source, text["context_length"], text["vocab_size"], OPENCLIP_SPECIALS)
    if pool is not None and tokenizer is not None and pool != tokenizer.config.eot_id:
        raise ModelError(f"{where}: eos_id is {pool}, but the tokenizer ends texts with {tokenizer.config.eot_id}")
    # argmax: at the highest id of a text, which the end-of-text token has in CLIP's vocabulary.
    text["eot_id"] = text["vocab_size"] - 1 if pool is None else pool
    rules = tokenizer.config if tokenizer else None
    try:
        config = parse(
            ModelConfig, {"name": source.name, "clip": clip, "preprocess": preprocess, "tokenizer": rules}, where
        )
    except ConfigError as error:
        raise ModelError(str(error)) from None
    place = custom_text_place if any(name.startswith("text.") for name in found) else openai_place
    weights = fit(config.clip, found, place, path, counts_nothing)
    origin = {"format": "openclip", "source": path.name}
    return Converted(config, weights, tokenizer, origin, "openclip", (config_file, path))


def clip_config(options: Any, where: str) -> tuple[dict[str, Any], int | None]:
    """`model_cfg` in our terms, without the end-of-text id; that is the second value, None for pooling at argmax."""
    fields = Fields(options, f"{where}, model_cfg")
    activation: Activation = "quick_gelu" if fields.take("quick_gelu", bool, False) else "gelu"
    embed_dim = fields.take("embed_dim", int)
    vision = Fields(fields.take("vision_cfg", dict), f"{where}, vision_cfg")
    text = Fields(fields.take("text_cfg", dict), f"{where}, text_cfg")
    fields.only("multimodal_cfg", why=f"it is a CoCa model: {OTHER}")
    fields.only("init_logit_bias", why=f"it is a SigLIP model: {OTHER}")
    fields.harmless(*HARMLESS)
    fields.done()
    text_options, pool = _text(text, activation)
    return {"embed_dim": embed_dim, "vision": _vision(vision, activation), "text": text_options}, pool


def _vision(fields: Fields, activation: Activation) -> dict[str, Any]:
    for name, plain in PLAIN_VISION.items():
        fields.only(name, *plain, why=OTHER)
    fields.harmless(*HARMLESS_VISION)
    layers = fields.raw("layers")
    layers = 12 if layers is None else layers
    width, head = fields.take("width", int, 768), fields.take("head_width", int, 64)
    ratio, patch = fields.take("mlp_ratio", float, 4.0), fields.take("patch_size", int, 16)
    size = _square(fields, "image_size", 224)
    eps = _eps(fields)
    fields.done()
    if head < 1:
        raise ModelError(f"{fields.where}: head_width is {head}")
    common = {"image_size": size, "layers": layers, "width": width}
    if isinstance(layers, list):
        if eps != 1e-5:
            raise ModelError(f"{fields.where}: norm_kwargs belong to a vision transformer, and this is a ResNet")
        return {"kind": "resnet", **common, "heads": width * 32 // head}
    return {
        "kind": "vit",
        **common,
        "patch_size": patch,
        "heads": width // head,
        "mlp_width": int(width * ratio),
        "activation": activation,
        "norm_eps": eps,
    }


def _text(fields: Fields, activation: Activation) -> tuple[dict[str, Any], int | None]:
    for name, plain in PLAIN_TEXT.items():
        fields.only(name, *plain, why=OTHER)
    fields.harmless(*HARMLESS_TEXT)
    width = fields.take("width", int, 512)
    ratio = fields.take("mlp_ratio", float, 4.0)
    options = {
        "kind": "transformer",
        "vocab_size": fields.take("vocab_size", int, 49408),
        "context_length": fields.take("context_length", int, 77),
        "width": width,
        "layers": fields.take("layers", int, 12),
        "heads": fields.take("heads", int, 8),
        "mlp_width": int(width * ratio),
        "activation": activation,
        "norm_eps": _eps(fields),
    }
    at_eos = fields.choice("pool_type", {"argmax": False, "eos": True}, "argmax")
    pool = fields.take("eos_id", int) if at_eos else None
    fields.harmless("eos_id")
    fields.done()
    return options, pool


def _eps(fields: Fields) -> float:
    """The layer norms' epsilon, the only argument of a norm that ours have too."""
    norm = Fields(fields.take("norm_kwargs", dict, {}), f"{fields.where}, norm_kwargs")
    eps = norm.take("eps", float, 1e-5)
    norm.done()
    return eps


def _square(fields: Fields, name: str, default: int) -> int:
    size = fields.raw(name)
    sides = size if isinstance(size, list) else [default if size is None else size]
    if not sides or any(type(side) is not int or side != sides[0] for side in sides) or len(sides) > 2:
        raise ModelError(f"{fields.where}: {name} is {size!r:.80}; only squares are known")
    return int(sides[0])


def _weights(folder: Path) -> Path:
    for name in WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    raise ModelError(
        f"{folder} holds {CONFIG} but none of {', '.join(WEIGHTS)}; for a training checkpoint name its file, epoch_N.pt"
    )


def _tensors(path: Path) -> dict[str, Tensor]:
    if container(path) == "safetensors":
        return state_dict(read_safetensors(path), path)
    return state_dict(load_archive(path), path)
