"""The library page: open collections, and indexing a new folder."""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import streamlit as st

from app.formatting import format_age, sendable
from app.library import open_collections, path_probe, recent_collections, searchers
from app.library.overview import Overview, overview
from app.web import state
from app.web.components import index_form, job_progress, library_style, page_frame
from app.web.components.inline_image import data_url
from app.web.components.markdown import as_text


def page() -> None:
    """The collections of this server as cards, the work that goes on, and a form for one more."""
    page_frame.begin("Library", first=False)
    library_style.begin()
    places = state.folders()
    if places:
        page_frame.headline("Library", "The collections that are open here.")
        job_progress.panel(here=False)
        path_probe.begin(places)
        _cards([overview(place) for place in places])
        st.header("Add images", anchor=False)
    else:
        page_frame.headline("Choose a folder of images", "Once indexed, its images are found by what they show.")
        job_progress.panel(here=False)
    left, right = st.columns([3, 2], gap="large")
    with left:
        index_form.new_collection()
        job_progress.panel(here=True)
    with right:
        _open_form()
        if (problem := recent_collections.problem()) and open_collections.roots() is None:
            st.warning(as_text(problem), icon=":material/warning:")


def _cards(seen: Sequence[Overview]) -> None:
    names = page_frame.labels([each.place for each in seen])
    with st.container(horizontal=True, key="cards"):
        for each in seen:
            _card(each, names[each.place])


def _card(each: Overview, name: str) -> None:
    key = searchers.key(each.place)
    with st.container(border=True, width=300, key=f"card-{key}"):
        st.html(_cover(each, name))
        st.markdown(f"**{as_text(name)}**")
        if each.problem:
            st.markdown(f":small[:red[{as_text(each.problem)}]]")
        else:
            said = [f"{each.images:,} {'image' if each.images == 1 else 'images'}", each.model]
            if each.updated is not None:
                said.append(f"indexed {format_age(datetime.now(UTC) - each.updated)} ago")
            if each.failures:
                said.append(f"{each.failures:,} not readable")
            st.markdown(f":small[:gray[{' · '.join(as_text(one) for one in said)}]]")
        with st.container(horizontal=True, vertical_alignment="center"):
            if not each.problem:
                st.page_link("app/web/pages/search.py", label="Search", query_params={"c": key})
                st.page_link("app/web/pages/collection.py", label="Details", query_params={"c": key})
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
    if st.query_params.get("c") == searchers.key(place):
        del st.query_params["c"]
    open_collections.remove(place)


def _cover(each: Overview, name: str) -> str:
    """Up to four of its images, in a square each."""
    pictures = "".join(f'<img src="{data_url(one)}" alt="">' for one in each.cover)
    what = "not there now" if not each.is_there else "cannot be opened" if each.problem else "no images"
    inside = pictures or f"<span>{what}</span>"
    label = html.escape(f"Some images of {sendable(name)}", quote=True)
    return f'<div class="cover of-{len(each.cover)}" role="img" aria-label="{label}">{inside}</div>'


def _open_form() -> None:
    """A collection that was made elsewhere."""
    with st.container(border=True, key="open-form"):
        typed = st.text_input(
            "Open a collection that already exists",
            key="open-place",
            placeholder="a folder that was indexed, or s3://bucket/collection",
        )
        if st.button("Open", key="open"):
            with index_form.problems_in_place():
                place, is_new = open_collections.opened(typed)
                if is_new:
                    st.rerun()
                st.info(
                    f"{as_text(open_collections.display_name(place))} is open here already.", icon=":material/info:"
                )
        again = (
            " What is opened or indexed here stands here the next time, too."
            if recent_collections.file() is not None
            else ""
        )
        st.caption(f"From the command line the same is `clipdex ui FOLDER`, with as many folders as you like.{again}")


if __name__ == "__main__":  # as Streamlit names a page that it runs
    page()
