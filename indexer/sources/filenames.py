"""Turns any file name into text, and back.

A name on disk is bytes. As an id it is text that fits a database, a terminal line and a URL: bytes that are not
UTF-8 and control characters are written `\\xNN`, and a backslash that is really in the name is written twice.

>>> escape("caf\\udce9/a\\nb")
'caf\\\\xe9/a\\\\x0ab'
>>> unescape(escape("caf\\udce9/a\\nb")) == "caf\\udce9/a\\nb"
True
"""

from __future__ import annotations

import re

from core.escaping import code_of

_SPECIAL = re.compile("[\\\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|(\\))")


def escape(name: str) -> str:
    """A name as the operating system gives it (invalid bytes as surrogates, PEP 383) as printable, storable text."""
    return _SPECIAL.sub(_escape_one, name)


def unescape(text: str) -> str:
    """The name again, for the operating system; text that `escape` did not make is returned as far as it can be."""
    return _ESCAPE.sub(_unescape_one, text)


def _escape_one(match: re.Match[str]) -> str:
    char = match.group()
    code = ord(char)
    if char == "\\":
        return "\\\\"
    if 0xDC80 <= code <= 0xDCFF:  # the byte NN, which is not UTF-8 here
        return f"\\x{code - 0xDC00:02x}"
    return code_of(char)


def _unescape_one(match: re.Match[str]) -> str:
    byte, code, _ = match.groups()
    if byte is not None:
        value = int(byte, 16)
        return chr(value) if value < 0x80 else chr(0xDC00 + value)
    return chr(int(code, 16)) if code is not None else "\\"
