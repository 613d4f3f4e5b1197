"""Which words do people search pictures with?  A few hundred everyday phrases, as ordinary queries to measure against."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path


@cache
def everyday() -> tuple[str, ...]:
    """The bundled phrases, no two the same: people, animals, places, food, things, drawings, colours."""
    found: list[str] = json.loads(Path(__file__).with_name("phrases.json").read_text("utf-8"))["phrases"]
    return tuple(found)
