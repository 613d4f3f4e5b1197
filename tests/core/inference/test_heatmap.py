"""Does the heat lie where the thing is that the words name?"""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from core.encoder import Encoder
from core.inference.heatmap import CELLS, heat, seen_part
from core.inference.load import load_encoder


@pytest.fixture(scope="module")
def toy() -> Encoder:
    return load_encoder("toy")


def card(at: tuple[int, int], side: int = 60) -> Image.Image:
    image = Image.new("RGB", (280, 280), (24, 48, 214))
    ImageDraw.Draw(image).rectangle((*at, at[0] + side, at[1] + side), fill=(214, 24, 24))
    return image


@pytest.mark.parametrize(("at", "cell"), [((10, 10), (0, 0)), ((205, 10), (0, 6)), ((110, 190), (5, 3))])
def test_the_heat_lies_on_what_the_words_name(toy: Encoder, at: tuple[int, int], cell: tuple[int, int]) -> None:
    found = heat(toy, card(at), toy.encode_texts(["red"])[0])
    row, column = np.unravel_index(int(found.values.argmax()), (CELLS, CELLS))
    assert abs(int(row) - cell[0]) <= 1
    assert abs(int(column) - cell[1]) <= 1
    assert found.values.max() == 1
    assert found.most > 0.01
    assert np.median(found.values) < 0.3


def test_a_picture_of_one_colour_is_nowhere_hot(toy: Encoder) -> None:
    found = heat(toy, Image.new("RGB", (90, 60), (20, 150, 40)), toy.encode_texts(["red"])[0])
    assert found.most < 1e-5


def test_the_bundled_model_tells_the_part_too() -> None:
    tiny = load_encoder("tiny")
    found = heat(tiny, card((190, 20), 80), tiny.encode_texts(["a red square"])[0])
    assert found.values[:4, 3:].sum() > found.values[3:, :4].sum()
    assert found.box == (0, 0, 1, 1)  # it squeezes the whole image into a square


class Cropping:
    """An encoder that, like CLIP's, sees only the square in the middle."""

    def prepare(self, image: Image.Image) -> np.ndarray:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        return np.asarray(image.crop((left, top, left + side, top + side)).resize((64, 64)))


@pytest.mark.parametrize(
    ("size", "box"), [((400, 200), (0.25, 0, 0.75, 1)), ((200, 400), (0, 0.25, 1, 0.75)), ((99, 99), (0, 0, 1, 1))]
)
def test_what_a_model_crops_away_is_known(size: tuple[int, int], box: tuple[float, ...]) -> None:
    assert seen_part(Cropping(), size) == pytest.approx(box, abs=0.02)  # type: ignore[arg-type]
