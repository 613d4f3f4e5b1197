"""What is new, changed, moved, gone?  From a folder to a collection that is up to date.

The source is listed, compared with the collection, and a run (`run`) does what the plan (`plan`) says. Where another
model was asked for, the same happens in tables beside the present ones (`remodel`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import CollectionError
from indexer import lock, remodel
from indexer.captions import AUTOMATIC, read_captions
from indexer.collection import FOLDER, INFO, Collection, source_info
from indexer.forecast import forecast_of
from indexer.options import DEFAULT, Options
from indexer.report import Meter, Progress, Report, Stopwatch
from indexer.run import Job, Run
from indexer.sources import make_source

if TYPE_CHECKING:
    from core.encoder import Encoder


def index(
    folder: str | Path,
    *,
    encoder: Encoder,
    to: str | Path | None = None,
    captions: str | Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    load: str | None = None,
    options: Options = DEFAULT,
) -> Report:
    """Bring the collection of `folder` up to date, or make it.

    It lives in `folder/.clipdex`, or in `to`. `captions` is a CSV file (image,caption); it is remembered. `load` says
    how `core.encoder.load_encoder` finds the model again, where its name is not enough.
    Raises `SourceError` (the folder is missing, unreadable or suddenly empty: nothing is removed), `CollectionError`
    (no collection can be kept there, or another run has it) and `WrongModelError`.
    """
    started = time.perf_counter()
    root = _absolute(folder)
    path = _place(root, to)
    meter, watch = Meter(progress), Stopwatch()
    meter.begin("scan", done=0, total=0)
    # Before anything is made: a missing disk must not become an empty folder with a collection in it.
    listing = make_source("folder", root).scan()
    watch.add("scan", time.perf_counter() - started)
    given = None if captions is None else _absolute(captions)
    Collection.prepare(path)
    with lock.writing(path, wait=lambda: options.wait and not options.stop()) as waited:
        if waited:
            listing = make_source("folder", root).scan()
        collection = _opened(path, root, encoder, options)
        table = _caption_table(root, given, collection)
        words = read_captions(make_source("folder", root), listing, table)
        remembered = source_info(path, root, table if table != root / AUTOMATIC else None)
        if collection is None:
            collection = Collection.create(path, encoder, remembered, load=load)
        elif collection.info.sources != [remembered]:
            collection.save(collection.info.model_copy(update={"sources": [remembered]}))
        collection.upgrade()
        remodel.clean(collection)
        job = Job(encoder, listing, words, options, meter, watch)
        if encoder.fingerprint == collection.info.model.fingerprint:
            report = _bring_up_to_date(collection, job)
        else:
            report = remodel.take_over(collection, job, load)
    return replace(report, seconds=time.perf_counter() - started)


def _bring_up_to_date(collection: Collection, job: Job) -> Report:
    if job.options.change_model:
        remodel.give_up(collection)  # whoever names the present model wants no other
    run = Run(collection, job)
    run.execute()
    if not run.stopped:
        run.sweep()
        collection.save(collection.info.model_copy(update={"updated": datetime.now(UTC)}))
    return run.report()


def _opened(path: Path, root: Path, encoder: Encoder | None, options: Options) -> Collection | None:
    """The collection that there is, if it may be used so."""
    if not (path / INFO).exists():
        return None
    collection = Collection.open(path)
    if encoder is not None and not options.change_model:
        collection.check_model(encoder)
    _check_folder(collection, root)
    return collection


def forecast(
    folder: str | Path,
    *,
    encoder: Encoder | None = None,
    to: str | Path | None = None,
    captions: str | Path | None = None,
    options: Options = DEFAULT,
) -> Report:
    """What `index` would do, as far as a listing tells; nothing is opened or written. Raises what it raises at once.

    Without an `encoder` it is the collection's own.
    """
    started = time.perf_counter()
    root = _absolute(folder)
    listing = make_source("folder", root).scan()
    collection = _opened(_place(root, to), root, encoder, options)
    table = _caption_table(root, None if captions is None else _absolute(captions), collection)
    words = read_captions(make_source("folder", root), listing, table)
    found = forecast_of(collection, encoder, listing, words, options)
    return replace(found, seconds=time.perf_counter() - started)


def used_encoder(
    folder: str | Path, to: str | Path | None = None, *, precision: str = "auto", exact: bool = False
) -> Encoder | None:
    """The model that made the collection which `index` would bring up to date, None where there is none yet."""
    if not has_collection(folder, to):
        return None
    return Collection.open(collection_path(folder, to)).load_encoder(precision, exact=exact)


def collection_path(folder: str | Path, to: str | Path | None = None) -> Path:
    """Where `index` keeps the collection."""
    return _place(_absolute(folder), to)


def has_collection(folder: str | Path, to: str | Path | None = None) -> bool:
    """Would `index` bring a collection up to date, rather than make one?"""
    return (collection_path(folder, to) / INFO).exists()


def _place(root: Path, to: str | Path | None) -> Path:
    return root / FOLDER if to is None else _absolute(to)


def _absolute(path: str | Path) -> Path:
    # Not resolve(): a collection inside a linked folder belongs to the link's place, as people see it.
    return Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100


def _check_folder(collection: Collection, root: Path) -> None:
    recorded = collection.source.location
    if recorded == root or (recorded.exists() and recorded.samefile(root)):
        return
    raise CollectionError(
        f"the collection {collection.path} holds the pictures of {recorded}, not of {root}; choose another place "
        "with --to DIR"
    )


def _caption_table(root: Path, given: Path | None, collection: Collection | None) -> Path | None:
    """The caption file: the one given now, or given once, or lying in the folder."""
    remembered = None if collection is None else collection.captions_file
    if given or remembered:
        return given or remembered
    return root / AUTOMATIC if (root / AUTOMATIC).exists() else None
