"""Which pictures fit what I have in mind?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

import numpy as np
import streamlit as st

from app import fetch, state, view
from app.components import bar, curate, frame, grid, narrow, viewer
from app.components.text import as_text
from app.results import Asked
from core.errors import ClipdexError
from indexer.facets import matching

EXAMPLES = ("a red car", "snow on a mountain", "sunset over the sea", "a house with a garden", "a dog", "at night")
SHORT = re.compile(r"\w{1,12}( \w{1,12}){1,5}")  # a caption without signs, of two to six words
LOOKED_AT = 60  # captions
# What fills the start screen: some of the collection, by the plainest of questions.
FEATURED, FEATURED_BY = 30, "a picture"

WITHOUT_URLS = (
    "Pictures are not fetched from web addresses here: start the app with `clipdex ui --allow-urls`, or save the "
    "picture and drop it on this page."
)


def page() -> None:
    """The search page: a bar, and under it the results or a start screen."""
    frame.begin("Search")
    question = view.asked()
    with state.errors_in_place():
        state.searcher()
    welcome = st.container(key="welcome")
    bar.show(question)  # it is there before the collection and its model are loaded
    with state.errors_in_place():
        count = len(state.searcher().snapshot().ids)
    if question is None:
        with welcome:
            st.title("What are you looking for?", anchor=False)
            st.markdown(f":gray[{count:,} {'picture' if count == 1 else 'pictures'}, found by what they show]")
        _start(count)
    else:
        _results(question)


def _start(count: int) -> None:
    """Examples to click, and some of the collection."""
    if not count:
        st.info("This collection is empty: put pictures into its folder and index it again.")
        return
    with st.container(horizontal=True, key="examples"):
        for example in _examples():
            st.button(example, key=f"example-{example}", on_click=view.start, args=(example,))
    with state.errors_in_place():
        some = state.answer(Asked(text=FEATURED_BY), FEATURED).found.hits
    st.markdown(":gray[From this collection]")
    grid.show(some, scores=False, curated=True)
    curate.show()
    viewer.show_if_open(some)


def _examples() -> Sequence[str]:
    """Questions that find something here: some of the collection's captions, short and without signs; else everyday
    things."""
    texts = state.searcher().snapshot().texts["text"]
    some = texts.take(np.linspace(0, len(texts) - 1, LOOKED_AT).astype(np.int64)).to_pylist() if len(texts) else []
    fit = list(dict.fromkeys(one for one in some if SHORT.fullmatch(one)))
    return fit[: len(EXAMPLES)] if len(fit) >= len(EXAMPLES) else EXAMPLES


def _results(question: Asked) -> None:
    question = _with_fetched(question)
    with state.errors_in_place():
        answer = state.answer(question, view.shown())
        found, line = answer.found, answer.found.line
        words = line.text if line is not None else ""
        cut = state.searcher().first_cut(words) if words else None
        possible = matching(state.searcher().snapshot(), line)  # those that are excluded do not count
    bar.chips(question, line)
    _heading(question, words, found.told(view.shown(), possible), answer)
    _notes(question, cut, line.doubts if line is not None else ())
    if not found.hits:
        curate.show()
        narrow.nothing_found(line)
        return
    hits = found.with_copies(view.unfolded())
    more = max(0, min(possible, view.MOST_SHOWN) - found.seen) if len(found.hits) == view.shown() else 0
    ends = None if question.by_date else grid.relevance_line(hits)
    # Who asks with pictures wants their neighbours, also the farther ones.
    grid.show(
        hits, question=_mark(question), more=more, line=ends, copies=found.copies, curated=True, folds=bool(words)
    )
    if more and view.plain():
        with st.container(horizontal=True, horizontal_alignment="center"):
            st.button("Show more", icon=":material/expand_more:", key="more", on_click=view.show_more)
    curate.show(hits)
    viewer.show_if_open(hits, words, more=more > 0)


def _with_fetched(question: Asked) -> Asked:
    """The question with the picture from the web, if one is named and may be asked for; otherwise what to do."""
    url = view.url()
    if not url:
        return question
    host = as_text(urlsplit(url).hostname or url)
    if fetch.allowed() is None:
        st.info(WITHOUT_URLS, icon=":material/link_off:")
    elif not state.is_wanted(url):
        st.button(f"Get the picture from {host}", icon=":material/cloud_download:", key="fetch", on_click=view.fetch)
    else:
        with state.errors_in_place(), st.spinner(f"Getting the picture from {host} …"):
            try:
                return replace(question, fetched=state.fetched(url))
            except ClipdexError:
                bar.chips(question, None)  # the way back
                raise
    if not question.is_asked:
        bar.chips(question, None)
        st.stop()
    return question


def _heading(question: Asked, words: str, told: str, answer: state.Answer) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="heading"):
        if title := question.title(words):
            st.title(as_text(title), anchor=False, width="content")
        st.markdown(f":gray[{told} · {answer.seconds * 1000:.0f} ms]", width="content")
        st.button("Clear search", icon=":material/close:", key="clear", type="tertiary", on_click=view.start)
        narrow.tools(question, answer.found.line)


def _notes(question: Asked, cut: str | None, doubts: Sequence[str]) -> None:
    if cut is not None:
        st.caption(f"The model reads no further than “{as_text(cut)}”: that word and what follows did not count.")
    for doubt in doubts:
        st.caption(f"“{as_text(doubt)}” was searched as words: there is no such column here.")
    if question.by_date:
        st.caption("What matches, the newest first; pictures whose date is not known come last.")


def _mark(question: Asked) -> str:
    """What tells one question from another."""
    picture = "" if question.picture is None else str(hash(question.picture))
    examples = (question.like, question.unlike, question.parts, view.url())
    return repr((state.key(), question.text, examples, picture, question.by_date, question.group, question.tiles))


if __name__ == "__main__":  # as Streamlit names a page that it runs
    page()
