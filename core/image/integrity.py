"""Detects truncated image files.

Pillow refuses a file that simply stops. What it decodes without a word is one whose end is zeros, as interrupted copies
leave it (half an image then), and a PNG whose pixels have other checksums than it says.
"""

from __future__ import annotations

import os
import zlib
from typing import BinaryIO

from core.errors import ImageError

_END_OF_JPEG = b"\xff\xd9"
_TAIL = 1 << 16  # bytes


def check_whole(file: BinaryIO, kind: str | None, name: str) -> None:
    """Raise `ImageError` for a file of Pillow's format `kind` that is cut short; `file` stays where it was."""
    check, problem = _CHECKS.get(kind or "", (None, ""))
    if check is None:
        return
    position = file.tell()
    whole = check(file)
    file.seek(position)
    if not whole:
        raise ImageError("truncated", f"{name}: is cut short{problem}")


def _png_is_whole(file: BinaryIO) -> bool:
    """Are the pixels those that were written? Pillow reads the checksums of other parts only."""
    file.seek(8)
    while len(head := file.read(8)) == 8:
        size, kind = int.from_bytes(head[:4]), head[4:]
        if kind not in (b"IHDR", b"PLTE", b"IDAT"):
            if kind in (b"IEND", bytes(4)):
                break
            file.seek(size + 4, os.SEEK_CUR)
            continue
        found = zlib.crc32(kind)
        while size > 0 and (part := file.read(min(size, 1 << 20))):
            found, size = zlib.crc32(part, found), size - len(part)
        if file.read(4) != found.to_bytes(4):
            return False
    return True


def _jpeg_is_whole(file: BinaryIO) -> bool:
    """Does an end marker follow the first scan's start? In compressed data 0x00 follows every 0xFF, so it is one."""
    file.seek(2)
    while (head := file.read(4))[:1] == b"\xff" and len(head) == 4:
        if head[1] == 0xFF:  # padding before a marker
            file.seek(-3, os.SEEK_CUR)
            continue
        file.seek(int.from_bytes(head[2:]) - 2, os.SEEK_CUR)
        if head[1] == 0xDA:
            break
    scan = file.tell()
    file.seek(max(scan, file.seek(0, os.SEEK_END) - _TAIL))
    if _END_OF_JPEG in file.read(_TAIL):  # where it is in nearly all files
        return True
    file.seek(scan)
    last = b""
    while chunk := file.read(1 << 20):
        if _END_OF_JPEG in last + chunk:
            return True
        last = chunk[-1:]
    return False


def _webp_is_whole(file: BinaryIO) -> bool:
    """Does the declared length end in something else than zeros? Compressed data holds no thousand of them."""
    file.seek(4)
    end = 8 + int.from_bytes(file.read(4), "little")
    file.seek(max(0, end - 1024))
    return end < 2048 or any(file.read(1024))


_JPEG = _jpeg_is_whole, ": the end of its JPEG data is missing"
_CHECKS = {
    "JPEG": _JPEG,
    "MPO": _JPEG,
    "WEBP": (_webp_is_whole, ": the end of its WEBP data is missing"),
    "PNG": (_png_is_whole, " or damaged: a checksum in it is missing or wrong"),
}
