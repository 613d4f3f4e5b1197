"""What did a run do, and how far is it?"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

CALLS_PER_SECOND = 10


@dataclass(frozen=True)
class Report:
    """Every picture that was met, counted once: added + updated + moved + unchanged + failed = total."""

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
    kept: int = 0  # pictures that could not be looked at this time: they stay in the collection
    ignored: int = 0  # hidden files and files that are no pictures
    texts: int = 0  # captions in the collection after the run
    unmatched_captions: int = 0  # rows of the caption file that name no picture
    cut_captions: int = 0  # captions written by this run whose end the model does not read

    def summary(self) -> str:
        """Two to four lines for people."""
        failed = sum(self.failed.values())
        parts = [("added", self.added), ("updated", self.updated), ("moved", self.moved), ("removed", self.removed)]
        done = ", ".join(f"{count:,} {word}" for word, count in [*parts, ("unchanged", self.unchanged)] if count)
        files = "picture" if self.total == 1 else "pictures"
        lines = [f"{self.total:,} {files} in {self.seconds:.1f} s: {done or 'nothing to do'}"]
        if failed:
            lines.append(f"{failed:,} failed: " + ", ".join(f"{n:,} {reason}" for reason, n in self.failed.items()))
        if self.kept:
            lines.append(f"{self.kept:,} kept that cannot be looked at now")
        notes = [f"{self.texts:,} captions"] if self.texts else []
        if self.unmatched_captions:
            notes.append(f"{self.unmatched_captions:,} caption rows name no picture here")
        if self.cut_captions:
            are = "caption is" if self.cut_captions == 1 else "captions are"
            notes.append(f"{self.cut_captions:,} {are} longer than the model reads")
        if self.ignored:
            notes.append(f"{self.ignored:,} other files ignored")
        return "\n".join([*lines, *([", ".join(notes)] if notes else [])])


@dataclass(frozen=True)
class Progress:
    """How far a run is. It counts from the start of the job: pictures of earlier runs are done already."""

    stage: str  # scan, embed, finish
    done: int
    total: int
    failed: int
    rate: float  # pictures a second in this run
    eta: float | None  # seconds left; None while nothing is known


class Meter:
    """Tells the caller about progress, not too often."""

    def __init__(self, callback: Callable[[Progress], None] | None) -> None:
        self.callback = callback
        self.started = self.told = time.monotonic()
        self.base = self.done = self.total = self.failed = 0
        self.stage = "scan"

    def begin(self, stage: str, *, done: int, total: int) -> None:
        """A stage begins with `done` of `total` pictures finished."""
        self.stage, self.base, self.done, self.total = stage, done, done, total
        self.started = time.monotonic()
        self.tell()

    def count(self, *, failed: bool = False) -> None:
        """One more picture is finished."""
        self.done += 1
        self.failed += failed
        if time.monotonic() - self.told >= 1 / CALLS_PER_SECOND:
            self.tell()

    def tell(self) -> None:
        if self.callback is None:
            return
        self.told = time.monotonic()
        new, elapsed = self.done - self.base, self.told - self.started
        rate = new / elapsed if new and elapsed else 0.0
        eta = (self.total - self.done) / rate if rate else None
        self.callback(Progress(self.stage, self.done, self.total, self.failed, rate, eta))


@dataclass
class Stopwatch:
    """Seconds of work by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, stage: str, seconds: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds
