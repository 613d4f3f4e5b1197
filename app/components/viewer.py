"""How is one picture looked at?  Large, with its captions, numbers and place, and ways onward."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from app import state, view
from app.components.grid import show_thumbnail
from app.components.text import as_text, sendable
from app.output import size
from app.routes import address

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipdex import Hit
    from indexer.query import Details

_SHOWN_CAPTIONS = 12


def show_if_open(hits: Sequence[Hit]) -> None:
    """Show the item that the URL names, over the grid of hits."""
    if view.item():
        _dialog(hits)


@st.dialog("Picture", width="large", on_dismiss=view.close_item)
def _dialog(hits: Sequence[Hit]) -> None:
    # The URL decides, not an argument: the arrows change it and rerun only this function.
    identity = view.item()
    with state.errors_in_place():
        item = state.searcher().item(identity)
    places = {hit.id: number for number, hit in enumerate(hits)}
    at = places.get(identity)
    picture, facts = st.columns([5, 2], gap="medium")
    with picture:
        _picture(item)
    with facts:
        _facts(item, hits[at] if at is not None else None)
        _ways_onward(hits, at, identity)


def _picture(item: Details) -> None:
    if view.plain():
        show_thumbnail(item.id)
        return
    described = escape(next(iter(item.captions), item.id), quote=True)
    with state.errors_in_place():
        stamp = state.stamps([item.id])[item.id]
    source = escape(address("image", state.key(), item.id, stamp), quote=True)
    width, height = item.width or 1, item.height or 1  # of a picture that was imported without its file
    shape = f"--ratio: {width / height:.4f}; --width: {width}"
    st.html(f'<img class="large" src="{source}" alt="{described}" style="{shape}">')


def _ways_onward(hits: Sequence[Hit], at: int | None, identity: str) -> None:
    if st.button("Find similar", icon=":material/image_search:", key="viewer-similar", type="primary", width="stretch"):
        view.ask_like(identity)
        st.rerun()
    with st.container(horizontal=True, key="viewer-steps"):
        _step("Previous", "ArrowLeft", hits[at - 1].id if at else None)
        _step("Next", "ArrowRight", hits[at + 1].id if at is not None and at + 1 < len(hits) else None)


def _step(label: str, shortcut: str, target: str | None) -> None:
    st.button(
        label,
        key=f"viewer-{label.lower()}",
        shortcut=shortcut,
        disabled=target is None,
        on_click=view.open_item,
        args=(target or "",),
        width="stretch",
    )


def _facts(item: Details, hit: Hit | None) -> None:
    """Captions, numbers and the place on disk."""
    first, *others = item.captions[:_SHOWN_CAPTIONS] or [item.id.rsplit("/", 1)[-1]]
    st.markdown(f"**{as_text(first)}**")
    for caption in others:
        st.markdown(f":gray[{as_text(caption)}]")
    numbers = [f"rank {hit.rank}", f"score {hit.score:.3f}"] if hit is not None else []
    numbers += [f"{item.width} × {item.height}"] if item.width else []
    numbers += [size(item.size)] if item.size is not None else []
    numbers += [f"{item.modified.astimezone():%d %B %Y}"] if item.modified else []
    st.caption(" · ".join(numbers))
    st.code(sendable(str(item.path)) if item.path is not None else item.id, language=None, wrap_lines=True)
