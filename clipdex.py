"""The Python API: index a source, open a collection, search it.

    import clipdex
    clipdex.index("holiday")
    for hit in clipdex.open("holiday").search("a dog on the beach"):
        print(f"{hit.score:.3f} {hit.path}")

The command line and the app call the same functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import ClipdexError, ConfigError
from core.inference.load import load_encoder, stable_name
from core.validation import PATH, TEXT, require
from indexer.ingest.embedding.pipeline import READ_SECONDS
from indexer.ingest.options import Options
from indexer.ingest.report import Progress, Report
from indexer.maintenance.status import Status
from indexer.search.filters import Condition
from indexer.search.query import Concept, Hit, Like, Picture, Query, Text, Vector
from indexer.search.searcher import Searcher, open_searcher
from indexer.sources import NOTHING_SAID, Settings

if TYPE_CHECKING:
    from core.encoder import Encoder
    from indexer.ingest.planning.source_resolution import SourceRequest


def __getattr__(name: str) -> str:
    """`clipdex.__version__`, read when it is asked for: the metadata of packages take a while to load."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version("clipdex")


__all__ = [
    "ClipdexError",
    "Concept",
    "Condition",
    "Hit",
    "Like",
    "Picture",
    "Progress",
    "Query",
    "Report",
    "Searcher",
    "Settings",
    "Status",
    "Text",
    "Vector",
    "index",
    "load_encoder",
    "open",
]


def index(
    source: str | Path | Sequence[str | Path],
    *,
    model: str | Path | None = None,
    to: str | Path | None = None,
    captions: str | Path | None = None,
    kind: str | None = None,
    settings: Settings = NOTHING_SAID,
    remove: Sequence[str | Path] = (),
    precision: str = "auto",
    exact: bool = False,
    keep_old: bool = False,
    checksum: bool = False,
    retry_failures: bool = False,
    allow_removal: bool = False,
    tiles: bool | None = None,
    dry_run: bool = False,
    wait: bool = False,
    time_limit: float = READ_SECONDS,
    engine: str = "local",
    address: str | None = None,
    progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Report:
    """Make the images of a source, or of several, searchable, or bring their collection up to date.

    The collection lives in the first source, a folder, as `.clipdex`, or in `to`. It remembers its sources: one that it
    does not have yet is added, and all are looked at, but for those in `remove`, which leave it. `kind` is the kind of
    source (`indexer.sources.SOURCES`) where that cannot be told, `settings` what else is to be said about it.

    `model` is a name (of the hub, too: then it is downloaded unless it is here), or the path of a model; without it a
    collection keeps its model, and a new one gets `core.formats.hub.RECOMMENDED_MODEL`. `captions` is a CSV file with
    the columns image,caption. `precision` is what the model computes in ("auto", "fp32", "bf16", "fp16", "int8"), and
    with `exact` large images are decoded in full; neither makes it another model.

    Another `model` than the collection's embeds everything anew, beside the present vectors, and takes over when that
    is done; with `keep_old` the one before can still be searched with (`open(folder, model=...)`). `checksum` compares
    the contents of files, not only size and time; `retry_failures` tries again what failed before; a run that would
    remove more than half of the collection needs `allow_removal`; with `tiles` parts of each image are embedded, too,
    from now on (False drops them), so that `search(tiles=True)` finds small things; `dry_run` only tells what would be
    done; with `wait` a run waits for another one to end; `time_limit` is seconds for one image to be read and
    decoded. `stop` is asked after each batch: once it says True the run ends well, and the next one goes on.
    `engine` "ray" has images embedded by the machines of a Ray cluster (at `address`; without it, by this machine
    alone): then the sources and `to` must be places that all of them see. `to` may be a URL (s3://bucket/collection).
    Raises a `ClipdexError` whose message says what to do.
    """
    from indexer.ingest import sync
    from indexer.ingest.embedding.engines import engine_of
    from indexer.ingest.planning.source_resolution import SourceRequest, check_there

    options = Options(
        engine=engine_of(engine, address, precision=precision, exact=exact),
        checksum=checksum,
        retry_failures=retry_failures,
        allow_removal=allow_removal,
        change_model=model is not None,
        keep_old=keep_old,
        tiles=tiles,
        wait=wait,
        time_limit=time_limit,
        stop=stop,
    )
    asked = SourceRequest(
        _checked(source, kind, model=model, to=to, captions=captions), kind, settings, removed=tuple(remove)
    )
    if dry_run:
        named = None if model is None else load_encoder(model)
        return sync.forecast(asked, encoder=named, to=to, captions=captions, options=options)
    check_there(asked)
    encoder, load = _encoder(asked, model, to, precision, exact)
    return sync.index(asked, encoder=encoder, to=to, captions=captions, progress=progress, load=load, options=options)


def open(  # noqa: A001
    folder: str | Path = ".", *, model: str | Path | None = None, precision: str = "auto"
) -> Searcher:
    """The collection of a folder, or of the nearest one above it, ready to search.

    It is searched with the model that made it, or another one that was kept, in any `precision`; any other `model` is
    a `WrongModelError`.
    """
    for name, path in (("folder", folder), ("model", model)):
        require(name, path, PATH, none=name == "model", error=ConfigError)
    encoder = None if model is None else load_encoder(model, precision=precision)
    return open_searcher(folder, encoder, precision=precision)


def _encoder(
    asked: SourceRequest, model: str | Path | None, to: str | Path | None, precision: str, exact: bool
) -> tuple[Encoder, str]:
    """The model that embeds, and what it is loaded by later."""
    from core.formats.hub import RECOMMENDED_MODEL
    from indexer.ingest import sync

    used = sync.used_encoder(asked, to, precision=precision, exact=exact) if model is None else None
    model = RECOMMENDED_MODEL if model is None else model
    return used or load_encoder(model, precision=precision, exact=exact), stable_name(model)


def _checked(source: str | Path | Sequence[str | Path], kind: object, **paths: object) -> tuple[str | Path, ...]:
    """The sources. Raises `ConfigError` for what is of a wrong type."""
    places = tuple(source) if isinstance(source, list | tuple | set | frozenset | Iterator) else (source,)
    for one in places:
        require("what to index", one, ((str, Path), "a path, a URL, or several in a list"), error=ConfigError)
    require("kind", kind, TEXT, none=True, error=ConfigError)
    for name, path in paths.items():
        require(name, path, PATH, none=True, error=ConfigError)
    return places
