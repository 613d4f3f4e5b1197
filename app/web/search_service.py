"""Answers the query of a page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from app.formatting import is_match
from core.errors import ImageError
from indexer.search.date_sort import newest_first
from indexer.search.query import MAX_LIMIT, Box, Like, Picture
from indexer.search.query_parser import Line

if TYPE_CHECKING:
    from collections.abc import Collection

    from app.server.remote_image import Fetched
    from clipdex import Hit
    from indexer.dedup.collapse import Grouping
    from indexer.dedup.duplicate_rule import Kind
    from indexer.search.searcher import Searcher

DATED = 1_000  # hits that are put in the order of their dates, where so many match


@dataclass(frozen=True)
class PageQuery:
    """What is looked for: words and conditions, items of the collection, an uploaded image, or several of them."""

    text: str = ""
    like: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    parts: tuple[tuple[str, Box], ...] = ()  # of items
    picture: bytes | None = field(default=None, repr=False)
    picture_name: str = ""
    fetched: Fetched | None = field(default=None, repr=False)  # an image from the web
    by_date: bool = False
    group: Kind | None = None  # which near-duplicates take one place
    tiles: bool = False  # parts of images count, too

    @property
    def is_asked(self) -> bool:
        """Whether anything is."""
        return bool(self.text or self.like or self.unlike or self.parts or self.picture or self.fetched)

    def title(self, words: str) -> str:
        """What people read above the results; `words` are those of the text that describe something."""
        named = [one.rsplit("/", 1)[-1] for one in self.like]
        named += [f"a part of {one.rsplit('/', 1)[-1]}" for one, _ in self.parts]
        named += [self.picture_name] if self.picture else []
        named += [self.fetched.name] if self.fetched else []
        similar = f"Similar to {' and '.join(named)}" if named else ""
        if self.unlike and not (words or similar):
            return "Anything else"
        return " · ".join(part for part in (words, similar) if part)


@dataclass(frozen=True)
class PageResults:
    """Hits, best first or newest first, and what the words of the question mean."""

    hits: list[Hit]
    line: Line | None
    seen: int = 0  # how far down the ranking these go
    copies: dict[str, list[Hit]] = field(default_factory=dict)
    """The near-duplicates that stand behind a hit, by its id, where they are grouped."""
    seconds: float = 0.0  # that the search took

    def told(self, limit: int, possible: int) -> str:
        """How many images match, of the possible ones, among hits that were asked for up to a limit."""
        noun = "image" if possible == 1 else "images"
        every = [one for hit in self.hits for one in (hit, *self.copies.get(hit.id, ()))]
        if all(hit.relevance is None for hit in every):
            return f"{possible:,} {noun}"
        fit = sum(map(is_match, every))
        is_open = len(self.hits) >= limit and len(every) < possible and is_match(self.hits[-1])
        return f"{fit:,}{'+' if is_open else ''} of {possible:,} {noun}"

    def with_copies(self, unfolded: Collection[str]) -> list[Hit]:
        """The hits, those of some groups in full."""
        return [one for hit in self.hits for one in (hit, *(self.copies.get(hit.id, ()) if hit.id in unfolded else ()))]


@contextmanager
def naming_upload(name: str) -> Iterator[None]:
    """Say which uploaded image cannot be read."""
    try:
        yield
    except ImageError as error:
        raise ImageError(error.reason, str(error).replace("the image:", f"{name}:", 1)) from None


def find(source: Searcher, asked: PageQuery, limit: int, grouping: Grouping | None = None) -> PageResults:
    """The first `limit` hits; near-duplicates behind them, with a `grouping`. Raises ClipdexError."""
    line = source.read(asked.text) if asked.text else None
    pictures = [Picture(asked.picture)] if asked.picture is not None else []
    if asked.fetched is not None:
        pictures.append(Picture(asked.fetched.content))
    for one, box in asked.parts:
        pictures.append(Picture(source.collection.source.read(source.item(one).id), box=box))

    def ask(count: int) -> list[Hit]:
        with naming_upload(asked.picture_name if asked.picture is not None else "the image"):
            return source.search(
                line,
                image=pictures,
                like=list(asked.like),
                without=[Like(one) for one in asked.unlike],
                tiles=asked.tiles and bool(source.collection.info.tiles),
                limit=count,
            )

    if asked.by_date:
        ranked = ask(max(limit, DATED))
        ranked = [hit for hit in ranked if is_match(hit)] or ranked
        leaders, copies, seen = grouped(ranked, grouping, len(ranked))
        return PageResults(
            in_date_order(source, leaders)[:limit], line, limit if len(leaders) > limit else seen, copies
        )
    ranked = ask(limit)
    leaders, copies, seen = grouped(ranked, grouping, limit)
    while grouping is not None and len(leaders) < limit <= len(ranked) < MAX_LIMIT:
        count = min(2 * len(ranked), MAX_LIMIT)
        ranked = ask(count)
        leaders, copies, seen = grouped(ranked, grouping, limit)
        if len(ranked) < count:
            break
    return PageResults(leaders, line, seen, copies)


def grouped(hits: list[Hit], grouping: Grouping | None, limit: int) -> tuple[list[Hit], dict[str, list[Hit]], int]:
    """The first `limit` hits of which none is a near-duplicate of another, what stands behind each, and how far down
    the ranking these go."""
    if grouping is None:
        return hits[:limit], {}, min(limit, len(hits))
    groups = grouping.of([hit.id for hit in hits])
    seen = groups[limit][0] if limit < len(groups) else len(hits)
    copies = {hits[first].id: [hits[place] for place in rest] for first, *rest in groups[:limit] if rest}
    return [hits[first] for first, *_ in groups[:limit]], copies, seen


def in_date_order(source: Searcher, hits: list[Hit]) -> list[Hit]:
    """Hits in the order of the library's `sort="date"`."""
    snapshot = source.snapshot()
    rows = np.array([snapshot.rows[hit.id] for hit in hits], np.int64)
    return [hits[place] for place in newest_first(snapshot, rows).tolist()]
