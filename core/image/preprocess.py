"""Turns an image into the input of a model, by the rules that travel with the model.

The only resize, crop and normalise in the project. Every rule is a field of `PreprocessConfig`, because the origins
disagree: OpenAI and OpenCLIP resize an image in its own mode and convert it to RGB afterwards, transformers converts
first; one rounds the crop's half pixel to even, the other down (`tests/core/image/test_preprocess.py` holds each
origin's pixels). Models of ours convert first, as people see the image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.errors import ImageError
from core.image.decode import to_rgb
from core.image.resample import resample, shrink
from core.model.config import PreprocessConfig

if TYPE_CHECKING:
    import torch

_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
# How many times too large an image may still be when it comes out of a JPEG decoder; the rest is the filter's. With
# less, photos differ by more than 0.5 of 255 on average.
LEFT_BY_JPEG = 2
_LONGEST_RATIO = 100


def resize_crop(image: Image.Image, config: PreprocessConfig, full: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """An image as the square the model looks at: (s, s, 3) uint8, s = config.image_size.

    `image` is upright (as `open_image` returns it) and in any mode. Works for sides of any ratio, 1x1 included.
    With `full`, speed counts more than the last bit: it is the size of the whole image, and `image` may be smaller,
    as `open_reduced` gives it with `shortest` = LEFT_BY_JPEG * s. Raises ImageError for an image without pixels.
    """
    if 0 in image.size:
        raise ImageError("unsupported", f"an image of {image.width} x {image.height} pixels has nothing to see")
    image = _convert_before(image, config)
    if full is not None and image.mode in ("RGB", "L") and max(full) <= _LONGEST_RATIO * min(full):
        return np.array(_nearly(_rgb(image), config, full), dtype=np.uint8)
    match config.resize:
        case "shortest":
            image = _trim(image)
            square = _crop(_resize(image, _shortest_to(image.size, config.image_size), config), config)
        case "longest":
            square = _pad(_resize(image, _longest_to(image.size, config.image_size), config), config.image_size)
        case "squash":
            square = _resize(image, (config.image_size, config.image_size), config)
    return np.array(_rgb(square), dtype=np.uint8)


def normalise(pixels: torch.Tensor, config: PreprocessConfig) -> torch.Tensor:
    """Pixels (n, s, s, 3) uint8 to the network's input (n, 3, s, s) float32, (x / 255 - mean) / std, same device."""
    import torch

    mean = torch.tensor(config.mean, device=pixels.device).view(1, 3, 1, 1)
    std = torch.tensor(config.std, device=pixels.device).view(1, 3, 1, 1)
    numbers = pixels.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
    return numbers.div_(255).sub_(mean).div_(std)  # in place: memory that is new to the process costs more than this


def _convert_before(image: Image.Image, config: PreprocessConfig) -> Image.Image:
    """The conversion that comes before resizing; `after_resize` leaves the mode for later."""
    match config.convert:
        case "after_resize":
            return image
        case "before_resize":
            return _rgb(image)
        case "on_white":
            return _on_white(image)
        case "display":
            return to_rgb(image)


def _rgb(image: Image.Image) -> Image.Image:
    """As Pillow converts it, which copies even where there is nothing to do."""
    return image if image.mode == "RGB" else image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    """Alpha on white and nothing else: 16-bit greys clip, unlike `to_rgb` (transformers 5, convert_to_rgb)."""
    if image.mode == "RGB":
        return image
    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, (255, 255, 255))
    return Image.alpha_composite(white, rgba).convert("RGB")


def _trim(image: Image.Image) -> Image.Image:
    """The middle of an image more than 100 times longer than wide; the crop drops the ends anyway.

    Without it a strip of 1 x 100,000 would be enlarged to 224 x 22,400,000 before the crop.
    """
    width, height = image.size
    limit = _LONGEST_RATIO * min(width, height)
    left, top = max(0, (width - limit) // 2), max(0, (height - limit) // 2)
    return image.crop((left, top, width - left, height - top)) if left or top else image


def _shortest_to(size: tuple[int, int], side: int) -> tuple[int, int]:
    """The short side becomes `side`, the long one is cut down to a whole pixel (torchvision, Resize)."""
    width, height = size
    if width <= height:
        return side, int(side * height / width)
    return int(side * width / height), side


def _longest_to(size: tuple[int, int], side: int) -> tuple[int, int]:
    """The long side becomes `side`, both are rounded (OpenCLIP, ResizeKeepRatio); never less than a pixel."""
    longest = max(size)
    width, height = (max(1, round(length * (side / longest))) for length in size)
    return width, height


def _resize(image: Image.Image, size: tuple[int, int], config: PreprocessConfig) -> Image.Image:
    if image.size == size:
        return image
    if config.backend == "torch":
        return resample(_rgb(image), size, config.interpolation)
    # Pillow takes the nearest pixel for palettes and bits whatever it is asked for, as the origins do.
    return image.resize(size, _FILTERS[config.interpolation])


def _nearly(image: Image.Image, config: PreprocessConfig, full: tuple[int, int]) -> Image.Image:
    """The square, by a shorter way than the origins': PyTorch's resampler, strong reductions in two steps.

    Sizes and places come from `full`, so that an image decoded at 1/f of its size is not shifted by its rounding.
    """
    side = config.image_size
    size = {
        "shortest": lambda: _shortest_to(full, side),
        "longest": lambda: _longest_to(full, side),
        "squash": lambda: (side, side),
    }[config.resize]()
    factor = round(max(full) / max(image.size))
    across, down = (min(whole / factor, own) for whole, own in zip(full, image.size, strict=True))
    resized = shrink(image, size, config.interpolation, (across, down))
    return _pad(resized, side) if config.resize == "longest" else _crop(resized, config)


def _crop(image: Image.Image, config: PreprocessConfig) -> Image.Image:
    """The middle square."""
    side = config.image_size
    left, top = _middle(image.size, config)
    return image.crop((left, top, left + side, top + side))


def _middle(size: tuple[int, int], config: PreprocessConfig) -> tuple[int, int]:
    """Where the middle square begins; where a half pixel is left over the origins put it on different sides."""
    spare = [length - config.image_size for length in size]
    left, top = (length // 2 if config.crop_rounding == "floor" else round(length / 2) for length in spare)
    return left, top


def _pad(image: Image.Image, side: int) -> Image.Image:
    """The image in the middle of a square of zeros in its own mode: black, but white in CMYK (OpenCLIP)."""
    square = Image.new(image.mode, (side, side), 0)
    if image.palette is not None:
        square.putpalette(image.palette)
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square
