"""The style sheet of the pages about collections."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import streamlit as st


@cache
def _style() -> str:
    return (Path(__file__).parent / "library.css").read_text(encoding="utf-8")


def begin() -> None:
    """Put the style into the page."""
    st.html(f"<style>{_style()}</style>")
