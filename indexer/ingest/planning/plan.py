"""Plans a run: what is new, changed, moved and gone.

The listing of the source beside what is known: nothing is opened here but the stat that the listing holds already.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from indexer.ingest.planning.existing_rows import ExistingRows
from indexer.ingest.writing import captions
from indexer.ingest.writing.captions import Captions
from indexer.sources import Item, Listing, Problem


@dataclass(frozen=True)
class Plan:
    """Every listed item is in exactly one of the first four; every known id is in there, in `gone` or in `kept`."""

    unchanged: list[str] = field(default_factory=list)
    recaption: list[Item] = field(default_factory=list)  # the same image with other words or columns
    embed: list[Item] = field(default_factory=list)
    failed: list[Problem] = field(default_factory=list)  # failed before and are still the same file
    gone: dict[str, str] = field(default_factory=dict)  # id -> content hash
    kept: list[str] = field(default_factory=list)  # cannot be looked at now: in a closed folder, behind a dead link
    problems: list[Problem] = field(default_factory=list)  # of the listing and the captions, but for what is kept
    news: list[Problem] = field(default_factory=list)  # those that are not recorded yet


def make_plan(
    listing: Listing,
    known: ExistingRows,
    words: Captions,
    *,
    retry_failures: bool = False,
    untiled: Collection[str] = (),
) -> Plan:
    """Compare what is there with what is known. With `retry_failures` no file counts as failed before; images that
    are `untiled` are embedded again."""
    plan = Plan()
    for item in listing.items:
        if item.id in untiled and known.unchanged(item):
            plan.embed.append(item)
        elif known.unchanged(item):
            texts = words.of(item.id, known.embedded(item.id))
            same_words = captions.key(item.id, texts) == known.texts_key(item.id)
            same_columns = words.columns_key(item.id) == known.columns_key(item.id)
            if item.id in words.unread or (same_words and same_columns):
                plan.unchanged.append(item.id)
            else:
                plan.recaption.append(item)
        elif known.failed_before(item) and not retry_failures:
            before = known.failures[item.id]
            plan.failed.append(Problem(item.id, before["reason"], before["message"], item.size, item.mtime_ns))
        else:
            plan.embed.append(item)
    listed = {item.id for item in listing.items}
    for item_id in known:
        if item_id in listed:
            continue
        if listing.hides(item_id):
            plan.kept.append(item_id)
        else:
            plan.gone[item_id] = known.hash(item_id) or ""
    kept = set(plan.kept)
    plan.problems.extend(problem for problem in [*listing.problems, *words.problems] if problem.location not in kept)
    for problem in plan.problems:
        before = known.failures.get(problem.location)
        if before is None or before["reason"] != problem.reason:
            plan.news.append(problem)
    return plan
