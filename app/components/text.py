"""How do words from files get into a page without becoming Markdown or HTML?"""

from __future__ import annotations

import re

_RAW = re.compile("[\ud800-\udfff]")
_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~:$&^=])")


def as_text(text: str) -> str:
    """Captions and file names as Markdown that shows exactly these letters, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(sendable(text).split()))


def sendable(text: str) -> str:
    """The text with � for each byte of a file name that is not UTF-8, which Streamlit cannot send."""
    return _RAW.sub("\ufffd", text)
