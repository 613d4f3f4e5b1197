"""How are hits shown as a grid?

One component renders all tiles into the page itself and reports clicks by id; the pictures come over the server's
own route, so neither Python nor the socket carries them. `?plain=1` shows the same with Streamlit's own widgets,
for people without JavaScript components and for tests.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from app import state
from app.components.text import as_text
from app.routes import address
from core.errors import ClipdexError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipdex import Hit

_HERE = Path(__file__).parent
_KEY = "grid"
_PLAIN_COLUMNS = 4
# Wider or taller pictures are cropped to these in the grid, so that none fills a row or becomes a sliver.
_NARROWEST, _WIDEST = 0.62, 2.3


def show(hits: Sequence[Hit], *, scores: bool = True) -> None:
    """Show hits, best first; a click opens one large or looks for similar ones. Without scores: just pictures."""
    if state.plain():
        _show_plain(hits, scores=scores)
        return
    with state.errors_in_place():
        stamps = state.stamps(hit.id for hit in hits)
    _component()(
        key=_KEY,
        data={
            "items": [tile(hit, stamps[hit.id]) for hit in hits],
            "open": st.query_params.get("item", ""),
            "scores": scores,
        },
        on_opened_change=_on_opened,
        on_similar_change=_on_similar,
    )


def tile(hit: Hit, stamp: str) -> dict[str, Any]:
    """What the component needs to know about a hit, whose picture has this stamp (`state.stamps`)."""
    ratio = hit.width / hit.height if hit.width and hit.height else 1.0
    return {
        "id": hit.id,
        "thumb": address("thumb", state.key(), hit.id, stamp),
        "rank": hit.rank,
        "score": f"{hit.score:.3f}",
        "caption": hit.caption or "",
        "name": hit.id.rsplit("/", 1)[-1],
        "ratio": round(min(max(ratio, _NARROWEST), _WIDEST), 3),
    }


@cache
def _component() -> Any:
    return st.components.v2.component(
        "clipdex_grid",
        html='<ul class="grid" aria-label="Results"></ul>',
        css=(_HERE / "grid.css").read_text(encoding="utf-8"),
        js=(_HERE / "grid.js").read_text(encoding="utf-8"),
    )


def _on_opened() -> None:
    if item := st.session_state[_KEY].get("opened"):
        state.open_item(item)


def _on_similar() -> None:
    if item := st.session_state[_KEY].get("similar"):
        state.ask_like(item)


def _show_plain(hits: Sequence[Hit], *, scores: bool) -> None:
    for start in range(0, len(hits), _PLAIN_COLUMNS):
        columns = st.columns(_PLAIN_COLUMNS)
        for column, hit in zip(columns, hits[start : start + _PLAIN_COLUMNS], strict=False):
            with column:
                _plain_tile(hit, scores=scores)


def show_thumbnail(item: str) -> None:
    """The thumbnail as a native widget, or the words that there is none; the rest of the page goes on."""
    try:
        st.image(state.searcher().thumbnail(item), width="stretch")
    except ClipdexError as error:
        st.caption(as_text(str(error)))


def _plain_tile(hit: Hit, *, scores: bool) -> None:
    show_thumbnail(hit.id)
    number = f"{hit.rank} · {hit.score:.3f} · " if scores else ""
    st.caption(number + as_text(hit.caption or hit.id))
    with st.container(horizontal=True):
        st.button("Open", key=f"open-{hit.id}", on_click=state.open_item, args=(hit.id,))
        st.button("Similar", key=f"similar-{hit.id}", on_click=state.ask_like, args=(hit.id,))
