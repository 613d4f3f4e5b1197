"""The search page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

import numpy as np
import streamlit as st

from app.server import remote_image
from app.web import state, url_state
from app.web.components import filter_panel, grid, image_viewer, page_frame, search_bar, selection_actions
from app.web.components.markdown import as_text
from app.web.search_service import PageQuery, PageResults
from core.errors import ClipdexError
from indexer.search.facets import matching

EXAMPLES = ("a red car", "snow on a mountain", "sunset over the sea", "a house with a garden", "a dog", "at night")
SHORT = re.compile(r"\w{1,12}( \w{1,12}){1,5}")  # a caption without signs, of two to six words
LOOKED_AT = 60  # captions
# What fills the start screen: some of the collection, by the plainest of questions.
FEATURED, FEATURED_BY = 30, "an image"

WITHOUT_URLS = (
    "Images are not fetched from URLs here: start the app with `clipdex ui --allow-urls`, or save the "
    "image and drop it on this page."
)


def page() -> None:
    """The search page: a bar, and under it the results or a start screen."""
    page_frame.begin("Search")
    question = url_state.asked()
    with state.errors_in_place():
        state.searcher()
    welcome = st.container(key="welcome")
    search_bar.show(question)  # it is there before the collection and its model are loaded
    with state.errors_in_place():
        count = len(state.searcher().snapshot().ids)
    if question is None:
        with welcome:
            st.title("What are you looking for?", anchor=False)
            st.markdown(f":gray[{count:,} {'image' if count == 1 else 'images'}, found by what they show]")
        _start(count)
    else:
        _results(question)


def _start(count: int) -> None:
    """Examples to click, and some of the collection."""
    if not count:
        st.info("This collection is empty: put images into its folder and index it again.")
        return
    with st.container(horizontal=True, key="examples"):
        for example in _examples():
            st.button(example, key=f"example-{example}", on_click=url_state.start, args=(example,))
    with state.errors_in_place():
        some = state.answer(PageQuery(text=FEATURED_BY), FEATURED).hits
    st.markdown(":gray[From this collection]")
    grid.show(some, scores=False, curated=True)
    selection_actions.show()
    image_viewer.show_if_open(some)


def _examples() -> Sequence[str]:
    """Questions that find something here: some of the collection's captions, short and without signs; else everyday
    things."""
    texts = state.searcher().snapshot().texts["text"]
    some = texts.take(np.linspace(0, len(texts) - 1, LOOKED_AT).astype(np.int64)).to_pylist() if len(texts) else []
    fit = list(dict.fromkeys(one for one in some if SHORT.fullmatch(one)))
    return fit[: len(EXAMPLES)] if len(fit) >= len(EXAMPLES) else EXAMPLES


def _results(question: PageQuery) -> None:
    question = _with_fetched(question)
    with state.errors_in_place():
        answer = state.answer(question, url_state.shown_count())
        line = answer.line
        words = line.text if line is not None else ""
        cut = state.searcher().first_cut(words) if words else None
        possible = matching(state.searcher().snapshot(), line)  # those that are excluded do not count
    search_bar.chips(question, line)
    _heading(question, words, answer.told(url_state.shown_count(), possible), answer)
    _notes(question, cut, line.doubts if line is not None else ())
    if not answer.hits:
        selection_actions.show()
        filter_panel.nothing_found(line)
        return
    hits = answer.with_copies(url_state.unfolded())
    more = (
        max(0, min(possible, url_state.MOST_SHOWN) - answer.seen) if len(answer.hits) == url_state.shown_count() else 0
    )
    ends = None if question.by_date else grid.relevance_line(hits)
    # Who asks with images wants their neighbours, also the farther ones.
    grid.show(
        hits, question=_mark(question), more=more, line=ends, copies=answer.copies, curated=True, folds=bool(words)
    )
    if more and url_state.plain():
        with st.container(horizontal=True, horizontal_alignment="center"):
            st.button("Show more", icon=":material/expand_more:", key="more", on_click=url_state.show_more)
    selection_actions.show(hits)
    image_viewer.show_if_open(hits, words, more=more > 0)


def _with_fetched(question: PageQuery) -> PageQuery:
    """The question with the image from the web, if one is named and may be asked for; otherwise what to do."""
    url = url_state.url()
    if not url:
        return question
    host = as_text(urlsplit(url).hostname or url)
    if remote_image.allowed() is None:
        st.info(WITHOUT_URLS, icon=":material/link_off:")
    elif not state.is_wanted(url):
        st.button(f"Get the image from {host}", icon=":material/cloud_download:", key="fetch", on_click=url_state.fetch)
    else:
        with state.errors_in_place(), st.spinner(f"Getting the image from {host} …"):
            try:
                return replace(question, fetched=state.fetched(url))
            except ClipdexError:
                search_bar.chips(question, None)  # the way back
                raise
    if not question.is_asked:
        search_bar.chips(question, None)
        st.stop()
    return question


def _heading(question: PageQuery, words: str, told: str, answer: PageResults) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="heading"):
        if title := question.title(words):
            st.title(as_text(title), anchor=False, width="content")
        st.markdown(f":gray[{told} · {answer.seconds * 1000:.0f} ms]", width="content")
        st.button("Clear search", icon=":material/close:", key="clear", type="tertiary", on_click=url_state.start)
        filter_panel.tools(question, answer.line)


def _notes(question: PageQuery, cut: str | None, doubts: Sequence[str]) -> None:
    if cut is not None:
        st.caption(f"The model reads no further than “{as_text(cut)}”: that word and what follows did not count.")
    for doubt in doubts:
        st.caption(f"“{as_text(doubt)}” was searched as words: there is no such column here.")
    if question.by_date:
        st.caption("What matches, the newest first; images whose date is not known come last.")


def _mark(question: PageQuery) -> str:
    """What tells one question from another."""
    picture = "" if question.picture is None else str(hash(question.picture))
    examples = (question.like, question.unlike, question.parts, url_state.url())
    return repr((state.key(), question.text, examples, picture, question.by_date, question.group, question.tiles))


if __name__ == "__main__":  # as Streamlit names a page that it runs
    page()
