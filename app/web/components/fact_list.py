"""Shows names and values beneath each other."""

from __future__ import annotations

import html
from collections.abc import Mapping

import streamlit as st

from app.formatting import sendable


def facts(values: Mapping[str, str]) -> None:
    """A list of names with their values, as text; empty values are left out."""
    rows = "".join(
        f"<dt>{html.escape(sendable(name))}</dt><dd>{html.escape(sendable(value))}</dd>"
        for name, value in values.items()
        if value
    )
    st.html(f'<dl class="facts">{rows}</dl>')
