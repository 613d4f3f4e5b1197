"""Filters and sorts results: facets with counts, sort order, near-duplicates."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from app.web import state, url_state
from app.web.components.markdown import as_text
from app.web.components.search_bar import ask_line
from app.web.filter_labels import filter_label
from indexer.search.facets import facets, matching, without_each
from indexer.search.query_formatter import condition_text, narrowed
from indexer.search.query_parser import Line

if TYPE_CHECKING:
    from app.web.search_service import PageQuery
    from indexer.search.filters import Condition

GROUPS: dict[str, tuple[str, str]] = {
    "": ("Nothing", "Every image has its own place."),
    "bytes": ("Equal files", "The same file more than once."),
    "picture": ("Same image", "Also resized, cropped, recoloured or saved again."),
    "scene": ("Same scene", "Also other shots of it, such as a burst."),
}
SHORT = {"bytes": "equal", "picture": "picture", "scene": "scene"}  # in the label of the button
NOTHING_TO_CHOOSE = (
    "Nothing to choose by here: these images have no dates, cameras, tags or other columns in which they differ, and "
    "lie in one folder. Tags that you give them, and columns of a captions.csv, are offered here."
)
RELEVANCE, DATE = "Relevance", "Date"
NAMES = {"tags": "Tags", "taken": "Taken", "folder": "Folder", "camera": "Camera", "lens": "Lens", "format": "Format"}


def tools(question: PageQuery, line: Line | None) -> None:
    """The row above the results."""
    with st.container(horizontal=True, vertical_alignment="center", key="tools"):
        filters = st.popover("Filter", icon=":material/tune:", key="filter", on_change="rerun")
        if filters.open or url_state.plain():
            with filters:
                _facets(line)
        _grouping(question)
        _parts(question)
        st.session_state["sort"] = DATE if question.by_date else RELEVANCE
        st.segmented_control(
            "Sort by",
            [RELEVANCE, DATE],
            key="sort",
            required=True,
            label_visibility="collapsed",
            on_change=lambda: url_state.change(sort=url_state.DATE if st.session_state["sort"] == DATE else ""),
        )


def _parts(question: PageQuery) -> None:
    """Whether parts of images count, where the collection knows them."""
    if state.searcher().collection.info.tiles:
        st.session_state["tiles"] = question.tiles
        st.toggle(
            "Small things",
            key="tiles",
            help="Look at parts of each image, too; the part that matched is marked in the large view",
            on_change=lambda: url_state.change(tiles="1" if st.session_state["tiles"] else ""),
        )


def _grouping(question: PageQuery) -> None:
    """Which near-duplicates take one place."""
    label = f":gray[Group ·] {SHORT[question.group]}" if question.group else "Group"  # narrow rows leave the grey away
    with st.popover(label, icon=":material/photo_library:", key="group-popover"):
        st.session_state["group"] = question.group or ""
        st.radio(
            "Near-duplicates that take one place",
            list(GROUPS),
            key="group",
            format_func=lambda kind: GROUPS[kind][0],
            captions=[told for _, told in GROUPS.values()],
            on_change=lambda: url_state.change(group=st.session_state["group"]),
        )


def _facets(line: Line | None) -> None:
    """Each column's values with how many images have them; a click keeps these only, another one all again."""
    line = line or Line("")
    with state.errors_in_place():
        filtered = {condition.column for condition in line.where}
        snapshot = state.searcher().snapshot()
        possible = matching(snapshot, line)
        found = [
            facet
            for facet in facets(snapshot, line)
            # something to choose: a value that not all have
            if any(value.count < possible for value in facet.values) or facet.column in ("tags", *filtered)
        ]
    if not _concepts(line) and not found:
        st.caption(NOTHING_TO_CHOOSE)
    chosen = {condition_text(condition): condition for condition in line.where}
    for facet in found:
        st.markdown(f"**{as_text(NAMES.get(facet.column, facet.column))}**")
        with st.container(horizontal=True, key=f"facet-{facet.column}"):
            for value in facet.values:
                text = condition_text(value.condition)
                count = f"{value.count:,}" if text in chosen else f":gray[{value.count:,}]"
                st.button(
                    f"{as_text(value.text)} {count}",
                    key=f"facet-{text}",
                    type="primary" if text in chosen else "secondary",
                    on_click=ask_line,
                    args=(_without(line, chosen[text]) if text in chosen else narrowed(line, value.condition),),
                )
            if facet.further:
                st.caption(f"and {facet.further:,} more: type {as_text(facet.column)}:…")


def _without(line: Line, condition: Condition) -> Line:
    return replace(line, where=tuple(one for one in line.where if one is not condition))


def _concepts(line: Line) -> bool:
    """The concepts that were kept, if there are any; a click searches for one, too, or no more."""
    with state.errors_in_place():
        kept = [one.name for one in state.searcher().concepts()]
    if not kept:
        return False
    st.markdown("**Concepts**")
    with st.container(horizontal=True, key="facet-concepts"):
        for name in kept:
            others = tuple(one for one in line.concepts if one != name)
            st.button(
                as_text(name),
                key=f"facet-concept-{name}",
                type="primary" if name in line.concepts else "secondary",
                on_click=ask_line,
                args=(replace(line, concepts=others if name in line.concepts else (*others, name)),),
            )
    return True


def nothing_found(line: Line | None) -> None:
    """Why there is nothing, and what to change."""
    with state.errors_in_place():
        ways = without_each(state.searcher().snapshot(), line) if line is not None else []
    if not ways:
        st.info("There is no image here.")
        return
    what = {1: "this condition", 2: "both conditions"}.get(len(ways), f"all {len(ways)} conditions")
    st.info(f"No image meets {what}.", icon=":material/filter_alt_off:")
    with st.container(horizontal=True, key="ways"):
        for number, (text, rest, count) in enumerate(way for way in ways if way[2]):
            st.button(
                f"Without {as_text(filter_label(text))} :gray[{count:,} {'image' if count == 1 else 'images'}]",
                key=f"way-{number}",
                on_click=ask_line,
                args=(rest,),
            )
