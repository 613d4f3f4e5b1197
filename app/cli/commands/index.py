"""`clipdex index SOURCE…`: makes images searchable."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.commands import AsJson, Precision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipdex import Report, Settings

FAILED, STOPPED = 3, 130  # exit codes


# What is asked for, where that takes more than a line.
Sources = Annotated[
    list[str],
    typer.Argument(help="Folders, archives (.tar, .zip), tables (.csv, .parquet), data-{000..010}.tar, s3://…"),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="A name (clipdex models list) or a path; another one than before takes over when done.",
    ),
]
KeepOld = Annotated[
    bool, typer.Option("--keep-old", help="Keep the vectors of the model before when another takes over.")
]
RemoveSource = Annotated[list[str] | None, typer.Option(help="Take a source and its images out of the collection.")]
Exact = Annotated[
    bool, typer.Option("--exact", help="Decode large JPEGs in full: slower, and the last bit as in other programs.")
]
Checksum = Annotated[
    bool, typer.Option("--checksum", help="Compare the contents of files, not only their sizes and times.")
]
RetryFailures = Annotated[
    bool, typer.Option("--retry-failures", help="Try again what failed before, though the file is the same.")
]
Tiles = Annotated[
    bool | None,
    typer.Option(
        "--tiles/--no-tiles", help="Embed parts of each image, too, from now on, or drop them: finds small things."
    ),
]
AllowRemoval = Annotated[
    bool, typer.Option("--allow-removal", help="Remove what is gone, even if it is more than half of everything.")
]
TimeLimit = Annotated[
    float, typer.Option("--time-limit", min=0.1, help="Seconds for one image to be read and decoded.")
]
Engine = Annotated[str, typer.Option("--engine", help="Where images are embedded: local, or ray (on many machines).")]
Address = Annotated[
    str | None, typer.Option("--address", help="HOST:PORT of the Ray cluster; without it this machine alone.")
]


def command(
    sources: Sources,
    model: Model = None,
    keep_old: KeepOld = False,
    to: Annotated[Path | None, typer.Option("--to", help="Keep the collection here, not in SOURCE/.clipdex.")] = None,
    captions: Annotated[Path | None, typer.Option(help="A CSV file with the columns image,caption.")] = None,
    kind: Annotated[str | None, typer.Option(help="What the source is, where that cannot be told.")] = None,
    include: Annotated[list[str] | None, typer.Option(help="Only images like this: '*.jpg', 'trips/2024'.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="No images like this: thumbs, '*.gif'.")] = None,
    image_column: Annotated[str | None, typer.Option(help="The column of a table with images or paths.")] = None,
    caption_column: Annotated[list[str] | None, typer.Option(help="A column, or a JSON field, with captions.")] = None,
    columns: Annotated[str | None, typer.Option(help="Further columns to keep, as a,b; '' keeps none.")] = None,
    id_column: Annotated[str | None, typer.Option(help="The column with names of images that have no path.")] = None,
    remove_source: RemoveSource = None,
    precision: Precision = "auto",
    exact: Exact = False,
    checksum: Checksum = False,
    retry_failures: RetryFailures = False,
    allow_removal: AllowRemoval = False,
    tiles: Tiles = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for another run on the same collection to end.")] = False,
    time_limit: TimeLimit = 60.0,
    engine: Engine = "local",
    address: Address = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 3 when anything failed.")] = False,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no report; problems still show.")] = False,
) -> None:
    """Index images. A second run only does what changed."""
    import clipdex
    from app.cli.output import print_json, printable
    from app.cli.progress import watched

    if model is None and not dry_run:
        announce_download(sources, to, kind)
    with watched(show=not (quiet or as_json)) as watcher:
        report = clipdex.index(
            sources,
            kind=kind,
            settings=_settings(
                {"image": image_column, "id": id_column},
                include=include,
                exclude=exclude,
                captions=caption_column,
                columns=None if columns is None else columns.split(","),
            ),
            remove=remove_source or (),
            model=model,
            to=to,
            captions=captions,
            precision=precision,
            exact=exact,
            keep_old=keep_old,
            checksum=checksum,
            retry_failures=retry_failures,
            allow_removal=allow_removal,
            tiles=tiles,
            dry_run=dry_run,
            wait=wait,
            time_limit=time_limit,
            engine=engine,
            address=address,
            progress=watcher.progress,
            stop=watcher.stop,
        )
    if as_json:
        print_json(report_as_dict(report))
    elif not quiet:
        print(report.summary(printable(", ".join(sources))))
    if report.stopped:
        raise typer.Exit(STOPPED)
    if strict and report.failed:
        raise typer.Exit(FAILED)


def _settings(single: dict[str, str | None], **several: list[str] | None) -> Settings:
    """What was said; an option that is given empty takes back what was said before, or means none."""
    from indexer.sources import Settings

    said: dict[str, object] = {name: value or None for name, value in single.items() if value is not None}
    for name, values in several.items():
        if values is not None:
            said[name] = tuple(value.strip() for value in values if value.strip())
    return Settings.model_validate(said)


def announce_download(sources: str | Path | Sequence[str | Path], to: Path | None, kind: str | None = None) -> None:
    """A new collection gets the recommended model, and where that is not here yet, this is a large download.

    Raises `SourceError` if there is nothing to download it for."""
    from app.cli.output import note
    from core.formats import hub
    from indexer.ingest import sync
    from indexer.ingest.planning.source_resolution import SourceRequest, check_there

    given = SourceRequest((sources,) if isinstance(sources, str | Path) else tuple(sources), kind)
    check_there(given)
    recommended = hub.find(hub.RECOMMENDED_MODEL)
    if recommended is None or recommended.description is None:
        raise AssertionError("the recommended model is one of the described ones")
    if sync.has_collection(given, to) or hub.is_here(recommended):
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
