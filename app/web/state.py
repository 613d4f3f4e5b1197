"""The session state and the caches of the pages.

The only caches and the only session state of the app. What a person asked lives in the URL (`app.web.url_state`); only
an uploaded image, which no URL can hold, and the last answer live in the session.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from app.library import open_collections, searchers
from app.server import remote_image
from app.web.components.markdown import as_text
from app.web.search_service import PageQuery, PageResults, find
from core.errors import ClipdexError, CollectionError
from indexer.collection.snapshot import row_of
from indexer.dedup.collapse import Grouping

if TYPE_CHECKING:
    from app.server.remote_image import Fetched
    from clipdex import Status
    from core.inference.heatmap import Heat
    from indexer.ann.optimize import Health
    from indexer.dedup.duplicate_rule import Kind
    from indexer.search.searcher import Searcher

NUMBERS = {"id", "hash", "size", "width", "height", "modified"}  # columns that are shown otherwise, or of no interest


# --- the open collection -------------------------------------------------------------------------------------------


def folders() -> list[Path]:
    """The collections of this server; none before the first folder was indexed."""
    return open_collections.open_places()


def folder() -> Path:
    """The collection that the URL names (`c`), or the first that is there. Raises CollectionError when that is not
    open, or there is none."""
    if name := str(st.query_params.get("c", "")):
        if (named := searchers.folder_of(name)) is None:
            raise CollectionError(
                "that collection is not open here: it was closed, or the server began anew without it"
            )
        return named
    found: Path | None = st.session_state.get("first-folder")
    if found not in folders():  # once found it stays: a disk that is connected later must not turn a page over
        found = st.session_state["first-folder"] = open_collections.first_open()
    if found is None:
        raise CollectionError("there is no collection yet: choose a folder of images to index")
    return found


def names_unknown() -> bool:
    """Whether the URL names a collection that is not open here."""
    name = str(st.query_params.get("c", ""))
    return bool(name) and searchers.folder_of(name) is None


@st.cache_resource(show_spinner=False, max_entries=searchers.MOST_OPEN)
def _status(_source: Searcher, version: str) -> Status:
    return _source.status()


def searcher() -> Searcher:
    """The open collection. Raises CollectionError when there is none, it is damaged, or too new."""
    return searchers.searcher(folder())


def look_for_newer() -> None:
    """Let what follows in this run of a page see the newest version; in an object store, where a look takes a while,
    that of a few seconds ago will do."""
    from indexer.collection.storage.store import LocalStore

    with suppress(ClipdexError):
        if isinstance((source := searcher()).collection.store, LocalStore):
            source.look()


def status() -> Status:
    """Counts, model and failures of the open collection. Raises CollectionError as `searcher`."""
    source = searcher()
    return _status(source, _version(source))


@st.cache_resource(show_spinner=False, max_entries=searchers.MOST_OPEN)
def _health(_source: Searcher, version: str) -> list[Health]:
    from indexer.ann.optimize import health

    return health(_source.collection, _source.snapshot())


def index_health() -> list[Health]:
    """How the search indexes of the open collection are. Raises CollectionError as `searcher`."""
    from indexer.collection.index_files.manifest import manifest_file
    from indexer.collection.snapshot import TARGETS

    source = searcher()
    files = [manifest_file(source.collection.path, target) for target in TARGETS]
    built = [file.stat().st_mtime_ns if file.exists() else 0 for file in files]
    return _health(source, f"{_version(source)} {built}")


def _version(source: Searcher) -> str:
    """What changes with every commit to the collection, and when it is made anew."""
    versions = source.snapshot().versions
    return f"{source.collection.path} {source.collection.info.model_dump_json()} {versions}"


def key() -> str:
    """The short name of the open collection for URLs."""
    return searchers.key(folder())


def stamps(items: Iterable[str]) -> dict[str, str]:
    """For each item what changes with its image, for URLs: a browser's cache must not show an older one."""
    snapshot = searcher().snapshot()
    return {item: snapshot.stamp(item) for item in items}


def columns(item: str) -> dict[str, str]:
    """What the collection's columns say of an item beyond its numbers: when and with what it was taken, and so on."""
    snapshot = searcher().snapshot()
    row = snapshot.images.select(list(snapshot.columns)).slice(row_of(snapshot, item), 1).to_pylist()[0]
    values = {name: row[name] for name in sorted(row) if name not in NUMBERS and row[name] not in (None, "", [])}
    if not values.get("excluded"):
        values.pop("excluded", None)
    return {
        name: f"{value:%d %B %Y, %H:%M}"
        if isinstance(value, datetime)
        else ", ".join(map(str, value) if isinstance(value, list) else [str(value)])[:300]
        for name, value in values.items()
    }


def heat(item: str, words: str) -> Heat:
    """Which parts of an item match words; kept for the last one. Raises ClipdexError."""
    from core.image.decode import open_image
    from core.inference.heatmap import heat as measured

    source = searcher()
    mark = (_version(source), item, words)
    kept = st.session_state.get("heat")
    if kept is None or kept[0] != mark:
        image = open_image(source.collection.source.read(item))
        kept = (mark, measured(source.encoder, image, source.encoder.encode_texts([words])[0]))
        st.session_state["heat"] = kept
    found: Heat = kept[1]
    return found


def warm_thumbnails(items: Sequence[str]) -> None:
    """Read the thumbnails that the browser is about to ask for, all at once."""
    with suppress(ClipdexError):  # whoever asks for one of them will be told
        searchers.thumbnails(folder(), items)


@contextmanager
def errors_in_place() -> Iterator[None]:
    """Show an expected problem where it happened, as a sentence, and stop the page there."""
    try:
        yield
    except ClipdexError as error:
        st.error(as_text(str(error)), icon=":material/error:")
        if isinstance(error, CollectionError):
            st.page_link("app/web/pages/library.py", label="Choose another collection, or index a folder")
        st.stop()


# --- what a session keeps --------------------------------------------------------------------------------------------


def picture_key() -> str:
    """The key of the upload widget; a new number empties it, which Streamlit offers no other way to do."""
    return f"picture-{st.session_state.get('picture_number', 0)}"


def forget_picture() -> None:
    """Empty the upload widget, if it holds something."""
    if picture() is None:
        return
    st.session_state["picture_number"] = st.session_state.get("picture_number", 0) + 1


def picture() -> tuple[str, bytes] | None:
    """Name and bytes of the uploaded image."""
    upload = st.session_state.get(picture_key())
    return (upload.name, upload.getvalue()) if upload is not None else None


def want(url: str) -> None:
    """A person typed this URL here: its image may be asked for."""
    st.session_state["wanted"] = url


def is_wanted(url: str) -> bool:
    """Whether a person asked for the image at a URL, and not only a link that somebody else made."""
    return bool(st.session_state.get("wanted") == url)


def fetched(url: str) -> Fetched:
    """The image at a URL; the last one is kept. Raises QueryError or ImageError."""
    kept: Fetched | None = st.session_state.get("fetched")
    if kept is None or kept.url != url:
        st.session_state["lost"] = url
        kept = st.session_state["fetched"] = remote_image.picture(url, remote_image.allowed() or ())
        st.session_state["lost"] = ""
    return kept


def is_lost(url: str) -> bool:
    """Whether there was no image to be had at a URL: new words need not wait for it."""
    return bool(st.session_state.get("lost") == url)


def refuse(problem: str) -> None:
    """What was typed will not be asked for: the next run of the page says why."""
    st.session_state["refused"] = problem


def refused() -> str:
    """What is wrong with what was typed just now; empty for nothing."""
    return str(st.session_state.pop("refused", ""))


@st.cache_resource(show_spinner=False, max_entries=2 * searchers.MOST_OPEN)
def _grouping(_source: Searcher, version: str, kind: Kind) -> Grouping:
    return Grouping(_source.snapshot(), kind)


def answer(question: PageQuery, limit: int) -> PageResults:
    """The first `limit` hits; opening and closing an item does not search again. Raises ClipdexError."""
    source = searcher()
    mark = (_version(source), question, limit)
    kept = st.session_state.get("answer")
    if kept is None or kept[0] != mark:
        start = time.perf_counter()
        grouping = _grouping(source, _version(source), question.group) if question.group else None
        found = find(source, question, limit, grouping)
        kept = (mark, replace(found, seconds=time.perf_counter() - start))
        st.session_state["answer"] = kept
    answered: PageResults = kept[1]
    return answered
