"""Which pictures fit what I have in mind?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app import state
from app.components import frame, grid, viewer
from app.components.text import as_text
from app.output import matches

if TYPE_CHECKING:
    from clipdex import Hit

EXAMPLES = ("a red car", "snow on a mountain", "sunset over the sea", "a house with a garden", "a dog", "at night")
# What fills the start screen: some of the collection, by the plainest of questions.
FEATURED, FEATURED_BY = 30, "a picture"


def page() -> None:
    """The search page: a bar, and under it the results or a start screen."""
    frame.begin("Search")
    with state.errors_in_place():
        count = state.status().images
    welcome = st.container(key="welcome")
    _bar()
    question = state.asked()
    if question is None:
        with welcome:
            st.title("What are you looking for?", anchor=False)
            st.markdown(f":gray[{count:,} {'picture' if count == 1 else 'pictures'}, found by what they show]")
        _start(count)
    else:
        _results(question, count)


def _bar() -> None:
    state.fill_box()
    with st.container(key="bar", horizontal=True, vertical_alignment="center"):
        st.text_input(
            "Describe a picture",
            key="q",
            label_visibility="collapsed",
            placeholder="Describe a picture …",
            icon=":material/search:",
            on_change=state.on_text,
        )
        st.file_uploader(
            "Search with a picture",
            key=state.picture_key(),
            label_visibility="collapsed",
            on_change=state.on_picture,
        )


def _start(count: int) -> None:
    """Examples to click, and some of the collection."""
    if not count:
        st.info("This collection is empty: put pictures into its folder and index it again.")
        return
    with st.container(horizontal=True, key="examples"):
        for example in EXAMPLES:
            st.button(example, key=f"example-{example}", on_click=state.ask_text, args=(example,))
    with state.errors_in_place():
        some = state.answer(state.Asked(text=FEATURED_BY), FEATURED).hits
    st.markdown(":gray[From this collection]")
    grid.show(some, scores=False)
    viewer.show_if_open(some)


def _results(question: state.Asked, count: int) -> None:
    with state.errors_in_place():
        answer = state.answer(question, state.shown())
        words = state.searcher().read(question.text).text if question.text else ""
        cut = state.searcher().first_cut(words) if words else None
    _heading(question, len(answer.hits), count, answer.seconds)
    if cut is not None:
        st.caption(f"The model reads no further than “{as_text(cut)}”: that word and what follows did not count.")
    _say_relevance(answer.hits)
    grid.show(answer.hits)
    if len(answer.hits) == state.shown() < min(count, state.MOST_SHOWN):
        with st.container(horizontal=True, horizontal_alignment="center"):
            st.button("Show more", icon=":material/expand_more:", key="more", on_click=state.show_more)
    viewer.show_if_open(answer.hits)


def _say_relevance(hits: list[Hit]) -> None:
    """Where the hits stop matching, if they do among these."""
    matching = sum(matches(hit) for hit in hits)
    if hits and not matching:
        st.info("Nothing here seems to match. These are the best guesses.", icon=":material/search_off:")
    elif matching < len(hits):
        st.caption(f"The first {matching:,} seem to match; what follows are guesses.")


def _heading(question: state.Asked, shown: int, count: int, seconds: float) -> None:
    if question.like:
        title = f"Similar to {question.like.rsplit('/', 1)[-1]}"
    elif question.picture is not None:
        title = f"Similar to {question.picture_name}"
    else:
        title = question.text
    with st.container(horizontal=True, vertical_alignment="center", key="heading"):
        st.subheader(as_text(title), anchor=False, width="content")
        st.markdown(f":gray[{shown:,} of {count:,} · {seconds * 1000:.0f} ms]", width="content")
        words = state.words() if question.like else ""
        label = f"Back to “{as_text(words)}”" if words else "Clear"
        st.button(label, icon=":material/close:", key="clear", type="tertiary", on_click=state.clear)


if __name__ == "__main__":  # as Streamlit names a page that it runs
    page()
