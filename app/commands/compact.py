"""`clipdex compact [FOLDER]`: what of the collection need not be kept any longer?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands import AsJson, Folder


def command(
    folder: Folder = Path(),
    keep: Annotated[
        float, typer.Option("--keep", min=0, help="Old versions stay this many minutes for searches that run now.")
    ] = 10,
    as_json: AsJson = False,
) -> None:
    """Merge small files and drop old versions. Indexing does it by itself when there are many."""
    from dataclasses import asdict
    from datetime import timedelta

    from app.output import print_json, size
    from indexer.collection import Collection
    from indexer.compact import compact

    done = compact(Collection.find(folder.expanduser()), keep=timedelta(minutes=keep))
    if as_json:
        print_json(asdict(done))
        return
    print(f"{size(done.before)} before, {size(done.after)} now")
    if done.kept:
        print(
            f"{done.kept:,} old versions stay for searches that are running now; they go with a later compact, or now "
            "with --keep 0"
        )
