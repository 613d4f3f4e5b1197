"""The query and its answer: `Query`, its parts, `Hit`.

A query is made of weighted parts: words, images, regions of images, indexed images, raw vectors. Each becomes a
vector of length 1 before it is weighed, so that a weight means the same for all of them; a negative one leads away.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, TypeVar, Unpack

from core.errors import QueryError, unknown_choice
from core.validation import FLAG, NUMBER, PATH, TEXT, WHOLE, check_weight, described, require
from indexer.collection.snapshot import TARGETS, Target
from indexer.search.filters import Condition, Filter
from indexer.search.query_parser import Line

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

MAX_LIMIT = 10_000
MAX_PARTS = 100
MAX_WORDS = 1_000  # far beyond what any model reads (CLIP: 77 tokens): a file pasted by mistake, not a description
AWAY = 0.5
"""The weight of words to lead away from, where none is given: the most that takes nothing from what is looked for. In
painted scenes (benchmarks/LOG.md) unwanted things fall from 18 % of the ten best to 13 %, at 1 to 10 % with a tenth of
the wanted ones."""
SORTS = ("score", "date")
COLLAPSES = ("bytes", "picture", "scene")

Kind = Literal["text", "image", "mixed"]
Box = tuple[float, float, float, float]
"""Left, top, right and bottom as fractions of an upright image: (0, 0, 0.5, 1) is its left half."""


@dataclass(frozen=True)
class Text:
    """Words. With `templates` ("80", "7", "1" or a file, see `core.text.zeroshot.templates`) the mean of all
    prompts."""

    text: str
    weight: float = 1.0
    templates: str | Path | None = None

    def __post_init__(self) -> None:
        require("what to look for", self.text, TEXT)
        require("templates", self.templates, PATH, none=True)
        if not self.text.strip():
            raise QueryError('the query is empty: describe what you look for, for example "a red car"')
        if (words := len(self.text.split())) > MAX_WORDS:
            raise QueryError(
                f"the query has {words:,} words, at most {MAX_WORDS:,} can be searched: say it in one sentence"
            )
        check_weight(self.weight)

    @property
    def label(self) -> str:
        return self.text


@dataclass(frozen=True)
class Picture:
    """An image from outside the collection: a path, bytes or a PIL image; or a region of it."""

    image: str | Path | bytes | Image.Image
    weight: float = 1.0
    box: Box | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.image, str | Path | bytes | bytearray | memoryview):
            from PIL import Image

            require("an image", self.image, (Image.Image, _OF_IMAGE))
        check_weight(self.weight)
        if self.box is not None:
            _check_box(self.box)

    @property
    def label(self) -> str:
        return f"image {Path(self.image).name}" if isinstance(self.image, str | Path) else "image"


@dataclass(frozen=True)
class Like:
    """An image of the collection by its id, or a region of it: then its file is read again."""

    id: str
    weight: float = 1.0
    box: Box | None = None

    def __post_init__(self) -> None:
        check_weight(self.weight)
        if self.box is not None:
            _check_box(self.box)

    @property
    def label(self) -> str:
        return f"like {self.id}"


@dataclass(frozen=True, eq=False)
class Vector:
    """d numbers of the collection's model, of any length but 0."""

    values: np.ndarray | Sequence[float]
    weight: float = 1.0
    label: str = "vector"

    def __post_init__(self) -> None:
        check_weight(self.weight)


@dataclass(frozen=True)
class Concept:
    """What somebody kept under a name (see `indexer.collection.concepts`)."""

    name: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        require("the name of a concept", self.name, TEXT)
        check_weight(self.weight)

    @property
    def label(self) -> str:
        return f"concept {self.name}"


_OF_IMAGE = "a path, the bytes of a file, or a PIL image (of an array: PIL.Image.fromarray)"
Part = Text | Picture | Like | Vector | Concept
T = TypeVar("T")
OneOrMany: TypeAlias = T | Sequence[T] | None
P = TypeVar("P", bound=Part)


class QueryOptions(TypedDict, total=False):
    """The options of a search; those of type `OneOrMany` may be one value or several."""

    text: OneOrMany[str | Text | Line]  # more words
    image: OneOrMany[str | Path | bytes | Image.Image | Picture]
    like: OneOrMany[str | Hit | Like]  # indexed images
    vector: np.ndarray | Sequence[float] | Vector | None
    concept: OneOrMany[str | Concept]
    without: OneOrMany[str | Part]  # words or parts to lead away from
    where: OneOrMany[str | Condition | Filter]
    holding: OneOrMany[str]
    not_holding: OneOrMany[str]
    templates: str | Path | None  # puts all words into prompts
    hybrid: bool
    collapse: str | None
    diverse: float
    sort: str
    tiles: bool
    target: Target
    limit: int
    offset: int


@dataclass(frozen=True)
class Query:
    """Weighted parts, what must be true of a hit, and which hits are wanted. Raises `QueryError` for what makes no
    sense. Without parts it lists what the conditions keep, by id."""

    parts: tuple[Part, ...]
    where: tuple[str | Condition | Filter, ...] = ()  # all must hold, see `indexer.search.filters`
    holding: tuple[str, ...] = ()  # phrases that a caption or the file name must hold, each of them
    not_holding: tuple[str, ...] = ()  # and must not
    hybrid: bool = False  # rank by full text, too
    collapse: str | None = None  # "bytes", "picture" or "scene": leave out copies of better hits
    diverse: float = 0.0  # from 0 to 1: how much a hit should differ from those before it
    sort: str = "score"  # or "date": what is relevant, the newest first
    tiles: bool = False  # score each image by its best part, where that is better than the whole
    target: Target = "images"
    limit: int = 20
    offset: int = 0

    def __post_init__(self) -> None:
        self._check_types()
        if not (self.parts or self.where or self.holding or self.not_holding):
            raise QueryError("the query is empty: give words, an image, or the id of an indexed image")
        if self.hybrid and not self.parts:
            raise QueryError("hybrid search needs words to look for in captions and file names; leave --hybrid out")
        if len(self.parts) > MAX_PARTS:
            raise QueryError(f"the query has {len(self.parts)} parts, at most {MAX_PARTS} can be searched at once")
        self._check_arrangement()
        if self.target not in TARGETS:
            raise QueryError(unknown_choice("target", self.target, TARGETS))
        if not 1 <= self.limit <= MAX_LIMIT:
            raise QueryError(f"limit {self.limit:,} is not between 1 and {MAX_LIMIT:,}")
        if self.offset < 0:
            raise QueryError(f"offset {self.offset:,} is negative")

    def _check_types(self) -> None:
        for name, of in _TYPES.items():
            require(name, getattr(self, name), of, none=name == "collapse")
        for one in self.where:
            require("where", one, ((str, Condition, Filter), "conditions such as 'width>=1000'"))
        for one in (*self.holding, *self.not_holding):
            require("what a caption or a file name holds", one, TEXT)

    def _check_arrangement(self) -> None:
        if self.collapse is not None and self.collapse not in COLLAPSES:
            raise QueryError(unknown_choice("kind", self.collapse, COLLAPSES))
        if self.sort not in SORTS:
            raise QueryError(unknown_choice("order", self.sort, SORTS))
        if self.sort == "date" and self.target != "images":
            raise QueryError("only images can be put in the order of time, not captions")
        if not 0 <= self.diverse <= 1:
            raise QueryError(f"diverse {self.diverse} is not between 0 and 1")
        if self.tiles and self.target != "images":
            raise QueryError("only images have tiles, not captions: leave one of the two out")
        if (self.collapse or self.diverse) and self.target != "images":
            raise QueryError("only images can be collapsed or spread, not captions")
        if (self.collapse or self.diverse) and self.hybrid:
            raise QueryError("a search that collapses copies or spreads its hits cannot be hybrid, too: leave one out")

    @classmethod
    def of(cls, query: OneOrMany[str | Text | Line] = None, /, **options: Unpack[QueryOptions]) -> Query:
        """The query of what people say. Where nothing else is described, `holding` describes it, too.

        Raises `QueryError` for an option that does not exist, and for what makes no sense."""
        if unknown := next((name for name in options if name not in QueryOptions.__annotations__), None):
            raise QueryError(unknown_choice("search option", unknown, sorted(QueryOptions.__annotations__)))
        given: dict[str, Any] = dict(options)
        words = [*as_list(query), *as_list(given.pop("text", None))]
        lines = [one for one in words if isinstance(one, Line)]
        if any(line.is_special for line in lines):
            words = [one for one in words if not (isinstance(one, Line) and not one.text)]

        def all_of(name: str) -> list[Any]:
            return [one for line in lines for one in getattr(line, name)] + as_list(given.pop(name, None))

        away, where, holding, not_holding = map(all_of, ("without", "where", "holding", "not_holding"))
        parts: list[Part] = [_as(Text, one.text if isinstance(one, Line) else one) for one in words]
        parts += [_as(Picture, one) for one in as_list(given.pop("image", None))]
        parts += [_as(Like, one.id if isinstance(one, Hit) else one) for one in as_list(given.pop("like", None))]
        if (vector := given.pop("vector", None)) is not None:
            parts.append(vector if isinstance(vector, Vector) else Vector(vector))
        concepts = [one for line in lines for one in line.concepts] + as_list(given.pop("concept", None))
        parts += [_as(Concept, one) for one in concepts]
        away += [Concept(one, AWAY) for line in lines for one in line.not_concepts]
        if holding and not parts:
            parts.append(Text(" ".join(holding)))
        for one in away:
            part: Part = one if isinstance(one, Part) else Text(one, AWAY)
            parts.append(replace(part, weight=-part.weight))
        if (templates := given.pop("templates", None)) is not None:
            parts = [
                replace(part, templates=templates) if isinstance(part, Text) and part.templates is None else part
                for part in parts
            ]
        return cls(tuple(parts), tuple(where), tuple(holding), tuple(not_holding), **given)

    @property
    def kind(self) -> Kind:
        """Whether words ask, or images, or both: their cosines lie on different scales."""
        texts = sum(isinstance(part, Text) for part in self.parts)
        return "text" if texts == len(self.parts) else "mixed" if texts else "image"

    @property
    def index_kind(self) -> Literal["text", "image"]:
        """As which kind of query an index is searched: whatever is not plainly images lies where texts do, or
        anywhere, and needs the greater effort."""
        away = any(part.weight < 0 or isinstance(part, Vector | Concept) for part in self.parts)
        return "image" if self.kind == "image" and not away else "text"

    def labels(self) -> list[str]:
        """A name for each part, no two the same: the words, `image FILE`, `like ID`; a minus where it leads away."""
        labels: list[str] = []
        for part in self.parts:
            label = plain = f"-{part.label}" if part.weight < 0 else part.label
            number = 1
            while label in labels:
                number += 1
                label = f"{plain} ({number})"
            labels.append(label)
        return labels


_TYPES = {
    **dict.fromkeys(("hybrid", "tiles"), FLAG),
    **dict.fromkeys(("collapse", "sort", "target"), TEXT),
    "diverse": NUMBER,
    "limit": WHOLE,
    "offset": WHOLE,
}


def as_list(given: Any) -> list[Any]:
    """One of something, or several, or none -> a list."""
    if given is None:
        return []
    return list(given) if isinstance(given, list | tuple | set | frozenset | Iterator) else [given]


def _as(kind: type[P], given: Any) -> P:
    return given if isinstance(given, kind) else kind(given)


def _check_box(box: Box) -> None:
    if not isinstance(box, tuple | list) or not all(isinstance(side, int | float) for side in box):
        raise QueryError(f"a region must be four numbers such as (0, 0, 0.5, 1), not {described(box)}")
    if len(box) != 4 or not all(0 <= side <= 1 for side in box) or box[0] >= box[2] or box[1] >= box[3]:
        raise QueryError(
            f"the region {box} is not left, top, right, bottom as fractions of the image, such as (0, 0, 0.5, 1) "
            "for its left half"
        )


@dataclass(frozen=True)
class Hit:
    """One answer. For captions, `caption` is the text that was found and the rest describes its image."""

    id: str
    path: Path | None  # absolute; the file may have gone since it was indexed
    score: float  # the exact cosine, higher is better
    rank: int  # from 1, counted over all pages
    caption: str | None
    width: int | None
    height: int | None
    parts: dict[str, float] = field(default_factory=dict, hash=False)
    """The cosine with each part of the query, by its label (`Query.labels`)."""
    relevance: float | None = None
    """From 0 to 1, below 0.5 where it does not match; None where nothing is known (see `indexer.search.relevance`)."""
    box: Box | None = None
    """The part of the image that matched, of a search with `tiles`; None for the whole."""


@dataclass(frozen=True)
class Details:
    """One indexed image."""

    id: str
    path: Path | None
    width: int | None
    height: int | None
    size: int | None  # bytes of the file; None, like the others, where it was imported without its file
    modified: datetime | None
    captions: list[str]
