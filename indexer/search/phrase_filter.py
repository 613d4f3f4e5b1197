"""Finds captions and file names that hold an exact phrase.

What quotes in a query demand. The answer is exact and belongs to the version that is searched: the words are looked
for in the captions in memory, which takes about half a second for a million of them.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import QueryError

if TYPE_CHECKING:
    from indexer.collection.snapshot import Snapshot, Target

_OUTSIDE = r"[^\pL\pN\pM]"  # what is not part of a word: no letter, digit or accent
_BETWEEN_NAMES = r"[^\pL\pN\pM/]"


def holds_phrase(snapshot: Snapshot, phrase: str, target: Target) -> np.ndarray:
    """(n,) bool: the images with a caption or a file name that holds a phrase, or the captions that do or whose
    image's file name does. Whole words, whatever their case and whatever stands between them. Raises `QueryError`."""
    words = _words(phrase)
    inner = f"{_BETWEEN_NAMES}+".join(words)  # in the last part of an id, the name of the file
    names = _marks(snapshot.images["id"], f"(?:^|{_OUTSIDE}){inner}(?:{_BETWEEN_NAMES}[^/]*)?$")
    inner = f"{_OUTSIDE}+".join(words)
    captions = _marks(snapshot.texts["text"], f"(?:^|{_OUTSIDE}){inner}(?:{_OUTSIDE}|$)")
    if target == "texts":
        return captions | names[snapshot.text_owners]
    names[snapshot.text_owners[captions]] = True
    return names


def _words(phrase: str) -> list[str]:
    """The words of a phrase as regular expressions, with accents in one piece or of their own (as on macOS)."""
    inside = "".join(char if char.isalnum() or unicodedata.category(char)[0] == "M" else " " for char in phrase)
    if not inside.strip():
        raise QueryError(f"there is no word in the quotes: {phrase!r}")
    forms = [dict.fromkeys(unicodedata.normalize(form, word) for form in ("NFC", "NFD")) for word in inside.split()]
    return [f"(?:{'|'.join(map(re.escape, form))})" for form in forms]


def _marks(texts: Any, expression: str) -> np.ndarray:
    import pyarrow.compute as pc

    found = pc.match_substring_regex(texts, expression, ignore_case=True)
    marks: np.ndarray = found.fill_null(False).to_numpy().astype(bool)
    return marks
