"""Escapes any text to one printable line, and reads it back."""

from __future__ import annotations

import re
import sys

_SHOWN = re.compile(r"\\(?:x([0-7][0-9a-f])|u([0-9a-f]{4})|U([0-9a-f]{8}))")


def escape_line(text: str) -> str:
    """Text for one line of a screen or a list: what could steer a terminal, or cannot be seen, is written as in ids;
    backslashes and bytes that are not UTF-8 stay, so that other programs find the file by it."""
    return "".join(each if each.isprintable() or "\udc80" <= each <= "\udcff" else code_of(each) for each in text)


def unescape_line(text: str) -> str:
    """What `escape_line` was given; the name of a file that itself looks like an escape is taken as one."""
    return _SHOWN.sub(lambda match: _seen(match[0], int("".join(filter(None, match.groups())), 16)), text)


def _seen(escaped: str, code: int) -> str:
    """The character of a code, if it is one that `escape_line` would write so."""
    found = chr(code) if code <= sys.maxunicode else escaped
    return found if escape_line(found) == escaped else escaped


def code_of(char: str) -> str:
    """A character as an escape."""
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
