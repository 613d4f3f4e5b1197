"""Matches paths against patterns such as `*.png`, `thumbs` or `trips/**/raw`.

A pattern without a slash means a file or a folder of that name anywhere; one with a slash is a path from the top. A
folder means all that is in it. `*` stands for anything within a name, `**` for anything across folders, `?` for one
character, `[abc]` for one of several. Small and capital letters are the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from core.errors import SourceError
from indexer.sources.base import Settings
from indexer.sources.filenames import unescape


class Selection:
    """What the patterns of a source leave."""

    def __init__(self, settings: Settings) -> None:
        self._include = _compiled(settings.include)
        self._exclude = _compiled(settings.exclude)

    def wants(self, item_id: str) -> bool:
        """Is this image meant?"""
        if self._include is None and self._exclude is None:
            return True
        name = unescape(item_id)
        included = self._include is None or self._include.match(name) is not None
        return included and not (self._exclude and self._exclude.match(name))

    def enters(self, folder: str) -> bool:
        """Can images in this folder be meant? `folder` ends with a slash."""
        return not (self._exclude and self._exclude.match(unescape(folder).removesuffix("/")))


def _compiled(patterns: Iterable[str]) -> re.Pattern[str] | None:
    parts = [_translated(pattern) for pattern in patterns if pattern.strip("/")]
    try:
        return re.compile("|".join(parts), re.IGNORECASE | re.DOTALL) if parts else None
    except re.error as error:
        raise SourceError(f"one of the patterns {', '.join(patterns)} makes no sense: {error}") from None


def _translated(pattern: str) -> str:
    """One pattern as a regular expression over a whole id."""
    anchored = "/" in pattern.rstrip("/")
    names = pattern.strip("/").split("/")
    regex = "" if anchored else "(?:.*/)?"
    for number, name in enumerate(names):
        last = number == len(names) - 1
        if name == "**":
            regex += ".*" if last else "(?:.*/)?"
        else:
            regex += _within(name) + ("" if last else "/")
    return f"(?:{regex}(?:/.*)?\\Z)"


def _within(name: str) -> str:
    """A name with wildcards as a regular expression; none of them reaches over a slash."""
    regex, rest = "", name
    while rest:
        char, rest = rest[0], rest[1:]
        if char == "*":
            regex += "[^/]*"
        elif char == "?":
            regex += "[^/]"
        elif char == "[" and "]" in rest[1:]:
            end = rest.index("]", 1)
            negated, chosen = rest[0] == "!", re.sub(r"([\\[\]^&~|])", r"\\\1", rest[:end].removeprefix("!"))
            regex += f"(?!/)[{'^' * negated}{chosen}]"
            rest = rest[end + 1 :]
        else:
            regex += re.escape(char)
    return regex
