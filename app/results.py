"""What answers a question that was put to the app?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.output import matches
from indexer.query import Box, Like, Picture
from indexer.query_line import TAKEN, Line

if TYPE_CHECKING:
    from clipdex import Hit
    from indexer.search import Searcher

DATED = 1_000  # hits that are put in the order of their dates, where so many match


@dataclass(frozen=True)
class Asked:
    """What is looked for: words and conditions, items of the collection, an uploaded picture, or several of them."""

    text: str = ""
    like: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    parts: tuple[tuple[str, Box], ...] = ()  # of items
    picture: bytes | None = field(default=None, repr=False)
    picture_name: str = ""
    by_date: bool = False
    grouped: bool = False

    def title(self, words: str) -> str:
        """What people read above the results; `words` are those of the text that describe something."""
        named = [one.rsplit("/", 1)[-1] for one in self.like]
        named += [f"a part of {one.rsplit('/', 1)[-1]}" for one, _ in self.parts]
        named += [self.picture_name] if self.picture else []
        similar = f"Similar to {' and '.join(named)}" if named else ""
        if self.unlike and not (words or similar):
            return "Anything else"
        return " · ".join(part for part in (words, similar) if part)


@dataclass(frozen=True)
class Found:
    """Hits, best first or newest first, and what the words of the question mean."""

    hits: list[Hit]
    line: Line | None


def find(source: Searcher, asked: Asked, limit: int) -> Found:
    """The first `limit` hits. Raises ClipdexError."""
    line = source.read(asked.text) if asked.text else None
    pictures = [Picture(asked.picture)] if asked.picture is not None else []
    for one, box in asked.parts:
        pictures.append(Picture(source.collection.source.read(source.item(one).id), box=box))
    hits = source.search(
        line,
        image=pictures,
        like=list(asked.like),
        without=[Like(one) for one in asked.unlike],
        limit=max(limit, DATED) if asked.by_date else limit,
    )
    if asked.by_date:
        hits = newest_first(source, [hit for hit in hits if matches(hit)] or hits)[:limit]
    return Found(hits, line)


def newest_first(source: Searcher, hits: list[Hit]) -> list[Hit]:
    """By when they were taken; those of which that is not known come last, in their order."""
    snapshot = source.snapshot()
    if TAKEN not in snapshot.images.schema.names:
        return hits
    column = snapshot.images[TAKEN].take([snapshot.rows[hit.id] for hit in hits]).to_pylist()
    dates = {hit.id: taken for hit, taken in zip(hits, column, strict=True) if taken is not None}
    newest = sorted((hit for hit in hits if hit.id in dates), key=lambda hit: dates[hit.id], reverse=True)
    return newest + [hit for hit in hits if hit.id not in dates]
