"""`clipdex compact [FOLDER]`: frees the disk space that a collection no longer needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.commands import AsJson, Folder
from app.formatting import compaction_summary


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

    from app.cli.output import print_json
    from indexer.collection.collection import Collection
    from indexer.maintenance.compact import compact

    done = compact(Collection.find(folder.expanduser()), keep=timedelta(minutes=keep))
    if as_json:
        print_json(asdict(done))
        return
    print(compaction_summary(done))
    if done.kept:
        print(
            f"{done.kept:,} old versions stay for searches that are running now; they and what only they need go "
            "with a later compact, or now with --keep 0"
        )
