"""Escapes text from files so that it cannot become Markdown or HTML."""

from __future__ import annotations

import re

from app.formatting import sendable

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~:$&^=])")


def as_text(text: str) -> str:
    """Captions and file names as Markdown that shows exactly these letters, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(sendable(text).split()))
