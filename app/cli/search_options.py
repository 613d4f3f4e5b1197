"""Turns the options of `clipdex search` into the parts of a query."""

from __future__ import annotations

import math
import os
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clipdex import Searcher
    from indexer.search.query import Box, Like, Picture, Text, Vector

NOT_UNIT = 1e-3  # what vectors in half precision differ from length 1 by, and less
_ODD = r"\d*\.?\d+e[+-]?\d+|nan|[+-]?inf"  # numbers, too, of which some are not weights: `Text` and `Like` say so
_WEIGHT = re.compile(rf"(.+):(\d*\.\d+|\d+\.?|{_ODD})", re.DOTALL | re.IGNORECASE)
_POINT = re.compile(rf"(.+):(\d*\.\d+|{_ODD})", re.DOTALL | re.IGNORECASE)


def weighted(given: str, is_whole: Callable[[str], bool] | None = None, usual: float = 1.0) -> tuple[str, float]:
    """`123.jpg:0.5` -> what, and its weight; `usual` where none is given.

    A name that `is_whole` knows stays whole. Of words only a number with a point is a weight: "at 12:30" has none."""
    if is_whole is not None and is_whole(given):
        return given, usual
    match = (_POINT if is_whole is None else _WEIGHT).fullmatch(given)
    return (match[1], float(match[2])) if match else (given, usual)


def one_of(options: dict[str, bool]) -> None:
    """Of options that say where the answer goes at most one may be given. Raises `QueryError`."""
    from core.errors import QueryError

    given = [name for name, is_given in options.items() if is_given]
    if len(given) > 1:
        raise QueryError(f"choose one of {' and '.join(given)}")


def free(save: Path | None, *, force: bool) -> None:
    """Raises `QueryError` where `--save` would replace a file, unless that is wanted."""
    from core.errors import QueryError

    if save is not None and not force and os.path.lexists(save.expanduser()):
        raise QueryError(f"{save} already exists: choose another name, or replace it with --force")


def texts(given: Sequence[str], usual: float = 1.0) -> list[Text]:
    """`--with` and `--without`: words with weights."""
    from indexer.search.query import Text

    return [Text(*weighted(one, usual=usual)) for one in given]


def likes(given: Sequence[str], searcher: Searcher, box: Box | None) -> list[Like]:
    """`--like`: ids or paths of the collection's images with weights, or a region of the only one."""
    from app.cli.image_arguments import items, known_id
    from indexer.search.query import Like

    pairs = [weighted(one, lambda name: known_id(searcher, name) is not None) for one in given]
    return [Like(items(searcher, [name])[0], weight, box) for name, weight in pairs]


def pictures(given: Sequence[str], box: Box | None) -> list[Picture]:
    """`--image`: files with weights, or a region of the only one."""
    from indexer.search.query import Picture

    return [Picture(Path(name), weight, box) for name, weight in (weighted(one, os.path.exists) for one in given)]


def vector(given: str, dim: int) -> Vector:
    """`--vector`: a file with `dim` numbers, with a weight, or - for what comes in. Raises `QueryError`."""
    from app.cli.output import note
    from indexer.exchange.single_vector import one_vector
    from indexer.search.query import Vector

    name, weight = weighted(given, os.path.exists)
    found = one_vector(name)
    length = math.hypot(*found.tolist())
    if len(found) == dim and math.isfinite(length) and length > 0 and abs(length - 1) > NOT_UNIT:
        note(f"the vector has length {length:.4g}, not 1; only its direction counts")
    return Vector(found, weight)


def box(region: str | None, pictures: int) -> Box | None:
    """`--region` of the only one of so many images that --image and --like name. Raises `QueryError`."""
    from core.errors import QueryError

    if region is None:
        return None
    if pictures != 1:
        raise QueryError(f"--region is a part of the one image that --image or --like names; there are {pictures}")
    try:
        left, top, right, bottom = (float(side) for side in region.split(","))
    except ValueError:
        raise QueryError(
            f"--region {region!r} is not left,top,right,bottom as fractions of the image, such as 0,0,0.5,1 for its "
            "left half"
        ) from None
    return left, top, right, bottom


def query_and_folder(query: str | None, folder: Path | None, *, needed: bool) -> tuple[str | None, Path]:
    """What to look for and where. Where QUERY is not `needed`, one word alone is the folder if there is such a folder.

    Raises `QueryError` where something is missing."""
    from app.cli.output import printable
    from core.errors import QueryError

    if query is None:
        if needed:
            raise QueryError('say what to find: clipdex search "a red car", or --image FILE, or --like ID')
        return None, folder or Path()
    if folder is None:
        if not os.path.isdir(query) and (needed or not _is_url(query)):  # noqa: PTH112 - a Path refuses very long words
            return query, Path()
        if not needed:
            return None, Path(query)
        if not _is_in_a_collection():  # where there is one, the word is looked for in it
            there = printable(shlex.quote(query))
            raise QueryError(f'{there} is a folder; say what to find, as in: clipdex search "a red car" {there}')
        return query, Path()
    if not os.path.exists(folder) and not _is_url(folder):  # noqa: PTH110
        raise QueryError(
            f"there is no folder {str(folder)!r}; if it is part of the query, put that in quotes: "
            f"clipdex search {_quoted(f'{query} {folder}')}"
        )
    return query, folder


def _quoted(text: str) -> str:
    """Text as one word of a shell."""
    return shlex.quote(text) if set(text) & set('"$`\\') else f'"{text}"'


def _is_url(folder: str | Path) -> bool:
    """Of a collection in an object store; a `Path` that was made from it has lost a slash."""
    from indexer.collection.storage.store import SCHEMES, url_of

    return str(folder).startswith(tuple(f"{scheme}:/" for scheme in SCHEMES)) and url_of(folder) is not None


def _is_in_a_collection() -> bool:
    """Whether the current folder, or one above it, has a collection, be it a damaged one."""
    from indexer.collection.collection import FOLDER, has_collection_at

    here = Path.cwd()
    return any(has_collection_at(place) or (place / FOLDER).is_dir() for place in (here, *here.parents))
