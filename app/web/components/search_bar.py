"""The search box with its chips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import streamlit as st

from app.settings import LARGEST_UPLOAD
from app.web import state, url_state
from app.web.components.custom_component import component, on_report
from app.web.components.markdown import as_text
from app.web.filter_labels import filter_label
from indexer.search.query_formatter import pieces, written

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.web.search_service import PageQuery
    from indexer.search.query_parser import Line

_KEY = "helper"
_LONGEST_CHIP = 48


def show(question: PageQuery | None) -> None:
    """The search bar; images can also be pasted, or dropped anywhere."""
    url_state.fill_box()
    with st.container(key="bar", horizontal=True, vertical_alignment="center"):
        st.text_input(
            "Describe an image",
            key="q",
            label_visibility="collapsed",
            placeholder="Describe an image …",
            icon=":material/search:",
            on_change=url_state.on_text,
        )
        st.file_uploader(
            "Search with an image",
            key=state.picture_key(),
            label_visibility="collapsed",
            on_change=url_state.on_picture,
        )
    if problem := state.refused():
        st.error(as_text(problem), icon=":material/error:")
    helper(url_state.words(), is_start=question is None)


def helper(words: str = "", *, is_start: bool = False) -> None:
    """What Streamlit's widgets cannot do: an image that is pasted, or dropped anywhere, goes to the page's upload; a
    key shows the list of keys; the `words` that were searched are offered again."""
    if not url_state.plain():
        data = {"q": words, "start": is_start, "limit": LARGEST_UPLOAD, "collection": state.key()}
        component("search_bar")(
            key=_KEY, data=data, on_ask_change=lambda: on_report(_KEY, "ask", lambda one: url_state.start(str(one)))
        )


def chips(question: PageQuery, line: Line | None) -> None:
    """All that the question holds beyond its words; a click takes one away."""
    found: list[tuple[str, str, Callable[..., None], tuple[Any, ...]]] = []
    if line is not None and line.is_special:
        for text, rest in pieces(line):
            found.append((filter_label(text), f"without {filter_label(text)}", ask_line, (rest,)))
    if question.picture is not None:
        found.append((f"image {question.picture_name}", "without the image", url_state.drop_picture, ()))
    if url := url_state.url():
        host = urlsplit(url).hostname or url
        found.append((f"image from {host}", f"without the image at {url}", url_state.drop_url, ()))
    for item, _ in question.parts:
        found.append(
            (f"a part of {item.rsplit('/', 1)[-1]}", f"without the part of {item}", url_state.forget_part, (item,))
        )
    for name, sign, items in (("like", "+", question.like), ("not", "−", question.unlike)):
        for item in items:
            label = f"{sign} {item.rsplit('/', 1)[-1]}"
            found.append((label, f"without {item}", url_state.forget_example, (name, item)))
    if not found:
        return
    with st.container(horizontal=True, key="chips"):
        for number, (label, help_text, then, arguments) in enumerate(found):
            st.button(
                as_text(_short(label)),
                key=f"chip-{number}",
                icon=":material/close:",
                icon_position="right",
                help=as_text(help_text),
                on_click=then,
                args=arguments,
            )


def ask_line(line: Line) -> None:
    """Put other conditions into the search bar (a callback)."""
    url_state.change(q=written(line))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_CHIP else text[: _LONGEST_CHIP - 1] + "…"
