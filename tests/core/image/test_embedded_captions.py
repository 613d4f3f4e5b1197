"""Are the captions found that people wrote into their images, and nothing else?"""

from __future__ import annotations

import io
import struct
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.image.decode import open_image
from core.image.embedded_captions import description


def jpeg(image: Image.Image | None = None, **options: Any) -> bytes:
    out = io.BytesIO()
    (image or Image.new("RGB", (16, 12), "teal")).save(out, "JPEG", **options)
    return out.getvalue()


def exif(text: str | bytes, turn: int = 1) -> bytes:
    """EXIF with a description of exactly these bytes."""
    data = text.encode() if isinstance(text, str) else text
    value = data + b"\0" * max(1, 5 - len(data))
    entries = struct.pack(">HHII", 0x010E, 2, len(value), 8 + 2 + 2 * 12 + 4)
    entries += struct.pack(">HHIHH", 0x0112, 3, 1, turn, 0)
    return b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 2) + entries + struct.pack(">I", 0) + value


def xmp(inner: str) -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/">{inner}</rdf:Description></rdf:RDF></x:xmpmeta>'
    ).encode()


def alternatives(*texts: str) -> str:
    items = "".join(f'<rdf:li xml:lang="x-default">{text}</rdf:li>' for text in texts)
    title = "<dc:title><rdf:Alt><rdf:li>title</rdf:li></rdf:Alt></dc:title>"
    return f"{title}\n<dc:description>\n <rdf:Alt>{items}</rdf:Alt></dc:description>"


def with_iptc(data: bytes, *records: tuple[int, int, bytes]) -> bytes:
    """A JPEG with an IPTC block in a Photoshop segment, as image agencies write it."""
    block = b"".join(b"\x1c" + struct.pack(">BBH", record, n, len(value)) + value for record, n, value in records)
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(block)) + block + b"\0" * (len(block) % 2)
    payload = b"Photoshop 3.0\0" + resource
    return data[:2] + b"\xff\xed" + struct.pack(">H", len(payload) + 2) + payload + data[2:]


def captions(data: bytes) -> list[str]:
    return description(open_image(data))


def test_the_three_places_are_read_in_order() -> None:
    data = jpeg(exif=exif("a boat"), xmp=xmp(alternatives("a red boat")))
    data = with_iptc(data, (2, 5, b"title"), (2, 120, b"a red boat at dawn"))
    assert captions(data) == ["a boat", "a red boat", "a red boat at dawn"]


def test_the_same_caption_in_three_places_is_one() -> None:
    data = with_iptc(jpeg(exif=exif(" a boat "), xmp=xmp(alternatives("a  boat", "a\nboat"))), (2, 120, b"a boat"))
    assert captions(data) == ["a boat"]


@pytest.mark.parametrize("turn", [1, 6, 8])
def test_turning_a_picture_keeps_its_captions(turn: int) -> None:
    data = with_iptc(jpeg(exif=exif("one", turn), xmp=xmp(alternatives("two"))), (2, 120, b"three"))
    assert captions(data) == ["one", "two", "three"]


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_other_formats_carry_captions_too(kind: str) -> None:
    out = io.BytesIO()
    if kind == "TIFF":
        tags = {0x010E: "one", 700: xmp(alternatives("two"))}
        Image.new("RGB", (16, 12)).save(out, kind, tiffinfo=tags)
    elif kind == "PNG":
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp(alternatives("two")).decode())
        Image.new("RGB", (16, 12)).save(out, kind, exif=exif("one"), pnginfo=info)
    else:
        Image.new("RGB", (16, 12)).save(out, kind, exif=exif("one"), xmp=xmp(alternatives("two")))
    assert captions(out.getvalue()) == ["one", "two"]


def test_utf8_and_older_encodings_are_read() -> None:
    assert captions(jpeg(exif=exif("Grüße aus 東京"))) == ["Grüße aus 東京"]
    assert captions(jpeg(exif=exif("Grüße".encode("cp1252")))) == ["Grüße"]
    assert captions(with_iptc(jpeg(), (1, 90, b"\x1b%G"), (2, 120, "Grüße".encode()))) == ["Grüße"]
    assert captions(with_iptc(jpeg(), (2, 120, "Grüße".encode("cp1252")))) == ["Grüße"]


def test_xmp_entities_and_short_forms_are_read() -> None:
    assert captions(jpeg(xmp=xmp(alternatives("salt &amp; &quot;pepper&quot; &#x732b;")))) == ['salt & "pepper" 猫']
    short = xmp("").replace(b"<rdf:Description ", b'<rdf:Description dc:description="a short form" ')
    assert captions(jpeg(xmp=short)) == ["a short form"]


@pytest.mark.parametrize(
    "junk",
    [
        *("OLYMPUS DIGITAL CAMERA", "olympus digital camera  ", "SONY DSC", "KONICA MINOLTA DIGITAL CAMERA"),
        *("SAMSUNG DIGITAL CAMERA", "Samsung Camera", "DCIM", "Exif_JPEG_PICTURE", "MINOLTA DIGITAL CAMERA", "dav"),
        *("DSC_0123.JPG", "IMG_20240101", "untitled", "", "   ", "12345", "- -", "\x01\x02", "default", "oznor"),
    ],
)
def test_what_cameras_write_by_themselves_is_no_caption(junk: str) -> None:
    assert captions(jpeg(exif=exif(junk))) == []


@pytest.mark.parametrize(
    "text", ["A digital camera on a table", "Sony building", "Samsung Olympus", "img of a cat", "猫"]
)
def test_what_people_write_is_kept(text: str) -> None:
    assert captions(jpeg(exif=exif(text))) == [text]


def test_a_picture_without_metadata_has_no_captions() -> None:
    assert description(Image.new("RGB", (4, 4))) == []
    assert captions(jpeg()) == []


def test_a_caption_of_a_megabyte_is_cut() -> None:
    text = alternatives("word " * 3000)
    assert [len(caption) for caption in captions(jpeg(xmp=xmp(text)))] == [9999]  # 10,000 would end in a space


def test_an_entity_bomb_does_not_explode() -> None:
    bomb = '<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>' + alternatives("x &b;")
    assert captions(jpeg(xmp=xmp(bomb))) == ["x &b;"]


@pytest.mark.parametrize(
    "hostile",
    [
        "<dc:description>" + "<rdf:li" * 60_000,
        "<dc:description " * 60_000,
        'dc:description="' * 60_000,
        "<rdf:li>" * 60_000,
    ],
)
def test_hostile_xmp_takes_no_time(hostile: str) -> None:
    image = Image.new("RGB", (4, 4))
    image.info["xmp"] = hostile.encode()
    start = time.perf_counter()
    assert description(image) in ([], ["dc:description="])
    assert time.perf_counter() - start < 20  # milliseconds, where a careless expression takes minutes


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=200), place=st.sampled_from(["exif", "xmp", "photoshop", "XML:com.adobe.xmp"]))
def test_damaged_metadata_never_raises(data: bytes, place: str) -> None:
    image = Image.new("RGB", (4, 4))
    values: dict[str, Any] = {"exif": b"Exif\0\0" + data, "photoshop": {0x0404: data}}
    image.info[place] = values.get(place, data)
    assert all(isinstance(text, str) and text == text.strip() != "" for text in description(image))
