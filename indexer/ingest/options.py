"""The options of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from indexer.ingest.embedding.pipeline import READ_SECONDS, Embedding


@dataclass(frozen=True)
class Options:
    """How to index. The defaults are right for nearly everybody."""

    checksum: bool = False  # read every file and compare its content, not only its size and time
    retry_failures: bool = False  # try again what failed before, though the file is the same
    allow_removal: bool = False  # even if more than half of the collection is gone from its source
    change_model: bool = False  # let the given model take over from the one that the collection has
    keep_old: bool = False  # when another model takes over, keep the vectors of the one before, too
    tiles: bool | None = None  # embed parts of images, too, from now on, or no more; None: as before
    wait: bool = False  # for another run on the same collection to end; otherwise it is an error
    time_limit: float = READ_SECONDS  # seconds for one image to be read and decoded
    engine: Callable[[Any], Embedding] | None = (
        None  # what embeds instead of this program (`indexer/ingest/distributed/coordinator.py`)
    )
    stop: Callable[[], bool] = lambda: False  # asked after each batch: the run then ends well, unfinished


DEFAULT = Options()
