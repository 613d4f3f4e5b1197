"""Sorts relevant hits by date.

By the camera's clock where it is known, else by when the file was changed; the newest first. Only what is relevant is
put in order: by date, the guesses would come before the answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from indexer.search.relevance import THRESHOLD

if TYPE_CHECKING:
    from indexer.collection.snapshot import Snapshot
    from indexer.search.ranking import Ranked

LONG_AGO = -(1 << 62)


def sorted_by_date(snapshot: Snapshot, whole: Ranked, relevance: Sequence[float | None], page: slice) -> Ranked:
    """A page of the relevant hits of a whole answer, the newest first, those without a date last, ties by id. Where
    nothing is relevant, the page of the answer as it is; hits of which no relevance is known count as relevant."""
    kept = np.array([place for place, one in enumerate(relevance) if one is None or one >= THRESHOLD], np.int64)
    kept = kept[newest_first(snapshot, whole.rows[kept])] if len(kept) else np.arange(len(whole.rows))
    kept = kept[page]
    parts = {label: values[kept] for label, values in whole.parts.items()}
    return replace(whole, rows=whole.rows[kept], scores=whole.scores[kept], parts=parts)


def newest_first(snapshot: Snapshot, rows: np.ndarray) -> np.ndarray:
    """The order (k,) in which the images in k rows are the newest first; those without a date last, ties by id."""
    return np.lexsort((rows, -_moments(snapshot, rows)))


def _moments(snapshot: Snapshot, rows: np.ndarray) -> np.ndarray:
    """Microseconds since 1970 (k,) int64; LONG_AGO where nothing is known."""
    import pyarrow as pa
    import pyarrow.compute as pc

    changed = pc.divide(snapshot.images["mtime_ns"], 1000)
    taken = pc.cast(snapshot.images["taken"], pa.int64())
    moments: np.ndarray = pc.coalesce(taken, changed, pa.scalar(LONG_AGO, pa.int64())).to_numpy()
    return moments[rows]
