"""The `Source` protocol and its items.

A `Source` lists its items and reads one of them; it knows nothing about models, vectors or tables. The listing
accounts for everything that was met: images, what could not be looked at, and how much was not an image.

An id is the name of an item within its source, with single slashes and never one at its beginning. The first source
of a collection uses it as it is; a further one puts its own name and two slashes before it (`album//trips/red.jpg`), so
that ids stay unique whatever files come later. See `multi`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from core.schema import Frozen

if TYPE_CHECKING:
    from indexer.sources.extra_columns import Columns

# Reasons for which something cannot be read now that say nothing about its content.
TRANSIENT = frozenset(["vanished", "no permission", "read error", "timeout"])
BETWEEN = "//"  # ends the name of a source in front of an id

Place = Path | str  # where a source is: a path on this machine, or a URL


class Settings(Frozen):
    """What a person said about a source. It is remembered with the source; what is empty is left to the source."""

    include: tuple[str, ...] = ()  # patterns (`patterns.py`): only images that one of them means
    exclude: tuple[str, ...] = ()  # and none that one of these means
    image: str | None = None  # the column with the images or their paths
    captions: tuple[str, ...] | None = None  # columns with captions
    columns: tuple[str, ...] | None = None  # further columns that the collection keeps; None: all
    id: str | None = None  # the column with the names of images that have no path


NOTHING_SAID = Settings()


class Item(NamedTuple):
    """One image of a source. Same id, size and time: the same image, without opening it.

    What size and time mean is for each kind of source to say; time is that of whatever would change with the image.
    """

    id: str
    size: int  # bytes
    mtime_ns: int


class Problem(NamedTuple):
    """Something that cannot be indexed. `location` is an id, or that of a folder with a slash at its end."""

    location: str
    reason: str
    message: str
    size: int = -1
    mtime_ns: int = -1


@dataclass(frozen=True)
class Listing:
    """All that a source holds now."""

    items: list[Item] = field(default_factory=list)  # sorted by id
    problems: list[Problem] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    """What could not be looked at, each with a slash at its end: a folder, or a link that may be a file or a folder.
    Such an id, and ids that begin so, are absent from `items`, and that says nothing about them."""
    sidecars: dict[str, str] = field(default_factory=dict)
    """Item id -> id of the text file beside it, for those that have one."""
    ignored: int = 0  # things that are no images
    captions: dict[str, list[str]] = field(default_factory=dict)  # item id -> captions that came with the listing
    caption_table: str | None = None  # id of a captions.csv in the source, which is read like a sidecar
    columns: Columns | None = None  # what else the source says about its items
    missing: frozenset[str] = frozenset()
    """The beginnings (a name and two slashes, or nothing) of the ids of sources that are not there now."""

    def hides(self, location: str) -> bool:
        """Does this id lie where the listing could not look?"""
        if self.missing and beginning(location) in self.missing:
            return True
        return bool(self.unreadable) and f"{location}/".startswith(tuple(self.unreadable))


def beginning(item_id: str) -> str:
    """What stands before an id within its source: the source's name and two slashes, or nothing."""
    name, slashes, _ = item_id.partition(BETWEEN)
    return name + BETWEEN if slashes else ""


class Source(Protocol):
    """One place that images come from."""

    kind: str
    """The name in the registry."""

    @property
    def location(self) -> Place: ...

    def scan(self) -> Listing:
        """Everything that is there, in a fixed order. Raises `SourceError` where the source is gone or unreadable."""
        ...

    def read(self, item_id: str) -> bytes:
        """The bytes of one item, or of a sidecar. Raises `ImageError`: vanished, no permission, too large."""
        ...

    def path(self, item_id: str) -> Path | None:
        """The file on disk that holds exactly this item, where there is one."""
        ...
