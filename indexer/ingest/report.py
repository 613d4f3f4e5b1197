"""The report of a run, its progress and its stopwatch."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

CALLS_PER_SECOND = 10
RECENT = 30.0  # seconds that a rate is taken over: what a run did hours ago says little about the time left


@dataclass(frozen=True)
class Report:
    """Every image that was met, counted once: added + updated + moved + unchanged + failed + left = total."""

    added: int
    updated: int  # another content, or other captions
    moved: int  # known under another name before; the vector was reused
    removed: int  # gone from the source, and so from the collection
    unchanged: int
    failed: dict[str, int]  # reason -> count, the most frequent first
    total: int
    seconds: float
    stages: dict[str, float]
    """Seconds of work in each stage; read and decode are summed over threads and overlap with the others."""
    kept: int = 0  # images that could not be looked at this time: they stay in the collection
    ignored: int = 0  # hidden files and files that are no images
    texts: int = 0  # captions in the collection after the run
    unmatched_captions: int = 0  # rows of the caption file that name no image
    cut_captions: int = 0  # captions written by this run whose end the model does not read
    left: int = 0  # images that this run did not come to because it was stopped
    stopped: bool = False  # by the person; what is gone from the source was not removed then
    dry_run: bool = False  # nothing was done: the counts say what would be
    needs_permission: bool = False  # of a dry run: so much would be removed that a run would stop and ask
    model: str = ""
    replaced_model: str | None = None  # the model whose vectors these took the place of
    rate: float = 0.0  # images a second that this run read or embedded, from its first image to its last

    def summary(self, where: str = "") -> str:
        """One to five lines for people; `where` names the sources, for when nothing was found there."""
        if not (self.total or self.removed or self.kept or self.replaced_model or self.stopped):
            passed = f" ({self.ignored:,} other {_files(self.ignored)} passed over)" if self.ignored else ""
            return f"no images were found{f' in {where}' if where else ''}{passed}"
        if self.dry_run:
            return self._forecast()
        failed = sum(self.failed.values())
        parts = [("added", self.added), ("updated", self.updated), ("moved", self.moved), ("removed", self.removed)]
        done = ", ".join(f"{count:,} {word}" for word, count in [*parts, ("unchanged", self.unchanged)] if count)
        files = "image" if self.total == 1 else "images"
        lines = [f"{self.total:,} {files} in {self.seconds:.1f} s: {done or 'nothing to do'}"]
        if self.stopped:
            lines.append(f"stopped: {self.left:,} left; the next run goes on from here")
        if self.replaced_model:
            lines.append(f"the model is {self.model} now, before it was {self.replaced_model}")
        if failed:
            lines.append(f"{failed:,} failed: " + ", ".join(f"{n:,} {reason}" for reason, n in self.failed.items()))
        if self.kept:
            lines.append(f"{self.kept:,} kept that cannot be looked at now")
        notes = [f"{self.texts:,} captions"] if self.texts else []
        if self.unmatched_captions:
            rows = "caption row names" if self.unmatched_captions == 1 else "caption rows name"
            notes.append(f"{self.unmatched_captions:,} {rows} no image here")
        if self.cut_captions:
            are = "caption is" if self.cut_captions == 1 else "captions are"
            notes.append(f"{self.cut_captions:,} {are} longer than the model reads")
        if self.ignored:
            notes.append(f"{self.ignored:,} other {_files(self.ignored)} ignored")
        return "\n".join([*lines, *([", ".join(notes)] if notes else [])])

    def _forecast(self) -> str:
        """What a dry run says. Which of the new files are old ones under another name shows when they are read."""
        new = f"{self.added:,} new" + (" (or moved)" if self.added and self.removed else "")
        gone = f"{self.removed:,} gone" + (" (or moved)" if self.added and self.removed else "")
        counts = [(self.added, new), (self.updated, f"{self.updated:,} changed"), (self.removed, gone)]
        done = ", ".join(text for count, text in [*counts, (self.unchanged, f"{self.unchanged:,} unchanged")] if count)
        lines = [f"{self.total:,} {'image' if self.total == 1 else 'images'}: {done or 'nothing to do'}"]
        if self.failed:
            lines.append("cannot be indexed: " + ", ".join(f"{n:,} {reason}" for reason, n in self.failed.items()))
        if self.kept:
            lines.append(f"{self.kept:,} cannot be looked at now and would be kept")
        if self.needs_permission:
            lines.append(
                "more than half of the collection would be removed: a run would stop and ask for --allow-removal"
            )
        return "\n".join([*lines, "nothing was done, this was a dry run"])


def _files(count: int) -> str:
    return "file" if count == 1 else "files"


@dataclass(frozen=True)
class Progress:
    """How far a run is. It counts from the start of the job: images of earlier runs are done already."""

    stage: str  # scan, check, embed, finish
    done: int
    total: int
    failed: int
    rate: float  # images a second, of this run's own work
    eta: float | None  # seconds left; None while nothing is known


class Meter:
    """Tells the caller about progress, not too often."""

    def __init__(self, callback: Callable[[Progress], None] | None) -> None:
        self.callback = callback
        self.told = time.monotonic()
        self.done = self.total = self.failed = 0
        self.stage = "scan"
        self._recent: deque[tuple[float, int]] = deque()  # moments, and how many were done then
        self._worked = 0  # images done in stages of work, and the seconds of these
        self._seconds = 0.0
        self._since = self.told

    def begin(self, stage: str, *, done: int, total: int) -> None:
        """A stage begins with `done` of `total` images finished."""
        self.stage, self.done, self.total = stage, done, total
        self._since = time.monotonic()
        self._recent = deque([(self._since, done)])
        self.tell()

    def count(self, *, failed: bool = False) -> None:
        """One more image is finished."""
        self.done += 1
        self.failed += failed
        self._worked += 1
        now = time.monotonic()
        self._seconds += now - self._since
        self._since = now
        if now - self.told >= 1 / CALLS_PER_SECOND:
            self.tell()

    def tell(self) -> None:
        if self.callback is None:
            return
        self.told = time.monotonic()
        self._recent.append((self.told, self.done))
        while self._recent[0][0] < self.told - RECENT and len(self._recent) > 2:
            self._recent.popleft()
        (since, before), (now, done) = self._recent[0], self._recent[-1]
        rate = (done - before) / (now - since) if done > before and now > since else 0.0
        eta = (self.total - self.done) / rate if rate else None
        self.callback(Progress(self.stage, self.done, self.total, self.failed, rate, eta))

    @property
    def rate(self) -> float:
        """Images a second over all the run's own work."""
        return self._worked / self._seconds if self._seconds else 0.0


class Stopwatch:
    """Seconds of work by stage. Safe between threads."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    def add(self, stage: str, seconds: float) -> None:
        with self._lock:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds
