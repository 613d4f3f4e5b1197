"""Uses models of open_clip_torch: SigLIP, EVA-CLIP, MobileCLIP, CoCa, ConvNeXt, PE and others.

Names are `openclip:ARCHITECTURE/PRETRAINED` as the package lists them, `openclip:hf:OWNER/REPOSITORY[@REVISION]`, and
`openclip:FOLDER` with an open_clip_config.json. The package builds the towers, reads the weights and cuts the texts;
images are prepared here, by its rules. Downloads go through `core/formats/hub.py`, and nothing else asks the network.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from core.errors import ConfigError, MissingExtraError, ModelError, unknown_choice
from core.formats import hub
from core.formats.convert.fields import read_json
from core.formats.convert.openclip import CONFIG, WEIGHTS
from core.image.preprocess import LEFT_BY_JPEG, resize_crop
from core.inference.families.encoder import Family, affine_table
from core.model.config import PreprocessConfig
from core.schema import parse

PREFIX = "openclip:"


def load(model: str, download: bool) -> Family:
    """What stands behind `openclip:` as a model. Raises `ModelError`, and `MissingExtraError` without the package."""
    if importlib.util.find_spec("open_clip") is None:
        raise MissingExtraError("open_clip_torch", "openclip", f"the model {PREFIX}{model}")
    _importable()
    folder = Path(model).expanduser()
    if folder.is_dir():
        return _built(folder, f"{PREFIX}{folder.resolve().name}", None)
    if model.startswith(hub.PREFIX):
        reference = hub.find(model)
        assert reference is not None
        return _built(hub.fetch(_ours(reference, model), download=download), f"{PREFIX}{model}", None)
    repo, known = _published(model)
    reference = hub.find(f"{hub.PREFIX}{repo}")
    assert reference is not None
    return _built(hub.fetch(_ours(reference, model), download=download), f"{PREFIX}{model}", known)


def _importable() -> None:
    """Raises `ModelError` where the package is here and cannot be used."""
    import torch

    try:
        import open_clip  # noqa: F401
    except Exception as error:  # torchvision's operators may be of another build of PyTorch: no narrower class
        raise ModelError(
            f"open_clip_torch is installed and cannot be imported ({_line(error)}); it needs a torchvision that was "
            f"built for the installed torch, {torch.__version__}: install the two together, from one place"
        ) from None


def _ours(reference: hub.Reference, model: str) -> hub.Reference:
    return replace(reference, name=f"{PREFIX}{model}", description=None, family="openclip")


def _published(model: str) -> tuple[str, dict[str, Any]]:
    """The repository of ARCHITECTURE/PRETRAINED, and what open_clip knows about it."""
    import open_clip

    architecture, slash, tag = model.rpartition("/")
    names = open_clip.list_models()
    if not slash or architecture not in names:
        raise ModelError(_unknown("architecture of open_clip", architecture or model, names))
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if tag not in tags:
        raise ModelError(_unknown(f"weights for {architecture}", tag, tags))
    known = dict(open_clip.get_pretrained_cfg(architecture, tag))
    parts = str(known.get("hf_hub") or "").split("/")
    if len(parts) < 2 or not parts[0]:
        raise ModelError(
            f"open_clip has {model} from {known.get('url')} and not from the hub; download it, put it into a folder as "
            f"open_clip_pytorch_model.bin with an {CONFIG} and name that: openclip:FOLDER"
        )
    quick = bool(open_clip.get_model_config(architecture).get("quick_gelu"))
    return "/".join(parts[:2]), known | {"model_quick_gelu": quick}


def _built(folder: Path, name: str, known: Mapping[str, Any] | None) -> Family:
    """The model of a folder. `known` is what the package says about it: its rules of preprocessing count."""
    import open_clip

    options = read_json(folder / CONFIG)
    towers, text = _towers(options, folder)
    if known is not None and bool(towers.get("quick_gelu")) != known["model_quick_gelu"]:
        raise ModelError(
            f"{name}: open_clip and the repository's {CONFIG} disagree about quick_gelu; a wrong activation gives poor "
            f"vectors without any error. If you trust the repository, name it: openclip:{hub.PREFIX}OWNER/REPOSITORY"
        )
    if not any((folder / name).is_file() for name in WEIGHTS):  # open_clip would draw them by lot
        raise ModelError(f"{folder} holds no weights: none of {', '.join(WEIGHTS)}")
    source = f"local-dir:{folder}"
    try:
        module = open_clip.create_model(source, force_preprocess_cfg=dict(known) if known else None).eval()
        tokenizer = open_clip.get_tokenizer(source)
    except Exception as error:  # the package names no narrower class
        raise ModelError(f"{folder} cannot be loaded by open_clip: {_line(error)}") from None
    rules = _rules(module.visual.preprocess_cfg, folder)
    count, room = _counting(tokenizer)

    def prepare(image: Image.Image, full: tuple[int, int] | None) -> np.ndarray:
        return resize_crop(image, rules, full)

    def ids(texts: Sequence[str]) -> dict[str, Tensor]:
        return {"text": tokenizer(list(texts))}

    def text_features(given: Mapping[str, Tensor]) -> Tensor:
        features: Tensor = module.encode_text(given["text"])
        return features

    bias = getattr(module, "logit_bias", None)
    return Family(
        name=name,
        module=module,
        decode_side=LEFT_BY_JPEG * rules.image_size,
        prepare=prepare,
        table=affine_table(rules.mean, rules.std),
        image_features=module.encode_image,
        ids=ids,
        text_features=text_features,
        tokens=count,
        room=room,
        logit_scale=float(module.logit_scale.detach().exp()),
        logit_bias=None if bias is None else float(bias.detach()),
        facts={"family": "openclip", "model": towers, "preprocess": rules.model_dump(mode="json"), "text": text},
    )


def _towers(options: dict[str, Any], folder: Path) -> tuple[dict[str, Any], str]:
    """The towers' options, and how texts are cut. A text tower that lies in another repository is refused."""
    towers = options.get("model_cfg")
    text = towers.get("text_cfg") if isinstance(towers, dict) else None
    if not isinstance(towers, dict) or not isinstance(text, dict) or not isinstance(towers.get("vision_cfg"), dict):
        raise ModelError(f"{folder / CONFIG} has no model_cfg with a vision_cfg and a text_cfg")
    other = text.get("hf_model_name")
    if other and not Path(str(other)).is_dir():
        raise ModelError(
            f"{folder / CONFIG}: the text tower is described in another repository, {other!r:.80}, which is not "
            "fetched; download its config.json into a folder and write that folder's path into hf_model_name"
        )
    if towers["vision_cfg"].get("timm_model_pretrained") or text.get("hf_model_pretrained"):
        raise ModelError(f"{folder / CONFIG} asks for weights of a tower from elsewhere; only whole models are loaded")
    return towers, "transformers" if text.get("hf_tokenizer_name") else "open_clip"


def _rules(found: Mapping[str, Any], folder: Path) -> PreprocessConfig:
    """open_clip's rules as ours, which give its pixels exactly. What ours cannot say is refused."""
    size, fill = found["size"], found.get("fill_color", 0)
    sides = list(size) if isinstance(size, list | tuple) else [size]
    if len(set(sides)) != 1:
        raise ModelError(f"{folder / CONFIG}: images of {sides} pixels are not square, and only squares are supported")
    if found["resize_mode"] == "longest" and fill not in (0, [0, 0, 0], (0, 0, 0)):
        raise ModelError(f"{folder / CONFIG}: fill_color is {fill!r}; images can be padded with black (0) only")
    mean, std = (value if isinstance(value, list | tuple) else (value,) * 3 for value in (found["mean"], found["std"]))
    filters = {"bilinear": "bilinear", "bicubic": "bicubic", "random": "bicubic"}  # random is for training
    chosen = {
        "image_size": sides[0],
        "mean": tuple(mean),
        "std": tuple(std),
        "interpolation": filters.get(found["interpolation"], found["interpolation"]),
        "resize": found["resize_mode"],
    }
    try:
        return parse(PreprocessConfig, chosen, f"{folder / CONFIG}, preprocess_cfg")
    except ConfigError as error:
        raise ModelError(str(error)) from None


def _counting(tokenizer: Any) -> tuple[Any, int]:
    """How many tokens a text has, those around it included, and how many the model reads."""
    room = int(tokenizer.context_length)
    inner = getattr(tokenizer, "tokenizer", None)
    if inner is None:  # open_clip's own
        return lambda text: len(tokenizer.encode(text)) + 2, room
    around = 3 if tokenizer.tokenizer_mode == "clips" else 0

    def count(text: str) -> int:
        ids = inner(tokenizer.clean_fn(text), add_special_tokens=not around, verbose=False)["input_ids"]
        return len(ids) + around

    return count, room


def _unknown(what: str, given: str, names: Sequence[str]) -> str:
    """A sentence with the nearest names only: there are more than a hundred."""
    import difflib

    near = difflib.get_close_matches(given, names, n=5, cutoff=0.3) or list(names)[:5]
    return unknown_choice(what, given, near).replace("choose one of", "near are") if names else f"no {what}: {given!r}"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
