"""`clipdex compact [FOLDER]`: what of the collection need not be kept any longer?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands import AsJson, Folder

if TYPE_CHECKING:
    from indexer.compact import Compaction


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

    from app.output import print_json
    from indexer.collection import Collection
    from indexer.compact import compact

    done = compact(Collection.find(folder.expanduser()), keep=timedelta(minutes=keep))
    if as_json:
        print_json(asdict(done))
        return
    print(freed(done))
    if done.kept:
        print(
            f"{done.kept:,} old versions stay for searches that are running now; they and what only they need go "
            "with a later compact, or now with --keep 0"
        )


def freed(done: Compaction) -> str:
    """What became of the collection's size. It grows where files were merged and the old ones cannot go yet."""
    from app.output import size

    less = done.before - done.after
    if less > 0:
        return f"{size(less)} freed: {size(done.before)} before, {size(done.after)} now"
    if less == 0:
        return f"nothing to free: {size(done.after)}, as before"
    if done.kept:
        return (
            f"nothing freed yet: {size(done.after)} now, {size(-less)} more than before, since small files were merged "
            "and old versions still need those that they were merged from"
        )
    return f"nothing to free: {size(done.after)} now, {size(done.before)} before"
