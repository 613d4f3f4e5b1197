"""Reads the captions that people or programs wrote into an image file.

Three places are read: EXIF ImageDescription, XMP dc:description and IPTC caption. All of it is untrusted text, so XMP
is searched with bounded expressions instead of an XML parser (no entities, nothing to blow up), and damaged data
yields no caption rather than an error.
"""

from __future__ import annotations

import html
import re
import struct
from collections.abc import Callable, Iterator

from PIL import Image, TiffImagePlugin

from core.image.pillow import pillow_guard

MAX_CHARACTERS = 10_000  # of one caption; no person writes more, and everything is embedded
MAX_XMP_BYTES = 4 * 1024 * 1024

_EXIF_DESCRIPTION = 0x010E
_XMP_ITEM = re.compile(r"<rdf:li(?:\s[^<>]{0,200})?>([^<]{0,20000})</rdf:li>")
_XMP_ATTRIBUTE = re.compile(r"dc:description\s{0,9}=\s{0,9}(?:\"([^\"<]{0,20000})\"|'([^'<]{0,20000})')")

# What cameras and programs write when nobody wrote anything.
_JUNK = re.compile(
    r"""(olympus|minolta|konica\ minolta|kodak|samsung|nikon|canon|fuji(film)?|panasonic|pentax|casio|sanyo|hp|vivitar)?
        \s*(digital(\ still)?\ camera|dsc|camera)s?
      | sony\ dsc | sony | default | exif_jpeg_picture | jpeg | image | picture | photo | untitled
      | my\ beautiful\ picture
      | (hw)?hdr(pl)? | sdr | edf | mde | dav | oznor | cof | rhdr | nor | ptr | dig | btf | btfmdn | bty | fbt | fptbty
      | (dsc|dscn|dscf|img|pict|pxl|p|mvimg|vid)[_\- ]?\d+(\.\w{3,4})?
      | (created|edited)\ with\ .{0,60} | <?(kenox|digimax)\ .{0,60} | dcf\ 1\.0 | dcim | ascii | unicode""",
    re.VERBOSE | re.IGNORECASE,
)


def description(image: Image.Image) -> list[str]:
    """The captions embedded in a picture that `open_image` returned: trimmed, each once, in the order EXIF, XMP, IPTC.

    Default strings of cameras are dropped. Never raises: damaged metadata holds no caption.
    """
    with pillow_guard():
        texts = [_tidy(text) for read in (_exif, _xmp, _iptc) for text in _attempt(read, image)]
    return list(dict.fromkeys(text for text in texts if _says_something(text)))


def _attempt(read: Callable[[Image.Image], Iterator[str]], image: Image.Image) -> list[str]:
    try:
        return list(read(image))
    except Exception:  # parsers of hostile data raise anything; nothing readable is there then
        return []


def _exif(image: Image.Image) -> Iterator[str]:
    value = image.getexif().get(_EXIF_DESCRIPTION)
    if isinstance(value, str):
        # EXIF is ASCII by its standard and UTF-8 in practice; Pillow reads it as Latin-1.
        value = value.encode("latin-1", "replace") if max(value, default="") <= "\xff" else value.encode()
    if isinstance(value, bytes):
        yield _text(value)


def _xmp(image: Image.Image) -> Iterator[str]:
    data = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    text = data if isinstance(data, str) else _text(bytes(data[:MAX_XMP_BYTES]))
    start = text.find("<dc:description")
    if start >= 0:
        end = text.find("</dc:description>", start)
        for item in _XMP_ITEM.finditer(text, start, end if end >= 0 else start):
            yield html.unescape(item[1])
    else:
        for item in _XMP_ATTRIBUTE.finditer(text):
            yield html.unescape(item[1] or item[2] or "")


def _iptc(image: Image.Image) -> Iterator[str]:
    records = list(_iptc_records(_iptc_data(image)))
    utf8 = (1, 90, b"\x1b%G") in records  # the character set it declares
    for record, number, value in records:
        if (record, number) == (2, 120):  # caption
            yield value.decode("utf-8", "replace") if utf8 else _text(value)


def _iptc_data(image: Image.Image) -> bytes:
    """The IPTC block: in a JPEG's Photoshop segment, which survives turning the picture, or in a TIFF tag."""
    block = image.info["photoshop"][0x0404] if "photoshop" in image.info else None
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        block = image.tag_v2.get(TiffImagePlugin.IPTC_NAA_CHUNK)
    return block if isinstance(block, bytes) else b""


def _iptc_records(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Record, number and value of each entry (IPTC Information Interchange Model 4.2, section 1.5)."""
    at = 0
    while at + 5 <= len(data) and data[at] == 0x1C:
        _, record, number, length = struct.unpack_from(">BBBH", data, at)
        yield record, number, data[at + 5 : at + 5 + length]
        at += 5 + length


def _text(data: bytes) -> str:
    """UTF-8 where it is, Windows' Latin-1 otherwise."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _tidy(text: str) -> str:
    """One line, without control characters, of a bounded length."""
    printable = "".join(c if c.isprintable() or c.isspace() else " " for c in text[: 2 * MAX_CHARACTERS])
    return " ".join(printable.split())[:MAX_CHARACTERS].strip()


def _says_something(text: str) -> bool:
    return any(c.isalpha() for c in text) and not _JUNK.fullmatch(text)
