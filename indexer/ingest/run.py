"""Executes one run: embeds what is new, then removes what is gone.

A run embeds what is new, and only then removes what is gone. It may be killed anywhere: whatever was committed by
then is found unchanged by the next run, which does the rest.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from core.errors import SourceError
from indexer.collection.collection import Collection
from indexer.collection.storage import lock, tables, tile_table
from indexer.ingest.embedding import tiles
from indexer.ingest.embedding.pipeline import Claims, Embedding, Failed, Pipeline
from indexer.ingest.options import Options
from indexer.ingest.planning import checksum
from indexer.ingest.planning.existing_rows import ExistingRows
from indexer.ingest.planning.plan import make_plan
from indexer.ingest.report import Meter, Report, Stopwatch
from indexer.ingest.writing import source_columns
from indexer.ingest.writing.captions import Captions
from indexer.ingest.writing.tag_carryover import TagCarryover
from indexer.ingest.writing.writer import Row, Writer
from indexer.sources import NOTHING_SAID, TRANSIENT, Item, Listing, Problem, Several
from indexer.sources.base import BETWEEN, beginning
from indexer.sources.multi import MISSING

if TYPE_CHECKING:
    from core.encoder import Encoder

MANY_VERSIONS = 20  # more versions of a table than this are worth tidying up
RECAPTIONED = 1_000  # images that get other words at once: their whole rows are read and written again


@dataclass(frozen=True)
class Job:
    """What is to be brought into a collection, and how."""

    encoder: Encoder
    listing: Listing
    words: Captions
    options: Options
    meter: Meter
    watch: Stopwatch


class Run:
    """One run over one collection: counts every item once."""

    def __init__(self, collection: Collection, job: Job) -> None:
        """Raises `SourceError` if so much is gone that it looks like an accident."""
        self.collection, self.source = collection, collection.source
        self.known = ExistingRows.read(collection)
        listing = without_empty(self.source, job.listing, self.known)
        words, options = source_columns.add_source_columns(collection, job.words), job.options
        self.job = replace(job, listing=listing, words=words)
        with_tiles = self.known.tiled is not None
        self.untiled = self.known.untiled(tiles.input_side(job.encoder)) if with_tiles else set()
        self.plan = make_plan(listing, self.known, words, retry_failures=options.retry_failures, untiled=self.untiled)
        new = sum(item.id not in self.known for item in self.plan.embed)
        self.withdrawn = sum(beginning(item_id) not in self.source.parts for item_id in self.plan.gone)
        self._check_removal(
            len(self.plan.gone) - self.withdrawn - new
        )  # even if each new one is an old one under another name
        # Unchanged files that only lack tiles: their rows stay if they cannot be read now.
        self.sound = {item.id for item in self.plan.embed if item.id in self.untiled and self.known.unchanged(item)}
        self.carryover = TagCarryover(
            collection.table("images"), collection.table("failures"), self.plan.gone, self.known
        )
        self.writer = Writer(
            collection,
            job.encoder,
            words,
            self.known,
            job.watch,
            self.carryover,
        )
        self.counts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.failing: set[str] = set()  # locations that cannot be indexed now
        self.missing: set[str] = set()  # of them, those whose content is not known to be broken
        self.alive: set[str] = set()  # ids that are indexed and stay
        self.to_move = Counter(self.plan.gone.values())  # content hash -> how many of the gone had it
        self.total = len(listing.items) + len(self.plan.problems)
        self.texts = 0
        self.stopped = False  # was asked to end early, and left something undone

    def execute(self) -> None:
        """Embed and write what is new or changed."""
        plan = self.plan
        if self.job.options.checksum:
            self._compare_contents()
        self.alive.update(plan.unchanged, plan.kept)
        self.counts["unchanged"] = len(plan.unchanged)
        for problem in [*plan.failed, *plan.problems]:
            self._fail(problem)
        with tables.storage_errors(self.collection.path, "writing"):
            self.writer.record(plan.news)
        self.job.meter.failed = self.reasons.total()
        self.job.meter.begin("embed", done=self.total - len(plan.recaption) - len(plan.embed), total=self.total)
        self._recaption(plan.recaption)
        pipeline = self._pipeline()
        self._embed(pipeline, plan.embed, Claims(set(self.known.hashes()) - self._untiled_contents()))
        # Copies of a file that could not be indexed after all: each is tried for itself.
        self._embed(pipeline, self.writer.orphans(), None)

    def sweep(self) -> None:
        """Remove what is gone, and what interrupted runs left behind. Raises `SourceError` if the source is gone."""
        self.job.meter.begin("finish", done=self.job.meter.total, total=self.job.meter.total)
        lock.check_there(self.collection.path)
        if self.reasons["vanished"]:  # a few files deleted meanwhile, or the whole disk?
            self._check_still_there()
        gone = [item_id for item_id in self.known if item_id not in self.alive]
        kept_away = len(self.plan.gone) - self.withdrawn
        self._check_removal(kept_away - self.counts["moved"] + sum(i in self.missing for i in gone))
        started = time.perf_counter()
        writer = self.writer
        with tables.storage_errors(self.collection.path, "writing"):
            self.carryover.catch_up()
            self.carryover.leave(writer.failures, self.failing.intersection(gone))
            tables.remove(writer.images, "id", gone)
            recorded = tables.read(writer.failures, ["location"])["location"].to_pylist()
            over = [place for place in recorded if place not in self.failing and not self.job.listing.hides(place)]
            tables.remove(writer.failures, "location", over)
            self.texts = _sweep_texts(writer.images, writer.texts)
            if writer.tiles is not None:
                tile_table.sweep(writer.images, writer.tiles)
            source_columns.drop_empty(writer.images, self.job.words)
            for table in writer.tables:
                tables.tidy(table, MANY_VERSIONS)
        self.job.watch.add("write", time.perf_counter() - started)

    def report(self) -> Report:
        """What this run did, but for the seconds."""
        counts, stopped = self.counts, self.stopped
        done = counts["added"] + counts["updated"] + counts["moved"] + counts["unchanged"] + self.reasons.total()
        return Report(
            added=counts["added"],
            updated=counts["updated"],
            moved=counts["moved"],
            removed=0 if stopped else len(self.plan.gone) - counts["moved"],
            unchanged=counts["unchanged"],
            failed=dict(sorted(self.reasons.items(), key=lambda entry: (-entry[1], entry[0]))),
            total=self.total,
            seconds=0.0,
            stages={stage: round(spent, 3) for stage, spent in self.job.watch.seconds.items()},
            kept=len(self.plan.kept),
            ignored=self.job.listing.ignored,
            texts=self.texts,
            unmatched_captions=self.job.words.unmatched,
            cut_captions=self.writer.cut_captions,
            left=self.total - done if stopped else 0,
            stopped=stopped,
            model=self.job.encoder.name,
            rate=round(self.job.meter.rate, 3),
        )

    def _compare_contents(self) -> None:
        """Move what looks unchanged and is not from `unchanged` to `embed`. What cannot be read now stays as it is."""
        listed = self.job.listing.items
        items = [item for item in listed if item.id not in self.untiled and self.known.unchanged(item)]
        self.job.meter.begin("check", done=0, total=len(items))
        changed, unread = checksum.compare(
            items, self.known, self.source.read, self.job.options, self.job.meter, self.job.watch
        )
        plan = self.plan
        plan.embed.extend(changed)
        plan.kept.extend(unread)
        self.total -= len(unread)
        away = {*(item.id for item in changed), *unread}
        plan.unchanged[:] = [item_id for item_id in plan.unchanged if item_id not in away]
        plan.recaption[:] = [item for item in plan.recaption if item.id not in away]

    def _recaption(self, items: list[Item]) -> None:
        for start in range(0, len(items), RECAPTIONED):
            if self._asked_to_stop():
                return
            part = items[start : start + RECAPTIONED]
            self.writer.recaption(part)
            self._account()
            for _ in part:
                self.job.meter.count()

    def _pipeline(self) -> Embedding:
        options = self.job.options
        if options.engine is not None:
            return options.engine(self)
        return Pipeline(
            self.source.read,
            self.job.encoder,
            self.job.watch,
            limit=options.time_limit,
            stop=options.stop,
            tiles=self.known.tiled is not None,
        )

    def _embed(self, pipeline: Embedding, items: list[Item], claims: Claims | None) -> None:
        if self._asked_to_stop():
            return
        with closing(pipeline.run(items, claims)) as outcomes:  # an error here must stop the decoding ahead, too
            for outcome in outcomes:
                if outcome is None:
                    self.writer.look_at_the_clock()
                    continue
                self.writer.take(outcome)
                self._account()
                if claims is not None:
                    self.job.meter.count(failed=isinstance(outcome, Failed))
        self.writer.commit()
        self._account()
        self._asked_to_stop()

    def _untiled_contents(self) -> set[str | None]:
        return {self.known.hash(item_id) for item_id in self.untiled}

    def _asked_to_stop(self) -> bool:
        self.stopped = self.stopped or self.job.options.stop()
        return self.stopped

    def _check_removal(self, lost: int) -> None:
        """Absence is not deletion: where most is gone, a disk or a folder may not be connected."""
        if lost > len(self.known) / 2 and not self.job.options.allow_removal:
            raise SourceError(
                f"{lost:,} of the {len(self.known):,} images in the collection are no longer in "
                f"{self.source.location}: is a disk or folder missing? Nothing was removed; if they are really gone, "
                "index again with --allow-removal"
            )

    def _check_still_there(self) -> None:
        """Raises `SourceError` if a source has gone since the run began."""
        now = without_empty(self.source, self.source.scan(), self.known)
        if gone := now.missing - self.job.listing.missing:
            places = ", ".join(str(self.source.parts[name].location) for name in sorted(gone))
            raise SourceError(f"{places} has gone while it was indexed: is the disk connected? Nothing was removed")

    def _account(self) -> None:
        """Count what the writer has committed."""
        committed, failed = self.writer.drain()
        for row in committed:
            self._written(row)
        for problem in failed:
            self._failed(problem)

    def _written(self, row: Row) -> None:
        item_id, digest = row["id"], row["hash"]
        self.alive.add(item_id)
        if item_id in self.known:
            was = self.known.hash(item_id), self.known.texts_key(item_id), self.known.columns_key(item_id)
            now = digest, row["texts_key"], row["columns_key"] or ""
            same = was == now and item_id not in self.untiled
            self.counts["unchanged" if same else "updated"] += 1  # or only touched
        elif self.to_move[digest] > 0:
            self.to_move[digest] -= 1
            self.counts["moved"] += 1
        else:
            self.counts["added"] += 1

    def _failed(self, problem: Problem) -> None:
        if problem.location in self.sound and problem.reason in TRANSIENT:
            self.alive.add(problem.location)
            self.plan.kept.append(problem.location)
            self.total -= 1
            return
        self._fail(problem)
        self.job.meter.failed = max(self.job.meter.failed, self.reasons.total())

    def _fail(self, problem: Problem) -> None:
        self.reasons[problem.reason] += 1
        self.failing.add(problem.location)
        if problem.reason in TRANSIENT:
            self.missing.add(problem.location)


def without_empty(sources: Several, listing: Listing, known: ExistingRows) -> Listing:
    """Absence is not deletion: a source without any image looks like a disk that is not connected.

    Of several sources an empty one counts as missing. Raises `SourceError` if it is the only one.
    """
    held = Counter(beginning(item_id) for item_id in known if not listing.hides(item_id))
    there = {beginning(item.id) for item in listing.items}
    for name, source in sources.parts.items():
        if name in there or not held[name]:
            continue
        message = f"{source.location} has no images now and the collection has {held[name]:,}: is the disk connected?"
        otherwise = "; if they are really gone, delete the collection, with its tags and concepts"
        settings = getattr(source, "settings", NOTHING_SAID)
        if listing.ignored and (settings.include or settings.exclude):
            said = ", ".join((*settings.include, *(f"not {each}" for each in settings.exclude)))
            otherwise = ""
            message = (
                f"the patterns ({said}) leave nothing of {source.location}, and the collection has {held[name]:,} "
                "images: say others with --include or --exclude; --include '' and --exclude '' take them back."
            )
        if len(sources.parts) == 1:
            raise SourceError(f"{message} Nothing was removed{otherwise}")
        problem = Problem(name or BETWEEN, MISSING, f"{message} Nothing of it was removed")
        listing = replace(listing, missing=listing.missing | {name}, problems=[*listing.problems, problem])
    return listing


def _sweep_texts(images: Any, texts: Any) -> int:
    """Remove captions that belong to no row of `images` any more; how many are left?"""
    import pyarrow.compute as pc

    used = tables.read(images, ["texts_key"])["texts_key"].unique()
    keys = tables.read(texts, ["key"])["key"]
    orphans = keys.filter(pc.invert(pc.is_in(keys, value_set=used)))
    tables.remove(texts, "key", orphans.unique().to_pylist())
    return len(keys) - len(orphans)
