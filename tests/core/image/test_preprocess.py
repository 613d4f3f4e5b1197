"""Does an image become exactly the pixels that each original makes of it?

`tests/golden/preprocess` holds 14 images and the SHA-256 of the pixels that openai/CLIP, OpenCLIP and transformers
4 and 5 make of them at two sizes: 278 results, all met bit for bit, those of torchvision's resampling included.
"""

from __future__ import annotations

import hashlib
import io
import json
from functools import cache
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.errors import ImageError
from core.image.decode import open_image, open_reduced
from core.image.preprocess import LEFT_BY_JPEG, normalise, resize_crop
from core.model.config import PreprocessConfig
from tests.shared import ROOT, shared

GOLDEN = ROOT / "tests" / "golden" / "preprocess"
HASHES: dict[str, dict[str, dict[str, str]]] = json.loads((GOLDEN / "hashes.json").read_text())
ORIGINS = {
    "openai": PreprocessConfig(image_size=64),
    "hf4_slow": PreprocessConfig(image_size=64, convert="before_resize", crop_rounding="floor"),
    "hf5_pil": PreprocessConfig(image_size=64, convert="on_white", crop_rounding="floor"),
    "hf5_torchvision": PreprocessConfig(image_size=64, convert="on_white", crop_rounding="floor", backend="torch"),
    "open_clip/shortest/bicubic": PreprocessConfig(image_size=64),
    "open_clip/shortest/bilinear": PreprocessConfig(image_size=64, interpolation="bilinear"),
    "open_clip/longest/bicubic": PreprocessConfig(image_size=64, resize="longest"),
    "open_clip/longest/bilinear": PreprocessConfig(image_size=64, resize="longest", interpolation="bilinear"),
    "open_clip/squash/bicubic": PreprocessConfig(image_size=64, resize="squash"),
    "open_clip/squash/bilinear": PreprocessConfig(image_size=64, resize="squash", interpolation="bilinear"),
}
OURS = PreprocessConfig(image_size=8, convert="display")


def sized(config: PreprocessConfig, size: int) -> PreprocessConfig:
    return config.model_copy(update={"image_size": size})


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("name", HASHES)
def test_the_pixels_are_the_originals_bit_for_bit(name: str, origin: str) -> None:
    for size, expected in HASHES[name][origin].items():
        with Image.open(GOLDEN / name) as image:
            pixels = resize_crop(image, sized(ORIGINS[origin], int(size)))
        assert pixels.shape == (int(size), int(size), 3) and pixels.dtype == np.uint8
        assert hashlib.sha256(pixels.tobytes()).hexdigest() == expected, f"size {size}"


def test_the_golden_results_are_all_there() -> None:
    # transformers 4 itself fails on the image of one pixel: two results fewer than 14 x 10 x 2.
    assert sum(len(sizes) for origins in HASHES.values() for sizes in origins.values()) == 278
    assert {origin for origins in HASHES.values() for origin in origins} == set(ORIGINS)


@pytest.mark.parametrize("number", ["01", "08"])
def test_the_normalised_input_is_openais(number: str) -> None:
    expected = np.load(shared("reference", "preprocess", "expected.npz"))[f"{number}_openai_float32_64"]
    with Image.open(next(GOLDEN.glob(f"{number}_*"))) as image:
        pixels = torch.from_numpy(resize_crop(image, ORIGINS["openai"]))
    np.testing.assert_allclose(normalise(pixels[None], ORIGINS["openai"])[0].numpy(), expected, rtol=0, atol=2.4e-7)


def test_normalising_subtracts_the_mean_and_divides_by_the_deviation_of_each_channel() -> None:
    config = PreprocessConfig(image_size=1, mean=(0.0, 0.5, 1.0), std=(1.0, 0.5, 0.25))
    pixels = torch.tensor([[[[51, 255, 0]]], [[[255, 0, 255]]]], dtype=torch.uint8)
    result = normalise(pixels, config)
    assert result.shape == (2, 3, 1, 1) and result.dtype == torch.float32 and result.is_contiguous()
    np.testing.assert_allclose(result[:, :, 0, 0].numpy(), [[0.2, 1.0, -4.0], [1.0, -1.0, 0.0]], atol=1e-7)


def test_our_models_see_transparency_as_white() -> None:
    clear = Image.new("RGBA", (9, 5), (200, 0, 0, 0))
    assert (resize_crop(clear, OURS) == 255).all()
    assert (resize_crop(clear, sized(ORIGINS["openai"], 8)) == 0).all()  # premultiplied, then alpha dropped


def test_our_models_see_16_bit_greys_as_people_do() -> None:
    grey = Image.fromarray(np.full((5, 9), 32896, dtype=np.uint16))
    assert (resize_crop(grey, OURS) == 128).all()
    assert (resize_crop(grey, sized(ORIGINS["openai"], 8)) == 255).all()  # Pillow clips


def test_the_crop_keeps_the_middle() -> None:
    stripes = np.zeros((8, 24, 3), dtype=np.uint8)
    stripes[:, 8:16, 0], stripes[:, :8, 1], stripes[:, 16:, 2] = 255, 255, 255
    for array in (stripes, stripes.transpose(1, 0, 2)):
        assert resize_crop(Image.fromarray(array), OURS).tolist() == [[[255, 0, 0]] * 8] * 8


def test_half_a_pixel_of_crop_goes_where_the_origin_puts_it() -> None:
    ramp = Image.fromarray(np.tile(np.arange(11, dtype=np.uint8), (8, 1)))  # 3 columns to spare, 1.5 on each side
    for rounding, first in (("half_even", 2), ("floor", 1)):
        config = PreprocessConfig.model_validate({"image_size": 8, "crop_rounding": rounding})
        assert resize_crop(ramp, config)[0, :, 0].tolist() == list(range(first, first + 8))


def test_squash_shows_the_whole_picture_and_longest_adds_black() -> None:
    white = Image.new("RGB", (16, 8), "white")
    assert (resize_crop(white, PreprocessConfig(image_size=8, resize="squash")) == 255).all()
    padded = resize_crop(white, PreprocessConfig(image_size=8, resize="longest"))
    assert padded[:, 0, 0].tolist() == [0, 0, 255, 255, 255, 255, 0, 0]


def test_a_strip_of_a_hundred_thousand_pixels_needs_no_gigabytes() -> None:
    strip = Image.new("RGB", (100_001, 1), "teal")
    strip.putpixel((50_000, 0), (255, 255, 255))
    for origin in ("openai", "hf5_torchvision"):
        pixels = resize_crop(strip, ORIGINS[origin])  # enlarged 64 times: the white pixel fills the middle
        assert pixels[:, 32].tolist() == [[255, 255, 255]] * 64


def test_a_picture_without_pixels_is_an_error_with_its_size() -> None:
    with pytest.raises(ImageError, match="0 x 5 pixels") as caught:
        resize_crop(Image.new("RGB", (0, 5)), OURS)
    assert caught.value.reason == "unsupported"


@settings(max_examples=150, deadline=None)
@given(
    mode=st.sampled_from(["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "LA", "PA", "I;16"]),
    width=st.integers(1, 400),
    height=st.integers(1, 400),
    convert=st.sampled_from(["after_resize", "before_resize", "on_white", "display"]),
    resize=st.sampled_from(["shortest", "longest", "squash"]),
    backend=st.sampled_from(["pil", "torch"]),
)
def test_every_mode_and_shape_becomes_a_square(
    mode: str, width: int, height: int, convert: str, resize: str, backend: str
) -> None:
    config = PreprocessConfig.model_validate(
        {"image_size": 16, "convert": convert, "resize": resize, "backend": backend}
    )
    pixels = resize_crop(Image.new(mode, (width, height)), config)
    assert pixels.shape == (16, 16, 3) and pixels.dtype == np.uint8 and pixels.flags["C_CONTIGUOUS"]


# --- the fast way ---------------------------------------------------------------------------------------------------


@cache
def photo(width: int, height: int, seed: int = 5) -> Image.Image:
    """Large shapes, fine ones, and the noise of a sensor."""
    rng = np.random.default_rng(seed)
    layers = np.zeros((height, width, 3))
    for cells, strength in ((5, 120), (40, 50), (240, 25)):
        size = (cells * width // max(width, height) + 2, cells * height // max(width, height) + 2)
        small = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
        layers += strength / 255 * np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), np.float64)
    return Image.fromarray((layers + rng.normal(20, 4, (height, width, 1))).clip(0, 255).astype(np.uint8))


def jpeg(image: Image.Image, turned: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = turned
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90, exif=exif)
    return out.getvalue()


def differences(data: bytes, config: PreprocessConfig) -> np.ndarray:
    """Between the fast way and the exact one, value by value."""
    opened = open_reduced(data, LEFT_BY_JPEG * config.image_size)
    fast = resize_crop(opened.image, config, (opened.width, opened.height))
    difference: np.ndarray = np.abs(fast.astype(int) - resize_crop(open_image(data), config))
    return difference


@pytest.mark.parametrize("rule", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("turned", [1, 3, 6, 8])
@pytest.mark.parametrize("size", [(1600, 1200), (1203, 1797), (2000, 2000)])
def test_a_large_photo_decoded_small_looks_the_same(
    size: tuple[int, int], turned: int, rule: Literal["squash"]
) -> None:
    config = PreprocessConfig(image_size=96, resize=rule)
    data = jpeg(photo(*size), turned)
    assert max(open_reduced(data, 192).image.size) < max(size) / 3 or turned > 1
    found = differences(data, config)
    assert found.mean() <= 0.5
    assert found.max() <= 12


def test_a_picture_that_is_no_large_jpeg_is_nearly_exact_too() -> None:
    config = PreprocessConfig(image_size=96, convert="display")
    for image in (photo(1500, 1000), photo(1500, 1000).convert("L"), photo(200, 100), photo(30, 50), photo(96, 96)):
        out = io.BytesIO()
        image.save(out, "PNG")
        assert differences(out.getvalue(), config).mean() <= 0.5


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I", "F", "I;16"])
@pytest.mark.parametrize(
    "rules", [{"convert": "display"}, {"resize": "longest"}, {"resize": "squash"}, {"backend": "torch"}]
)
def test_every_mode_goes_the_fast_way(mode: str, rules: dict[str, Any]) -> None:
    image = photo(700, 500).convert("L").convert(mode) if mode != "I;16" else Image.new("I;16", (700, 500), 9999)
    config = PreprocessConfig(image_size=32, **rules)
    fast = resize_crop(image, config, image.size)
    difference = np.abs(fast.astype(int) - resize_crop(image, config))
    assert difference.mean() <= 1.5  # of a fine, noisy pattern of bits


@pytest.mark.parametrize("size", [(3, 1000), (4000, 7), (1, 1), (1, 30_000)])
def test_strips_go_the_fast_way(size: tuple[int, int]) -> None:
    config = PreprocessConfig(image_size=16)
    assert differences(jpeg(Image.new("RGB", size, (200, 10, 90))), config).max() <= 1
