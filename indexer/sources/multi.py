"""Presents several sources as one.

The ids of all but one of them begin with a name of theirs and two slashes; an id within a source holds no two slashes
in a row, so the first two say where it belongs. A source that is not there hides what it held, and the others go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from core.errors import ImageError, SourceError
from indexer.sources.base import BETWEEN, Listing, Place, Problem, Source, beginning
from indexer.sources.extra_columns import together
from indexer.sources.filenames import escape

MISSING = "source missing"


class Several:
    """The sources of a collection as one. `parts`: the beginning of its ids -> source, at least one."""

    kind = "several"

    def __init__(self, parts: Mapping[str, Source]) -> None:
        self.parts = dict(parts)

    @property
    def location(self) -> Place:
        """That of the first source."""
        return next(iter(self.parts.values())).location

    def listings(self, required: frozenset[str] = frozenset()) -> dict[str, Listing]:
        """What each source holds now, with the ids it knows itself; one that is not there is `missing` and a problem.

        Raises `SourceError` if one of the `required` sources is not there, or none of all.
        """
        found: dict[str, Listing] = {}
        errors: list[SourceError] = []
        for name, source in self.parts.items():
            try:
                found[name] = source.scan()
            except SourceError as error:
                if name in required:
                    raise
                errors.append(error)
                found[name] = gone(str(error))
        if len(errors) == len(self.parts):
            raise errors[0]
        return found

    def scan(self) -> Listing:
        """Everything that is there. Raises `SourceError` if no source is."""
        return unite(self.listings())

    def read(self, item_id: str) -> bytes:
        """The bytes of one item. Raises `ImageError`."""
        name = beginning(item_id)
        if name not in self.parts:
            raise ImageError("vanished", "is not in any source of the collection")
        return self.parts[name].read(item_id.removeprefix(name))

    def path(self, item_id: str) -> Path | None:
        """The file on disk that holds exactly this item, where there is one."""
        name = beginning(item_id)
        return self.parts[name].path(item_id.removeprefix(name)) if name in self.parts else None


def gone(message: str) -> Listing:
    """The listing of a source that is not there: it removes nothing, and is told of."""
    return Listing(problems=[Problem("", MISSING, message)], missing=frozenset([""]))


def unite(listings: Mapping[str, Listing]) -> Listing:
    """One listing of several, with the ids of the collection."""
    found = [_within(name, listing) for name, listing in listings.items()]
    if len(found) == 1 and not found[0].missing:
        return found[0]
    return Listing(
        items=sorted(item for listing in found for item in listing.items),
        problems=sorted(problem for listing in found for problem in listing.problems),
        unreadable=sorted(place for listing in found for place in listing.unreadable),
        sidecars={key: text for listing in found for key, text in listing.sidecars.items()},
        ignored=sum(listing.ignored for listing in found),
        captions={key: texts for listing in found for key, texts in listing.captions.items()},
        columns=together([listing.columns for listing in found]),
        missing=frozenset(name for listing in found for name in listing.missing),
    )


def new_name(location: Place, taken: Mapping[str, object]) -> str:
    """What the ids of a new source begin with: nothing for the first, else the last part of its place."""
    if "" not in taken:
        return ""
    stem = escape(str(location).rstrip("/").rpartition("/")[2].split(".")[0]) or "source"
    names = (stem if number == 1 else f"{stem}-{number}" for number in range(1, len(taken) + 2))
    return next(name + BETWEEN for name in names if name + BETWEEN not in taken)


def _within(name: str, listing: Listing) -> Listing:
    if listing.missing:  # the place of a whole source has no name of its own; the first one is the place "//"
        return replace(
            listing,
            problems=[problem._replace(location=name or BETWEEN) for problem in listing.problems],
            missing=frozenset([name]),
        )
    if not name:
        return listing
    return Listing(
        items=[item._replace(id=name + item.id) for item in listing.items],
        problems=[problem._replace(location=name + problem.location) for problem in listing.problems],
        unreadable=[name + place for place in listing.unreadable],
        sidecars={name + key: name + text for key, text in listing.sidecars.items()},
        ignored=listing.ignored,
        captions={name + key: texts for key, texts in listing.captions.items()},
        columns=listing.columns.within(name) if listing.columns else None,
    )
