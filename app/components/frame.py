"""What do all pages share around their content?  The style sheet and the head line."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import streamlit as st

from app.components.text import as_text

_HERE = Path(__file__).parent


@cache
def _style() -> str:
    return (_HERE / "frame.css").read_text(encoding="utf-8")


def begin(title: str) -> None:
    """Set up a page: its title in the browser's tab, its width, its style."""
    # A file of ours, because Streamlit lets the browser fetch named icons from the network.
    st.set_page_config(page_title=f"{title} · clipdex", page_icon=str(_HERE / "icon.svg"), layout="wide")
    st.logo(str(_HERE / "logo.svg"), icon_image=str(_HERE / "logo.svg"), size="medium")
    st.html(f"<style>{_style()}</style>")


def headline(title: str, note: str = "") -> None:
    """A page's heading with one quiet sentence beneath."""
    st.title(as_text(title), anchor=False)
    if note:
        st.markdown(f":gray[{as_text(note)}]")
