"""Actions on selected images: tag, exclude, export, search by them, learn from them.

The bar is there while something is selected. What it did is told at the next look at the page, with a way back where
images left the answer. Its callbacks ask for the selection when they run (`_chosen`): the browser sends a new
selection together with the click, and what was selected when the page last ran is not what the person sees.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from app.server import exports
from app.web import flash, state, url_state
from app.web.components import grid, tag_editor
from indexer.search import selection_export
from indexer.search.query_formatter import written
from indexer.search.query_parser import Line

if TYPE_CHECKING:
    from clipdex import Hit

TABLES = (
    ("csv", "Table (CSV)", "table", "text/csv"),
    ("parquet", "Table (Parquet)", "table_view", "application/octet-stream"),
    ("txt", "List of paths", "list", "text/plain"),
)
LOOKS = ("n", "item", "open")  # what in the URL is not a question
_UNDO, _NAME = "curate-undo", "curate-name"


def show(hits: Sequence[Hit] = ()) -> None:
    """The bar over the page; `hits` are those that are shown, for their scores."""
    st.html(f"<style>{_style()}</style>")
    flash.tell()
    with state.errors_in_place():
        chosen = _chosen()
    if chosen:
        _bar(chosen, hits)
    else:
        _undo()


def _chosen() -> list[str]:
    """The selected images of this collection, as they are now. Raises CollectionError."""
    rows = state.searcher().snapshot().rows
    return [one for one in grid.selected() if one in rows]


@cache
def _style() -> str:
    return (Path(__file__).parent / "selection_actions.css").read_text(encoding="utf-8")


def _bar(chosen: list[str], hits: Sequence[Hit]) -> None:
    with st.container(horizontal=True, key="curate"):
        st.markdown(f"**{len(chosen):,}** selected", width="content")
        with st.popover("Tag", icon=":material/sell:", key="curate-tag"):
            tag_editor.editor(_chosen, "curate")
        st.button(
            "Exclude",
            icon=":material/visibility_off:",
            key="curate-exclude",
            help="No search finds them until they are taken in again. Their files stay where they are.",
            on_click=_exclude,
        )
        with st.popover("Export", icon=":material/download:", key="curate-export"):
            _exports(chosen, hits)
        for label, icon, then in (
            ("More like these", "add", url_state.toward),
            ("Less like these", "remove", url_state.away),
        ):
            st.button(label, icon=f":material/{icon}:", key=f"curate-{icon}", on_click=_examples, args=(then,))
        with st.popover("Keep as concept", icon=":material/lightbulb:", key="curate-concept"):
            _concept()
        st.button("Deselect", icon=":material/close:", key="curate-clear", type="tertiary", on_click=grid.select_none)


# --- leaving images out --------------------------------------------------------------------------------------------


def _exclude() -> None:
    def act() -> str:
        chosen = _chosen()
        state.searcher().exclude(chosen)
        st.session_state[_UNDO] = _seen(), chosen
        return ""  # the bar says it

    if flash.attempt(act, "visibility_off"):
        grid.select_none()


def _undo() -> None:
    """The way back, for as long as the same is asked."""
    seen, chosen = st.session_state.get(_UNDO, (None, []))
    if seen != _seen():
        st.session_state.pop(_UNDO, None)
        return
    with st.container(horizontal=True, key="curated"):
        st.markdown(f"{flash.pictures(len(chosen))} excluded", width="content")
        st.button("Undo", icon=":material/undo:", key="curate-back", type="primary", on_click=_include, args=(chosen,))
        st.button("Close", icon=":material/close:", key="curate-close", type="tertiary", on_click=_close)


def _include(chosen: list[str]) -> None:
    if flash.attempt(lambda: f"{flash.pictures(state.searcher().include(chosen))} taken in again", "visibility"):
        _close()
        grid.select(chosen)


def _close() -> None:
    st.session_state.pop(_UNDO, None)


def _seen() -> tuple[str, str]:
    """What is asked, and of which collection."""
    return state.key(), repr(
        sorted((name, st.query_params.get_all(name)) for name in st.query_params if name not in LOOKS)
    )


# --- taking them elsewhere -------------------------------------------------------------------------------------------


def _exports(chosen: list[str], hits: Sequence[Hit]) -> None:
    """Nothing is read or written before one of these is clicked.

    They write what was selected when this list was shown. A table is made in a thread of its own, for a request that
    brings no selection and has no session (`st.session_state` is empty there); the address of the zip stands in the
    page. The list is opened first, so it hardly ever is behind.
    """
    key = state.key()
    by_id = {hit.id: hit for hit in hits}
    known: list[str | Hit] = [by_id.get(one, one) for one in chosen]
    with state.errors_in_place():
        snapshot = state.searcher().snapshot()

    def made(kind: str) -> bytes:
        out = io.BytesIO()
        selection_export.write(snapshot, known, out, kind)
        return out.getvalue()

    for kind, label, icon, mime in TABLES:
        st.download_button(
            label,
            partial(made, kind),
            file_name=f"clipdex-images.{kind}",
            mime=mime,
            icon=f":material/{icon}:",
            key=f"curate-{kind}",
            on_click="ignore",
            width="stretch",
        )
    st.link_button(
        "Files (ZIP)", exports.offer(key, chosen), icon=":material/folder_zip:", key="curate-zip", width="stretch"
    )


# --- searching by them -----------------------------------------------------------------------------------------------


def _examples(then: Callable[[Sequence[str]], None]) -> None:
    def act() -> str:
        if chosen := _chosen():
            then(chosen)
        if len(chosen) <= url_state.MOST_EXAMPLES:
            return ""
        return (
            f"The last {url_state.MOST_EXAMPLES} of the {len(chosen):,} count; keep them as a concept to use them all"
        )

    if flash.attempt(act, "info"):
        grid.select_none()


def _concept() -> None:
    """A name for what they have in common."""
    against = st.query_params.get_all("not")
    st.caption(
        "What these images have in common is learnt and kept under a name, to be searched like a word."
        + (f" The {len(against)} that the search leads away from count as examples that do not fit." if against else "")
    )
    st.text_input("Name", key=_NAME, placeholder="my dog")
    st.button("Keep", icon=":material/lightbulb:", key="curate-keep", type="primary", on_click=_keep)


def _keep() -> None:
    name = str(st.session_state.get(_NAME, ""))

    def act() -> str:
        chosen = _chosen()
        against = [one for one in st.query_params.get_all("not") if one not in chosen]
        kept = state.searcher().keep_concept(name, chosen, against)
        return f"Kept. Search for it with {written(Line('', concepts=(kept.name,)))}"

    if flash.attempt(act, "lightbulb"):
        st.session_state[_NAME] = ""
