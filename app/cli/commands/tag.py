"""`clipdex tag FOLDER [ID…]`: lists, adds and removes tags."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.commands import AsJson, Folder

if TYPE_CHECKING:
    from clipdex import Searcher

STDIN = "-"


def command(
    folder: Folder = Path(),
    ids: Annotated[list[str] | None, typer.Argument(help="Images: ids or paths; - reads them from stdin.")] = None,
    add: Annotated[list[str] | None, typer.Option(help="A tag to give them.")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="A tag to take from them.")] = None,
    exclude: Annotated[bool, typer.Option("--exclude", help="Keep them out of every answer.")] = False,
    include: Annotated[bool, typer.Option("--include", help="Take them into answers again.")] = False,
    query: Annotated[str | None, typer.Option(help="The best hits of this search, in place of ids.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many hits of --query.")] = 20,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print which images it would be.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the tags of a collection, or give images tags and take others away; all options may be repeated.

    Tags are kept with the collection, whatever the files do, and found by tag:NAME in a search. Excluded images are
    found by excluded:yes only.
    """
    import clipdex
    from app.cli.output import print_json
    from core.errors import QueryError

    searcher = clipdex.open(folder)
    add, remove, given = add or [], remove or [], ids or []
    if not (add or remove or exclude or include):
        if given or query:
            raise QueryError("say what to do with these images: --add TAG, --remove TAG, --exclude or --include")
        _show(searcher.tags(), as_json=as_json)
        return
    if exclude and include:
        raise QueryError("choose one of --exclude and --include")
    chosen = _chosen(searcher, given, query, limit)
    if dry_run:
        print_json({"ids": chosen}) if as_json else print("\n".join(chosen))
        return
    changed = 0
    if add or remove:
        changed = searcher.tag(chosen, add=add, remove=remove)
    if exclude or include:
        changed = max(changed, searcher.exclude(chosen) if exclude else searcher.include(chosen))
    if as_json:
        print_json({"ids": chosen, "changed": changed})
    else:
        print(f"{changed:,} of {len(chosen):,} {'image' if len(chosen) == 1 else 'images'} changed")


def _chosen(searcher: Searcher, given: Sequence[str], query: str | None, limit: int) -> list[str]:
    """The ids of the images that are meant. Raises `QueryError`."""
    from app.cli.image_arguments import items
    from core.errors import QueryError

    if query is not None:
        if given:
            raise QueryError("say which images by their ids or by --query, not by both")
        found = [hit.id for hit in searcher.search(searcher.read(query), limit=limit)]
        if not found:
            raise QueryError(f"nothing meets {query!r}")
        return found
    if STDIN in given:
        # As they were written by `clipdex search`: a score, a tab, a path; or one id or path a line.
        # Names may be no UTF-8, and `splitlines` would cut those that hold other ends of lines.
        lines = os.fsdecode(sys.stdin.buffer.read()).replace("\r\n", "\n").split("\n")
        given = [*(one for one in given if one != STDIN), *(line.split("\t")[-1] for line in lines if line.strip())]
    if not given:
        raise QueryError("say which images: ids or paths, - for those on stdin, or --query WORDS")
    return items(searcher, given)


def _show(tags: dict[str, int], *, as_json: bool) -> None:
    """At a terminal a small table; elsewhere `count<TAB>tag`."""
    from app.cli.output import note, print_json, printable, table

    if as_json:
        print_json({"tags": tags})
    elif sys.stdout.isatty() and tags:
        table("", ["tag", "images"], [(name, f"{count:,}") for name, count in tags.items()])
    else:
        for name, count in tags.items():
            print(f"{count}\t{printable(name)}")
    if not tags:
        note("no image has a tag yet: clipdex tag FOLDER ID --add NAME")
