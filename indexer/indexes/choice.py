"""Which kind of index suits a collection, and why?"""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import ConfigError, unknown_choice
from indexer.indexes import INDEXES

# Comparing with everything reads every vector: at the 15 GB/s that a desktop's memory gives, 300 MB take 20 ms.
EXACT_BYTES = 300_000_000
LINK_BYTES = 270  # that HNSW keeps for each vector beside its float16 numbers
CODE_BITS = 4.5  # that IVF-RaBitQ keeps for each number, its lists and factors included


@dataclass(frozen=True)
class Choice:
    """A kind of index, with reasons as sentences and what it will take in memory while it is searched."""

    kind: str
    reasons: list[str]
    memory_bytes: int


def needed(kind: str, n: int, d: int) -> int:
    """Bytes of memory that n vectors of d numbers take in an index of a kind, about."""
    each = {"exact": 4.0 * d, "hnsw": 2.0 * d + LINK_BYTES, "ivf-rabitq": CODE_BITS / 8 * d + 16, "gpu": 2.0 * d}
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
    for kind, why in (("hnsw", "the fastest"), ("ivf-rabitq", "the smallest that is read from memory")):
        takes = needed(kind, n, d)
        if memory is None or takes <= memory:
            return Choice(kind, [*reasons, f"{kind} is {why} and takes {_size(takes)}"], takes)
        reasons.append(f"{kind} takes {_size(takes)}, more than the {_size(memory)} it may")
    return Choice("lance", [*reasons, "LanceDB's index is read from the disk as needed"], 0)


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
