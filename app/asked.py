"""How do the options of `clipdex search` become parts of a query?"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indexer.query import Box, Like, Picture, Text

_WEIGHT = re.compile(r"(.+):(\d*\.\d+|\d+\.?)", re.DOTALL)
_POINT = re.compile(r"(.+):(\d*\.\d+)", re.DOTALL)


def weighted(given: str, is_whole: Callable[[str], bool] | None = None, usual: float = 1.0) -> tuple[str, float]:
    """`123.jpg:0.5` -> what, and its weight; `usual` where none is given.

    A name that `is_whole` knows stays whole. Of words only a number with a point is a weight: "at 12:30" has none."""
    if is_whole is not None and is_whole(given):
        return given, usual
    match = (_POINT if is_whole is None else _WEIGHT).fullmatch(given)
    return (match[1], float(match[2])) if match else (given, usual)


def texts(given: Sequence[str], usual: float = 1.0) -> list[Text]:
    """`--with` and `--without`: words with weights."""
    from indexer.query import Text

    return [Text(*weighted(one, usual=usual)) for one in given]


def likes(given: Sequence[str], is_item: Callable[[str], bool]) -> list[Like]:
    """`--like`: items of the collection with weights."""
    from indexer.query import Like

    return [Like(*weighted(one, is_item)) for one in given]


def pictures(given: Sequence[str], region: str | None) -> list[Picture]:
    """`--image` and `--region`: files with weights, and a region of the only one. Raises `QueryError`."""
    from core.errors import QueryError
    from indexer.query import Picture

    if region is not None and len(given) != 1:
        raise QueryError(f"--region is a part of the one picture that --image names; there are {len(given)}")
    box = None if region is None else _box(region)
    return [Picture(Path(name), weight, box) for name, weight in (weighted(one, os.path.exists) for one in given)]


def _box(region: str) -> Box:
    from core.errors import QueryError

    try:
        left, top, right, bottom = (float(side) for side in region.split(","))
    except ValueError:
        raise QueryError(
            f"--region {region!r} is not left,top,right,bottom as fractions of the picture, such as 0,0,0.5,1 for its "
            "left half"
        ) from None
    return left, top, right, bottom


def query_and_folder(query: str | None, folder: Path | None, *, needed: bool) -> tuple[str | None, Path]:
    """What to look for and where. Where QUERY is not `needed`, one word alone is the folder if there is such a folder.

    Raises `QueryError` where something is missing."""
    from app.output import printable
    from core.errors import QueryError

    if query is None:
        if needed:
            raise QueryError('say what to find: clipdex search "a red car", or --image FILE, or --like ID')
        return None, folder or Path()
    if folder is None:
        if not os.path.isdir(query):  # noqa: PTH112 - a Path refuses very long words
            return query, Path()
        if not needed:
            return None, Path(query)
        if not _is_in_a_collection():  # where there is one, the word is looked for in it
            there = printable(shlex.quote(query))
            raise QueryError(f'{there} is a folder; say what to find, as in: clipdex search "a red car" {there}')
        return query, Path()
    if not os.path.exists(folder):  # noqa: PTH110
        raise QueryError(
            f"there is no folder {str(folder)!r}; if it is part of the query, put that in quotes: "
            f'clipdex search "{query} {folder}"'
        )
    return query, folder


def _is_in_a_collection() -> bool:
    """Whether the current folder, or one above it, has a collection, be it a damaged one."""
    from indexer.collection import FOLDER, has_collection_at

    here = Path.cwd()
    return any(has_collection_at(place) or (place / FOLDER).is_dir() for place in (here, *here.parents))
