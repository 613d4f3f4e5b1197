"""Computes what a run would do, without opening an image or writing anything."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from indexer.collection.collection import Collection
from indexer.ingest.embedding.tiles import input_side
from indexer.ingest.options import Options
from indexer.ingest.planning.existing_rows import ExistingRows
from indexer.ingest.planning.plan import make_plan
from indexer.ingest.report import Report
from indexer.ingest.run import without_empty
from indexer.ingest.writing.captions import Captions
from indexer.sources import Listing, Several

if TYPE_CHECKING:
    from core.encoder import Encoder


def forecast_of(
    collection: Collection | None,
    source: Several,
    encoder: Encoder | None,
    listing: Listing,
    words: Captions,
    options: Options,
) -> Report:
    """The counts that a run would come to, as far as a listing tells. Raises `SourceError` as a run does at once."""
    known = _known(collection, encoder, options.tiles)
    if collection is not None:
        listing = without_empty(source, listing, ExistingRows.read(collection))
    untiled = set() if known.tiled is None or encoder is None else known.untiled(input_side(encoder))
    plan = make_plan(listing, known, words, retry_failures=options.retry_failures, untiled=untiled)
    added = sum(item.id not in known for item in plan.embed)
    reasons = Counter(problem.reason for problem in [*plan.failed, *plan.problems])
    return Report(
        added=added,
        updated=len(plan.embed) - added + len(plan.recaption),
        moved=0,
        removed=len(plan.gone),
        unchanged=len(plan.unchanged),
        failed=dict(reasons.most_common()),
        total=len(listing.items) + len(plan.problems),
        seconds=0.0,
        stages={},
        kept=len(plan.kept),
        ignored=listing.ignored,
        unmatched_captions=words.unmatched,
        dry_run=True,
        needs_permission=len(plan.gone) - added > len(known) / 2 and not options.allow_removal,
    )


def _known(collection: Collection | None, encoder: Encoder | None, tiles: bool | None) -> ExistingRows:
    """What there is of this model."""
    if collection is None:
        return ExistingRows.nothing()
    if encoder is None or collection.info.model.fingerprint == encoder.fingerprint:
        return ExistingRows.read(collection, tiles=tiles)
    for space in collection.info.others:
        if space.model.fingerprint == encoder.fingerprint:
            return ExistingRows.read(collection.view(space), tiles=tiles)
    return ExistingRows.nothing()
