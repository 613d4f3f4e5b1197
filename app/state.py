"""What does Streamlit keep between reruns?

The only caches and the only session state of the app. What a person asked lives in the URL (`q` words, `like` an
item, `item` the one seen large, `n` how many are shown), so that reload, back and sharing work; only an uploaded
picture, which no URL can hold, lives in the session.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from app.commands.ui import VARIABLE
from app.components.text import as_text
from core.errors import ClipdexError

if TYPE_CHECKING:
    from clipdex import Hit, Status
    from indexer.search import Searcher

KEPT = ("c", "plain")  # what stays in the URL whatever is asked
PAGE_SIZE = 60
MOST_SHOWN = 3000
MOST_OPEN = 8  # collections held in memory at once


@dataclass(frozen=True)
class Asked:
    """What is looked for: words, or an item of the collection, or an uploaded picture."""

    text: str = ""
    like: str = ""
    picture: bytes | None = None
    picture_name: str = ""


@dataclass(frozen=True)
class Answer:
    """Hits, best first, and how long they took."""

    hits: list[Hit]
    seconds: float


# --- the open collection -------------------------------------------------------------------------------------------


def folders() -> list[Path]:
    """The collections the server was started with: the variable, arguments after `--`, or the current folder."""
    told = os.environ.get(VARIABLE, "")
    named = json.loads(told) if told.startswith("[") else [told] if told else sys.argv[1:]
    # Not resolve(): a collection beneath a link belongs to the link's place, as on the command line.
    return list(dict.fromkeys(Path(one).absolute() for one in named or ["."]))


def folder() -> Path:
    """The collection that the URL names (`c`), or the first."""
    return folder_of(str(st.query_params.get("c", ""))) or folders()[0]


def folder_of(name: str) -> Path | None:
    """The collection of a name that `key` made."""
    return next((place for place in folders() if key(place) == name), None)


def ask_folder(place: Path) -> None:
    """Go to the start screen of another collection."""
    forget_picture()
    view = {**_kept(), "c": "" if place == folders()[0] else key(place)}
    st.query_params.from_dict({name: value for name, value in view.items() if value})
    st.session_state["q"] = st.session_state["told"] = ""


@st.cache_resource(show_spinner=False, max_entries=MOST_OPEN)
def _opened(path: str) -> Searcher:
    """One searcher a collection for all sessions; it notices by itself what later runs write."""
    import clipdex

    return clipdex.open(path)


@st.cache_resource(show_spinner=False, max_entries=MOST_OPEN)
def _status(_source: Searcher, version: str) -> Status:
    return _source.status()


def searcher(place: Path | None = None) -> Searcher:
    """The open collection. Raises CollectionError when there is none, it is damaged, or too new."""
    from indexer.collection import Collection

    return _opened(str(Collection.find(place or folder()).path))


def status() -> Status:
    """Counts, model and failures of the open collection. Raises CollectionError as `searcher`."""
    source = searcher()
    return _status(source, _version(source))


def _version(source: Searcher) -> str:
    """What changes with every commit to the collection, and when it is made anew."""
    versions = source.snapshot().versions
    return f"{source.collection.path} {source.collection.info.model_dump_json()} {versions}"


def key(where: Path | None = None) -> str:
    """A short name of a collection (the open one) for URLs: a browser's cache must not mix two collections."""
    named = str(where or folder()).encode("utf-8", "surrogateescape")
    return hashlib.sha256(named).hexdigest()[:12]


def stamps(items: Iterable[str]) -> dict[str, str]:
    """For each item what changes with its picture, for URLs: a browser's cache must not show an older one."""
    snapshot = searcher().snapshot()
    return {item: snapshot.stamp(item) for item in items}


@contextmanager
def errors_in_place() -> Iterator[None]:
    """Show an expected problem where it happened, as a sentence, and stop the page there."""
    try:
        yield
    except ClipdexError as error:
        st.error(as_text(str(error)), icon=":material/error:")
        st.stop()


# --- what is asked, in the URL ---------------------------------------------------------------------------------------


def plain() -> bool:
    """Whether the native widgets are wanted instead of the components: `?plain=1`."""
    return st.query_params.get("plain") == "1"


def asked() -> Asked | None:
    """What this view looks for; None for the start screen."""
    like, upload, text = st.query_params.get("like", ""), picture(), words()
    if like:
        return Asked(like=like)
    if upload is not None:
        return Asked(picture=upload[1], picture_name=upload[0])
    return Asked(text=text) if text else None


def words() -> str:
    """The words in the URL."""
    return str(st.query_params.get("q", "")).strip()


def fill_box() -> None:
    """Put the URL's words into the text box when they are not the ones typed there: after back, forward or a link.

    Streamlit's own binding of a widget to the URL leaves no steps for the back button.
    """
    told = st.query_params.get("q", "")
    if "q" not in st.session_state or st.session_state.get("told") != told:
        st.session_state["q"] = st.session_state["told"] = told


def on_text() -> None:
    """New words replace the example that was looked for."""
    ask_text(st.session_state.get("q", ""))


def ask_text(text: str) -> None:
    """Look for words (a callback: it runs before the page does). No words: the start screen."""
    forget_picture()
    _go(q=text.strip())


def ask_like(item: str) -> None:
    """Look for pictures like one of the collection. The words stay, as the way back from it."""
    forget_picture()
    _go(q=words(), like=item)


def on_picture() -> None:
    """An uploaded picture replaces words and example."""
    if st.session_state.get(picture_key()) is not None:
        _go()


def clear() -> None:
    """One step back: from an example to the words, if there are any, and from words to the start screen."""
    ask_text(words() if st.query_params.get("like") else "")


def open_item(item: str) -> None:
    """See one item large."""
    _go(**{**st.query_params.to_dict(), "item": item})


def close_item() -> None:
    """Back to the grid."""
    _go(**{**st.query_params.to_dict(), "item": ""})


def shown() -> int:
    """How many hits the grid shows."""
    text = st.query_params.get("n", "")
    wanted = int(text) if text.isascii() and text.isdigit() and len(text) < 8 else PAGE_SIZE
    return max(1, min(wanted, MOST_SHOWN))


def show_more() -> None:
    """Show another page of hits below."""
    _go(**{**st.query_params.to_dict(), "n": str(min(shown() + PAGE_SIZE, MOST_SHOWN))})


def _go(**view: str) -> None:
    """Make the URL say what is seen now, all at once: one step for the back button."""
    st.query_params.from_dict({**_kept(), **{name: value for name, value in view.items() if value}})
    if "q" not in view:
        st.session_state["q"] = st.session_state["told"] = ""


def _kept() -> dict[str, str]:
    """What the URL says on every page."""
    told = {name: str(st.query_params.get(name, "")) for name in KEPT}
    return {name: value for name, value in told.items() if value}


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
    """Name and bytes of the uploaded picture."""
    upload = st.session_state.get(picture_key())
    return (upload.name, upload.getvalue()) if upload is not None else None


def answer(question: Asked, limit: int) -> Answer:
    """The best `limit` hits; opening and closing an item does not search again. Raises ClipdexError."""
    source = searcher()
    mark = (_version(source), question, limit)
    kept = st.session_state.get("answer")
    if kept is None or kept[0] != mark:
        start = time.perf_counter()
        words = source.read(question.text) if question.text else None
        hits = source.search(words, image=question.picture, like=question.like or None, limit=limit)
        kept = (mark, Answer(hits, time.perf_counter() - start))
        st.session_state["answer"] = kept
    found: Answer = kept[1]
    return found
