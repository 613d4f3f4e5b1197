"""The style sheet and header line of every page."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from app.formatting import sendable
from app.web import state, url_state
from app.web.components.markdown import as_text

if TYPE_CHECKING:
    from collections.abc import Sequence

_HERE = Path(__file__).parent


@cache
def _style() -> str:
    return (_HERE / "page_frame.css").read_text(encoding="utf-8")


def begin(title: str, *, first: bool = True) -> None:
    """Set up a page: its title in the browser's tab, its width, its style.

    With `first` the way to a first folder stands here instead of a page that has no collection to show."""
    # A file of ours, because Streamlit lets the browser fetch named icons from the network.
    st.set_page_config(page_title=f"{title} · clipdex", page_icon=str(_HERE / "icon.svg"), layout="wide")
    st.logo(str(_HERE / "logo.svg"), icon_image=str(_HERE / "logo.svg"), size="medium")
    st.html(f"<style>{_style()}</style>")
    _switch()
    if state.names_unknown():
        _not_open(first)
    elif first and not state.folders():
        st.switch_page("app/web/pages/library.py")
    state.look_for_newer()


def _not_open(first: bool) -> None:
    """Rather than another collection in its place."""
    if first:
        headline("That collection is not open here")
        st.markdown("It was closed, or the server was started again without it. Nothing on the disk has changed.")
        st.page_link("app/web/pages/library.py", label="Open it, or choose another one, in the Library")
        st.stop()
    st.info("The collection that this address names is not open here.", icon=":material/info:")


def _switch() -> None:
    """Which collection is seen, where the server was started with several."""
    places = state.folders()
    if len(places) < 2:
        return
    names = labels(places)
    st.session_state["collection"] = None if state.names_unknown() else state.folder()
    st.selectbox(
        "Collection",
        places,
        index=None if state.names_unknown() else 0,
        placeholder="Choose a collection",
        key="collection",
        format_func=lambda place: names[place],
        label_visibility="collapsed",
        on_change=_chosen,
    )


def _chosen() -> None:
    if (place := st.session_state["collection"]) is not None:
        url_state.ask_folder(place)


def labels(places: Sequence[Path]) -> dict[Path, str]:
    """A name for each folder: its own, with as many of those above it as tell it from the others."""
    named: dict[Path, str] = {}
    for place in places:
        for depth in range(1, len(place.parts) + 1):
            end = place.parts[-depth:]
            if sum(other.parts[-depth:] == end for other in places) == 1:
                break
        named[place] = sendable("/".join(end)).replace("//", "/")
    return named


def headline(title: str, note: str = "") -> None:
    """A page's heading with one quiet sentence beneath."""
    st.title(as_text(title), anchor=False)
    if note:
        st.markdown(f":gray[{as_text(note)}]")
