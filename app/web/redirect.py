"""Sends a query that was typed on another page to the search page."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

SEARCHED = ("like", "not", "part")  # what the grid and the large view put into the URL, for the search page


def to_search(own: Sequence[str]) -> None:
    """Go to the search page when the URL asks for something that it answers; `own` names what only this page knows."""
    if any(name in st.query_params for name in SEARCHED):
        given = {name: st.query_params.get_all(name) for name in st.query_params if name not in own}
        st.switch_page("app/web/pages/search.py", query_params=given)
