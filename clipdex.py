"""The Python face: what does a program import?

    import clipdex
    clipdex.index("holiday")
    for hit in clipdex.open("holiday").search("a dog on the beach"):
        print(f"{hit.score:.3f} {hit.path}")

The command line and the app call the same functions.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from core.encoder import lasting, load_encoder
from core.errors import ClipdexError
from core.hub import RECOMMENDED_MODEL
from indexer import sync
from indexer.query import Hit
from indexer.report import Progress, Report
from indexer.search import Searcher, open_searcher
from indexer.status import Status

__all__ = ["ClipdexError", "Hit", "Progress", "Report", "Searcher", "Status", "index", "load_encoder", "open"]


def index(
    folder: str | Path,
    *,
    model: str | Path | None = None,
    to: str | Path | None = None,
    captions: str | Path | None = None,
    precision: str = "auto",
    exact: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Make the pictures of a folder searchable, or bring its collection up to date.

    The collection lives in `folder/.clipdex`, or in `to`. `model` is a name (of the hub, too: then it is downloaded
    unless it is here), or the path of a model; without it a collection keeps its model, and a new one gets
    `core.hub.RECOMMENDED_MODEL`. `captions` is a CSV file with the columns image,caption. `precision` is what the
    model computes in ("auto", "fp32", "bf16", "fp16", "int8"), and with `exact` large pictures are decoded in full;
    neither makes it another model.
    Raises a `ClipdexError` whose message says what to do.
    """
    encoder = sync.used_encoder(folder, to, precision=precision, exact=exact) if model is None else None
    model = RECOMMENDED_MODEL if model is None else model
    return sync.index(
        folder,
        encoder=encoder or load_encoder(model, precision=precision, exact=exact),
        to=to,
        captions=captions,
        progress=progress,
        load=lasting(model),
    )


def open(  # noqa: A001
    folder: str | Path = ".", *, model: str | Path | None = None, precision: str = "auto"
) -> Searcher:
    """The collection of a folder, or of the nearest one above it, ready to search.

    It is searched with the model that made it, in any `precision`; another `model` is a `WrongModelError`.
    """
    encoder = None if model is None else load_encoder(model, precision=precision)
    return open_searcher(folder, encoder, precision=precision)
