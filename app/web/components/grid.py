"""Shows hits as a grid.

One component renders all tiles into the page itself and reports what is done with them by id; the images come over
the server's own route, so neither Python nor the socket carries them. `?plain=1` shows the same with Streamlit's own
widgets, for people without JavaScript components and for tests.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import streamlit as st

from app.formatting import is_match, sendable
from app.library import searchers
from app.server.addresses import address, tiles_address
from app.web import state, url_state
from app.web.components.custom_component import component, on_report
from app.web.components.markdown import as_text
from core.errors import ClipdexError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clipdex import Hit

_KEY = "grid"
# How often the selection was set from here, to what, and what the browser had told until then.
_EMPTIED, _SELECTS, _STALE = "grid-emptied", "grid-selects", "grid-stale"
_PLAIN_COLUMNS = 4
# Wider or taller images are cropped to these in the grid, so that none fills a row or becomes a sliver.
_NARROWEST, _WIDEST = 0.5, 2.8


def show(
    hits: Sequence[Hit],
    *,
    question: str = "",
    scores: bool = True,
    more: int = 0,
    line: int | None = None,
    copies: Mapping[str, Sequence[Hit]] | None = None,
    curated: bool = False,
    folds: bool = True,
) -> None:
    """Show hits; a click opens one large, and other buttons look for similar ones.

    Without scores they are just images. `more` is how many are not among these, `line` the place of the first that
    does not match. Another `question` folds again what is below the line. `copies` are the near-duplicates that stand
    behind a hit, by its id; those of the hits that `view.unfolded` names are among the hits, too. `curated`: the page
    shows what can be done with the selected ones (`app.web.components.selection_actions`). What is below the line is
    folded away where the page `folds` it.
    """
    if url_state.plain():
        _show_plain(hits, scores=scores, line=line, copies=copies or {})
        return
    with state.errors_in_place():
        stamps = state.stamps(hit.id for hit in hits)
        key = state.key()
    behind, unfolded = copies or {}, url_state.unfolded()
    copied = {one.id for leader in unfolded for one in behind.get(leader, ())}
    state.warm_thumbnails([hit.id for hit in hits[: url_state.PAGE_SIZE]])
    component("grid", "grid_layout.js", "grid_pictures.js")(
        key=_KEY,
        data={
            "items": [
                {
                    **tile(hit, key, stamps[hit.id]),
                    "copies": len(behind.get(hit.id, ())),
                    "unfolded": hit.id in unfolded and hit.id in behind,
                    "copy": hit.id in copied,
                }
                for hit in hits
            ],
            "open": url_state.item(),
            "question": question,
            "scores": scores,
            "line": line,
            "more": more > 0,
            "curated": curated,
            "folds": folds,
            "below": len(hits) + more - (line or 0),
            "tiles": tiles_address(key),
            "emptied": _emptied(),
            "selects": st.session_state.get(_SELECTS, []),
        },
        default={"selection": []},
        on_selection_change=lambda: None,  # another run of the page, which asks `selected`
        on_opened_change=lambda: on_report(_KEY, "opened", url_state.open_item),
        on_similar_change=lambda: on_report(_KEY, "similar", url_state.ask_like),
        on_toward_change=lambda: on_report(_KEY, "toward", url_state.toward),
        on_away_change=lambda: on_report(_KEY, "away", url_state.away),
        on_unfolded_change=lambda: on_report(_KEY, "unfolded", url_state.unfold),
        on_more_change=lambda: on_report(_KEY, "more", lambda _: url_state.scroll_on()),
    )


def selected() -> list[str]:
    """The ids that are selected, in the order of selecting; also before the grid is shown in this run."""
    ids = _told_selection()
    if (stale := st.session_state.get(_STALE)) is not None:
        if ids == stale:  # the browser has not answered yet, or shows no grid that could
            return list(st.session_state[_SELECTS])
        del st.session_state[_STALE]
        st.session_state[_SELECTS] = []
    return ids


def _told_selection() -> list[str]:
    reported = st.session_state.get(_KEY)
    ids = reported.get("selection") if reported is not None else None
    return [str(one) for one in ids] if isinstance(ids, list) else []


def select_none() -> None:
    """Empty the selection in the browser (in a callback, or before the grid is shown)."""
    select([])


def select(items: Sequence[str]) -> None:
    """Make these the selection in the browser (in a callback, or before the grid is shown)."""
    st.session_state[_EMPTIED] = _emptied() + 1
    if url_state.plain():
        st.session_state[_KEY] = {"selection": list(items)}
    else:
        st.session_state[_SELECTS] = list(items)
        st.session_state[_STALE] = _told_selection()


def _emptied() -> int:
    found: int = st.session_state.get(_EMPTIED, 0)
    return found


def _select(item: str) -> None:
    """Select a plain tile, or select it no more."""
    chosen = selected()
    others = [one for one in chosen if one != item]
    st.session_state[_KEY] = {"selection": others if item in chosen else [*others, item]}


def relevance_line(hits: Sequence[Hit]) -> int | None:
    """The place of the first of the hits, best first, that does not match; None where all do."""
    return next((place for place, hit in enumerate(hits) if not is_match(hit)), None)


def tile(hit: Hit, key: str, stamp: str) -> dict[str, Any]:
    """What the component needs to know about a hit, whose image has this stamp (`state.stamps`)."""
    ratio = hit.width / hit.height if hit.width and hit.height else 1.0
    return {
        "id": hit.id,
        "thumb": address("thumb", key, hit.id, stamp),
        "path": sendable(str(hit.path)) if hit.path is not None else hit.id,
        "rank": hit.rank,
        "score": f"{hit.score:.3f}",
        "relevance": "" if hit.relevance is None else f"{hit.relevance:.2f}",
        "caption": sendable(hit.caption or ""),
        "name": sendable(hit.id.rsplit("/", 1)[-1]),
        "ratio": round(min(max(ratio, _NARROWEST), _WIDEST), 3),
    }


# --- without the component -------------------------------------------------------------------------------------------


def _show_plain(hits: Sequence[Hit], *, scores: bool, line: int | None, copies: Mapping[str, Sequence[Hit]]) -> None:
    end = len(hits) if line is None else line
    _plain_rows(hits[:end], scores=scores, copies=copies)
    if end < len(hits):
        nothing = (
            "Nothing here clearly matches; these are the best guesses"
            if end == 0
            else f"{len(hits) - end:,} more that match less clearly"
        )
        st.caption(nothing)
        _plain_rows(hits[end:], scores=scores, copies=copies)


def _plain_rows(hits: Sequence[Hit], *, scores: bool, copies: Mapping[str, Sequence[Hit]]) -> None:
    thumbnails: dict[str, bytes] = {}
    with suppress(ClipdexError):  # each tile says it
        thumbnails = searchers.thumbnails(state.folder(), [hit.id for hit in hits])
    for start in range(0, len(hits), _PLAIN_COLUMNS):
        columns = st.columns(_PLAIN_COLUMNS)
        for column, hit in zip(columns, hits[start : start + _PLAIN_COLUMNS], strict=False):
            with column:
                _plain_tile(hit, thumbnails, scores=scores, copies=len(copies.get(hit.id, ())))


def show_thumbnail(item: str, found: Mapping[str, bytes] | None = None) -> None:
    """The thumbnail, if it is not among those `found`, as a native widget, or the words that there is none; the rest of
    the page goes on."""
    try:
        content = (found or {}).get(item) or state.searcher().thumbnail(item)
        st.image(content, width="stretch", alt=sendable(item))
    except ClipdexError as error:
        st.caption(as_text(str(error)))


def _plain_tile(hit: Hit, thumbnails: Mapping[str, bytes], *, scores: bool, copies: int) -> None:
    show_thumbnail(hit.id, thumbnails)
    number = f"{hit.rank} · {hit.score:.3f} · " if scores else ""
    st.caption(number + as_text(hit.caption or hit.id))
    chosen = selected()
    st.checkbox(
        "Select", value=hit.id in chosen, key=f"select-{hit.id}-{_emptied()}", on_change=_select, args=(hit.id,)
    )
    with st.container(horizontal=True):
        st.button("Open", key=f"open-{hit.id}", on_click=url_state.open_item, args=(hit.id,))
        st.button("Similar", key=f"similar-{hit.id}", on_click=url_state.ask_like, args=(hit.id,))
        if scores:
            st.button("+", key=f"toward-{hit.id}", help="More like this", on_click=url_state.toward, args=([hit.id],))
            st.button("−", key=f"away-{hit.id}", help="Less like this", on_click=url_state.away, args=([hit.id],))
        if copies:
            why = "Show its near-duplicates beside it, or hide them again"
            st.button(f"+{copies}", key=f"unfold-{hit.id}", help=why, on_click=url_state.unfold, args=(hit.id,))
