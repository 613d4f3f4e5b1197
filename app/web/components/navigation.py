"""The links between pages; they keep the open collection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from app.web import state, url_state

if TYPE_CHECKING:
    from streamlit.navigation.page import StreamlitPage


def show(pages: Sequence[StreamlitPage]) -> None:
    """Links to all pages that are not hidden, in the head line.

    Streamlit's own menu becomes one button in a narrow window, and forgets which collection was looked at."""
    kept = {name: value for name in url_state.KEPT if (value := str(st.query_params.get(name, "")))}
    if state.names_unknown():
        kept.pop("c")
    with st.container(key="nav", horizontal=True, vertical_alignment="center"):
        for page in pages:
            if page.visibility != "hidden":
                st.page_link(page, query_params=kept)


def mark(path: str) -> None:
    """Show the link to another page as if it were this one, from which one came."""
    look = "background: rgb(128 118 96 / 0.12);"
    st.html(f'<style>.st-key-nav a[href^="{path}"] {{ {look} }}</style>')
