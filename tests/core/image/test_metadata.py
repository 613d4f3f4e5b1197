"""Is what an image says about itself read as people mean it, and never believed when it makes no sense?"""

from __future__ import annotations

import io
import random
from datetime import datetime
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from core.image.decode import open_image, open_reduced
from core.image.metadata import Metadata, metadata

EXIF, GPS = 0x8769, 0x8825
FULL = {
    0x010F: "Canon",
    0x0110: "Canon EOS R5",
    EXIF: {0x9003: "2024:05:01 12:30:45", 0x9291: "12", 0xA434: "RF24-70mm F2.8 L IS USM"},
    GPS: {1: "S", 2: (10.0, 30.0, 0.0), 3: "W", 4: (1.0, 0.0, 36.0)},
}
READ = Metadata(
    taken=datetime(2024, 5, 1, 12, 30, 45, 120_000),
    camera="Canon EOS R5",
    lens="RF24-70mm F2.8 L IS USM",
    latitude=-10.5,
    longitude=-1.01,
    format="JPEG",
)


def exif(tags: dict[int, Any]) -> Image.Exif:
    made = Image.Exif()
    for tag, value in tags.items():
        if isinstance(value, dict):
            made.get_ifd(tag).update(value)
        else:
            made[tag] = value
    return made


def picture(tags: dict[int, Any], kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (80, 40), "red").save(out, kind, exif=exif(tags))
    return out.getvalue()


def read(tags: dict[int, Any], kind: str = "JPEG") -> Metadata:
    return metadata(open_image(picture(tags, kind)))


def in_exif(**fields: Any) -> dict[int, Any]:
    names = {"original": 0x9003, "fraction": 0x9291, "digitized": 0x9004, "lens": 0xA434}
    return {EXIF: {names[name]: value for name, value in fields.items()}}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_everything_is_read_from_each_format(kind: str) -> None:
    found = read(FULL | {0x0112: 6}, kind)  # turning the image upright keeps the rest
    assert found.format == kind
    assert Metadata(**vars(found) | {"format": "JPEG"}) == READ


def test_a_reduced_picture_says_the_same() -> None:
    out = io.BytesIO()
    Image.new("RGB", (1600, 1200)).save(out, "JPEG", exif=exif(FULL))
    opened = open_reduced(out.getvalue(), 100)
    assert opened.image.width < 1600
    assert metadata(opened.image) == READ


def test_a_tiff_with_its_tags_behind_the_pixels() -> None:
    own = {256: 80, 257: 40, 258: 8, 259: 1, 262: 1, 273: 4096, 277: 1, 278: 40, 279: 3200}
    header = exif(FULL | own).tobytes().removeprefix(b"Exif\0\0")
    found = metadata(open_image(header.ljust(4096, b"\0") + b"\x80" * 9999))
    assert Metadata(**vars(found) | {"format": "JPEG"}) == READ
    assert found.format == "TIFF"


def test_a_picture_that_says_nothing_has_only_its_format() -> None:
    assert read({}) == Metadata(format="JPEG")
    assert metadata(Image.new("RGB", (2, 2))) == Metadata()


def test_several_pictures_in_one_file_are_a_jpeg_to_people() -> None:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))])
    assert metadata(open_image(out.getvalue())).format == "JPEG"


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("Canon", "Canon EOS R5", "Canon EOS R5"),
        ("NIKON CORPORATION", "NIKON D750", "NIKON D750"),
        ("Apple", "iPhone 12", "Apple iPhone 12"),
        ("SONY", "ILCE-7M4\0\0\0 rubbish", "SONY ILCE-7M4"),
        ("  OLYMPUS IMAGING CORP.  ", "E-M10   Mark II ", "OLYMPUS IMAGING CORP. E-M10 Mark II"),
        ("Leica\n\x07Camera", None, "Leica Camera"),
        (None, "DMC-FZ8", "DMC-FZ8"),
        ("Jurgens", "Kamera №1".encode(), "Jurgens Kamera №1"),
        ("", "", None),
        ("----", "    ", None),
        ("Canon", "x" * 5000, "Canon " + "x" * 200),
    ],
)
def test_make_and_model_become_one_name(make: str | None, model: str | bytes | None, camera: str | None) -> None:
    tags = {0x010F: make, 0x0110: model}
    assert read({tag: value for tag, value in tags.items() if value is not None}).camera == camera


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("2024:05:01 12:30:45", datetime(2024, 5, 1, 12, 30, 45)),
        ("2024-05-01T12:30:45+02:00", datetime(2024, 5, 1, 12, 30, 45)),
        ("2024/05/01 12:30", datetime(2024, 5, 1, 12, 30)),
        ("2024:05:01", datetime(2024, 5, 1)),
        ("2024:5:1 1:2:3", datetime(2024, 5, 1, 1, 2, 3)),
        ("2024:05:01 12:30:45\0", datetime(2024, 5, 1, 12, 30, 45)),
        ("0000:00:00 00:00:00", None),
        ("    :  :     :  :  ", None),
        ("2024:13:01 12:30:45", None),
        ("2023:02:29 12:30:45", None),
        ("2024:05:01 24:00:00", None),
        ("0001:01:01 00:00:00", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_the_time_of_the_camera(text: str, taken: datetime | None) -> None:
    assert read(in_exif(original=text)).taken == taken


def test_a_scanned_picture_has_the_time_of_the_scan_and_an_edited_one_not_that_of_the_edit() -> None:
    assert read(in_exif(original="0000:00:00 00:00:00", digitized="2001:02:03 04:05:06")).taken == datetime(
        2001, 2, 3, 4, 5, 6
    )
    assert read({0x0132: "2001:02:03 04:05:06"}).taken is None


@pytest.mark.parametrize(
    ("tags", "position"),
    [
        ({1: "N", 2: (48.0, 51.0, 29.6), 3: "E", 4: (2.0, 17.0, 40.2)}, (48.858222, 2.2945)),
        ({1: "n", 2: (48.5,), 3: "w\0", 4: (2.5,)}, (48.5, -2.5)),
        ({1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)}, (None, None)),
        ({1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (9.0, 0.0, 0.0)}, (0, 9)),
        ({1: "N", 2: (91.0, 0.0, 0.0), 3: "E", 4: (2.0, 0.0, 0.0)}, (None, None)),
        ({1: "N", 2: (1.0, 0.0, 0.0), 3: "E", 4: (180.0, 1.0, 0.0)}, (None, None)),
        ({1: "N", 2: (1.0, 0.0, 0.0)}, (None, None)),
        ({2: (1.0, 0.0, 0.0), 4: (2.0, 0.0, 0.0)}, (None, None)),
        ({1: "E", 2: (1.0, 0.0, 0.0), 3: "N", 4: (2.0, 0.0, 0.0)}, (None, None)),
        ({1: "N", 2: (IFDRational(1, 0), 0.0, 0.0), 3: "E", 4: (2.0, 0.0, 0.0)}, (None, None)),
    ],
)
def test_where_on_the_globe(tags: dict[int, Any], position: tuple[float | None, float | None]) -> None:
    found = read({GPS: tags})
    assert (found.latitude, found.longitude) == pytest.approx(position, abs=1e-6)


class Odd:
    """An image whose tags hold whatever a hostile file, and whatever reads it, may come up with."""

    format = "JPEG"

    def __init__(self, tags: dict[int, Any]) -> None:
        self.tags = tags

    def getexif(self) -> Odd:
        return self

    def get(self, tag: int, default: Any = None) -> Any:
        return self.tags.get(tag, default)

    def get_ifd(self, tag: int) -> Any:
        return self.tags.get(tag, {})


ODD = st.recursive(
    st.none()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.binary(max_size=30)
    | st.just(10**400)
    | st.builds(IFDRational, st.integers(-(2**31), 2**32), st.integers(-2, 2))
    | st.builds(Fraction, st.integers(), st.integers(1)),
    lambda inner: st.tuples(inner, inner, inner) | st.lists(inner, max_size=4),
    max_leaves=8,
)
SUB = st.dictionaries(st.sampled_from([1, 2, 3, 4, 0x9003, 0x9291, 0x9004, 0xA434]), ODD) | ODD


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from([0x010F, 0x0110]), ODD), SUB, SUB)
def test_no_value_of_any_type_breaks_it(tags: dict[int, Any], taken: Any, place: Any) -> None:
    found = metadata(Odd(tags | {EXIF: taken, GPS: place}))  # type: ignore[arg-type]
    assert (found.latitude is None) == (found.longitude is None)
    assert found.latitude is None or (-90 <= found.latitude <= 90 and -180 <= (found.longitude or 0) <= 180)
    for text in (found.camera, found.lens):
        assert text is None or (text.isprintable() and text == text.strip() and 0 < len(text) <= 401)
        assert text is None or text.encode()


def test_damaged_exif_never_ends_in_an_error() -> None:
    data = picture(FULL)
    start, end = data.index(b"Exif\0\0"), data.index(b"\xff\xdb")
    generator = random.Random(5)
    for _ in range(300):
        damaged = bytearray(data)
        for _ in range(generator.randrange(1, 6)):
            damaged[generator.randrange(start + 6, end)] = generator.randrange(256)
        assert metadata(open_image(bytes(damaged))).format == "JPEG"
