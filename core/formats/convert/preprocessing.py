"""Translates the preprocessing of other projects into ours."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from core.errors import ConfigError, ModelError
from core.formats.convert.fields import Fields, read_json
from core.model.config import OPENAI_MEAN, OPENAI_STD, PreprocessConfig
from core.schema import parse

PREPROCESSOR = "preprocessor_config.json"
PILLOW = {"bilinear": 2, "bicubic": 3}  # Pillow's numbers for filters
# Which resampling a processor uses. `CLIPImageProcessor` is Pillow's since 2022; transformers 5 picks torchvision's
# where it is installed, which differs by a few levels, but checkpoints were made and measured with Pillow's.
PROCESSORS = {
    "CLIPImageProcessor": "pil",
    "CLIPImageProcessorPil": "pil",
    "CLIPFeatureExtractor": "pil",
    "CLIPImageProcessorFast": "torch",
}


def openai_preprocess(image_size: int) -> PreprocessConfig:
    """OpenAI's, which its code fixes (openai/CLIP, clip.py)."""
    return PreprocessConfig(image_size=image_size)


def given_preprocess(given: str | Path, image_size: int) -> PreprocessConfig:
    """What the caller names: "openai", an open_clip_config.json or a preprocessor_config.json."""
    if given == "openai":
        return openai_preprocess(image_size)
    options = read_json(Path(given))
    if "preprocess_cfg" in options:
        return openclip_preprocess(options["preprocess_cfg"], image_size, str(given))
    return transformers_preprocess(options, image_size, str(given))


def openclip_preprocess(options: Any, image_size: int, where: str) -> PreprocessConfig:
    """`preprocess_cfg` of open_clip_config.json. Mean and deviation must be there; filter and resizing are the ones
    OpenCLIP had before it wrote them down, bicubic and shortest, where they are absent."""
    if options is None:
        raise ModelError(
            f"{where} has no preprocess_cfg, so mean and deviation of the images are open; name them with "
            "--preprocess: openai, or the path of a configuration that has them"
        )
    fields = Fields(options, f"{where}, preprocess_cfg")
    fields.only("mode", "RGB", why="only RGB models are known")
    fields.only(
        "size", image_size, [image_size] * 2, why=f"the image tower's image_size is {image_size}, and both must agree"
    )
    resize = fields.take("resize_mode", str, "shortest")
    if resize == "longest":
        fields.only("fill_color", 0, [0, 0, 0], why="images can be padded with black (0) only")
    fields.harmless("fill_color")
    chosen = {
        "image_size": image_size,
        "mean": fields.take("mean", list),
        "std": fields.take("std", list),
        "interpolation": fields.take("interpolation", str, "bicubic"),
        "resize": resize,
    }
    fields.done()
    return _parsed(chosen, fields.where)


def transformers_preprocess(options: dict[str, Any], image_size: int, where: str) -> PreprocessConfig:
    """`preprocessor_config.json` of a CLIP image processor, of old and new releases; absent fields have the processor's
    defaults, which are OpenAI's. RGB comes first, alpha on white, as in transformers 5."""
    fields = Fields(options, where)
    kinds = [kind for name in ("image_processor_type", "feature_extractor_type") if (kind := fields.raw(name))]
    if unknown := [kind for kind in kinds if kind not in PROCESSORS]:
        raise ModelError(f"{where}: the image processor {unknown[0]!r} is unknown; known are: {', '.join(PROCESSORS)}")
    for step in ("do_resize", "do_convert_rgb", "do_rescale"):
        fields.only(step, True, why="a CLIP model without this step is unknown here")
    fields.only("do_pad", False, why="a CLIP model with this step is unknown here")
    factor = fields.take("rescale_factor", float, 1 / 255)
    if not math.isclose(factor, 1 / 255, rel_tol=1e-6):
        raise ModelError(f"{where}: rescale_factor is {factor}, not 1/255")
    crops = fields.take("do_center_crop", bool, True)
    resize = _resize(fields, crops, image_size)
    normalises = fields.take("do_normalize", bool, True)
    mean, std = fields.take("image_mean", list, list(OPENAI_MEAN)), fields.take("image_std", list, list(OPENAI_STD))
    number = fields.take("resample", int, PILLOW["bicubic"])
    names = {value: name for name, value in PILLOW.items()}
    if number not in names:
        raise ModelError(f"{where}: resample is {number}; known are 2 (bilinear) and 3 (bicubic)")
    fields.harmless(
        *("processor_class", "_valid_processor_keys", "auto_map", "default_to_square", "return_tensors", "data_format"),
        *("input_data_format", "device", "disable_grouping", "pad_size", "size_divisor", "image_seq_length"),
    )
    fields.done()
    chosen = {
        "image_size": image_size,
        "mean": mean if normalises else (0.0, 0.0, 0.0),
        "std": std if normalises else (1.0, 1.0, 1.0),
        "interpolation": names[number],
        "resize": resize,
        "convert": "on_white",
        "crop_rounding": "floor",
        "backend": PROCESSORS[kinds[0]] if kinds else "pil",
    }
    return _parsed(chosen, where)


def _resize(fields: Fields, crops: bool, image_size: int) -> str:
    """`shortest` or `squash`; each written as one number or as an object. Every size must be the image tower's."""
    size, crop = fields.raw("size"), fields.raw("crop_size")
    square = isinstance(size, dict) and size.keys() == {"height", "width"}
    numbers = [] if size is None else list(size.values()) if isinstance(size, dict) else [size]
    if crops and crop is not None:
        numbers += list(crop.values()) if isinstance(crop, dict) else [crop]
    known = size is None or type(size) is int or square or (isinstance(size, dict) and size.keys() == {"shortest_edge"})
    wrong = [number for number in numbers if number != image_size]
    absent = image_size != 224 and (size is None or (crops and crop is None))  # 224: the processor's default
    if not known or wrong or absent:
        raise ModelError(
            f"{fields.where}: size {size!r:.80} and crop_size {crop!r:.80} do not make the square of {image_size} "
            "pixels that the image tower takes"
        )
    if not crops and not square:
        raise ModelError(f"{fields.where}: do_center_crop is false, and without it images are not square")
    return "squash" if square else "shortest"


def _parsed(chosen: dict[str, Any], where: str) -> PreprocessConfig:
    try:
        return parse(PreprocessConfig, chosen, where)
    except ConfigError as error:
        raise ModelError(str(error)) from None
