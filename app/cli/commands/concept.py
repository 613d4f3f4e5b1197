"""`clipdex concept`: keeps, lists and removes concepts learned from examples."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.cli.commands import AsJson, Folder

command = typer.Typer(
    name="concept",
    help="Keep what example images have in common, and search for it as concept:NAME.",
    no_args_is_help=True,
)

Place = Annotated[Path, typer.Argument(help="A folder with a collection, or any folder beneath it.")]
Name = Annotated[str, typer.Argument(help="What it is called.")]


@command.command("list")
def list_concepts(folder: Folder = Path(), as_json: AsJson = False) -> None:
    """List the concepts of a collection."""
    import clipdex
    from app.cli.output import note, print_json, printable, table
    from app.formatting import format_time

    found = clipdex.open(folder).concepts()
    if as_json:
        told = [{"name": one.name, "fits": one.fits, "does_not": one.does_not, "made": one.made} for one in found]
        print_json({"concepts": told})
    elif sys.stdout.isatty() and found:
        rows = [(one.name, str(len(one.fits)), str(len(one.does_not)), format_time(one.made)) for one in found]
        table("", ["concept", "fit", "do not", "made"], rows)
    else:
        for one in found:
            print(f"{printable(one.name)}\t{len(one.fits)}\t{len(one.does_not)}")
    if not found:
        note("no concept is kept yet: clipdex concept add FOLDER NAME --like ID")


@command.command("add")
def add(
    folder: Place,
    name: Name,
    like: Annotated[list[str], typer.Option(help="An image that fits: its id or path. May be repeated.")],
    unlike: Annotated[list[str] | None, typer.Option(help="An image that does not fit.")] = None,
) -> None:
    """Learn a concept from examples and keep it; one of the same name is replaced."""
    import clipdex
    from app.cli.image_arguments import items
    from app.cli.output import printable

    searcher = clipdex.open(folder)
    before = {one.name for one in searcher.concepts()}
    kept = searcher.keep_concept(name, items(searcher, like), items(searcher, unlike or []))
    asked = f"concept:{kept.name}" if " " not in kept.name else f'concept:"{kept.name}"'
    print(f"{'replaced' if kept.name in before else 'kept'}; search for it with {printable(asked)}")


@command.command("remove")
def remove(folder: Place, name: Name) -> None:
    """Keep a concept no more. The images stay as they are."""
    import clipdex

    clipdex.open(folder).forget_concept(name)
    print("forgotten")
