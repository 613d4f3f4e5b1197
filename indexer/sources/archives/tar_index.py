"""Indexes the members of a tar file from its headers.

Formats: the old one, ustar, GNU (long names, large numbers) and pax. No number in a header is believed: a member that
would reach beyond the end of the file ends the list with an error. POSIX.1-2017 (pax, ustar interchange format) and
the GNU tar manual (basic tar format) describe the fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

BLOCK = 512
MAX_EXTENDED = 1 << 20  # bytes of an extended header: names, not content

_FILES, _WITHOUT_DATA = (b"0", b"\0", b"7"), (b"1", b"2", b"3", b"4", b"5", b"6")
_PAX_ENTRY = re.compile(rb"(\d{1,20}) ([^=]+)=")


class CutShortError(Exception):
    """The archive does not end as one ends: it is damaged, or still being written."""


class Member(NamedTuple):
    """One entry. `kind`: "file", "hard link", "link", "folder", or "other" for what holds no plain content."""

    name: str  # bytes that are not UTF-8 as surrogates
    offset: int  # of its content
    size: int
    kind: str
    target: str = ""  # of links


def members(file: BinaryIO, length: int) -> Iterator[Member]:
    """The members of a tar file of `length` bytes, in their order. Raises `CutShortError` after the last whole one."""
    at = 0
    special: dict[str, str] = {}  # what extended headers say about the next member
    while True:
        header = _read(file, at, BLOCK, "a header")
        if not any(header):
            return
        size, kind = _number(header[124:136]), header[156:157]
        at += BLOCK
        _check(header, size, at)
        if kind in (b"x", b"g", b"L", b"K", b"X"):
            if size > MAX_EXTENDED:
                raise CutShortError(f"an extended header at byte {at:,} has {size:,} bytes")
            data = _read(file, at, size, "an extended header")
            if kind != b"g":  # a global one tells of comments in practice, and its sizes would be wrong for all
                special |= _extended(kind, data)
            at += _whole_blocks(size)
            continue
        size = _declared(special, size) if kind not in _WITHOUT_DATA else 0
        if at + size > length:
            raise CutShortError(
                f"a member at byte {at:,} declares {size:,} bytes and the file has {max(0, length - at):,} more"
            )
        yield _member(header, kind, special, at, size)
        at += _whole_blocks(size)
        special = {}


def _member(header: bytes, kind: bytes, special: dict[str, str], at: int, size: int) -> Member:
    name = special.get("path") or _name(header)
    target = special.get("linkpath") or _text(header[157:257])
    if "sparse" in special or kind == b"S":
        return Member(name, at, size, "other")
    if kind in _FILES:
        return Member(name, at, size, "folder" if name.endswith("/") else "file")
    return Member(name, at, size, {b"1": "hard link", b"2": "link", b"5": "folder"}.get(kind, "other"), target)


def _read(file: BinaryIO, at: int, size: int, what: str) -> bytes:
    file.seek(at)
    data = file.read(size)
    if len(data) < size:
        raise CutShortError(f"it ends at byte {at + len(data):,}, within {what} or without an end mark")
    return data


def _check(header: bytes, size: int, at: int) -> None:
    stored = _number(header[148:156])
    if stored != sum(header) - sum(header[148:156]) + 8 * 32:  # the field itself counts as spaces
        raise CutShortError(f"the header before byte {at:,} is damaged")
    if size < 0:
        raise CutShortError(f"a member at byte {at:,} declares {size:,} bytes")


def _number(field: bytes) -> int:
    """Octal digits, or, in GNU's way, a binary number behind a first byte of 0x80; -1 for what is neither."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:])
    digits = field.partition(b"\0")[0].strip()
    return int(digits, 8) if re.fullmatch(rb"[0-7]+", digits) else -1 if digits else 0


def _name(header: bytes) -> str:
    name = _text(header[:100])
    prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _extended(kind: bytes, data: bytes) -> dict[str, str]:
    if kind == b"L":
        return {"path": _text(data)}
    if kind == b"K":
        return {"linkpath": _text(data)}
    found: dict[str, str] = {}
    while (entry := _PAX_ENTRY.match(data)) is not None and entry.end() < int(entry[1]) <= len(data):
        key, value = entry[2].decode("ascii", "replace"), data[entry.end() : int(entry[1]) - 1]
        if key.startswith("GNU.sparse"):
            found["sparse"] = "1"
        elif key in ("path", "linkpath", "size"):
            found[key] = value.decode("utf-8", "surrogateescape")
        data = data[int(entry[1]) :]
    return found


def _declared(special: dict[str, str], size: int) -> int:
    text = special.get("size", "")
    return int(text) if re.fullmatch(r"\d{1,19}", text) else size


def _whole_blocks(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
