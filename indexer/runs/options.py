"""What did a person ask of a run, beyond which pictures and which model?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indexer.runs.pipeline import Embedding
    from indexer.runs.run import Run

READ_SECONDS = 60.0  # for one picture to be read and decoded


@dataclass(frozen=True)
class Options:
    """How to index. The defaults are right for nearly everybody."""

    checksum: bool = False  # read every file and compare its content, not only its size and time
    retry_failures: bool = False  # try again what failed before, though the file is the same
    allow_removal: bool = False  # even if more than half of the collection is gone from its source
    change_model: bool = False  # let the given model take over from the one that the collection has
    keep_old: bool = False  # when another model takes over, keep the vectors of the one before, too
    tiles: bool | None = None  # embed parts of pictures, too, from now on, or no more; None: as before
    wait: bool = False  # for another run on the same collection to end; otherwise it is an error
    time_limit: float = READ_SECONDS  # seconds for one picture to be read and decoded
    engine: Callable[[Run], Embedding] | None = None  # what embeds instead of this program (`indexer/distributed.py`)
    stop: Callable[[], bool] = lambda: False  # asked after each batch: the run then ends well, unfinished


DEFAULT = Options()
