"""What was asked, and what is an answer?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from core.errors import QueryError, unknown_choice

if TYPE_CHECKING:
    from PIL import Image

MAX_LIMIT = 10_000
MAX_WORDS = 1_000  # far beyond what any model reads (CLIP: 77 tokens): a file pasted by mistake, not a description
TARGETS = ("images", "texts")

Target = Literal["images", "texts"]


@dataclass(frozen=True)
class Query:
    """Words, a picture, or an indexed picture by its id: exactly one of them. Raises `QueryError` otherwise."""

    text: str | None = None
    image: str | Path | bytes | Image.Image | None = None
    like: str | None = None
    target: Target = "images"
    limit: int = 20
    offset: int = 0

    def __post_init__(self) -> None:
        given = [name for name in ("text", "image", "like") if getattr(self, name) is not None]
        if not given:
            raise QueryError("nothing was asked: give words, an image, or the id of an indexed picture")
        if len(given) > 1:
            raise QueryError(f"give one of text, image and like, not {' and '.join(given)}")
        if self.text is not None and not self.text.strip():
            raise QueryError('the query is empty: describe what you look for, for example "a red car"')
        if self.text is not None and (words := len(self.text.split())) > MAX_WORDS:
            raise QueryError(
                f"the query has {words:,} words, at most {MAX_WORDS:,} can be searched: say it in one sentence"
            )
        if self.target not in TARGETS:
            raise QueryError(unknown_choice("target", self.target, TARGETS))
        if not 1 <= self.limit <= MAX_LIMIT:
            raise QueryError(f"limit {self.limit:,} is not between 1 and {MAX_LIMIT:,}")
        if self.offset < 0:
            raise QueryError(f"offset {self.offset:,} is negative")


@dataclass(frozen=True)
class Hit:
    """One answer. For captions, `caption` is the text that was found and the rest describes its picture."""

    id: str
    path: Path | None  # absolute; the file may have gone since it was indexed
    score: float  # the exact cosine, higher is better
    rank: int  # from 1, counted over all pages
    caption: str | None
    width: int | None
    height: int | None


@dataclass(frozen=True)
class Details:
    """One indexed picture."""

    id: str
    path: Path | None
    width: int
    height: int
    size: int  # bytes of the file
    modified: datetime
    captions: list[str]


@dataclass(frozen=True)
class Failure:
    """Something that could not be indexed."""

    location: str  # an id, or that of a folder with a slash at its end
    reason: str
    message: str
    when: datetime


@dataclass(frozen=True)
class Status:
    """What a collection is, at a glance."""

    folder: Path
    collection: Path
    model: str
    fingerprint: str
    dim: int
    images: int
    texts: int
    failures: list[Failure]
    size_bytes: int
    format_version: int
    updated: datetime
