"""`clipdex status [FOLDER]`: what does the collection hold, and what could not be read?"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands import Folder

if TYPE_CHECKING:
    from clipdex import Status

SHOWN_PER_REASON = 3


def command(
    folder: Folder = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, with every failure.")] = False,
) -> None:
    """Show counts, model, size, and what could not be read and why."""
    import clipdex
    from app.output import print_json

    status = clipdex.open(folder).status()
    if as_json:
        print_json(as_dict(status))
    else:
        _show(status)


def as_dict(status: Status) -> dict[str, object]:
    """The status as the JSON answer holds it."""
    return {
        "folder": str(status.folder),
        "collection": str(status.collection),
        "model": status.model,
        "fingerprint": status.fingerprint,
        "dim": status.dim,
        "images": status.images,
        "texts": status.texts,
        "size_bytes": status.size_bytes,
        "format_version": status.format_version,
        "updated": status.updated.isoformat(),
        "failures": [
            {"location": each.location, "reason": each.reason, "message": each.message, "when": each.when.isoformat()}
            for each in status.failures
        ],
    }


def _show(status: Status) -> None:
    from rich.table import Table

    from app.output import console, moment, printable, short_path, size

    grid = Table(box=None, show_header=False, pad_edge=False)
    grid.add_column(style="dim")
    grid.add_column()
    grid.add_row("folder", printable(str(status.folder)))
    grid.add_row("collection", printable(short_path(status.collection)) + f"  ({size(status.size_bytes)})")
    grid.add_row("model", f"{printable(status.model)}  ({status.dim} numbers a picture, {status.fingerprint[:12]})")
    grid.add_row("pictures", f"{status.images:,}")
    grid.add_row("captions", f"{status.texts:,}")
    grid.add_row("failures", f"{len(status.failures):,}")
    grid.add_row("updated", moment(status.updated))
    out = console()
    out.print(grid)
    _show_failures(status)


def _show_failures(status: Status) -> None:
    from rich.text import Text

    from app.output import console, printable

    by_reason = defaultdict(list)
    for failure in status.failures:
        by_reason[failure.reason].append(failure)
    out = console()
    for reason, failures in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        out.print(Text(f"\n{len(failures):,} × {reason}", style="bold red"))
        for failure in failures[:SHOWN_PER_REASON]:
            out.print(Text(f"  {printable(failure.location)}").append(f"  {printable(failure.message)}", style="dim"))
        if len(failures) > SHOWN_PER_REASON:
            out.print(Text(f"  … {len(failures) - SHOWN_PER_REASON:,} more: clipdex status --json", style="dim"))
