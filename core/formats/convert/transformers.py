"""Reads `CLIPModel`s of the transformers library.

A folder with `config.json`, weights (one file or shards, safetensors or `.bin`), `preprocessor_config.json` and a
tokenizer. Fields that a configuration leaves out have the documented defaults of CLIPConfig, CLIPTextConfig and
CLIPVisionConfig; older releases did not write values equal to them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from torch import Tensor

from core.errors import ConfigError, ModelError
from core.formats.convert.converted import Converted, Source
from core.formats.convert.fields import Fields, read_json
from core.formats.convert.openai import state_dict
from core.formats.convert.preprocessing import PREPROCESSOR, given_preprocess, transformers_preprocess
from core.formats.convert.vocabulary import transformers_tokenizer
from core.formats.convert.weights import Place, fit, read_safetensors
from core.formats.torch_archive import load_archive
from core.formats.weights_file import some
from core.model.config import Activation, ModelConfig
from core.schema import parse
from core.text.tokenizer import Tokenizer

CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
ACTIVATIONS: dict[str, Activation] = {"gelu": "gelu", "quick_gelu": "quick_gelu"}
LEGACY_EOS = 2  # configurations before 4.31 say 2 whatever the vocabulary; transformers then pools at the highest id
CLIP_VOCABULARY = 49408

RENAMED = [
    (r"visual\.patch_embedding\.weight", "vision_model.embeddings.patch_embedding.weight"),
    (r"visual\.class_token", "vision_model.embeddings.class_embedding"),
    (r"visual\.position_embedding", "vision_model.embeddings.position_embedding.weight"),
    (r"visual\.norm_pre\.(.+)", r"vision_model.pre_layrnorm.\1"),  # their spelling
    (r"visual\.norm_post\.(.+)", r"vision_model.post_layernorm.\1"),
    (r"visual\.projection\.weight", "visual_projection.weight"),
    (r"visual\.blocks\.(.+)", r"vision_model.encoder.layers.\1"),
    (r"text\.token_embedding\.weight", "text_model.embeddings.token_embedding.weight"),
    (r"text\.position_embedding", "text_model.embeddings.position_embedding.weight"),
    (r"text\.norm_final\.(.+)", r"text_model.final_layer_norm.\1"),
    (r"text\.projection\.weight", "text_projection.weight"),
    (r"text\.blocks\.(.+)", r"text_model.encoder.layers.\1"),
    (r"logit_scale", "logit_scale"),
]
INSIDE = {
    "attention.out.": "self_attn.out_proj.",
    "norm_attention.": "layer_norm1.",
    "norm_mlp.": "layer_norm2.",
    "mlp_in.": "mlp.fc1.",
    "mlp_out.": "mlp.fc2.",
}


def read_transformers(source: Source) -> Converted:
    """Raises `ModelError` for a missing or damaged file, another architecture, or what the folder leaves open."""
    where = source.folder / CONFIG
    options = read_json(where)
    if options.get("model_type") != "clip":
        raise ModelError(
            f"{where}: the architecture {options.get('model_type')!r:.40} is unknown here, only 'clip' is; dual "
            "encoders of other kinds load through the package transformers (model names transformers:OWNER/REPO)"
        )
    clip, eos = clip_config(options, str(where))
    image_size, text = clip["vision"]["image_size"], clip["text"]
    tokenizer = transformers_tokenizer(source, text["context_length"], text["vocab_size"])
    text["eot_id"] = _eot(eos, tokenizer, text["vocab_size"], str(where))
    preprocess, preprocess_file = _preprocess(source, image_size)
    rules = tokenizer.config if tokenizer else None
    try:
        config = parse(
            ModelConfig, {"name": source.name, "clip": clip, "preprocess": preprocess, "tokenizer": rules}, str(where)
        )
    except ConfigError as error:
        raise ModelError(str(error)) from None
    found, files = _tensors(source)
    weights = fit(config.clip, found, transformers_place, files[0], lambda name: name.endswith("position_ids"))
    origin = {"format": "transformers", "source": source.folder.name}
    return Converted(config, weights, tokenizer, origin, "transformers", (where, *preprocess_file, *files))


def clip_config(options: dict[str, Any], where: str) -> tuple[dict[str, Any], int]:
    """The configuration in our terms, without the end-of-text id; that is the second value, as it stands there."""
    text = Fields(_part(options, "text", where), f"{where}, text_config")
    vision = Fields(_part(options, "vision", where), f"{where}, vision_config")
    vision.only("num_channels", 3, why="only colour images are known")
    towers = {
        "vision": {
            "kind": "vit",
            "image_size": vision.take("image_size", int, 224),
            "patch_size": vision.take("patch_size", int, 32),
            **_transformer(vision, 768, 3072, 12),
        },
        "text": {
            "kind": "transformer",
            "vocab_size": text.take("vocab_size", int, CLIP_VOCABULARY),
            "context_length": text.take("max_position_embeddings", int, 77),
            **_transformer(text, 512, 2048, 8),
        },
    }
    embed_dim = Fields(options, where).take("projection_dim", int, 512)
    return {"embed_dim": embed_dim, **towers}, text.take("eos_token_id", int, CLIP_VOCABULARY - 1)


def transformers_place(name: str) -> Place:
    """Where transformers keeps one of our parameters. A KeyError for a tower that it has not."""
    for pattern, theirs in RENAMED:
        if match := re.fullmatch(pattern, name):
            renamed = match.expand(theirs)
            for ours, inner in INSIDE.items():
                renamed = renamed.replace(ours, inner)
            if "attention.qkv." in renamed:
                return Place(tuple(renamed.replace("attention.qkv.", f"self_attn.{part}_proj.") for part in "qkv"))
            return Place((renamed,))
    raise KeyError(name)


def _part(options: dict[str, Any], tower: str, where: str) -> dict[str, Any]:
    """A tower's options. Some files state them twice, `text_config_dict` too; the two must agree."""
    name = f"{tower}_config"
    plain, twice = (Fields(options, where).take(key, dict, {}) for key in (name, f"{name}_dict"))
    if wrong := [key for key in twice if key in plain and plain[key] != twice[key]]:
        raise ModelError(
            f"{where} states {wrong[0]} twice and differently: {plain[wrong[0]]!r:.40} in {name}, "
            f"{twice[wrong[0]]!r:.40} in {name}_dict"
        )
    return {**plain, **twice}


def _transformer(fields: Fields, width: int, mlp_width: int, heads: int) -> dict[str, Any]:
    return {
        "width": fields.take("hidden_size", int, width),
        "layers": fields.take("num_hidden_layers", int, 12),
        "heads": fields.take("num_attention_heads", int, heads),
        "mlp_width": fields.take("intermediate_size", int, mlp_width),
        "activation": fields.choice("hidden_act", ACTIVATIONS, "quick_gelu"),
        "norm_eps": fields.take("layer_norm_eps", float, 1e-5),
    }


def _eot(eos: int, tokenizer: Tokenizer | None, vocab_size: int, where: str) -> int:
    """The id at whose first place a text's feature stands.

    Where the configuration has the legacy 2, transformers takes the feature at the text's highest id. That is the
    first end-of-text token exactly when no token of the vocabulary has a higher id; only then is the model the same.
    """
    if eos != LEGACY_EOS:
        if tokenizer is not None and tokenizer.config.eot_id != eos:
            raise ModelError(
                f"{where}: eos_token_id is {eos}, but the tokenizer ends texts with {tokenizer.config.eot_id}"
            )
        return eos
    if tokenizer is None:
        if vocab_size == CLIP_VOCABULARY:
            return CLIP_VOCABULARY - 1
        raise ModelError(
            f"{where}: eos_token_id is the legacy 2, which leaves the end-of-text id open; give the model's tokenizer"
        )
    if tokenizer.config.eot_id != tokenizer.vocab_size - 1:
        raise ModelError(
            f"{where}: eos_token_id is the legacy 2, so a text's feature stands at its highest token id; the tokenizer "
            f"has ids above its end-of-text id {tokenizer.config.eot_id}, which leaves the place open. Write the right "
            "eos_token_id into text_config"
        )
    return tokenizer.config.eot_id


def _preprocess(source: Source, image_size: int) -> tuple[Any, tuple[Path, ...]]:
    path = source.folder / PREPROCESSOR
    if source.preprocess:
        return given_preprocess(source.preprocess, image_size), ()
    if not path.is_file():
        raise ModelError(
            f"{path} is missing, so mean, deviation and resizing of the images are open; put it there or name them "
            "with --preprocess: openai, or the path of a configuration that has them"
        )
    return transformers_preprocess(read_json(path), image_size, str(path)), (path,)


def _tensors(source: Source) -> tuple[dict[str, Tensor], tuple[Path, ...]]:
    folder = source.folder
    path = source.weights or next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if path is None:
        raise ModelError(f"{folder} holds none of {', '.join(WEIGHTS)}")
    if path.suffix != ".json":
        return _read(path), (path,)
    return _shards(path)


def _read(path: Path) -> dict[str, Tensor]:
    return state_dict(read_safetensors(path) if path.suffix == ".safetensors" else load_archive(path), path)


def _shards(index: Path) -> tuple[dict[str, Tensor], tuple[Path, ...]]:
    """The tensors of all shards, which must be the ones that the index promises, each where it promises it."""
    places = Fields(read_json(index), str(index)).take("weight_map", dict)
    names = sorted({str(name) for name in places.values()})
    if bad := [name for name in names if Path(name).name != name or "\\" in name]:
        raise ModelError(f"{index} names {bad[0]!r:.80}, which is not a file beside it; it is refused")
    if missing := [name for name in names if not (index.parent / name).is_file()]:
        raise ModelError(f"{len(missing)} of {len(names)} files that {index.name} names are missing: {some(missing)}")
    found: dict[str, Tensor] = {}
    for name in names:
        shard = _read(index.parent / name)
        if strange := [tensor for tensor in shard if places.get(tensor) != name]:
            raise ModelError(
                f"{index.parent / name} holds tensors that {index.name} does not place there: {some(strange)}"
            )
        found |= shard
    if lost := [tensor for tensor in places if tensor not in found]:
        raise ModelError(f"{index}: {len(lost)} tensors are in none of its files: {some(lost)}")
    return found, (index, *(index.parent / name for name in names))
