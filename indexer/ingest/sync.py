"""Brings a collection up to date with its sources.

The source is listed, compared with the collection, and a run (`run`) does what the plan (`plan`) says. Where another
model was asked for, the same happens in tables beside the present ones (`model_migration`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import ClipdexError
from indexer.collection.collection import Collection, has_collection_at
from indexer.collection.snapshot import keep_newest
from indexer.collection.storage import lock, tile_table
from indexer.ingest import last_run, model_migration
from indexer.ingest.options import DEFAULT, Options
from indexer.ingest.planning.dry_run import forecast_of
from indexer.ingest.planning.source_resolution import Wanted, as_given, call, gather, place_of
from indexer.ingest.report import Meter, Progress, Report, Stopwatch
from indexer.ingest.run import Job, Run

if TYPE_CHECKING:
    from core.encoder import Encoder


def index(
    source: Wanted,
    *,
    encoder: Encoder,
    to: str | Path | None = None,
    captions: str | Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    load: str | None = None,
    options: Options = DEFAULT,
) -> Report:
    """Bring the collection of a source, or of several, up to date, or make it.

    It lives in `source/.clipdex`, or in `to`. A source that it does not have yet is added to those that it has, and all
    of them are looked at. `captions` is a CSV file (image,caption); it is remembered. `load` says how
    `core.inference.load.load_encoder` finds the model again, where its name is not enough.
    Raises `SourceError` (a given source is missing, unreadable or suddenly empty: nothing is removed),
    `CollectionError` (no collection can be kept there, or another run has it) and `WrongModelError`.
    """
    started = time.perf_counter()
    given = as_given(source, captions)
    path = place_of(given, to)
    meter, watch = Meter(progress), Stopwatch()
    meter.begin("scan", done=0, total=0)
    # Before anything is made: a missing disk must not become an empty folder with a collection in it.
    roster = call(_opened(path, encoder, options, mending=True), path, given)
    listing, words = gather(roster, path)
    watch.add("scan", time.perf_counter() - started)
    Collection.prepare(path)
    with lock.writing(path, wait=lambda: options.wait and not options.stop()) as waited:
        collection = _opened(path, encoder, options, mending=True)
        if waited or roster != call(collection, path, given):  # another run was there meanwhile
            roster = call(collection, path, given)
            listing, words = gather(roster, path)
        if collection is None:
            collection = Collection.create(path, encoder, roster.infos, load=load)
        collection.restore()
        collection.upgrade()
        if collection.info.sources != list(roster.infos):
            collection.save(collection.info.model_copy(update={"sources": list(roster.infos)}))
        model_migration.clean(collection)
        tile_table.set_wanted(collection, options.tiles)
        job = Job(encoder, listing, words, options, meter, watch)
        if encoder.fingerprint == collection.info.model.fingerprint:
            report = _bring_up_to_date(collection, job)
        else:
            report = model_migration.take_over(collection, job, load)
        report = replace(report, seconds=time.perf_counter() - started)
        last_run.remember(collection, report)
        with suppress(ClipdexError):  # whoever needs it, and cannot read it, will say so
            keep_newest(collection.path)
    return report


def _bring_up_to_date(collection: Collection, job: Job) -> Report:
    if job.options.change_model:
        model_migration.give_up(collection)  # whoever names the present model wants no other
    run = Run(collection, job)
    run.execute()
    if not run.stopped:
        run.sweep()
        collection.save(collection.info.model_copy(update={"updated": datetime.now(UTC)}))
    return run.report()


def _opened(path: Path, encoder: Encoder | None, options: Options, *, mending: bool = False) -> Collection | None:
    """The collection that there is, if it may be used so."""
    if not has_collection_at(path):
        return None
    collection = Collection.open(path, mending=mending)
    if encoder is not None and not options.change_model:
        collection.check_model(encoder)
    return collection


def forecast(
    source: Wanted,
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
    given = as_given(source, captions)
    path = place_of(given, to)
    collection = _opened(path, encoder, options)
    if collection is not None and encoder is None and (options.tiles or tile_table.is_there(collection)):
        encoder = collection.load_encoder()  # which images are large enough for tiles depends on it
    roster = call(collection, path, given)
    listing, words = gather(roster, path)
    found = forecast_of(collection, roster.sources(path), encoder, listing, words, options)
    return replace(found, seconds=time.perf_counter() - started)


def used_encoder(
    source: Wanted, to: str | Path | None = None, *, precision: str = "auto", exact: bool = False
) -> Encoder | None:
    """The model that made the collection which `index` would bring up to date, None where there is none yet."""
    if not has_collection(source, to):
        return None
    return Collection.open(collection_path(source, to), mending=True).load_encoder(precision, exact=exact)


def collection_path(source: Wanted, to: str | Path | None = None) -> Path:
    """Where `index` keeps the collection."""
    return place_of(as_given(source), to)


def has_collection(source: Wanted, to: str | Path | None = None) -> bool:
    """Would `index` bring a collection up to date, rather than make one?"""
    return has_collection_at(collection_path(source, to))
