"""`clipdex describe IMAGE [FOLDER]`: finds the captions of a collection that fit an image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.commands import AsJson, Folder


def command(
    image: Annotated[Path, typer.Argument(help="The image to describe.")],
    folder: Folder = Path(),
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many captions.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Rank the collection's captions for an image, the best first."""
    import clipdex
    from app.cli.output import hit_as_dict, print_hits, print_json

    hits = clipdex.open(folder).describe(image, limit=limit)
    if as_json:
        print_json({"image": str(image), "limit": limit, "hits": [hit_as_dict(hit) for hit in hits]})
    else:
        print_hits(hits, texts=True)
