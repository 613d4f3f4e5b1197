"""What becomes of every odd file?  One table: a kind of file, how it is made, and its outcome.

The outcome is the upright size of the indexed image and the colour in the middle of its thumbnail, or the reason
under which the file is found among the failures.
"""

from __future__ import annotations

import gzip
import importlib.util
import io
import os
import random
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import clipdex
from core.encoder import read_picture
from core.errors import ImageError
from core.image.decode import open_image, thumbnail
from core.inference.load import load_encoder
from tests.indexer.odd_files import (
    RED_PIXEL,
    animated,
    bmp,
    cut,
    encoded,
    gif_of,
    jpeg_of,
    noisy,
    oriented,
    packed,
    pages,
    palette_with_transparency,
    plain,
    png,
    qoi,
    tiff_loop,
    tiff_with,
    webp_of,
    without_data,
    without_tables,
    wrong_sum,
    zipped,
)
from tests.indexer.pictures import failures, index, state

HEIF = importlib.util.find_spec("pillow_heif") is not None  # an extra

RED, GREEN, BLUE, WHITE, GREY, BLACK = (
    *((255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255), (128, 128, 128), (0, 0, 0)),
)
SIZE = (64, 48)
Outcome = tuple[tuple[int, int], tuple[int, int, int]] | str

ZOO: dict[str, tuple[Callable[[], bytes], Outcome]] = {
    # Images, in every form that people have them.
    "plain.jpg": (lambda: encoded(plain(), "JPEG"), (SIZE, RED)),
    "UPPER.JPEG": (lambda: encoded(plain(), "JPEG"), (SIZE, RED)),
    "progressive.jpg": (lambda: encoded(plain(), "JPEG", progressive=True), (SIZE, RED)),
    "coarse.jpg": (lambda: encoded(plain(), "JPEG", quality=10, subsampling=2), (SIZE, RED)),
    "cmyk.jpg": (lambda: encoded(plain("CMYK", (0, 0, 0, 127)), "JPEG"), (SIZE, GREY)),
    "grey.jpg": (lambda: encoded(plain("L", 128), "JPEG"), (SIZE, GREY)),
    "commented.jpg": (lambda: encoded(plain(), "JPEG", comment=b"x" * 60_000), (SIZE, RED)),
    "garbage after the end.jpg": (lambda: encoded(plain(), "JPEG") + b"garbage" * 1000, (SIZE, RED)),
    "zeros after the end.jpg": (lambda: encoded(plain(), "JPEG") + bytes(100_000), (SIZE, RED)),
    "two in one.jpg": (lambda: encoded(plain(), "JPEG") + encoded(plain(colour="blue"), "JPEG"), (SIZE, RED)),
    "mirrored.jpg": (lambda: oriented(2), (SIZE, RED)),
    "transposed.jpg": (lambda: oriented(5), ((48, 64), RED)),
    "rotated.jpg": (lambda: oriented(6), ((48, 64), RED)),
    "turned nowhere.jpg": (lambda: oriented(9), (SIZE, RED)),
    "damaged exif.jpg": (lambda: encoded(plain(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"), (SIZE, RED)),
    "damaged profile.jpg": (lambda: encoded(plain(), "JPEG", icc_profile=b"rubbish" * 100), (SIZE, RED)),
    "png called.jpg": (lambda: encoded(plain(), "PNG"), (SIZE, RED)),
    "several.mpo": (lambda: pages("MPO"), (SIZE, RED)),
    "plain.webp": (lambda: encoded(plain(), "WEBP", lossless=True), (SIZE, RED)),
    "transparent.webp": (lambda: encoded(plain("RGBA", (0, 0, 255, 0)), "WEBP"), (SIZE, WHITE)),
    "animated.webp": (lambda: animated("WEBP"), (SIZE, RED)),
    "plain.bmp": (lambda: encoded(plain(), "BMP"), (SIZE, RED)),
    "from the top.bmp": (lambda: bmp(1, -1), ((1, 1), RED)),
    "plain.dib": (lambda: encoded(plain(), "DIB"), (SIZE, RED)),
    "plain.tif": (lambda: encoded(plain(), "TIFF"), (SIZE, RED)),
    "float.tif": (lambda: encoded(plain("F", 0.0), "TIFF"), (SIZE, BLACK)),
    "no numbers.tif": (lambda: encoded(Image.fromarray(np.full((48, 64), np.nan, np.float32)), "TIFF"), (SIZE, BLACK)),
    "16 bit.tif": (lambda: encoded(plain("I;16", 32896), "TIFF"), (SIZE, GREY)),
    "cmyk.tif": (lambda: encoded(plain("CMYK", (0, 255, 255, 0)), "TIFF"), (SIZE, RED)),
    "lab.tif": (lambda: encoded(plain("LAB", (136, 208, 195)), "TIFF"), (SIZE, RED)),
    "packed.tif": (lambda: encoded(plain(), "TIFF", compression="tiff_lzw"), (SIZE, RED)),
    "fax.tif": (lambda: encoded(plain("1", 1), "TIFF", compression="group4"), (SIZE, WHITE)),
    "jpeg inside.tif": (lambda: encoded(plain(), "TIFF", compression="jpeg"), (SIZE, RED)),
    "big.tif": (lambda: encoded(plain(), "TIFF", big_tiff=True), (SIZE, RED)),
    "several pages.tif": (lambda: pages("TIFF"), (SIZE, RED)),
    "endless pages.tif": (tiff_loop, (SIZE, RED)),
    "plain.avif": (lambda: encoded(plain(), "AVIF"), (SIZE, RED)),
    "plain.jp2": (lambda: encoded(plain(), "JPEG2000"), (SIZE, RED)),
    "plain.gif": (lambda: encoded(plain(), "GIF"), (SIZE, RED)),
    "transparent.gif": (lambda: encoded(plain("P", 0), "GIF", transparency=0), (SIZE, WHITE)),
    "animated.gif": (lambda: animated("GIF"), (SIZE, RED)),
    "animated.png": (lambda: animated("PNG"), (SIZE, RED)),
    "one bit.png": (lambda: encoded(plain("1", 1), "PNG"), (SIZE, WHITE)),
    "two bits.png": (lambda: png(4, 1, 2, 0, b"\0\xff"), ((4, 1), WHITE)),
    "16 bit.png": (lambda: encoded(plain("I;16", 32896), "PNG"), (SIZE, GREY)),
    "16 bit colour.png": (lambda: png(1, 1, 16, 2, b"\0\xff\xff\0\0\0\0"), ((1, 1), RED)),
    "interlaced.png": (lambda: png(1, 1, 8, 2, RED_PIXEL, interlace=1), ((1, 1), RED)),
    "palette.png": (lambda: encoded(plain().convert("P"), "PNG"), (SIZE, RED)),
    "palette with transparency.png": (palette_with_transparency, (SIZE, WHITE)),
    "grey and transparent.png": (lambda: encoded(plain("LA", (0, 0)), "PNG"), (SIZE, WHITE)),
    "half transparent.png": (lambda: encoded(plain("RGBA", (255, 0, 0, 0)), "PNG"), (SIZE, WHITE)),
    "more data than pixels.png": (lambda: png(1, 1, 8, 2, RED_PIXEL + bytes(20_000_000)), ((1, 1), RED)),
    "one pixel.png": (lambda: encoded(plain(size=(1, 1)), "PNG"), ((1, 1), RED)),
    "very long.png": (lambda: encoded(plain(size=(5000, 1)), "PNG"), ((5000, 1), RED)),
    "plain.tga": (lambda: encoded(plain(), "TGA"), (SIZE, RED)),
    "plain.ppm": (lambda: encoded(plain(), "PPM"), (SIZE, RED)),
    "written out.pbm": (lambda: b"P1 2 2 0 0 0 0\n", ((2, 2), WHITE)),
    "16 bit.pgm": (lambda: b"P5 1 1 65535\n\x80\x80", ((1, 1), GREY)),
    "plain.qoi": (qoi, (SIZE, RED)),
    # A JPEG has no checksum and does not say how long its data is: every program fills the rest with grey.
    "higher than its data.jpg": (lambda: jpeg_of(64, 4800), ((64, 4800), GREY)),
    # No images.
    "text.jpg": (lambda: b"this is a text, not an image\n", "not an image"),
    "page.png": (lambda: b"<!DOCTYPE html><html>404</html>", "not an image"),
    "zeros.jpg": (lambda: bytes(5000), "not an image"),
    "random.jpg": (lambda: np.random.default_rng(3).bytes(5000), "not an image"),
    "one byte.jpg": (lambda: b"\xff", "not an image"),
    "new line.png": (lambda: b"\n", "not an image"),
    "zip called.jpg": (zipped, "not an image"),
    "gzip called.png": (lambda: gzip.compress(encoded(plain(), "PNG")), "not an image"),
    "film called.jpg": (lambda: b"\0\0\0\x18ftypmp42" + bytes(100), "not an image"),
    "program called.png": (lambda: b"\x7fELF" + bytes(200), "not an image"),
    "no width.bmp": (lambda: bmp(0, 10), "not an image"),
    "negative.ppm": (lambda: b"P6 -1 5 255\n", "not an image"),
    "empty.jpg": (lambda: b"", "empty file"),
    # Cut short or damaged.
    "truncated.jpg": (lambda: cut("JPEG", 9000), "truncated"),
    "zeros at the end.jpg": (lambda: cut("JPEG", 9000) + bytes(9000), "truncated"),
    "only a header.jpg": (lambda: b"\xff\xd8\xff", "truncated"),
    "only beginning and end.jpg": (lambda: b"\xff\xd8\xff\xd9", "truncated"),
    "no tables.jpg": (without_tables, "truncated"),
    "no height.jpg": (lambda: jpeg_of(64, 0), "truncated"),
    "truncated.png": (lambda: cut("PNG", 9000), "truncated"),
    "no data.png": (without_data, "truncated"),
    "no pixels.png": (lambda: png(0, 0, 8, 2, b""), "truncated"),
    "three bits.png": (lambda: png(1, 1, 3, 0, b"\0\0"), "truncated"),
    "no palette.png": (lambda: png(1, 1, 8, 3, b"\0\0"), "decoder error"),
    "wrong checksum of the header.png": (lambda: wrong_sum(b"IHDR"), "truncated"),
    "wrong checksum of the data.png": (lambda: wrong_sum(b"IDAT"), "truncated"),
    "truncated.webp": (lambda: cut("WEBP", 3000), "truncated"),
    "truncated.gif": (lambda: cut("GIF", 9000), "truncated"),
    "truncated.tif": (lambda: cut("TIFF", 9000), "truncated"),
    "truncated.avif": (lambda: cut("AVIF", 3000), "truncated"),
    "truncated.jp2": (lambda: cut("JPEG2000", 3000), "truncated"),
    "truncated.bmp": (lambda: cut("BMP", 3000), "truncated"),
    "truncated.ppm": (lambda: cut("PPM", 3000), "truncated"),
    "truncated.tga": (lambda: cut("TGA", 3000), "truncated"),
    "no size.ppm": (lambda: b"P6\n", "truncated"),
    "data elsewhere.tif": (lambda: tiff_with(273, 2**31), "truncated"),
    "many fields.tif": (lambda: b"II*\0\x08\0\0\0\xff\xff" + bytes(100), "truncated"),
    "strange compression.tif": (lambda: tiff_with(259, 9999), "truncated"),
    # Bombs.
    "bomb.png": (lambda: png(50_000, 50_000, 8, 2, bytes(100)), "too large"),
    "text bomb.png": (lambda: png(1, 1, 8, 2, RED_PIXEL, packed(b"zTXt")), "truncated"),
    "profile bomb.png": (lambda: png(1, 1, 8, 2, RED_PIXEL, packed(b"iCCP")), "truncated"),
    "bomb.jpg": (lambda: jpeg_of(65_535, 65_535), "too large"),
    "bomb.gif": (lambda: gif_of(65_535, 65_535), "too large"),
    "bomb.webp": (lambda: webp_of(16_384, 16_384), "too large"),
    "bomb.tif": (lambda: tiff_with(256, 2**30), "too large"),
    "bomb.bmp": (lambda: bmp(2**31 - 1, 2**31 - 1), "too large"),
    "bomb.ppm": (lambda: b"P6 99999 99999 255\n", "too large"),
    # Images to people, but not to this program.
    "heic called.jpg": (lambda: b"\0\0\0\x18ftypheic" + bytes(40), "truncated" if HEIF else "unsupported"),
    "camera.nef": (lambda: b"MM\0*" + bytes(40), "unsupported"),
    "raw called.jpg": (lambda: b"FUJIFILMCCD-RAW " + bytes(50), "unsupported"),
    "pdf called.jpg": (lambda: b"%PDF-1.7\n", "unsupported"),
    "drawing called.png": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported"),
    "eps called.jpg": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n", "unsupported"),
    "jpeg xl called.jpg": (lambda: b"\xff\x0a" + bytes(50), "unsupported"),
}


def test_the_zoo_has_more_than_sixty_kinds() -> None:
    assert len(ZOO) > 110
    assert sum(isinstance(outcome, str) for _, outcome in ZOO.values()) > 50


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zoo")
    for name, (make, _) in ZOO.items():
        (folder / name).write_bytes(make())
    report = index(folder)
    good = sum(not isinstance(outcome, str) for _, outcome in ZOO.values())
    assert (report.added, sum(report.failed.values()), report.total) == (good, len(ZOO) - good, len(ZOO))
    return folder


@pytest.fixture(scope="module")
def outcomes(zoo: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The rows of the table, and the reasons of the failures."""
    return state(zoo)["images"], failures(zoo)


@pytest.mark.parametrize("name", ZOO)
def test_every_odd_file_has_its_outcome(outcomes: tuple[dict[str, Any], dict[str, str]], name: str) -> None:
    expected = ZOO[name][1]
    rows, failed = outcomes
    if isinstance(expected, str):
        assert failed[name] == expected
        assert name not in rows
        return
    size, colour = expected
    assert name not in failed
    assert (rows[name]["width"], rows[name]["height"]) == size
    with Image.open(io.BytesIO(rows[name]["thumbnail"])) as small:
        middle = np.array(small.convert("RGB"))[small.height // 2, small.width // 2].astype(int)
    assert np.abs(middle - colour).max() <= 12, middle


def test_every_failure_says_which_file_and_what_to_know(zoo: Path) -> None:
    messages = {failure.location: failure.message for failure in clipdex.open(zoo).failures()}
    assert all(message.startswith(f"{location}: ") and "\n" not in message for location, message in messages.items())
    assert "200 megapixels" in messages["bomb.png"]
    assert "convert it to JPEG" in messages["jpeg xl called.jpg"]
    assert "0 bytes" in messages["empty.jpg"]


def test_a_second_run_over_the_zoo_changes_nothing(zoo: Path) -> None:
    before = state(zoo)
    report = index(zoo)
    assert (report.added, report.updated, report.removed, report.unchanged) == (0, 0, 0, len(before["images"]))
    assert state(zoo) == before


# --- what is no regular file -----------------------------------------------------------------------------------------

# How it is made at a place, and its outcome; None: it is not met at all.
STRANGE: dict[str, tuple[Callable[[Path], object], str | None]] = {
    "folder.jpg": (lambda place: place.mkdir(), None),
    "pipe.jpg": (os.mkfifo, "not an image"),
    "socket.jpg": (lambda place: socket.socket(socket.AF_UNIX).bind(str(place)), "not an image"),
    "dangling.jpg": (lambda place: place.symlink_to("nowhere"), "vanished"),
    "itself.jpg": (lambda place: place.symlink_to(place.name), "read error"),
    "endless.jpg": (lambda place: place.symlink_to("/dev/zero"), "not an image"),
    "nothing.jpg": (lambda place: place.symlink_to("/dev/null"), "not an image"),
}


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_what_is_no_regular_file_hangs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")  # the path of a socket must be short
    for name, (make, _) in STRANGE.items():
        make(Path(name))
    Path("link.png").symlink_to("real.png")
    Path("real.png").write_bytes(encoded(plain(), "PNG"))
    report = index(tmp_path / "here")
    assert failures(tmp_path / "here") == {name: outcome for name, (_, outcome) in STRANGE.items() if outcome}
    assert (report.added, report.total) == (2, 2 + sum(outcome is not None for _, outcome in STRANGE.values()))


# --- flipped bytes ---------------------------------------------------------------------------------------------------

MANY = 20_000 if os.environ.get("CLIPDEX_SLOW") else 2_000
KINDS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "MPO", "TGA")
REASONS = {"not an image", "truncated", "empty file", "too large", "unsupported"}
LONGEST = 30.0  # seconds for one file; it takes milliseconds


def flipped(whole: bytes, chance: random.Random) -> bytes:
    """One to four bytes are others, more often near the beginning, where the structure is."""
    data = bytearray(whole)
    for _ in range(chance.randint(1, 4)):
        end = chance.choice((32, 256, len(data)))
        data[chance.randrange(min(end, len(data)))] = chance.randrange(256)
    return bytes(data)


def outcome(data: bytes) -> np.ndarray | str:
    """The pixels of a file, or why it has none; all that an index run does with it is done."""
    encoder, started = load_encoder("toy"), time.monotonic()
    try:
        (image, width, height), pixels = read_picture(encoder, data)
    except ImageError as error:
        return error.reason
    except (AssertionError, AttributeError, ArithmeticError, LookupError, TypeError, ValueError):
        return "decoder error"  # what the indexer calls it
    finally:
        assert time.monotonic() - started < LONGEST
    assert width > 0 and height > 0
    with Image.open(io.BytesIO(thumbnail(image))) as small:
        small.load()
    assert abs(float(np.linalg.norm(encoder.encode_prepared(pixels[np.newaxis])[0])) - 1) < 1e-3
    return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_with_flipped_bytes_is_a_picture_or_a_failure_with_a_reason(kind: str) -> None:
    picture = Image.fromarray(np.random.default_rng(5).integers(0, 256, (24, 32, 3), np.uint8)).resize((96, 72))
    whole, chance = encoded(picture, kind), random.Random(kind)
    right = np.asarray(open_image(whole).convert("RGB"))
    found = [outcome(flipped(whole, chance)) for _ in range(MANY // len(KINDS))]
    reasons = {each for each in found if isinstance(each, str)}
    assert reasons and reasons <= REASONS | {"decoder error"}
    if kind == "PNG":  # the only one of them with checksums: what is not as it was written is told
        assert all(np.array_equal(each, right) for each in found if not isinstance(each, str))


def test_flipped_files_in_a_folder_end_in_exactly_one_state_each(tmp_path: Path) -> None:
    chance, whole = random.Random(7), {kind: encoded(noisy(), kind) for kind in KINDS}
    for number in range(100):
        (tmp_path / f"{number:03}.jpg").write_bytes(flipped(whole[KINDS[number % len(KINDS)]], chance))
    report = index(tmp_path)
    found, failed = state(tmp_path)["images"], failures(tmp_path)
    assert len(found) + len(failed) == report.total == 100
    assert found.keys().isdisjoint(failed)
    assert set(failed.values()) <= REASONS | {"decoder error"}
