"""Uses dual encoders of transformers: SigLIP, SigLIP 2, ALIGN, BLIP's retrieval towers and others.

Names are `transformers:OWNER/REPOSITORY[@REVISION]` and `transformers:FOLDER`. The package builds the towers, reads
the weights (never running code of a repository) and cuts the texts. Its image processor, the one on Pillow, is split:
what it does to the image runs in `prepare`, what it does to the numbers is a table, a byte of a channel to a number.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from core.errors import MissingExtraError, ModelError
from core.formats import hub
from core.formats.convert.fields import read_json
from core.formats.convert.preprocessing import PILLOW
from core.formats.weights_file import some
from core.image.decode import to_rgb
from core.image.preprocess import LEFT_BY_JPEG, resize_crop
from core.inference.families.encoder import BYTES, Family
from core.model.config import PreprocessConfig

PREFIX = "transformers:"
CONFIG = "config.json"
# What a configuration says besides the model: how it was saved, and how it was trained.
UNSEEN = {"_name_or_path", "transformers_version", "torch_dtype", "dtype", "architectures"}


@dataclass(frozen=True)
class Kind:
    """How a kind of model is called. `padded`: padding takes part, so texts are always as long as the tower reads."""

    model: str
    inputs: tuple[str, ...] = ("input_ids", "attention_mask")
    padded: bool = False


KINDS = {
    "align": Kind("AlignModel", ("input_ids", "attention_mask", "token_type_ids")),
    "altclip": Kind("AltCLIPModel"),
    "blip": Kind("BlipForImageTextRetrieval"),
    "chinese_clip": Kind("ChineseCLIPModel", ("input_ids", "attention_mask", "token_type_ids")),
    "clip": Kind("CLIPModel"),
    "metaclip_2": Kind("MetaClip2Model"),
    "siglip": Kind("SiglipModel", ("input_ids",), padded=True),  # trained on padded texts without a mask
}


def load(model: str, download: bool) -> Family:
    """What stands behind `transformers:` as a model. Raises `ModelError`; `MissingExtraError` without the package."""
    if importlib.util.find_spec("transformers") is None:
        raise MissingExtraError("transformers", "transformers", f"the model {PREFIX}{model}")
    folder = Path(model).expanduser()
    if folder.is_dir():
        return _built(folder, f"{PREFIX}{folder.resolve().name}")
    if model.startswith(("/", ".", "~")):
        raise ModelError(f"there is no folder {folder}")
    try:
        reference = hub.find(f"{hub.PREFIX}{model.removeprefix(hub.PREFIX)}")
    except ModelError:
        raise ModelError(
            f"{PREFIX}{model} is neither a folder nor OWNER/REPOSITORY or OWNER/REPOSITORY@REVISION"
        ) from None
    assert reference is not None
    reference = replace(reference, name=f"{PREFIX}{model}", family="transformers")
    return _built(hub.fetch(reference, download=download), reference.name)


def _built(folder: Path, name: str) -> Family:
    import transformers

    if not sys.stderr.isatty():
        transformers.logging.disable_progress_bar()
    options = read_json(folder / CONFIG)
    kind = _kind(options, folder)
    local = {"local_files_only": True, "trust_remote_code": False}
    try:
        module, loaded = getattr(transformers, kind.model).from_pretrained(
            folder, dtype=torch.float32, output_loading_info=True, **local
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **local)
        processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil", **local)
    except Exception as error:  # the package names no narrower class
        raise ModelError(f"{folder} cannot be loaded by transformers: {' '.join(str(error).split())[:300]}") from None
    _complete(loaded, folder)
    module.eval()
    room = _room(module.config, tokenizer)
    padding = "max_length" if kind.padded else "longest"

    def ids(texts: Sequence[str]) -> dict[str, Tensor]:
        found = tokenizer(
            list(texts), padding=padding, truncation=True, max_length=room, return_tensors="pt", verbose=False
        )
        return {each: found[each] for each in kind.inputs if each in found}

    def tokens(text: str) -> int:
        return len(tokenizer(text, verbose=False)["input_ids"])

    preparation = _preparation(processor)
    image_features, text_features = _towers(module, kind)
    bias = getattr(module, "logit_bias", None)
    return Family(
        name=name,
        module=module,
        decode_side=preparation.decode_side,
        prepare=preparation.prepare,
        table=_table(processor, preparation.side),
        image_features=image_features,
        ids=ids,
        text_features=text_features,
        tokens=tokens,
        room=room,
        logit_scale=_scale(module),
        logit_bias=None if bias is None else float(bias.detach()),
        facts={"family": "transformers", "kind": kind.model, "config": _seen(options), "preprocess": preparation.said},
    )


def _complete(loaded: Mapping[str, Any], folder: Path) -> None:
    """Raises `ModelError` for weights that do not make up the model: the package would draw what is missing by lot."""
    names = {what: sorted(str(each) for each in loaded.get(f"{what}_keys") or ()) for what in ("missing", "mismatched")}
    names["unexpected"] = sorted(set(loaded.get("unexpected_keys") or ()))
    names["unexpected"] = [name for name in names["unexpected"] if not name.endswith("position_ids")]
    problems = [f"{len(found)} tensors {what}: {some(found)}" for what, found in names.items() if found]
    if problems:
        raise ModelError(f"{folder} does not hold the model that its {CONFIG} describes; {'; '.join(problems)}")


def _kind(options: dict[str, Any], folder: Path) -> Kind:
    found = options.get("model_type")
    if found == "siglip2":
        raise ModelError(
            f"{folder / CONFIG}: this SigLIP 2 takes images of any shape (NaFlex), which is unknown here; take one "
            "with a fixed size, such as transformers:google/siglip2-base-patch16-256"
        )
    if found not in KINDS:
        raise ModelError(
            f"{folder / CONFIG}: the architecture {found!r:.40} is unknown here; known are: {', '.join(KINDS)}"
        )
    return KINDS[found]


def _seen(options: Any) -> Any:
    """The configuration without what does not change a vector."""
    if isinstance(options, dict):
        return {name: _seen(value) for name, value in options.items() if name not in UNSEEN}
    return options


def _towers(module: Any, kind: Kind) -> tuple[Callable[[Tensor], Tensor], Callable[[Mapping[str, Tensor]], Tensor]]:
    """How features come out of the two towers. BLIP's retrieval model has its projections beside the towers."""
    if kind.model == "BlipForImageTextRetrieval":
        return (
            lambda pixels: module.vision_proj(module.vision_model(pixel_values=pixels).last_hidden_state[:, 0]),
            lambda ids: module.text_proj(module.text_encoder(**ids).last_hidden_state[:, 0]),
        )
    return (
        lambda pixels: _pooled(module.get_image_features(pixel_values=pixels)),
        lambda ids: _pooled(module.get_text_features(**ids)),
    )


def _pooled(features: Any) -> Tensor:
    pooled: Tensor = features if isinstance(features, Tensor) else features.pooler_output
    return pooled


def _scale(module: Any) -> float:
    """What a cosine is multiplied with. ALIGN learned the inverse; BLIP's retrieval model compares bare cosines."""
    if hasattr(module, "logit_scale"):
        return float(module.logit_scale.detach().exp())
    return 1 / float(module.temperature.detach()) if hasattr(module, "temperature") else 1.0


def _room(config: Any, tokenizer: Any) -> int:
    """Tokens that the text tower reads. Towers of RoBERTa's kind count positions from behind the padding token's id."""
    text = config.text_config
    positions = int(text.max_position_embeddings)
    if "roberta" in str(text.model_type) or config.model_type == "altclip":
        positions -= int(text.pad_token_id) + 1
    return min(positions, int(tokenizer.model_max_length))


@dataclass(frozen=True)
class Preparation:
    """How an image becomes pixels of this side, and the rules as data."""

    prepare: Callable[[Image.Image, tuple[int, int] | None], np.ndarray]
    side: int
    decode_side: int | None
    said: dict[str, Any]


def _preparation(processor: Any) -> Preparation:
    """Our own preprocessing where it says the same, else the package's."""
    rules = _rules(processor)
    if rules is not None:
        said = rules.model_dump(mode="json", include={"image_size", "interpolation", "resize", "convert", "backend"})
        side = rules.image_size
        return Preparation(lambda image, full: resize_crop(image, rules, full), side, LEFT_BY_JPEG * side, said)

    def prepare(image: Image.Image, full: tuple[int, int] | None = None) -> np.ndarray:
        bare: dict[str, Any] = {"do_rescale": False, "do_normalize": False}
        if hasattr(processor, "include_top"):
            bare["include_top"] = False
        pixels = np.asarray(processor(to_rgb(image), return_tensors="np", **bare)["pixel_values"][0])
        return np.ascontiguousarray(pixels.transpose(1, 2, 0).round().clip(0, BYTES - 1).astype(np.uint8))

    shape = prepare(Image.new("RGB", (40, 30))).shape
    if shape != prepare(Image.new("RGB", (30, 70))).shape or shape[0] != shape[1]:
        raise ModelError(f"the image processor {type(processor).__name__} makes no squares of one size")
    names = ("size", "crop_size", "resample", "do_resize", "do_center_crop", "do_pad")
    said = {name: str(getattr(processor, name, None)) for name in names}
    return Preparation(prepare, shape[0], None, said)


def _rules(processor: Any) -> PreprocessConfig | None:
    """Images squashed to a square by Pillow, as SigLIP's and BLIP's processors do; None for anything else."""
    plain = ("SiglipImageProcessorPil", "BlipImageProcessorPil")
    size = processor.size
    height, width = getattr(size, "height", None), getattr(size, "width", None)
    filters = {number: name for name, number in PILLOW.items()}
    number = int(processor.resample)
    if type(processor).__name__ not in plain or height != width or height is None or number not in filters:
        return None
    if not processor.do_resize or getattr(processor, "do_center_crop", None) or getattr(processor, "do_pad", None):
        return None
    return PreprocessConfig.model_validate(
        {"image_size": height, "interpolation": filters[number], "resize": "squash", "convert": "on_white"}
    )


def _table(processor: Any, side: int) -> np.ndarray:
    """(3, 256) float32: the processor's arithmetic, asked for every byte once."""
    ramp = np.zeros((3, side, -(-BYTES // side) * side), np.uint8)
    ramp.reshape(3, -1)[:, :BYTES] = np.arange(BYTES)
    bare = {"do_resize": False, "do_center_crop": False, "do_pad": False}
    found = processor(ramp, return_tensors="np", input_data_format="channels_first", **bare)["pixel_values"][0]
    return np.asarray(found, np.float32).reshape(3, -1)[:, :BYTES].copy()
