"""`clipdex failures [FOLDER]`: lists what could not be indexed, and why."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.commands import AsJson, Folder
from app.formatting import failure_row

if TYPE_CHECKING:
    from indexer.maintenance.status import Failure


def command(
    folder: Folder = Path(),
    reason: Annotated[
        str | None, typer.Option("--reason", "-r", help="Only those that failed for this reason.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List what could not be indexed: reason, file, what happened."""
    import clipdex
    from app.cli.output import note, print_json

    failures = chosen(clipdex.open(folder).failures(), reason)
    if as_json:
        print_json({"count": len(failures), "failures": [as_dict(failure) for failure in failures]})
    elif not failures:
        note("nothing failed")
    elif sys.stdout.isatty():
        _show(failures)
    else:
        _print(failures)


def chosen(failures: Sequence[Failure], reason: str | None) -> list[Failure]:
    """Those with a reason, or all of them. Raises `QueryError` for a reason that nothing here failed for."""
    from core.errors import QueryError, unknown_choice

    reasons = {failure.reason for failure in failures}
    if reason is not None and reason not in reasons:
        if not reasons:
            raise QueryError(f"nothing failed here, so nothing for the reason {reason!r}")
        raise QueryError(unknown_choice("reason", reason, reasons))
    return [failure for failure in failures if reason in (None, failure.reason)]


def as_dict(failure: Failure) -> dict[str, str]:
    """A failure as a JSON answer holds it."""
    return {
        "location": failure.location,
        "reason": failure.reason,
        "message": failure.message,
        "when": failure.when.isoformat(),
    }


def _print(failures: Sequence[Failure]) -> None:
    """One line each, `reason<TAB>location<TAB>message`, for other programs."""
    from app.cli.output import printable

    for failure in failures:
        print("\t".join(printable(" ".join(text.split())) for text in failure_row(failure)))


def _show(failures: Sequence[Failure]) -> None:
    from rich.text import Text

    from app.cli.output import console, printable

    out = console()
    for failure in failures:
        reason, location, message = failure_row(failure)
        line = Text(f"{reason}  ", style="bold red").append(printable(location), style="not bold default")
        out.print(line.append(f"  {printable(message)}", style="not bold default dim"))
    counts = Counter(failure.reason for failure in failures)
    out.print(
        f"{len(failures):,} failed: " + ", ".join(f"{count:,} {reason}" for reason, count in counts.most_common())
    )
