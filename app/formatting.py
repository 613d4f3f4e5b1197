"""Formats sizes, times and progress for the command line and the pages alike."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from indexer.maintenance.compact import Compaction
    from indexer.maintenance.status import Failure
    from indexer.search.query import Hit

_RAW = re.compile("[\ud800-\udfff]")


def is_match(hit: Hit) -> bool:
    """Whether a hit is relevant enough to count as a match, as far as anything is known of that."""
    from indexer.search.relevance import THRESHOLD

    return hit.relevance is None or hit.relevance >= THRESHOLD


def format_size(count: float) -> str:
    """Bytes as people read them: 1.4 MB."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def format_time(when: datetime) -> str:
    """A point in time as it is called here."""
    return f"{when.astimezone():%Y-%m-%d %H:%M}"


def format_age(passed: timedelta) -> str:
    """How long ago, in its largest unit: 3 days."""
    seconds = max(0, int(passed.total_seconds()))
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        count = seconds // length
        if count:
            return f"{count:,} {unit}{'' if count == 1 else 's'}"
    return "0 seconds"


STAGES = {
    "scan": "Looking for images",
    "check": "Comparing contents",
    "embed": "Indexing",
    "finish": "Finishing",
}


def format_pace(rate: float, eta: float | None) -> str:
    """Rate and time left, as `84 images/s, 1:05 left`; empty while nothing is known."""
    if not rate or eta is None:
        return ""
    minutes, seconds = divmod(round(eta), 60)
    hours, minutes = divmod(minutes, 60)
    left = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return f"{rate:.0f} images/s, {left} left" if rate >= 10 else f"{rate:.1f} images/s, {left} left"


def compaction_summary(done: Compaction) -> str:
    """What became of the collection's size. It grows where files were merged and the old ones cannot go yet."""
    less = done.before - done.after
    if less > 0:
        return f"{format_size(less)} freed: {format_size(done.before)} before, {format_size(done.after)} now"
    if less == 0:
        return f"nothing to free: {format_size(done.after)}, as before"
    if done.kept:
        return (
            f"nothing freed yet: {format_size(done.after)} now, {format_size(-less)} more than before, since small "
            "files were merged and old versions still need those that they were merged from"
        )
    return f"nothing to free: {format_size(done.after)} now, {format_size(done.before)} before"


def failure_row(failure: Failure) -> tuple[str, str, str]:
    """The message without the name of the file at its beginning: that stands beside it."""
    return failure.reason, failure.location, failure.message.removeprefix(f"{failure.location}: ")


def sendable(text: str) -> str:
    """The text with � for each byte of a file name that is not UTF-8, which Streamlit cannot send."""
    return _RAW.sub("\ufffd", text)
