"""`clipdex duplicates [FOLDER]`: lists near-duplicates and which image of each group to keep."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.commands import AsJson, Folder

if TYPE_CHECKING:
    from indexer.dedup.duplicates import Group
    from indexer.dedup.keep_policy import Best
    from indexer.sources import Source

TITLES = {
    "bytes": "the same file",
    "picture": "the same image, encoded again, resized, cropped or recoloured",
    "scene": "another image of the same scene",
}


def command(
    folder: Folder = Path(),
    kind: Annotated[list[str] | None, typer.Option(help="Only this: bytes, picture or scene; all by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the groups of images that are there more than once, by kind; the one to keep of each group comes first.

    Nothing is deleted: the list says what could be, and why the first is the one to keep."""
    import clipdex
    from app.cli.output import note, print_json
    from core.errors import QueryError, unknown_choice
    from indexer.dedup.duplicate_rule import KINDS
    from indexer.dedup.duplicates import best_of, duplicates

    for name in kind or ():
        if name not in KINDS:
            raise QueryError(unknown_choice("kind", name, KINDS))
    kinds = [name for name in KINDS if not kind or name in kind]
    searcher = clipdex.open(folder)
    snapshot = searcher.snapshot()
    groups = duplicates(snapshot, kinds)
    best = best_of(snapshot, groups)
    source = searcher.collection.source
    if as_json:
        told = [_as_dict(group, one, source) for group, one in zip(groups, best, strict=True)]
        print_json({"kinds": kinds, "groups": told})
        return
    _show(groups, best, source)
    if not groups:
        note(f"no image is here more than once ({', '.join(kinds)})")


def _as_dict(group: Group, best: Best, source: Source) -> dict[str, object]:
    paths = [source.path(item_id) for item_id in group.ids]
    return {
        "kind": group.kind,
        "keep": best.id,
        "why": best.why,
        "others_bytes": best.others,
        "ids": group.ids,
        "paths": [None if path is None else str(path) for path in paths],
    }


def _show(groups: Sequence[Group], best: Sequence[Best], source: Source) -> None:
    """At a terminal under headings; elsewhere `kind<TAB>number of the group<TAB>path`."""
    from rich.text import Text

    from app.cli.output import console, printable, short_path
    from app.formatting import format_size

    shown = ""
    for number, group in enumerate(groups, start=1):
        paths = [source.path(item_id) for item_id in group.ids]
        names = [
            printable(item_id if path is None else short_path(path))
            for item_id, path in zip(group.ids, paths, strict=True)
        ]
        if not sys.stdout.isatty():
            print("\n".join(f"{group.kind}\t{number}\t{name}" for name in names))
            continue
        if group.kind != shown:
            console().print(Text(f"{TITLES[group.kind]}:", style="bold"))
            shown = group.kind
        one = best[number - 1]
        console().print(Text(f"  {names[0]}").append(f"  keep: {', '.join(one.why)}", style="green"))
        for name in names[1:]:
            console().print(Text(f"    {name}", style="dim"))
    if groups and sys.stdout.isatty():
        console().print(
            Text(f"The others take {format_size(sum(one.others for one in best))}; nothing was deleted.", style="dim")
        )
