"""Writes weights and vocabulary under the names of another program."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from core.errors import ModelError
from core.formats.convert import Converted, convert
from core.formats.convert.weights import Place
from core.model.config import ModelConfig, ResNetConfig, TransformerTextConfig, ViTConfig
from core.text.tokenizer import Tokenizer
from core.text.tokenizer_file import WORD_END, WORDS

# What a rule is there when it comes back as this, for people; a rule that is not listed has to come back as it was.
DIFFERENT: dict[tuple[str, Any], str] = {
    ("convert", "on_white"): "images become RGB before they are resized, transparency on white, 16-bit greys cut off",
    ("convert", "after_resize"): "images become RGB after they were resized, in a way of Pillow's for each mode",
    ("crop_rounding", "floor"): "where the crop leaves half a pixel over it is rounded down",
    ("crop_rounding", "half_even"): "where the crop leaves half a pixel over it is rounded to even",
    ("backend", "pil"): "images are resized by Pillow",
    ("clean", "transformers"): "texts are cleaned as transformers does it: broken encodings and HTML entities stay",
    ("clean", "openai"): "texts are cleaned as OpenAI does it: broken encodings and HTML entities are repaired",
    ("pad_id", None): "",  # what stands behind the end of a text is not looked at
}


def write_json(path: Path, value: Any) -> None:
    """A small file that people may read."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")


def write_weights(converted: Converted, place: Callable[[str], Place], path: Path) -> None:
    """All weights in float32 under the names that `place` gives ours; the inverse of
    `core.formats.convert.weights.fit`."""
    tensors: dict[str, Tensor] = {}
    for name, tensor in converted.weights.items():
        spot = place(name)
        whole = tensor.float().T if spot.transposed else tensor.float()
        for theirs, part in zip(spot.names, whole.chunk(len(spot.names)) if whole.dim() else [whole], strict=True):
            tensors[theirs] = part.contiguous().clone()
    save_file(tensors, path, metadata={"format": "pt"})


def refuse_other_towers(config: ModelConfig, to: str, *, resnet: bool) -> TransformerTextConfig:
    """Raises `ModelError` for towers that only clipdex has; the text tower otherwise."""
    clip = config.clip
    known = (ViTConfig, ResNetConfig) if resnet else (ViTConfig,)
    if not isinstance(clip.vision, known):
        raise ModelError(
            f"{config.name} has an image tower of the kind {clip.vision.kind!r}, which the format {to} does not "
            "know; --format onnx takes every tower"
        )
    if not isinstance(clip.text, TransformerTextConfig):
        raise ModelError(
            f"{config.name} has a text tower of the kind {clip.text.kind!r}, which the format {to} does not know; "
            "--format onnx takes every tower"
        )
    return clip.text


def came_back(converted: Converted, folder: Path, to: str) -> list[str]:
    """Read what was written and compare: the same weights and towers, or `ModelError`; other rules in sentences."""
    vocabulary = folder / "tokenizer.json"
    try:
        again = convert(folder, tokenizer=vocabulary if vocabulary.is_file() else "none", name=converted.config.name)
    except ModelError as error:
        raise ModelError(f"{converted.config.name} cannot be written in the format {to}: {error}") from None
    lost = [name for name, value in converted.weights.items() if not torch.equal(value.float(), again.weights[name])]
    if lost or again.config.clip != converted.config.clip:
        raise ModelError(f"{converted.config.name} cannot be written in the format {to}: {lost or 'its towers'}")
    notes = [
        *_different(converted.config.preprocess, again.config.preprocess, to),
        *_different(converted.config.tokenizer, again.config.tokenizer, to),
    ]
    if converted.tokenizer and again.tokenizer and _framing(converted.tokenizer) != _framing(again.tokenizer):
        notes.append("the tokens around a text have other names, which matters only to texts that contain them")
    return notes


def _framing(tokenizer: Tokenizer) -> list[str]:
    return [item["content"] for item in json.loads(tokenizer.to_json())["added_tokens"]]


def _different(ours: Any, theirs: Any, to: str) -> list[str]:
    if ours is None or theirs is None:
        return []
    notes = []
    for field, value in ours:
        other = getattr(theirs, field)
        if other == value:
            continue
        note = DIFFERENT.get((field, other), DIFFERENT.get((field, None)))
        if note is None:
            raise ModelError(f"the format {to} has no place for {field} {value!r}; it would become {other!r}")
        if note:
            notes.append(note)
    return notes


def write_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """The files that `CLIPTokenizer` of transformers and the tokenizers library read.

    transformers has no place for ftfy and HTML entities; the steps it has are those of its own CLIP tokenizers. The
    padding is the end-of-text token, because a padding token is found inside texts, and OpenAI's 0 is a real one, "!".
    """
    data: dict[str, Any] = json.loads(tokenizer.to_json())
    rules, model = tokenizer.config, data["model"]
    names = {number: token for token, number in model["vocab"].items()}
    names |= {item["id"]: item["content"] for item in data["added_tokens"]}
    start, end = names[rules.sot_id], names[rules.eot_id]
    model |= {"unk_token": end, "continuing_subword_prefix": "", "end_of_word_suffix": WORD_END}
    model["vocab"] |= {start: rules.sot_id, end: rules.eot_id}
    replace = {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "}
    split = {"type": "Split", "pattern": {"Regex": WORDS}, "behavior": "Removed", "invert": True}
    bytes_ = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    data |= {
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, replace, {"type": "Lowercase"}]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, bytes_]},
        "post_processor": {
            "type": "RobertaProcessing",
            "sep": [end, rules.eot_id],
            "cls": [start, rules.sot_id],
            "trim_offsets": False,
            "add_prefix_space": False,
        },
        "decoder": bytes_ | {"add_prefix_space": True},
    }
    write_json(folder / "tokenizer.json", data)
    special = {"bos_token": start, "eos_token": end, "unk_token": end, "pad_token": end}
    write_json(folder / "special_tokens_map.json", special)
    more = {"tokenizer_class": "CLIPTokenizer", "model_max_length": rules.context_length, "do_lower_case": True}
    write_json(folder / "tokenizer_config.json", {**special, **more, "clean_up_tokenization_spaces": False})
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in model["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", "utf-8")
    (folder / "vocab.json").write_text(json.dumps(model["vocab"], ensure_ascii=False), "utf-8")
