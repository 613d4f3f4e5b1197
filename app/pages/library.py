"""Which collections are there, and how does a new one begin?"""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import streamlit as st

from app import kept, presence, shelf, state
from app.components import frame, index_form, library_style, work
from app.components.inline import data_url
from app.components.text import as_text, sendable
from app.output import age
from app.overview import Overview, overview


def page() -> None:
    """The collections of this server as cards, the work that goes on, and a form for one more."""
    frame.begin("Library", first=False)
    library_style.begin()
    places = state.folders()
    if places:
        frame.headline("Library", "The collections that are open here.")
        work.panel(here=False)
        presence.begin(places)
        _cards([overview(place) for place in places])
        st.header("Add pictures", anchor=False)
    else:
        frame.headline("Choose a folder of pictures", "Once indexed, its pictures are found by what they show.")
        work.panel(here=False)
    left, right = st.columns([3, 2], gap="large")
    with left:
        index_form.new_collection()
        work.panel(here=True)
    with right:
        _open_form()
        if (problem := kept.problem()) and shelf.roots() is None:
            st.warning(as_text(problem), icon=":material/warning:")


def _cards(seen: Sequence[Overview]) -> None:
    names = frame.labels([each.place for each in seen])
    with st.container(horizontal=True, key="cards"):
        for each in seen:
            _card(each, names[each.place])


def _card(each: Overview, name: str) -> None:
    key = state.key(each.place)
    with st.container(border=True, width=300, key=f"card-{key}"):
        st.html(_cover(each, name))
        st.markdown(f"**{as_text(name)}**")
        if each.problem:
            st.markdown(f":small[:red[{as_text(each.problem)}]]")
        else:
            said = [f"{each.images:,} {'picture' if each.images == 1 else 'pictures'}", each.model]
            if each.updated is not None:
                said.append(f"indexed {age(datetime.now(UTC) - each.updated)} ago")
            if each.failures:
                said.append(f"{each.failures:,} not readable")
            st.markdown(f":small[:gray[{' · '.join(as_text(one) for one in said)}]]")
        with st.container(horizontal=True, vertical_alignment="center"):
            if not each.problem:
                st.page_link("app/pages/search.py", label="Search", query_params={"c": key})
                st.page_link("app/pages/collection.py", label="Details", query_params={"c": key})
            st.button(
                "Close",
                key=f"leave-{key}",
                type="tertiary",
                help="Takes it from this list and forgets it. Nothing on the disk changes: it can be opened again.",
                on_click=_close,
                args=(each.place,),
            )


def _close(place: Path) -> None:
    """Take a collection from the list; the address must not go on naming it (a callback)."""
    if st.query_params.get("c") == state.key(place):
        del st.query_params["c"]
    shelf.remove(place)


def _cover(each: Overview, name: str) -> str:
    """Up to four of its pictures, in a square each."""
    pictures = "".join(f'<img src="{data_url(one)}" alt="">' for one in each.cover)
    what = "not there now" if not each.is_there else "cannot be opened" if each.problem else "no pictures"
    inside = pictures or f"<span>{what}</span>"
    label = html.escape(f"Some pictures of {sendable(name)}", quote=True)
    return f'<div class="cover of-{len(each.cover)}" role="img" aria-label="{label}">{inside}</div>'


def _open_form() -> None:
    """A collection that was made elsewhere."""
    with st.container(border=True, key="open-form"):
        typed = st.text_input(
            "Open a collection that is there already",
            key="open-place",
            placeholder="a folder that was indexed, or s3://bucket/collection",
        )
        if st.button("Open", key="open"):
            with index_form.problems_in_place():
                place, is_new = shelf.opened(typed)
                if is_new:
                    st.rerun()
                st.info(f"{as_text(shelf.shown(place))} is open here already.", icon=":material/info:")
        again = " What is opened or indexed here stands here the next time, too." if kept.file() is not None else ""
        st.caption(f"From the command line the same is `clipdex ui FOLDER`, with as many folders as you like.{again}")


if __name__ == "__main__":  # as Streamlit names a page that it runs
    page()
