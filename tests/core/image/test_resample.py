"""Does the fast way of resizing give the numbers that the slow ones give?"""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from core.image.decode import open_image, open_reduced, thumbnail
from core.image.preprocess import LEFT_BY_JPEG, resize_crop
from core.image.resample import resample, shrink
from core.model.config import PreprocessConfig


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    """Shapes of some size, and noise over them."""
    rng = np.random.default_rng(seed)
    cell = max(width, height) // 40 + 1
    small = Image.fromarray(rng.integers(0, 256, (height // cell + 2, width // cell + 2, 3), dtype=np.uint8))
    shapes = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), np.float32)
    return Image.fromarray((shapes + rng.normal(0, 6, (height, width, 1))).clip(0, 255).astype(np.uint8))


def apart(one: Image.Image, other: Image.Image) -> np.ndarray:
    difference: np.ndarray = np.abs(np.asarray(one, np.int64) - np.asarray(other, np.int64))
    return difference


@pytest.mark.parametrize("way", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [(500, 375), (37, 211), (1, 1), (2600, 1700)])  # the last one is in several pieces
def test_the_numbers_are_those_of_torchs_own_resizing_and_within_two_of_pillows(
    way: str, size: tuple[int, int]
) -> None:
    image = picture(*size)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
    theirs = torch.nn.functional.interpolate(pixels, size=(90, 120), mode=way, antialias=True)[0].permute(1, 2, 0)
    ours = resample(image, (120, 90), way)
    assert np.array_equal(np.asarray(ours), theirs.numpy())
    assert apart(ours, image.resize((120, 90), Image.Resampling[way.upper()])).max() <= 2


def test_a_picture_many_times_too_large_is_nearly_the_same_after_means_of_its_pixels() -> None:
    image = picture(2600, 1700)
    assert apart(shrink(image, (100, 65)), resample(image, (100, 65))).mean() <= 0.5
    assert apart(shrink(image, (700, 450)), resample(image, (700, 450))).max() == 0  # nothing to take means of


def test_what_is_not_meant_of_the_last_pixels_moves_nothing() -> None:
    """An image of 1001 pixels in half its size has 501, of which the last shows half of what it could."""
    whole = picture(1001, 601)
    half = whole.reduce(2)
    assert half.size == (501, 301)
    exact = resample(whole, (125, 75))
    placed = apart(shrink(half, (125, 75), "bicubic", (500.5, 300.5)), exact)
    shifted = apart(shrink(half, (125, 75)), exact)
    assert placed.mean() <= 0.5 < shifted.mean()


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (1024, 768), (1333, 1001), (2592, 1944), (4000, 1000)])
def test_jpegs_of_every_size_are_within_half_a_level_of_the_exact_way(size: tuple[int, int]) -> None:
    config, out = PreprocessConfig(image_size=224), io.BytesIO()
    picture(*size).save(out, "JPEG", quality=90)
    opened = open_reduced(out.getvalue(), LEFT_BY_JPEG * 224)
    fast = resize_crop(opened.image, config, (opened.width, opened.height))
    exact = resize_crop(open_image(out.getvalue()), config)
    assert np.abs(fast.astype(int) - exact).mean() <= 0.5


def test_thumbnails_look_the_same_whichever_way_they_are_made_smaller() -> None:
    image = picture(800, 600)
    ways = [Image.open(io.BytesIO(made)) for made in (thumbnail(image, shrink=shrink), thumbnail(image))]
    assert [(one.format, one.size) for one in ways] == [("JPEG", (320, 240))] * 2
    assert apart(*ways).mean() <= 4


def test_a_print_picture_is_decoded_in_full_for_its_colours_are_mixed_after_resizing() -> None:
    out = io.BytesIO()
    picture(1600, 1200).convert("CMYK").save(out, "JPEG")
    assert open_reduced(out.getvalue(), 300).image.size == (1600, 1200)
