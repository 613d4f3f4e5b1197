"""`clipdex search QUERY [FOLDER]`: which pictures fit?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands import AsJson, Precision

if TYPE_CHECKING:
    from indexer.query import Target


def command(
    query: Annotated[str | None, typer.Argument(help="What to find, in quotes: 'a red car'.")] = None,
    folder: Annotated[Path | None, typer.Argument(help="Where to look; the current folder unless given.")] = None,
    image: Annotated[Path | None, typer.Option("--image", help="Find pictures like this file.")] = None,
    like: Annotated[str | None, typer.Option("--like", help="Find pictures like this item of the collection.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many hits.")] = 20,
    offset: Annotated[int, typer.Option("--offset", min=0, help="How many of the best to leave out.")] = 0,
    texts: Annotated[bool, typer.Option("--texts", help="Search the captions, not the pictures.")] = False,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Insist on this model.")] = None,
    precision: Precision = "auto",
    as_json: AsJson = False,
) -> None:
    """Find pictures by words or by an example.

    Like grep, it looks in the current folder unless told where; a collection is found from any folder beneath it.
    With --image or --like there is no QUERY: clipdex search --image photo.jpg [FOLDER].
    """
    import clipdex
    from app.output import hit_as_dict, note, print_hits, print_json

    words, where = query_and_folder(query, folder, by_example=image is not None or like is not None)
    target: Target = "texts" if texts else "images"
    searcher = clipdex.open(where, model=model, precision=precision)
    hits = searcher.search(words, image=image, like=like, target=target, limit=limit, offset=offset)
    cut = searcher.first_cut(words) if words is not None else None
    if cut is not None:
        note(f"the model reads no further than this: {cut!r} and what follows did not count; say it in fewer words")
    if as_json:
        asked = {"query": words, "image": image and str(image), "like": like, "limit": limit, "offset": offset}
        print_json({**asked, "target": target, "cut_from": cut, "hits": [hit_as_dict(hit) for hit in hits]})
    else:
        print_hits(hits, texts=texts)


def query_and_folder(query: str | None, folder: Path | None, *, by_example: bool) -> tuple[str | None, Path]:
    """What to look for and where. With `--image` or `--like` there is no QUERY, so the one word is the folder."""
    from core.errors import QueryError

    if by_example:
        if folder is not None:
            raise QueryError(f"with --image or --like there is no QUERY, only FOLDER; leave out {query!r}")
        return None, Path(query or ".")
    if query is None:
        raise QueryError('say what to find: clipdex search "a red car", or --image FILE, or --like ID')
    if folder is not None and not os.path.exists(folder):  # noqa: PTH110 - a Path refuses very long words
        raise QueryError(
            f"there is no folder {str(folder)!r}; if it is part of the query, put that in quotes: "
            f'clipdex search "{query} {folder}"'
        )
    return query, folder or Path()
