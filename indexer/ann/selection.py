"""Selects the kind of index that suits a collection."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import ConfigError, unknown_choice
from indexer.ann.kinds import INDEXES

# Comparing with everything reads every vector: at the 15 GB/s that a desktop's memory gives, 300 MB take 20 ms.
EXACT_BYTES = 300_000_000
LINK_BYTES = 270  # that HNSW keeps for each vector beside its float16 numbers
MOST_CODES = 256 * 4  # bits that IVF-PQ keeps for each vector
KINDS = (
    ("ivf-pq", "the fastest where lists hold what is near"),
    ("hnsw", "the fastest where they do not"),
)


@dataclass(frozen=True)
class Choice:
    """A kind of index, with reasons as sentences and what it will take in memory while it is searched."""

    kind: str
    reasons: list[str]
    memory_bytes: int
    instead: tuple[str, ...] = ()  # kinds to build if this one misses the recall, the fastest first


def needed(kind: str, n: int, d: int) -> int:
    """Bytes of memory that n vectors of d numbers take in an index of a kind, about."""
    codes = min(4.0 * d, MOST_CODES) / 8 + 16
    each = {
        "exact": 4.0 * d,
        "ivf-pq": codes,
        "hnsw": 2.0 * d + LINK_BYTES,
        "gpu": 2.0 * d,
    }
    return round(each.get(kind, 0) * n)


def choose(n: int, d: int, *, asked: str = "auto", memory: int | None = None, local: bool = True) -> Choice:
    """The kind for n vectors of d float32 numbers; `memory` is a budget in bytes, `local` says where the files are.

    Raises `ConfigError` for an unknown kind.
    """
    if asked != "auto":
        if asked not in INDEXES:
            raise ConfigError(unknown_choice("kind of index", asked, ["auto", *INDEXES]))
        return Choice(asked, ["it was asked for"], needed(asked, n, d))
    size = f"{n:,} vectors of {d} numbers take {_size(4 * n * d)}"
    if 4 * n * d <= EXACT_BYTES and (memory is None or 4 * n * d <= memory):
        return Choice(
            "exact", [f"{size}: comparing a query with all of them takes no more than about 20 ms"], 4 * n * d
        )
    reasons = [f"{size}: too much to compare a query with all of them"]
    if not local:
        return Choice("lance", [*reasons, "the collection is not on a local disk; only LanceDB reads parts of it"], 0)
    takes = {kind: needed(kind, n, d) for kind, _ in KINDS}
    fitting = [(kind, why) for kind, why in KINDS if memory is None or takes[kind] <= memory]
    if fitting:
        (kind, why), *others = fitting
        return Choice(kind, [*reasons, f"{kind} is {why}"], takes[kind], tuple(other for other, _ in others))
    smallest = min(takes.values())
    reasons.append(f"an index in memory takes {_size(smallest)} or more, not the {_size(memory or 0)} it may")
    return Choice("lance", [*reasons, "LanceDB's index is read from the disk as needed"], 0)


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
