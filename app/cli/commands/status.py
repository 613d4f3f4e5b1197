"""`clipdex status [FOLDER]`: shows what a collection holds and what could not be read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.commands import Folder
from app.cli.commands.failures import as_dict as failure_as_dict

if TYPE_CHECKING:
    from clipdex import Status
    from indexer.maintenance.status import IndexStatus

SHOWN_PER_REASON = 3
TAGS_SHOWN = 8


def command(
    folder: Folder = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, with every failure.")] = False,
) -> None:
    """Show counts, model, sources, size, indexes, and what could not be read and why."""
    import clipdex
    from app.cli.output import print_json

    status = clipdex.open(folder).status()
    if as_json:
        print_json(as_dict(status))
    else:
        _show(status)


def as_dict(status: Status) -> dict[str, object]:
    """The status as the JSON answer holds it."""
    from dataclasses import asdict

    return {
        "folder": str(status.folder),
        "sources": status.sources,
        "collection": str(status.collection),
        "model": status.model,
        "fingerprint": status.fingerprint,
        "dim": status.dim,
        "others": status.others,
        "images": status.images,
        "texts": status.texts,
        "excluded": status.excluded,
        "tags": status.tags,
        "tiles": status.tiles,
        "size_bytes": status.size_bytes,
        "format_version": status.format_version,
        "updated": status.updated.isoformat(),
        "indexes": [{**asdict(index), "built": index.built and index.built.isoformat()} for index in status.indexes],
        "reasons": status.reasons,
        "failures": [failure_as_dict(failure) for failure in status.failures],
    }


def _show(status: Status) -> None:
    from rich.table import Table

    from app.cli.output import console, printable, short_path
    from app.formatting import format_size, format_time

    grid = Table(box=None, show_header=False, pad_edge=False)
    grid.add_column(style="dim")
    grid.add_column()
    grid.add_row("folder", printable(str(status.folder)))
    for source in status.sources[1:]:
        grid.add_row("and", printable(source))
    grid.add_row("collection", printable(short_path(status.collection)) + f"  ({format_size(status.size_bytes)})")
    grid.add_row("model", f"{printable(status.model)}  ({status.dim} numbers an image, {status.fingerprint[:12]})")
    for other in status.others:
        grid.add_row("and", printable(other))
    grid.add_row("images", f"{status.images:,}")
    if status.tiles is not None:
        grid.add_row("tiles", f"{status.tiles:,}  (parts of images: search --tiles)")
    if status.excluded:
        grid.add_row("excluded", f"{status.excluded:,}, in no answer; excluded:yes finds them")
    if status.tags:
        grid.add_row("tags", printable(_tags_line(status.tags)))
    grid.add_row("captions", f"{status.texts:,}")
    for index in status.indexes:
        grid.add_row("index", index_line(index))
    grid.add_row("failures", f"{len(status.failures):,}")
    grid.add_row("updated", format_time(status.updated))
    console().print(grid)
    _show_failures(status)


def _tags_line(tags: dict[str, int]) -> str:
    """The most frequent tags, with their counts."""
    shown = ", ".join(f"{name} ({count:,})" for name, count in list(tags.items())[:TAGS_SHOWN])
    return shown + (f" and {len(tags) - TAGS_SHOWN:,} more" if len(tags) > TAGS_SHOWN else "")


def index_line(index: IndexStatus, now: datetime | None = None) -> str:
    """An index in one line: what it is for, how old it is, how far it is behind."""
    from app.formatting import format_age, format_size

    words = {"images": "images", "texts": "captions"}[index.target]
    if index.built is None:
        return f"{words}: not used: {index.problem}"
    behind = f"{index.missing:,} not in it yet" if index.missing else "all of them"
    built = format_age((now or datetime.now(UTC)) - index.built)
    line = f"{index.kind}, {index.rows:,} {words}, {behind}, built {built} ago, {format_size(index.size_bytes)}"
    return line if index.problem is None else f"{line}; {index.problem}"


def _show_failures(status: Status) -> None:
    from rich.text import Text

    from app.cli.output import console, printable
    from app.formatting import failure_row

    out = console()
    for reason, count in status.reasons.items():
        out.print(Text(f"\n{count:,} × {reason}", style="bold red"))
        failures = [failure for failure in status.failures if failure.reason == reason]
        for failure in failures[:SHOWN_PER_REASON]:
            _, location, message = failure_row(failure)
            out.print(Text(f"  {printable(location)}").append(f"  {printable(message)}", style="dim"))
        if count > SHOWN_PER_REASON:
            more = f"  … {count - SHOWN_PER_REASON:,} more: clipdex failures --reason '{reason}'"
            out.print(Text(more, style="dim"))
