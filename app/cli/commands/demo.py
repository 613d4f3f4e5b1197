"""`clipdex demo`: indexes and searches a painted sample collection, then opens the app."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.commands import Model

QUERIES = ("a sailing boat on the sea", "palm trees on an island", "a campfire at night", "a city at night")


def command(
    folder: Annotated[Path, typer.Option("--folder", help="Where the sample collection goes.")] = Path("demo"),
    count: Annotated[int, typer.Option("--n", min=1, help="How many images to paint.")] = 300,
    model: Model = "tiny",
    port: Annotated[int, typer.Option("--port", "-p", min=1, max=65535, help="The port of the app.")] = 8501,
    ui: Annotated[bool, typer.Option("--ui/--no-ui", help="Start the app at the end.")] = True,
) -> None:
    """Paint a sample collection, index it, search it, start the app."""
    import clipdex
    from app.cli.commands import ui as ui_command
    from app.cli.output import print_hits
    from app.cli.progress import watched
    from core.inference.load import load_encoder

    load_encoder(model)  # a missing model is said before anything is painted
    if ui:
        ui_command.check_port(port)
    _paint(folder, count)
    print(f"\n$ clipdex index {folder}")
    with watched(show=True) as watcher:
        report = clipdex.index(folder, model=model, progress=watcher.progress, stop=watcher.stop)
    print(report.summary())
    if report.stopped:
        raise KeyboardInterrupt
    searcher = clipdex.open(folder)
    for query in QUERIES:
        print(f'\n$ clipdex search "{query}" {folder} --limit 3')
        print_hits(searcher.search(query, limit=3))
    print(f"\n$ clipdex ui {folder}" if ui else f"\nTo open the app: clipdex ui {folder}")
    if ui:
        ui_command.run(folder, port, remember=False)  # a demo leaves nothing behind but its folder


def _paint(folder: Path, count: int) -> None:
    """Paint `count` scenes into the folder, unless an earlier demo left them there."""
    from core.errors import SourceError
    from train.scenes import write_collection

    if folder.exists() and not folder.is_dir():
        raise SourceError(f"{folder} is a file: choose a folder with --folder DIR")
    if folder.exists() and any(folder.iterdir()) and not (folder / "captions.csv").exists():
        raise SourceError(f"{folder} holds files that are not from a demo: choose another folder with --folder DIR")
    found = len(list(folder.glob("scene-*.jpg")))
    if found >= count:
        print(f"{folder} holds {found} painted scenes already")
        return
    print(f"Painting {count} scenes into {folder} …", flush=True)
    try:
        write_collection(folder, count, seed=1, size=256)
    except OSError as error:
        raise SourceError(f"no scenes can be painted into {folder}: {error.strerror}; choose --folder DIR") from None
