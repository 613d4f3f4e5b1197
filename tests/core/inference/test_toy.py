"""Is the toy encoder a faithful stand-in for a model?"""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from core.inference.load import load_encoder
from core.inference.toy import COLOURS, DIM, ToyEncoder

RGB = {
    "red": (220, 20, 20),
    "orange": (250, 140, 10),
    "yellow": (250, 230, 20),
    "green": (30, 160, 40),
    "cyan": (20, 210, 220),
    "blue": (20, 40, 220),
    "purple": (130, 30, 220),
    "pink": (250, 100, 190),
    "brown": (120, 70, 20),
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "gray": (128, 128, 128),
}


def flat(colour: str) -> np.ndarray:
    return np.full((1, 32, 32, 3), RGB[colour], np.uint8)


def test_every_colour_word_finds_its_colour_first_even_inside_a_sentence() -> None:
    toy = ToyEncoder()
    pictures = toy.encode_prepared(np.concatenate([flat(c) for c in COLOURS]))
    for i, colour in enumerate(COLOURS):
        for text in (colour, f"a photo of a {colour} house by the sea"):
            scores = pictures @ toy.encode_texts([text])[0]
            assert scores.argmax() == i, (text, COLOURS[int(scores.argmax())])
            assert np.sort(scores)[-2] < scores[i] - 0.1


def test_more_of_a_colour_scores_higher() -> None:
    toy = ToyEncoder()
    pictures = np.repeat(flat("green"), 5, 0)
    for i in range(5):
        pictures[i, : i * 8] = RGB["red"]
    scores = toy.encode_prepared(pictures) @ toy.encode_texts(["red"])[0]
    assert (np.diff(scores) > 0).all()


def test_dark_and_bright_are_words_too() -> None:
    toy = ToyEncoder()
    black, white = toy.encode_prepared(np.concatenate([flat("black"), flat("white")]))
    dark, bright = toy.encode_texts(["dark", "bright"])
    assert black @ dark > white @ dark
    assert white @ bright > black @ bright


def test_equal_pictures_have_equal_bits_in_any_batch_and_mirrored_ones_differ() -> None:
    toy = ToyEncoder()
    pixels = np.random.default_rng(3).integers(0, 256, (50, 32, 32, 3), dtype=np.uint8)
    pixels[:, :, :16] //= 2
    together = toy.encode_prepared(pixels)
    alone = np.concatenate([toy.encode_prepared(row[None]) for row in pixels])
    assert (together == alone).all()
    mirrored = toy.encode_prepared(pixels[:, :, ::-1])
    assert ((together * mirrored).sum(1) < 0.99).all()


def test_rows_have_length_one_for_black_pictures_and_empty_or_odd_texts() -> None:
    toy = ToyEncoder()
    texts = toy.encode_texts(["", " ", "!?", "the", "\udcff.jpg", "黒い猫", "x" * 100_000])
    for rows in (texts, toy.encode_prepared(np.concatenate([flat("black"), flat("white")]))):
        assert rows.dtype == np.float32
        assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-6)
    assert toy.encode_texts([]).shape == (0, DIM)
    assert toy.encode_images([]).shape == (0, DIM)


def test_different_texts_differ_and_shared_words_bring_them_near() -> None:
    toy = ToyEncoder()
    words = [f"word{i}" for i in range(300)]
    vectors = toy.encode_texts(words)
    cosines = vectors @ vectors.T - 2 * np.eye(300)
    assert cosines.max() < 0.9
    dog, a_dog, ship = toy.encode_texts(["dog", "a dog", "ship at sea"])
    assert dog @ a_dog > 0.5 > dog @ ship


def test_words_unknown_to_pictures_tie() -> None:
    toy = ToyEncoder()
    pictures = toy.encode_prepared(np.concatenate([flat(c) for c in COLOURS]))
    assert (pictures @ toy.encode_texts(["sunset"])[0] == 0).all()


def test_vectors_do_not_depend_on_the_interpreters_hash_seed() -> None:
    code = "from core.inference.toy import ToyEncoder; print(ToyEncoder().encode_texts(['a red dog']).tobytes().hex())"
    for seed in ("1", "2"):
        run = subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True)
        assert run.stdout.strip() == ToyEncoder().encode_texts(["a red dog"]).tobytes().hex(), run.stderr


def test_images_are_prepared_whole_and_encoded_like_their_pixels() -> None:
    toy = load_encoder("toy")
    image = Image.new("RGB", (300, 100), RGB["blue"])
    image.paste(RGB["yellow"], (0, 0, 60, 100))  # a centre crop would lose it
    prepared = toy.prepare(image)
    assert prepared.shape == (32, 32, 3) and prepared.dtype == np.uint8
    encoded = toy.encode_images([image])
    assert (encoded == toy.encode_prepared(prepared[None])).all()
    blue, yellow, red = (encoded @ toy.encode_texts(["blue", "yellow", "red"]).T)[0]
    assert blue > yellow > red


def test_two_thousand_prepared_images_take_less_than_a_second() -> None:
    toy = ToyEncoder()
    pixels = np.random.default_rng(0).integers(0, 256, (2000, 32, 32, 3), dtype=np.uint8)
    toy.encode_prepared(pixels[:10])
    start = time.process_time()
    toy.encode_prepared(pixels)
    assert time.process_time() - start < 1
