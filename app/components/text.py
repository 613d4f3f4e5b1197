"""How do words from files get into a page without becoming Markdown or HTML?"""

from __future__ import annotations

import re

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~:$&^=])")


def as_text(text: str) -> str:
    """Captions and file names as Markdown that shows exactly these letters, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
