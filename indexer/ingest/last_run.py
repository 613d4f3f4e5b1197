"""Remembers what the last run did and how long it took.

A small file beside the tables, `last-run.json`, which can be deleted: nothing depends on it.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import ValidationError

from core.schema import Frozen

if TYPE_CHECKING:
    from indexer.collection.collection import Collection
    from indexer.ingest.report import Report

FILE = "last-run.json"


class LastRun(Frozen):
    """When a run ended, and its report in short."""

    ended: datetime
    seconds: float
    added: int
    updated: int
    moved: int
    removed: int
    unchanged: int
    failed: int
    left: int
    stopped: bool
    rate: float  # images a second that it read or embedded; 0 where it had nothing to do
    model: str

    def done(self) -> str:
        """What it did, in words: "12 added, 3 failed"."""
        counts = {
            "added": self.added,
            "updated": self.updated,
            "moved": self.moved,
            "removed": self.removed,
            "unchanged": self.unchanged,
            "could not be read": self.failed,
        }
        said = [f"{count:,} {word}" for word, count in counts.items() if count]
        if self.stopped:
            said.append(f"stopped with {self.left:,} left")
        return ", ".join(said) or "nothing to do"


def remember(collection: Collection, report: Report) -> None:
    """Write down what a run did. A disk that is full now takes nothing of the run back."""
    last = LastRun(
        ended=datetime.now(UTC),
        failed=sum(report.failed.values()),
        **{name: getattr(report, name) for name in LastRun.model_fields if name not in ("ended", "failed")},
    )
    with suppress(OSError):
        collection.store.write(FILE, (last.model_dump_json(indent=1) + "\n").encode())


def recall(collection: Collection) -> LastRun | None:
    """What the last run did, where that is known."""
    try:
        return LastRun.model_validate_json(collection.store.read(FILE))
    except (OSError, ValidationError):
        return None
