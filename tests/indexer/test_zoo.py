"""What becomes of every odd file?  One table: a kind of file, how it is made, and its outcome.

The outcome is the upright size of the indexed picture and the colour in the middle of its thumbnail, or the reason
under which the file is found among the failures.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import clipdex
from tests.indexer.pictures import failures, index, paint, state

RED, GREEN, WHITE, GREY, BLACK = (255, 0, 0), (0, 128, 0), (255, 255, 255), (128, 128, 128), (0, 0, 0)
Outcome = tuple[tuple[int, int], tuple[int, int, int]] | str


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def plain(mode: str = "RGB", colour: object = "red", size: tuple[int, int] = (64, 48)) -> Image.Image:
    return Image.new(mode, size, colour)  # type: ignore[arg-type]


def noisy() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8))


def rotated() -> bytes:
    """Stored lying, with the note that it is to be shown turned by 90 degrees."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(plain(), "JPEG", exif=exif)


def palette_with_transparency() -> bytes:
    """A palette picture whose every pixel is see-through: people see the white behind it."""
    image = plain("P", 0)
    image.putpalette([200, 0, 0])
    return encoded(image, "PNG", transparency=0)


def bomb() -> bytes:
    """A PNG of a few bytes that declares 50,000 x 50,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def animated(kind: str) -> bytes:
    return encoded(plain(), kind, save_all=True, append_images=[plain(colour="blue")], duration=50)


ZOO: dict[str, tuple[Callable[[], bytes], Outcome]] = {
    "plain.jpg": (lambda: encoded(plain(), "JPEG"), ((64, 48), RED)),
    "UPPER.JPEG": (lambda: encoded(plain(), "JPEG"), ((64, 48), RED)),
    "png called.jpg": (lambda: encoded(plain(), "PNG"), ((64, 48), RED)),
    "plain.webp": (lambda: encoded(plain(), "WEBP", lossless=True), ((64, 48), RED)),
    "plain.bmp": (lambda: encoded(plain(), "BMP"), ((64, 48), RED)),
    "plain.tif": (lambda: encoded(plain(), "TIFF"), ((64, 48), RED)),
    "plain.avif": (lambda: encoded(plain(), "AVIF"), ((64, 48), RED)),
    "plain.gif": (lambda: encoded(plain(), "GIF"), ((64, 48), RED)),
    "animated.gif": (lambda: animated("GIF"), ((64, 48), RED)),  # the first frame
    "animated.webp": (lambda: animated("WEBP"), ((64, 48), RED)),
    "animated.png": (lambda: animated("PNG"), ((64, 48), RED)),
    "cmyk.jpg": (lambda: encoded(plain("CMYK", (0, 0, 0, 127)), "JPEG"), ((64, 48), GREY)),
    "grey.jpg": (lambda: encoded(plain("L", 128), "JPEG"), ((64, 48), GREY)),
    "one bit.png": (lambda: encoded(plain("1", 1), "PNG"), ((64, 48), WHITE)),
    "16 bit.png": (lambda: encoded(plain("I;16", 32896), "PNG"), ((64, 48), GREY)),
    "float.tif": (lambda: encoded(plain("F", 0.0), "TIFF"), ((64, 48), BLACK)),
    "palette with transparency.png": (palette_with_transparency, ((64, 48), WHITE)),
    "half transparent.png": (lambda: encoded(plain("RGBA", (255, 0, 0, 0)), "PNG"), ((64, 48), WHITE)),
    "rotated.jpg": (rotated, ((48, 64), RED)),
    "one pixel.png": (lambda: encoded(plain(size=(1, 1)), "PNG"), ((1, 1), RED)),
    "very long.png": (lambda: encoded(plain(size=(5000, 1)), "PNG"), ((5000, 1), RED)),
    "text.jpg": (lambda: b"this is a text, not a picture\n", "not an image"),
    "page.png": (lambda: b"<!DOCTYPE html><html>404</html>", "not an image"),
    "zeros.jpg": (lambda: bytes(5000), "not an image"),
    "empty.jpg": (lambda: b"", "empty file"),
    "truncated.jpg": (lambda: encoded(noisy(), "JPEG")[:9000], "truncated"),
    "only a header.jpg": (lambda: b"\xff\xd8\xff", "truncated"),
    "truncated.png": (lambda: encoded(noisy(), "PNG")[:9000], "truncated"),
    "truncated.webp": (lambda: encoded(noisy(), "WEBP")[:3000], "truncated"),
    "zeros at the end.jpg": (lambda: encoded(noisy(), "JPEG")[:9000] + bytes(9000), "truncated"),
    "bomb.png": (bomb, "too large"),
    "phone.heic": (lambda: b"\0\0\0\x18ftypheic" + bytes(40), "unsupported"),
    "heic called.jpg": (lambda: b"\0\0\0\x18ftypheic" + bytes(40), "unsupported"),
    "camera.nef": (lambda: b"MM\0*" + bytes(40), "unsupported"),
}


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zoo")
    for name, (make, _) in ZOO.items():
        (folder / name).write_bytes(make())
    report = index(folder)
    good = sum(not isinstance(outcome, str) for _, outcome in ZOO.values())
    assert (report.added, sum(report.failed.values()), report.total) == (good, len(ZOO) - good, len(ZOO))
    return folder


@pytest.mark.parametrize("name", ZOO)
def test_every_odd_file_has_its_outcome(zoo: Path, name: str) -> None:
    expected = ZOO[name][1]
    rows, failed = state(zoo)["images"], failures(zoo)
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
    assert "convert it to JPEG" in messages["phone.heic"]
    assert "0 bytes" in messages["empty.jpg"]


def test_a_second_run_over_the_zoo_changes_nothing(zoo: Path) -> None:
    before = state(zoo)
    report = index(zoo)
    assert (report.added, report.updated, report.removed, report.unchanged) == (0, 0, 0, len(before["images"]))
    assert state(zoo) == before


def test_names_of_all_kinds_survive(tmp_path: Path) -> None:
    names = [
        b"new\nline.jpg",
        b"quo'te\".jpg",
        "🎉 é.jpg".encode(),
        b"caf\xe9.jpg",
        b"-rf.jpg",
        b"%41.jpg",
        b"\x1b[31m.jpg",
    ]
    names.append(b"n" * 251 + b".jpg")
    for number, name in enumerate(names):
        os.rename(paint(tmp_path / "a.jpg", seed=number), os.fsencode(tmp_path) + b"/" + name)  # noqa: PTH104
    deep = tmp_path.joinpath(*["d" * 200] * 15)
    deep.mkdir(parents=True)
    paint(deep / "deep.jpg", "blue")
    index(tmp_path)
    searcher = clipdex.open(tmp_path)
    found = {os.fsencode(hit.path) for hit in searcher.search("red", limit=50) if hit.path}
    assert found == {os.fsencode(tmp_path) + b"/" + name for name in names} | {os.fsencode(deep / "deep.jpg")}
    for hit in searcher.search("red", limit=50):
        assert searcher.search(like=hit.id, limit=1)[0].score == pytest.approx(1, abs=1e-5)
        assert hit.id.isprintable()
    assert index(tmp_path).unchanged == len(names) + 1
