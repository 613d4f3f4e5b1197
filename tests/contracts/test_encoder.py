"""What holds for every encoder?  One battery over the registries and over a small model of each kind of tower.

In fp32, where sums hardly depend on their order; what fewer bits change is in `tests/core/inference/test_precision.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from core.encoder import Encoder
from core.formats.model_dir import save_model
from core.inference.clip_encoder import CLIPEncoder
from core.inference.families import FAMILIES
from core.inference.load import ENCODERS, MODELS, load_encoder
from tests.core.inference.families.models import openclip_folder, transformers_folder
from tests.core.small_models import KINDS, small_model

# A small model of each package: one prepares images by our rules, the other by its own.
FOREIGN = {"openclip": (openclip_folder, "siglip"), "transformers": (transformers_folder, "align")}
OTHERS = [pytest.param(name, marks=pytest.mark.filterwarnings("ignore")) for name in FAMILIES]  # the packages' own


@pytest.fixture(scope="module", params=[*ENCODERS, *KINDS, *OTHERS])
def load(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Encoder]:
    """Loads the encoder anew, so that it remembers no text."""
    if request.param == "tiny" and not (MODELS / "tiny" / "config.json").is_file():
        pytest.skip("the bundled model has not been trained yet")
    model = request.param
    if model in FAMILIES:
        write, kind = FOREIGN[model]
        model = f"{model}:{write(kind, tmp_path_factory.mktemp('families') / kind)}"
    elif model not in ENCODERS:
        model = tmp_path_factory.mktemp("models") / request.param
        save_model(model, *small_model(request.param), card="", origin={})
    return lambda: load_encoder(model, precision="fp32")


@pytest.fixture(scope="module")
def encoder(load: Callable[[], Encoder]) -> Encoder:
    return load()


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    rng = np.random.default_rng(7)
    sizes = [(40, 30), (30, 40), (64, 64), (200, 20), (1, 1), (33, 90), (120, 121)]
    coloured = [Image.fromarray(rng.integers(0, 256, (h, w, 3), dtype=np.uint8)) for w, h in sizes]
    return [*coloured, coloured[0].convert("L"), coloured[2].convert("RGBA"), Image.new("RGB", (50, 50))]


TEXTS = [
    "a photo of a red dog",
    "",
    "the sea",
    "a b c d e f g h i j k " * 40,
    "ÿ 黒い猫 🙂",
    "half a letter: \ud800",
]


def prepared(encoder: Encoder, pictures: list[Image.Image]) -> np.ndarray:
    return np.stack([encoder.prepare(picture) for picture in pictures])


def assert_unit(vectors: np.ndarray, n: int, encoder: Encoder) -> None:
    assert vectors.dtype == np.float32
    assert vectors.shape == (n, encoder.dim)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_rows_have_length_one_and_nothing_gives_no_rows(encoder: Encoder, pictures: list[Image.Image]) -> None:
    assert_unit(encoder.encode_images(pictures), len(pictures), encoder)
    assert_unit(encoder.encode_texts(TEXTS), len(TEXTS), encoder)
    side = encoder.prepare(pictures[0]).shape
    for nothing in (encoder.encode_images([]), encoder.encode_texts([]), encoder.encode_prepared(np.zeros((0, *side)))):
        assert_unit(nothing, 0, encoder)


def test_it_says_what_it_is(encoder: Encoder) -> None:
    assert encoder.name
    assert len(bytes.fromhex(encoder.fingerprint)) == 32
    assert encoder.logit_scale > 0
    assert encoder.truncation(["a photo of a red dog"]) == [None]


def test_pictures_are_encoded_as_they_are_prepared(encoder: Encoder, pictures: list[Image.Image]) -> None:
    pixels = prepared(encoder, pictures)
    assert pixels.dtype == np.uint8
    assert pixels.shape[1] == pixels.shape[2]
    assert encoder.encode_images(pictures) == pytest.approx(encoder.encode_prepared(pixels), abs=1e-6)


def test_a_picture_has_one_vector_whatever_stands_beside_it(encoder: Encoder, pictures: list[Image.Image]) -> None:
    pixels = prepared(encoder, pictures)
    together = encoder.encode_prepared(pixels)
    alone = np.concatenate([encoder.encode_prepared(row[None]) for row in pixels])
    many = encoder.encode_prepared(np.concatenate([pixels] * 30))  # more than one internal batch
    assert np.abs(alone - together).max() <= 1e-5
    assert np.abs(many - np.concatenate([together] * 30)).max() <= 1e-5
    assert np.abs(encoder.encode_prepared(pixels[::-1]) - together[::-1]).max() <= 1e-5
    assert np.abs(together[0] - together[-1]).max() > 1e-3  # coloured noise and black


def test_a_text_has_one_vector_whatever_stands_beside_it(encoder: Encoder, load: Callable[[], Encoder]) -> None:
    together = encoder.encode_texts(TEXTS)
    other = load()
    alone = np.concatenate([other.encode_texts([text]) for text in TEXTS])
    many = encoder.encode_texts(TEXTS * 100)
    assert np.abs(alone - together).max() <= 1e-5
    assert np.abs(many - np.concatenate([together] * 100)).max() <= 1e-5
    assert np.abs(encoder.encode_texts(TEXTS[::-1]) - together[::-1]).max() <= 1e-5
    cosines = together @ together.T - 2 * np.eye(len(TEXTS))
    assert cosines.max() < 0.9999  # different texts differ


def test_pixels_may_be_read_only_and_are_left_alone(encoder: Encoder, pictures: list[Image.Image]) -> None:
    pixels = prepared(encoder, pictures)
    before = pixels.copy()
    pixels.setflags(write=False)
    encoder.encode_prepared(pixels)
    encoder.encode_prepared(pixels[::2, :, ::-1])  # and need not be contiguous
    assert (pixels == before).all()


def test_threads_may_share_it(encoder: Encoder, pictures: list[Image.Image]) -> None:
    expected_images, expected_texts = encoder.encode_images(pictures), encoder.encode_texts(TEXTS)
    with ThreadPoolExecutor(4) as pool:
        images = [pool.submit(encoder.encode_images, pictures) for _ in range(6)]
        texts = [pool.submit(encoder.encode_texts, TEXTS) for _ in range(6)]
        assert all(np.abs(job.result() - expected_images).max() <= 1e-5 for job in images)
        assert all(np.abs(job.result() - expected_texts).max() <= 1e-5 for job in texts)


def test_two_copies_agree_to_the_bit(tmp_path_factory: pytest.TempPathFactory, pictures: list[Image.Image]) -> None:
    path = tmp_path_factory.mktemp("twice") / "m"
    save_model(path, *small_model("resnet"), card="", origin={})
    first, second = CLIPEncoder.from_directory(path), CLIPEncoder.from_directory(path)
    assert (first.encode_images(pictures) == second.encode_images(pictures)).all()
    assert first.fingerprint == second.fingerprint
