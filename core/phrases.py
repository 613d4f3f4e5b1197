"""Which words do people search pictures with?  Some hundred everyday phrases: ordinary queries to measure against."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path


@cache
def everyday() -> tuple[str, ...]:
    """The bundled phrases, no two the same: people, animals, places, food, things, drawings, colours."""
    found: list[str] = json.loads(Path(__file__).with_name("phrases.json").read_text("utf-8"))["phrases"]
    return tuple(found)
