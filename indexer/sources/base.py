"""What does every kind of source offer?

A `Source` lists its items and reads one of them; it knows nothing about models, vectors or tables. The listing
accounts for everything that was met: pictures, what could not be looked at, and how much was no picture.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

# Reasons for which something cannot be read now that say nothing about its content.
TRANSIENT = frozenset(["vanished", "no permission", "read error", "timeout"])


class Item(NamedTuple):
    """One picture of a source. Same id, size and time: the same picture, without opening it."""

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
    ignored: int = 0  # things that are no pictures

    def hides(self, location: str) -> bool:
        """Does this id lie where the listing could not look?"""
        return bool(self.unreadable) and f"{location}/".startswith(tuple(self.unreadable))


class Source(Protocol):
    """One place that pictures come from."""

    kind: str
    """The name in the registry."""
    location: Path

    def scan(self) -> Listing:
        """Everything that is there, in a fixed order. Raises `SourceError` where the source is gone or unreadable."""
        ...

    def read(self, item_id: str) -> bytes:
        """The bytes of one item, or of a sidecar. Raises `ImageError`: vanished, no permission, too large."""
        ...

    def path(self, item_id: str) -> Path | None:
        """The file on disk that holds exactly this item, where there is one."""
        ...
