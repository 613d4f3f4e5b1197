"""`clipdex index FOLDER`: how does a folder become searchable?"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands import AsJson, Precision

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import Progress as Bar

    from clipdex import Report
    from indexer.report import Progress


def command(
    folder: Annotated[Path, typer.Argument(help="The folder whose pictures become searchable.")],
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="A name (clipdex models list) or a path; else its own, or the recommended."),
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", help="Keep the collection here, not in FOLDER/.clipdex.")] = None,
    captions: Annotated[Path | None, typer.Option(help="A CSV file with the columns image,caption.")] = None,
    precision: Precision = "auto",
    exact: Annotated[
        bool, typer.Option("--exact", help="Decode large JPEGs in full: slower, and the last bit as in other programs.")
    ] = False,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no report; problems still show.")] = False,
) -> None:
    """Index a folder of pictures. A second run only does what changed."""
    from app.output import print_json

    report = run(
        folder,
        model=model,
        to=to,
        captions=captions,
        precision=precision,
        exact=exact,
        show_progress=not (quiet or as_json),
    )
    if as_json:
        print_json(report_as_dict(report))
    elif not quiet:
        print(report.summary())


def run(
    folder: Path,
    *,
    model: str | None,
    to: Path | None = None,
    captions: Path | None = None,
    precision: str = "auto",
    exact: bool = False,
    show_progress: bool,
) -> Report:
    """Index with a progress bar on stderr, so that stdout holds only the report."""
    import clipdex

    if model is None:
        _announce_download(folder, to)
    start = partial(clipdex.index, folder, model=model, to=to, captions=captions, precision=precision, exact=exact)
    if not (show_progress and sys.stderr.isatty()):
        return start()
    with _bar() as bar:
        return start(progress=_into(bar))


def _announce_download(folder: Path, to: Path | None) -> None:
    """A new collection gets the recommended model, and where that is not here yet, this is a large download."""
    from app.output import note
    from core import hub
    from indexer import sync

    recommended = hub.find(hub.RECOMMENDED_MODEL)
    if recommended is None or recommended.description is None:
        raise AssertionError("the recommended model is one of the described ones")
    if sync.has_collection(folder, to) or hub.is_here(recommended):
        return
    gigabytes = recommended.description.parameters * 4 / 1e9
    note(
        f"without --model it is {recommended.name}, which is not on this machine yet: downloading about "
        f"{gigabytes:.1f} GB from the hub, once; --model tiny comes with clipdex and needs no network"
    )


def report_as_dict(report: Report) -> dict[str, object]:
    """The report as the JSON answer holds it: its fields by their names."""
    from dataclasses import asdict

    return asdict(report)


def _bar() -> Bar:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from app.output import console

    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
        TextColumn("{task.fields[failures]}", style="red"),
        console=console(stderr=True),
        transient=True,
    )


def _into(bar: Bar) -> Callable[[Progress], None]:
    """A function that shows the indexer's progress on the bar."""
    stages = {"scan": "Looking for pictures", "embed": "Indexing", "finish": "Finishing"}
    task = bar.add_task(stages["scan"], total=None, pace="", failures="")

    def show(progress: Progress) -> None:
        bar.update(
            task,
            description=stages.get(progress.stage, progress.stage),
            completed=progress.done,
            total=progress.total or None,
            pace=pace(progress.rate, progress.eta),
            failures=f"{progress.failed:,} failed" if progress.failed else "",
        )

    return show


def pace(rate: float, eta: float | None) -> str:
    """Rate and time left, as `84 pictures/s, 1:05 left`; empty while nothing is known."""
    if not rate or eta is None:
        return ""
    minutes, seconds = divmod(round(eta), 60)
    hours, minutes = divmod(minutes, 60)
    left = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return f"{rate:.0f} pictures/s, {left} left" if rate >= 10 else f"{rate:.1f} pictures/s, {left} left"
