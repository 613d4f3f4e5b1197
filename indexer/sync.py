"""What is new, changed, moved, gone?  The run, from source to committed rows.

A run lists the source, compares it with the collection, embeds what is new, and only then removes what is gone. It
may be killed anywhere: whatever was committed by then is found unchanged by the next run, which does the rest.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import CollectionError, SourceError
from indexer import lock, tables
from indexer.captions import AUTOMATIC, Captions, read_captions
from indexer.collection import FOLDER, INFO, Collection, source_info
from indexer.known import Known
from indexer.pipeline import Claims, Pipeline
from indexer.plan import make_plan
from indexer.report import Meter, Progress, Report, Stopwatch
from indexer.sources import Item, Listing, Problem, make_source
from indexer.writer import Row, Writer

if TYPE_CHECKING:
    from core.encoder import Encoder

MANY_VERSIONS = 20  # more versions of a table than this are worth tidying up


def index(
    folder: str | Path,
    *,
    encoder: Encoder,
    to: str | Path | None = None,
    captions: str | Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    load: str | None = None,
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
    Collection.prepare(path)
    with lock.writing(path):
        collection = Collection.open(path) if (path / INFO).exists() else None
        if collection is not None:
            collection.check_model(encoder)
            collection.upgrade()
            _check_folder(collection, root)
        table = _caption_table(root, None if captions is None else _absolute(captions), collection)
        words = read_captions(make_source("folder", root), listing, table)
        remembered = source_info(path, root, table if table != root / AUTOMATIC else None)
        if collection is None:
            collection = Collection.create(path, encoder, remembered, load=load)
        elif collection.info.sources != [remembered]:
            collection.save(collection.info.model_copy(update={"sources": [remembered]}))
        run = _Run(collection, encoder, listing, words, meter, watch)
        run.execute()
        run.sweep()
        collection.save(collection.info.model_copy(update={"updated": datetime.now(UTC)}))
    return run.report(time.perf_counter() - started)


def used_encoder(
    folder: str | Path, to: str | Path | None = None, *, precision: str = "auto", exact: bool = False
) -> Encoder | None:
    """The model that made the collection which `index` would bring up to date, None where there is none yet."""
    path = _place(_absolute(folder), to)
    return Collection.open(path).load_encoder(precision, exact=exact) if (path / INFO).exists() else None


def _place(root: Path, to: str | Path | None) -> Path:
    return root / FOLDER if to is None else _absolute(to)


class _Run:
    """One run over one collection: counts every item once."""

    def __init__(
        self,
        collection: Collection,
        encoder: Encoder,
        listing: Listing,
        words: Captions,
        meter: Meter,
        watch: Stopwatch,
    ) -> None:
        self.collection, self.source, self.encoder = collection, collection.source, encoder
        self.listing, self.words, self.meter, self.watch = listing, words, meter, watch
        with tables.storage_errors(collection.path, "reading"):
            self.known = Known(collection.table("images"), collection.table("failures"))
        self.writer = Writer(collection, encoder, words, self.known, watch, written=self._written, failed=self._failed)
        self._check_not_empty(listing)
        self.plan = make_plan(listing, self.known, words)
        self.counts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.alive = {*self.plan.unchanged, *self.plan.kept}  # ids that are indexed and stay
        self.failing: set[str] = set()  # locations that cannot be indexed now
        self.to_move = Counter(self.plan.gone.values())  # content hash -> how many of the gone had it
        self.texts = 0

    def execute(self) -> None:
        """Embed and write what is new or changed."""
        plan = self.plan
        self.counts["unchanged"] = len(plan.unchanged)
        for problem in [*plan.failed, *plan.problems]:
            self._fail(problem)
        with tables.storage_errors(self.collection.path, "writing"):
            self.writer.record(plan.news)
        total = len(self.listing.items) + len(plan.problems)
        self.meter.failed = self.reasons.total()
        self.meter.begin("embed", done=total - len(plan.recaption) - len(plan.embed), total=total)
        self.writer.recaption(plan.recaption)
        pipeline = Pipeline(self.source.read, self.encoder, self.watch)
        self._embed(pipeline, plan.embed, Claims(self.known.hashes()))
        # Copies of a file that could not be indexed after all: each is tried for itself.
        self._embed(pipeline, self.writer.orphans(), None)

    def sweep(self) -> None:
        """Remove what is gone, and what interrupted runs left behind. Raises `SourceError` if the source is gone."""
        self.meter.begin("finish", done=self.meter.total, total=self.meter.total)
        if self.reasons["vanished"]:  # a few files deleted meanwhile, or the whole disk?
            self._check_not_empty(self.source.scan())
        started = time.perf_counter()
        writer = self.writer
        with tables.storage_errors(self.collection.path, "writing"):
            tables.remove(writer.images, "id", (item_id for item_id in self.known if item_id not in self.alive))
            recorded = tables.read(writer.failures, ["location"])["location"].to_pylist()
            over = [place for place in recorded if place not in self.failing and not self.listing.hides(place)]
            tables.remove(writer.failures, "location", over)
            self.texts = _sweep_texts(writer.images, writer.texts)
            for table in (writer.images, writer.texts, writer.failures):
                tables.tidy(table, MANY_VERSIONS)
        self.watch.add("write", time.perf_counter() - started)

    def report(self, seconds: float) -> Report:
        """What this run did."""
        return Report(
            added=self.counts["added"],
            updated=self.counts["updated"],
            moved=self.counts["moved"],
            removed=len(self.plan.gone) - self.counts["moved"],
            unchanged=self.counts["unchanged"],
            failed=dict(sorted(self.reasons.items(), key=lambda entry: (-entry[1], entry[0]))),
            total=self.meter.total,
            seconds=seconds,
            stages={stage: round(spent, 3) for stage, spent in self.watch.seconds.items()},
            kept=len(self.plan.kept),
            ignored=self.listing.ignored,
            texts=self.texts,
            unmatched_captions=self.words.unmatched,
            cut_captions=self.writer.cut_captions,
        )

    def _check_not_empty(self, listing: Listing) -> None:
        """Absence is not deletion: a folder without any picture looks like a disk that is not connected."""
        if not listing.items and not all(listing.hides(item_id) for item_id in self.known):
            raise SourceError(
                f"{self.source.location} has no pictures now and the collection has {len(self.known):,}: is the disk "
                f"connected? Nothing was removed; if they are really gone, delete {self.collection.path}"
            )

    def _embed(self, pipeline: Pipeline, items: list[Item], claims: Claims | None) -> None:
        with closing(pipeline.run(items, claims)) as outcomes:  # an error here must stop the decoding ahead, too
            for outcome in outcomes:
                if outcome is None:
                    self.writer.look_at_the_clock()
                else:
                    self.writer.take(outcome)
        self.writer.commit()

    def _written(self, row: Row) -> None:
        item_id, digest = row["id"], row["hash"]
        self.alive.add(item_id)
        if item_id in self.known:
            was = self.known.hash(item_id), self.known.texts_key(item_id)
            self.counts["unchanged" if was == (digest, row["texts_key"]) else "updated"] += 1  # or only touched
        elif self.to_move[digest] > 0:
            self.to_move[digest] -= 1
            self.counts["moved"] += 1
        else:
            self.counts["added"] += 1
        self.meter.count()

    def _failed(self, problem: Problem) -> None:
        self._fail(problem)
        self.meter.count(failed=True)

    def _fail(self, problem: Problem) -> None:
        self.reasons[problem.reason] += 1
        self.failing.add(problem.location)


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


def _sweep_texts(images: Any, texts: Any) -> int:
    """Remove captions that belong to no row of `images` any more; how many are left?"""
    import pyarrow.compute as pc

    used = tables.read(images, ["texts_key"])["texts_key"].unique()
    keys = tables.read(texts, ["key"])["key"]
    orphans = keys.filter(pc.invert(pc.is_in(keys, value_set=used)))
    tables.remove(texts, "key", orphans.unique().to_pylist())
    return len(keys) - len(orphans)
