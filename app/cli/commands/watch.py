"""`clipdex watch FOLDER`: keeps a collection current while files change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.commands import Precision

if TYPE_CHECKING:
    from clipdex import ClipdexError, Report
    from core.encoder import Encoder


def command(
    given: Annotated[str, typer.Argument(metavar="FOLDER", help="The folder whose images become and stay searchable.")],
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="For a new collection; one that is there keeps its own.")
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", help="Keep the collection here, not in FOLDER/.clipdex.")] = None,
    captions: Annotated[Path | None, typer.Option(help="A CSV file with the columns image,caption.")] = None,
    precision: Precision = "auto",
) -> None:
    """Index a folder, and again whenever files come, change or go, until Ctrl-C."""
    from app.cli.commands.index import STOPPED, announce_download
    from app.cli.progress import watched
    from core.errors import WrongModelError
    from core.formats.hub import RECOMMENDED_MODEL
    from core.inference.load import load_encoder, stable_name
    from indexer.ingest import sync
    from indexer.ingest.options import Options
    from indexer.ingest.planning.source_resolution import check_there
    from indexer.ingest.watch import Changes, keep_current

    check_there(given)
    folder = Path(given)
    if model is None:
        announce_download(folder, to)
    model = RECOMMENDED_MODEL if model is None else model
    encoder: Encoder | None = sync.used_encoder(folder, to, precision=precision)
    encoder = encoder or load_encoder(model, precision=precision)
    stopped = False

    def run() -> Report:
        nonlocal encoder, stopped
        if encoder is None:
            encoder = sync.used_encoder(folder, to, precision=precision) or load_encoder(model, precision=precision)
        with watched(show=True) as watcher:
            options = Options(wait=True, stop=watcher.stop)
            try:
                report = sync.index(
                    folder,
                    encoder=encoder,
                    to=to,
                    captions=captions,
                    progress=watcher.progress,
                    load=stable_name(model),
                    options=options,
                )
            except WrongModelError:  # another run has let another model take over
                encoder = None
                raise
        stopped = report.stopped
        return report

    changes = Changes(folder.expanduser().absolute(), [sync.collection_path(folder, to)])
    try:
        keep_current(run, changes, _Teller().tell, lambda: stopped)
    finally:
        changes.close()
    raise typer.Exit(STOPPED)


class _Teller:
    """Says what each run did; nothing where nothing was done, and the same problem only once."""

    def __init__(self) -> None:
        self.last = ""

    def tell(self, result: Report | ClipdexError) -> None:
        from app.cli.output import note

        if isinstance(result, Exception):
            if str(result) != self.last:
                note(str(result), prefix="problem, trying again: ")
            self.last = str(result)
            return
        done = result.added + result.updated + result.moved + result.removed
        if done or result.stopped or not self.last:
            print(result.summary(), flush=True)
        self.last = "well"
