"""Shows one image large, with its captions, facts, and why it matched."""

from __future__ import annotations

import base64
import io
from functools import cache, partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from app.formatting import format_size, sendable
from app.server.addresses import address
from app.web import flash, state, url_state
from app.web.components import tag_editor
from app.web.components.custom_component import component, on_report
from app.web.components.grid import show_thumbnail
from app.web.components.markdown import as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clipdex import Hit
    from indexer.search.query import Details

_KEY = "picture"
_SHOWN_CAPTIONS, _MOST_CAPTIONS = 2, 30  # beyond the first one; and of all
_LONG_CAPTION = 180  # characters, about five lines
_HOT = (255, 92, 20)


def show_if_open(hits: Sequence[Hit], words: str = "", *, more: bool = False) -> None:
    """Show the item that the URL names, over the grid of hits; `words` are those of the query, and with `more` the
    answer goes on after these hits."""
    if url_state.item():
        url_state.arrive([hit.id for hit in hits])
        _dialog(hits, words, more)


@st.dialog("Image", width="large", on_dismiss=url_state.close_item)
def _dialog(hits: Sequence[Hit], words: str, more: bool) -> None:
    # The URL decides, not an argument: the arrows change it and rerun only this function.
    identity = url_state.item()
    flash.tell()
    with state.errors_in_place():
        item = state.searcher().item(identity)
    places = {hit.id: number for number, hit in enumerate(hits)}
    at = places.get(identity)
    hit = hits[at] if at is not None else None
    st.html(f"<style>{_style()}</style>")
    picture, facts = st.columns([5, 2], gap="medium")
    with facts, st.container(key="viewer-facts"):
        _steps(hits, at, more)  # first, so that they stay in their place from image to image
        _captions(item)
        _score(hit)
        heat = _why(item, words) if words and item.width else None
        _ways_onward(identity)
        tag_editor.editor(lambda: [identity], "viewer")
        _facts(item)
    with picture:
        _picture(item, heat, hit, lambda step: _on_step(step, hits, at, more))


@cache
def _style() -> str:
    return (Path(__file__).parent / "image_viewer.css").read_text(encoding="utf-8")


# --- the image -----------------------------------------------------------------------------------------------------


def _picture(item: Details, heat: dict[str, Any] | None, hit: Hit | None, on_step: Callable[[Any], None]) -> None:
    if url_state.plain():
        show_thumbnail(item.id)
        return
    with state.errors_in_place():
        stamp = state.stamps([item.id])[item.id]
    width, height = item.width or 1, item.height or 1  # of an image that was imported without its file
    component("picture")(
        key=_KEY,
        data={
            "src": address("image", state.key(), item.id, stamp),
            "alt": sendable(next(iter(item.captions), item.id)),
            "ratio": round(width / height, 4),
            "width": width,
            "path": _place(item),
            "found": list(hit.box) if hit is not None and hit.box else None,
            **(heat or {"heat": "", "box": [0, 0, 1, 1]}),
        },
        on_part_change=lambda: on_report(_KEY, "part", lambda box: _on_part(item.id, box)),
        on_step_change=lambda: on_report(_KEY, "step", on_step),
    )


def _on_part(item: str, box: Any) -> None:
    if isinstance(box, list) and len(box) == 4:
        url_state.ask_part(item, box)
        st.rerun()


def _on_step(step: Any, hits: Sequence[Hit], at: int | None, more: bool) -> None:
    if step in (-1, 1) and (then := _beside(hits, at, step, more)):
        then()


def _why(item: Details, words: str) -> dict[str, Any] | None:
    """A switch for the heat over the image; where it is on, the heat."""
    meaning = f"Where covering it lowers the score for “{as_text(words)}” most"
    if not st.toggle("Why it matched", key="viewer-why", help=meaning):
        return None
    with state.errors_in_place():
        found = state.heat(item.id, words)
    if found.most <= 0:
        st.caption("Covering no part of it lowers the score.")
        return None
    st.caption(f"Covering the brightest part lowers the score by {found.most:.3f}.")
    return {"heat": overlay(found.values), "box": list(found.box)}


def overlay(values: np.ndarray) -> str:
    """Heat (rows, columns) from 0 to 1 as a data URL of a small image that is clear where it is 0."""
    from PIL import Image

    shape = (*values.shape, 4)
    colours = np.broadcast_to(np.array([*_HOT, 255], np.uint8), shape).copy()
    colours[..., 3] = np.round(255 * np.clip(values, 0, 1) ** 1.5)
    out = io.BytesIO()
    wide = Image.fromarray(colours).resize((8 * values.shape[1], 8 * values.shape[0]), Image.Resampling.BICUBIC)
    wide.save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode("ascii")


# --- what is known of it ---------------------------------------------------------------------------------------------


def _captions(item: Details) -> None:
    """The first ones; the rest a click away."""
    first, *others = item.captions[:_MOST_CAPTIONS] or [item.id.rsplit("/", 1)[-1]]
    _caption(first, f"**{as_text(first)}**")
    if len(others) <= _SHOWN_CAPTIONS:
        for caption in others:
            _caption(caption, f":gray[{as_text(caption)}]")
        return
    with st.expander(f"{len(others)} more captions"):
        st.markdown("\n".join(f"- {as_text(caption)}" for caption in others))


def _caption(text: str, otherwise: str) -> None:
    """A caption; of a long one some lines, and the rest a click away."""
    if len(text) <= _LONG_CAPTION:
        st.markdown(otherwise)
        return
    st.html(
        f'<details class="clipdex-long"><summary><span class="begin">{escape(sendable(text))}</span>'
        '<span class="further"></span></summary></details>'
    )


def _score(hit: Hit | None) -> None:
    """Where it stands among the hits, and what each part of the query has to do with it."""
    if hit is None:
        return
    relevance = [] if hit.relevance is None else [f"relevance {hit.relevance:.2f}"]
    st.caption(" · ".join([f"rank {hit.rank}", f"score {hit.score:.3f}", *relevance]))
    if len(hit.parts) > 1:
        st.caption("  \n".join(f"{as_text(label)}: {score:.3f}" for label, score in hit.parts.items()))


def _facts(item: Details) -> None:
    """Numbers, what the columns say, and the place on disk."""
    lines = [("size", f"{item.width} × {item.height}")] if item.width else []
    lines += [("file", format_size(item.size))] if item.size is not None else []
    lines += [("changed", f"{item.modified.astimezone():%d %B %Y}")] if item.modified else []
    with state.errors_in_place():
        lines += ((name, value) for name, value in state.columns(item.id).items() if name != "tags")
    if lines:
        st.caption("  \n".join(f"{as_text(name)}: {as_text(value)}" for name, value in lines))
    st.caption("On disk" if item.path is not None else "Place in its source")
    st.code(_place(item), language=None, wrap_lines=True)


def _place(item: Details) -> str:
    return sendable(str(item.path)) if item.path is not None else item.id


# --- ways onward -----------------------------------------------------------------------------------------------------


def _ways_onward(identity: str) -> None:
    if st.button("Find similar", icon=":material/image_search:", key="viewer-similar", type="primary", width="stretch"):
        url_state.ask_like(identity)
        st.rerun()
    with st.container(horizontal=True, key="viewer-examples"):
        for label, icon, then in (("More like this", "add", url_state.toward), ("Less", "remove", url_state.away)):
            if st.button(label, icon=f":material/{icon}:", key=f"viewer-{icon}", width="stretch"):
                then([identity])
                st.rerun()
    kept = {name: value for name in url_state.KEPT if (value := str(st.query_params.get(name, "")))}
    st.page_link("app/web/pages/describe.py", label="Which words fit it?", query_params={**kept, "item": identity})


def _steps(hits: Sequence[Hit], at: int | None, more: bool) -> None:
    with st.container(horizontal=True, key="viewer-steps"):
        for label, shortcut, step in (("Previous", "ArrowLeft", -1), ("Next", "ArrowRight", 1)):
            then = _beside(hits, at, step, more)
            st.button(
                label,
                key=f"viewer-{label.lower()}",
                shortcut=shortcut,
                disabled=then is None,
                on_click=then,
                width="stretch",
            )


def _beside(hits: Sequence[Hit], at: int | None, step: int, more: bool) -> Callable[[], None] | None:
    """What shows the hit before (-1) or after (1) the one at a place; None where there is none."""
    if at is None or at + step < 0:
        return None
    if at + step < len(hits):
        return partial(url_state.open_item, hits[at + step].id)
    return partial(url_state.go_past, hits[at].id) if more else None
