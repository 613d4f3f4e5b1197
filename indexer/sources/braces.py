"""Expands patterns like `data-{000..010}.tar` and `{train,test}.tar`."""

from __future__ import annotations

import re
from itertools import product

from core.errors import SourceError

MAX_FILES = 1_000_000
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


def expand(pattern: str) -> list[str]:
    """Every name, in order, as a shell expands it. Raises `SourceError` for a pattern that makes no sense.

    >>> expand("data-{08..10}.tar")
    ['data-08.tar', 'data-09.tar', 'data-10.tar']
    """
    pieces = _BRACES.split(pattern)  # text, inside, text, inside, …, text
    choices = [_inside(piece, pattern) if number % 2 else [piece] for number, piece in enumerate(pieces)]
    if any(set(piece) & set("{}") for piece in pieces[::2]):
        raise SourceError(f"{pattern}: its braces do not match")
    count = 1
    for each in choices:
        count *= len(each)
    if count > MAX_FILES:
        raise SourceError(f"{pattern} names {count:,} files, more than {MAX_FILES:,}")
    return ["".join(parts) for parts in product(*choices)]


def _inside(text: str, pattern: str) -> list[str]:
    found = _RANGE.fullmatch(text)
    if found is None:
        if "," in text:
            return text.split(",")
        raise SourceError(f"{pattern}: {{{text}}} is neither a range like {{000..010}} nor a list like {{a,b}}")
    first, last = int(found[1]), int(found[2])
    if first > last:
        raise SourceError(f"{pattern}: the range {{{text}}} ends before it begins")
    if last - first >= MAX_FILES:
        raise SourceError(f"{pattern} names {last - first + 1:,} files, more than {MAX_FILES:,}")
    width = max(len(found[1]), len(found[2])) if found[1].startswith("0") and len(found[1]) > 1 else 0
    return [f"{number:0{width}}" for number in range(first, last + 1)]
