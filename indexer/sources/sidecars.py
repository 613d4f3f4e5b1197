"""Finds the text file that belongs to an image."""

from __future__ import annotations

from collections.abc import Iterable

from core.text.caption_table import NAME
from indexer.sources.base import Item, Listing, Problem


def sidecars_of(items: Iterable[Item], texts: set[str]) -> dict[str, str]:
    """Item id -> id of its text file: `photo.txt`, or else `photo.jpg.txt`, for `photo.jpg`."""
    found = {}
    for item in items:
        for name in (item.id.rpartition(".")[0] + ".txt", item.id + ".txt"):
            if name in texts:
                found[item.id] = name
                break
    return found


def with_texts(items: list[Item], problems: list[Problem], ignored: int, texts: set[str]) -> Listing:
    """The listing of what has no folders to look into: `texts` are the ids of all text files and of the caption table;
    those that belong to no image are passed over."""
    items = sorted(items)
    sidecars = sidecars_of(items, texts)
    return Listing(
        items=items,
        problems=sorted(problems),
        sidecars=sidecars,
        ignored=ignored + len(texts - set(sidecars.values()) - {NAME}),
        caption_table=NAME if NAME in texts else None,
    )
