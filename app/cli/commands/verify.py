"""`clipdex verify [FOLDER]`: checks a collection and repairs it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.commands import AsJson, Folder

if TYPE_CHECKING:
    from indexer.maintenance.verify import Verification

SOMETHING_WRONG = 1


def command(
    folder: Folder = Path(),
    repair: Annotated[
        bool, typer.Option("--repair", help="Set right what can be; take away the rest, to be indexed anew.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read every row of a collection and say what is wrong. Exit code 1 if something is, and was not repaired."""
    from app.cli.output import counting, print_json
    from indexer.collection.collection import Collection
    from indexer.maintenance.verify import verify

    collection = Collection.find(folder.expanduser(), mending=repair)
    with counting("Reading") as progress:
        result = verify(collection, mend=repair, progress=progress)
    if as_json:
        print_json(as_dict(result))
    else:
        print(result.summary())
    if not result.well:
        raise typer.Exit(SOMETHING_WRONG)


def as_dict(result: Verification) -> dict[str, object]:
    """The result as the JSON answer holds it."""
    from dataclasses import asdict

    return asdict(result)
