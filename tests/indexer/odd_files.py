"""How are odd and hostile image files made?  Each function gives the bytes of one."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import numpy as np
from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def plain(mode: str = "RGB", colour: object = "red", size: tuple[int, int] = (64, 48)) -> Image.Image:
    return Image.new(mode, size, colour)  # type: ignore[arg-type]


def noisy() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8))


def cut(kind: str, length: int) -> bytes:
    """The beginning of a noisy image."""
    return encoded(noisy(), kind)[:length]


def oriented(value: int) -> bytes:
    """With the note how it is to be turned to be upright."""
    exif = Image.Exif()
    exif[0x0112] = value
    return encoded(plain(), "JPEG", exif=exif)


def palette_with_transparency() -> bytes:
    """A palette image whose every pixel is see-through: people see the white behind it."""
    image = plain("P", 0)
    image.putpalette([200, 0, 0])
    return encoded(image, "PNG", transparency=0)


def animated(kind: str, mode: str = "RGB", first: object = "red", second: object = "blue") -> bytes:
    return encoded(plain(mode, first), kind, save_all=True, append_images=[plain(mode, second)], duration=50)


def pages(kind: str) -> bytes:
    return encoded(plain(), kind, save_all=True, append_images=[plain(colour="blue")])


# --- PNG -------------------------------------------------------------------------------------------------------------


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, colour: int, rows: bytes, *further: bytes, interlace: int = 0) -> bytes:
    """A PNG by its parts; colour 0 is grey, 2 RGB, 3 palette. Each row begins with a byte for its filter."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace)
    data = chunk(b"IDAT", zlib.compress(rows))
    return SIGNATURE + chunk(b"IHDR", header) + b"".join(further) + data + chunk(b"IEND", b"")


RED_PIXEL = b"\0\xff\0\0"


def packed(kind: bytes) -> bytes:
    """A chunk of a few bytes that unpacks to twenty megabytes."""
    return chunk(kind, b"a\0\0" + zlib.compress(bytes(20_000_000)))


def without_data() -> bytes:
    return SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0)) + chunk(b"IEND", b"")


def wrong_sum(kind: bytes) -> bytes:
    """The checksum of one chunk is another."""
    data = bytearray(encoded(plain(), "PNG"))
    at = data.index(kind)
    end = at + 4 + int.from_bytes(data[at - 4 : at])
    data[end] ^= 1
    return bytes(data)


# --- others ----------------------------------------------------------------------------------------------------------


def jpeg_of(width: int, height: int) -> bytes:
    """A JPEG that tells of another size than it has."""
    data = encoded(plain(), "JPEG")
    at = data.index(b"\xff\xc0")
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def without_tables() -> bytes:
    data = encoded(plain(), "JPEG")
    return b"\xff\xd8" + data[data.index(b"\xff\xc0") :]


def bmp(width: int, height: int) -> bytes:
    data = b"\x00\x00\xff" * 4
    header = struct.pack("<IHHI", 54 + len(data), 0, 0, 54)
    return b"BM" + header + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(data), 0, 0, 0, 0) + data


def gif_of(width: int, height: int) -> bytes:
    data = encoded(plain(), "GIF")
    return data[:6] + struct.pack("<HH", width, height) + data[10:]


def webp_of(width: int, height: int) -> bytes:
    data = encoded(plain(), "WEBP", lossless=True)
    at = data.index(b"VP8L") + 9
    return data[:at] + struct.pack("<I", (width - 1) | (height - 1) << 14) + data[at + 4 :]


def tiff_with(tag: int, value: int) -> bytes:
    """A TIFF in which one field says something else."""
    data = encoded(plain(), "TIFF")
    (at,) = struct.unpack("<I", data[4:8])
    (fields,) = struct.unpack("<H", data[at : at + 2])
    for place in range(at + 2, at + 2 + 12 * fields, 12):
        if struct.unpack("<H", data[place : place + 2])[0] == tag:
            return data[: place + 8] + struct.pack("<I", value) + data[place + 12 :]
    raise AssertionError(tag)


def tiff_loop() -> bytes:
    """A TIFF whose next page is its first."""
    data = encoded(plain(), "TIFF")
    (at,) = struct.unpack("<I", data[4:8])
    (fields,) = struct.unpack("<H", data[at : at + 2])
    end = at + 2 + 12 * fields
    return data[:end] + struct.pack("<I", at) + data[end + 4 :]


def qoi() -> bytes:
    """64 x 48 red pixels: the first one in full, and runs of at most 62."""
    return b"qoif" + struct.pack(">IIBB", 64, 48, 3, 0) + b"\xfe\xff\0\0" + b"\xfd" * 50 + bytes(7) + b"\1"


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.jpg", encoded(plain(), "JPEG"))
    return out.getvalue()
