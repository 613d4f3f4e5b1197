"""Moves a collection to another model while searches go on.

The new vectors are made in tables of their own, `models/FINGERPRINT`, beside those of the present model, by a run like
any other: it may be stopped or killed, and the next one goes on. `collection.json` names the tables that count, so
that replacing it is the one step in which the new model takes over. What it does not name any more is removed by the
next run.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from core.errors import SourceError
from indexer.collection import tags
from indexer.collection.collection import MODELS, Collection, Space
from indexer.collection.storage import tables, tile_table
from indexer.ingest.planning.existing_rows import ExistingRows
from indexer.ingest.report import Report
from indexer.ingest.run import Job, Run, without_empty

if TYPE_CHECKING:
    from core.encoder import Encoder

DIGITS = 16  # of a fingerprint, in the name of a folder


def take_over(collection: Collection, job: Job, load: str | None) -> Report:
    """Embed everything with another model and let it take over; if the run is stopped, the next one goes on.

    Raises `SourceError` if images would be lost because they cannot be seen now: the model before stays then.
    """
    known, before = ExistingRows.read(collection), collection.info.model
    job = replace(job, listing=without_empty(collection.source, job.listing, known))
    future = begin(collection, job.encoder, load)
    future.upgrade()
    tile_table.set_wanted(future, None)
    run = Run(future, job)
    run.execute()
    if run.stopped:
        return run.report()
    run.sweep()
    check(known, run)
    with tables.storage_errors(collection.path, "writing"):
        tags.hand_over(collection, future)
    finish(collection, future, keep_old=job.options.keep_old)
    return replace(run.report(), replaced_model=before.name)


def begin(collection: Collection, encoder: Encoder, load: str | None) -> Collection:
    """The collection as it will be with this model: begun now, or by an earlier run, or kept from before."""
    space = next((s for s in collection.info.others if s.model.fingerprint == encoder.fingerprint), None)
    if space is None:
        name = f"{MODELS}/{encoder.fingerprint[:DIGITS]}"
        space = Space(model=Collection.describe(encoder, load), tables=name, finished=False)
    future = collection.view(space)
    if future.missing_tables():
        future.make_tables()
    if space not in collection.info.others:
        collection.save(collection.info.model_copy(update={"others": [*collection.info.others, space]}))
    return collection.view(space)


def check(before: ExistingRows, run: Run) -> None:
    """Absence is not deletion: raises `SourceError` if images would be lost because they cannot be seen now.

    `before` is what the collection holds by its present model.
    """
    job = run.job
    if job.options.allow_removal:
        return
    absent = [item_id for item_id in before if item_id not in run.alive]
    name = job.encoder.name
    hidden = sum(job.listing.hides(item_id) for item_id in absent)
    if hidden:
        raise SourceError(
            f"{hidden:,} images of the collection cannot be looked at now, so {name} cannot take over: "
            "is a disk or folder missing? What was done is kept; index again with the same --model when they are back, "
            "or with --allow-removal to go on without them"
        )
    if len(run.alive) < len(before) / 2:
        raise SourceError(
            f"{name} has vectors for {len(run.alive):,} images and the collection has {len(before):,}: "
            "it cannot take over. What was done is kept; see what failed, or let it with --allow-removal"
        )


def give_up(collection: Collection) -> None:
    """Forget what was begun with other models and is not finished."""
    info = collection.info
    if any(not space.finished for space in info.others):
        collection.save(info.model_copy(update={"others": [space for space in info.others if space.finished]}))
        clean(collection)


def finish(collection: Collection, future: Collection, *, keep_old: bool) -> None:
    """Let the new model take over, in one step. Without `keep_old` the vectors of the one before are not named any
    more; searches that have just begun still read them, so they go with the next run or `compact`."""
    old = collection.info.model.fingerprint
    others = [space for space in future.info.others if keep_old or space.model.fingerprint != old]
    # Approximate indexes hold the vectors of the model before; they can be made again at any time.
    shutil.rmtree(collection.path / "indexes", ignore_errors=True)
    collection.save(future.info.model_copy(update={"others": others, "updated": datetime.now(UTC)}))


def clean(collection: Collection) -> None:
    """Remove tables that `collection.json` does not name: of a model before, or left by a killed run."""
    info = collection.info
    named = {info.tables, *(space.tables for space in info.others)}
    if "" not in named:
        for name in (*tables.KEYS, tile_table.NAME):
            collection.store.remove(f"{name}.lance")
    for name in collection.store.names(MODELS):
        if f"{MODELS}/{name}" not in named:
            collection.store.remove(f"{MODELS}/{name}")
    if not collection.store.names(MODELS):
        collection.store.remove(MODELS)
