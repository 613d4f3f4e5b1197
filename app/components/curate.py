"""What can be done with the pictures that are selected?  Tag, exclude and export them, search by them, learn from them.

The bar is there while something is selected. What it did is told at the next look at the page, with a way back where
pictures left the answer.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from app import exports, state, view
from app.components import grid
from app.components.text import as_text
from core.errors import ClipdexError
from indexer.answers.line_text import written
from indexer.exchange import selection
from indexer.query_line import Line

if TYPE_CHECKING:
    from clipdex import Hit

MOST_OFFERED = 1_000  # tags to choose from
MOST_SHOWN = 30  # tags of the selected pictures, to be taken from them
TABLES = (
    ("csv", "Table (CSV)", "table", "text/csv"),
    ("parquet", "Table (Parquet)", "table_view", "application/octet-stream"),
    ("txt", "List of paths", "list", "text/plain"),
)
LOOKS = ("n", "item", "open")  # what in the URL is no question
_TOLD, _UNDO, _NEW, _NAME = "curate-told", "curate-undo", "curate-new", "curate-name"


def show(hits: Sequence[Hit] = ()) -> None:
    """The bar over the page; `hits` are those that are shown, for their scores."""
    st.html(f"<style>{_style()}</style>")
    if told := st.session_state.pop(_TOLD, None):
        st.toast(as_text(told[0]), icon=f":material/{told[1]}:")
    with state.errors_in_place():
        rows = state.searcher().snapshot().rows
    chosen = [one for one in grid.selected() if one in rows]
    if chosen:
        _bar(chosen, hits)
    else:
        _undo()


@cache
def _style() -> str:
    return (Path(__file__).parent / "curate.css").read_text(encoding="utf-8")


def _bar(chosen: list[str], hits: Sequence[Hit]) -> None:
    with st.container(horizontal=True, key="curate"):
        st.markdown(f"**{len(chosen):,}** selected", width="content")
        with st.popover("Tag", icon=":material/sell:", key="curate-tag"):
            _tags(chosen)
        st.button(
            "Exclude",
            icon=":material/visibility_off:",
            key="curate-exclude",
            help="No search finds them until they are taken in again. Their files stay where they are.",
            on_click=_exclude,
            args=(chosen,),
        )
        with st.popover("Export", icon=":material/download:", key="curate-export"):
            _exports(chosen, hits)
        for label, icon, then in (("More like these", "add", view.toward), ("Less like these", "remove", view.away)):
            st.button(
                label, icon=f":material/{icon}:", key=f"curate-{icon}", on_click=_examples, args=(then, tuple(chosen))
            )
        with st.popover("Keep as concept", icon=":material/lightbulb:", key="curate-concept"):
            _concept(chosen)
        st.button("Deselect", icon=":material/close:", key="curate-clear", type="tertiary", on_click=grid.select_none)


def _try(act: Callable[[], str], icon: str) -> bool:
    """Do something and remember what is to be told of it; whether it went well."""
    try:
        st.session_state[_TOLD] = act(), icon
    except ClipdexError as error:
        st.session_state[_TOLD] = str(error), "error"
        return False
    return True


# --- tags ------------------------------------------------------------------------------------------------------------


def _tags(chosen: list[str]) -> None:
    """New ones to give, and those that the pictures have, to take away."""
    with state.errors_in_place():
        source = state.searcher()
        every = list(source.tags())[:MOST_OFFERED]
        have = _counts(chosen)
    st.multiselect(
        "Tags to give them",
        every,
        key=_NEW,
        accept_new_options=True,
        placeholder="Choose, or type a new one",
        on_change=_add,
        args=(chosen,),
    )
    if have:
        st.caption("They have these; a click takes one away.")
        with st.container(horizontal=True, key="curate-tags"):
            for name, count in have.most_common(MOST_SHOWN):
                st.button(
                    f"{as_text(name)} :gray[{count:,}]",
                    icon=":material/close:",
                    icon_position="right",
                    key=f"curate-tag-{name}",
                    on_click=_remove,
                    args=(chosen, name),
                )


def _counts(chosen: Sequence[str]) -> Counter[str]:
    """The tags of some pictures, and how many have each."""
    snapshot = state.searcher().snapshot()
    rows = [snapshot.rows[one] for one in chosen]
    return Counter(snapshot.images["tags"].combine_chunks().take(rows).flatten().to_pylist())


def _add(chosen: list[str]) -> None:
    names = list(st.session_state.get(_NEW, ()))

    def act() -> str:
        changed = state.searcher().tag(chosen, add=names)
        return f"{_pictures(changed)} tagged {', '.join(names)}" if changed else "They have these tags already"

    if names:
        _try(act, "sell")
        st.session_state[_NEW] = []


def _remove(chosen: list[str], name: str) -> None:
    _try(lambda: f"{name} taken from {_pictures(state.searcher().tag(chosen, remove=name))}", "sell")


# --- leaving pictures out --------------------------------------------------------------------------------------------


def _exclude(chosen: list[str]) -> None:
    if _try(lambda: f"{_pictures(state.searcher().exclude(chosen))} excluded", "visibility_off"):
        del st.session_state[_TOLD]  # the bar says it
        st.session_state[_UNDO] = _seen(), chosen
        grid.select_none()


def _undo() -> None:
    """The way back, for as long as the same is asked."""
    seen, chosen = st.session_state.get(_UNDO, (None, []))
    if seen != _seen():
        st.session_state.pop(_UNDO, None)
        return
    with st.container(horizontal=True, key="curated"):
        st.markdown(f"{_pictures(len(chosen))} excluded", width="content")
        st.button("Undo", icon=":material/undo:", key="curate-back", type="primary", on_click=_include, args=(chosen,))
        st.button("Close", icon=":material/close:", key="curate-close", type="tertiary", on_click=_close)


def _include(chosen: list[str]) -> None:
    if _try(lambda: f"{_pictures(state.searcher().include(chosen))} taken in again", "visibility"):
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
    """Nothing is read or written before one of these is clicked."""
    key = state.key()
    by_id = {hit.id: hit for hit in hits}
    known: list[str | Hit] = [by_id.get(one, one) for one in chosen]
    with state.errors_in_place():
        snapshot = state.searcher().snapshot()

    def made(kind: str) -> bytes:
        out = io.BytesIO()
        selection.write(snapshot, known, out, kind)
        return out.getvalue()

    for kind, label, icon, mime in TABLES:
        st.download_button(
            label,
            partial(made, kind),
            file_name=f"clipdex-pictures.{kind}",
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


def _examples(then: Callable[[Sequence[str]], None], chosen: Sequence[str]) -> None:
    if len(chosen) > view.MOST_EXAMPLES:
        told = f"The last {view.MOST_EXAMPLES} of the {len(chosen):,} count; keep them as a concept to use them all"
        st.session_state[_TOLD] = told, "info"
    then(chosen)
    grid.select_none()


def _concept(chosen: list[str]) -> None:
    """A name for what they have in common."""
    against = st.query_params.get_all("not")
    st.caption(
        "What these pictures have in common is learnt and kept under a name, to be searched like a word."
        + (f" The {len(against)} that the search leads away from count as examples that do not fit." if against else "")
    )
    st.text_input("Name", key=_NAME, placeholder="my dog")
    st.button(
        "Keep", icon=":material/lightbulb:", key="curate-keep", type="primary", on_click=_keep, args=(chosen, against)
    )


def _keep(chosen: list[str], against: list[str]) -> None:
    name = str(st.session_state.get(_NAME, ""))

    def act() -> str:
        kept = state.searcher().keep_concept(name, chosen, [one for one in against if one not in chosen])
        return f"Kept. Search for it with {written(Line('', concepts=(kept.name,)))}"

    if _try(act, "lightbulb"):
        st.session_state[_NAME] = ""


def _pictures(count: int) -> str:
    return f"{count:,} {'picture' if count == 1 else 'pictures'}"
