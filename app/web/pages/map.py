"""The map page: the whole collection as points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from app.library import background_cache
from app.server.map_routes import NAME, map_address
from app.web import manual_selection, map_colors, redirect, state, url_state
from app.web.components import filter_panel, grid, image_viewer, page_frame, selection_actions, waiting
from app.web.components import map as drawing
from app.web.components.markdown import as_text
from indexer.map.projection import Map, cached_map, discard_map, project
from indexer.search.query import Query
from indexer.search.query_vectors import combined, part_vectors
from indexer.search.ranking import allowed

if TYPE_CHECKING:
    from app.web.map_colors import Colours
    from indexer.collection.snapshot import Snapshot
    from indexer.search.query_parser import Line
    from indexer.search.searcher import Searcher

NOTHING = ""
FEWEST = 3


def page() -> None:
    """The map, how it is coloured, and the images that are selected on it."""
    page_frame.begin("Map")
    redirect.to_search(("by", "area", "q"))
    with state.errors_in_place():
        source = state.searcher()
        snapshot = source.snapshot()
    if len(snapshot.ids) < FEWEST:
        st.info("A map needs at least three images: put more into the folder and index it again.")
        return
    page_frame.headline("Map", "Neighbours look alike to the model; how far groups lie apart means little.")
    drawn: Map = waiting.wait(NAME, _made, "Drawing the map")
    by = _controls(snapshot)
    with state.errors_in_place():
        line = source.read(url_state.words()) if url_state.words() else None
        painted = _coloured(source, snapshot, line, by)
    area = manual_selection.corners(str(st.query_params.get("area", "")))
    if not url_state.plain():
        _show(snapshot, painted, area, by, line)
    _notes(snapshot, drawn)
    _in_words(drawn, painted, by, line)
    if area is not None:
        _selected(source, snapshot, drawn, painted, area, line)
    elif url_state.item():
        image_viewer.show_if_open([], "")


def _made(snapshot: Snapshot, progress: background_cache.Progress) -> Map:
    found = cached_map(snapshot)
    return found if found is not None and not found.stale else project(snapshot, progress=progress)


# --- how it is coloured ----------------------------------------------------------------------------------------------


def _controls(snapshot: Snapshot) -> str:
    """Words to colour by, or a column; words come first. Returns the column."""
    possible = map_colors.offered(snapshot)
    told = str(st.query_params.get("by", possible[0] if possible else NOTHING))
    by = told if told in possible else NOTHING
    url_state.fill_box()
    st.session_state["by"] = NOTHING if url_state.words() else by
    none = "The words" if url_state.words() else "Nothing"
    with st.container(horizontal=True, vertical_alignment="bottom", key="map-controls"):
        st.selectbox(
            "Colour by",
            [NOTHING, *possible],
            key="by",
            format_func=lambda name: filter_panel.NAMES.get(name, name.capitalize()) if name else none,
            on_change=lambda: url_state.change(by=st.session_state["by"] or "-", q="", area=_area()),
        )
        st.text_input(
            "or by words",
            key="q",
            placeholder="Describe an image …",
            on_change=lambda: url_state.change(q=str(st.session_state["q"]).strip(), area=_area()),
        )
    return by


def _area() -> str:
    return str(st.query_params.get("area", ""))


def _coloured(source: Searcher, snapshot: Snapshot, line: Line | None, by: str) -> Colours:
    """Coloured by words or by a column; kept for the last one."""
    mark = (state.key(), snapshot.versions, url_state.words(), by)
    held = st.session_state.get("map-colours")
    if held is None or held[0] != mark:
        found = map_colors.plain(len(snapshot.ids))
        if line is not None and (line.text or line.without):
            found = map_colors.by_scores(_scores(source, snapshot, line))
        elif by:
            found = map_colors.by_column(snapshot, by)
        held = (mark, _hidden(found, snapshot, line))
        st.session_state["map-colours"] = held
    painted: Colours = held[1]
    return painted


def _scores(source: Searcher, snapshot: Snapshot, line: Line) -> np.ndarray:
    """Cosines (n,) of all images with the words of a line."""
    query = Query.of(replace(line, where=()))
    parts = part_vectors(query.parts, snapshot, lambda: source.encoder)
    found: np.ndarray = snapshot.vectors @ combined(parts, [part.weight for part in query.parts]).astype(np.float32)
    return found


def _hidden(found: Colours, snapshot: Snapshot, line: Line | None) -> Colours:
    """Without the images that are excluded, or do not meet the line's conditions."""
    shown = np.ones(len(snapshot.ids), bool)
    if snapshot.excluded is not None:
        shown &= ~snapshot.excluded
    if line is not None and line.is_special:
        meets = allowed(Query.of(replace(line, text="", without=())), snapshot)
        shown &= True if meets is None else meets
    return (
        found if shown.all() else replace(found, codes=np.where(shown, found.codes, map_colors.HIDDEN).astype(np.uint8))
    )


# --- what is shown ---------------------------------------------------------------------------------------------------


def _show(snapshot: Snapshot, painted: Colours, area: np.ndarray | None, by: str, line: Line | None) -> None:
    work = background_cache.get(NAME, snapshot)
    count = int((painted.codes != map_colors.HIDDEN).sum())
    if line is not None:
        told = f"coloured by how near they are to “{url_state.words()}”"
    else:
        told = f"coloured by {filter_panel.NAMES.get(by, by).lower()}" if by else "all in one colour"
    drawing.show(
        map_address(state.key(), f"{background_cache.mark(snapshot)}-{work.number if work else 0}"),
        painted,
        area=area,
        label=f"Map of {count:,} images, {told}; what looks alike lies together. Below it is the same in words.",
        title="" if line is None else f"How near to “{url_state.words()}”",
        further="all others",
        on_area=_on_area,
        on_open=lambda row: _on_open(snapshot, row),
        on_stale=lambda: None,  # another run of the page is all that is needed
    )


def _on_area(corners: Sequence[Sequence[float]]) -> None:
    try:
        area = np.array(corners, np.float64).reshape(-1, 2)[: manual_selection.MOST_CORNERS]
    except (TypeError, ValueError):
        return
    url_state.change(area=manual_selection.written(area) if len(area) > 2 else "")


def _on_open(snapshot: Snapshot, row: object) -> None:
    if isinstance(row, int | float) and 0 <= int(row) < len(snapshot.ids):
        url_state.open_item(snapshot.ids[int(row)])


def _notes(snapshot: Snapshot, drawn: Map) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="map-notes"):
        if drawn.new:
            st.caption(f"{drawn.new:,} newer images were put beside their nearest ones.", width="content")
        st.button(
            "Draw it anew", key="anew", type="tertiary", icon=":material/refresh:", on_click=_anew, args=(snapshot,)
        )


def _anew(snapshot: Snapshot) -> None:
    discard_map(snapshot)
    background_cache.discard(NAME, snapshot)


def _in_words(drawn: Map, painted: Colours, by: str, line: Line | None) -> None:
    """The map for people who cannot see it, and without components of ours."""
    with st.expander("The map in words", expanded=url_state.plain()):
        for region in manual_selection.regions(drawn.places, painted):
            mostly = ", ".join(f"{as_text(name)} {count:,}" for name, count in region.mostly)
            st.button(
                f"**{region.name.capitalize()}** · {region.count:,} {'image' if region.count == 1 else 'images'}"
                + (f" :gray[{mostly}]" if mostly else ""),
                key=f"region-{region.name}",
                help="Select these images",
                type="tertiary",
                on_click=url_state.change,
                kwargs={"area": manual_selection.written(region.area)},
            )


def _selected(
    source: Searcher, snapshot: Snapshot, drawn: Map, painted: Colours, area: np.ndarray, line: Line | None
) -> None:
    """The images in the area, in the grid; nearest to the words first, else by name."""
    rows = np.flatnonzero(manual_selection.inside(drawn.places, area) & (painted.codes != map_colors.HIDDEN))
    scores = None
    if line is not None and (line.text or line.without):
        with state.errors_in_place():
            scores = _scores(source, snapshot, line)[rows]
        order = np.argsort(-scores, kind="stable")
        rows, scores = rows[order], scores[order]
    with st.container(horizontal=True, vertical_alignment="center", key="heading"):
        count = len(rows)
        st.header(f"{count:,} {'image' if count == 1 else 'images'} selected", anchor=False, width="content")
        st.button(
            "Clear",
            icon=":material/close:",
            key="clear",
            type="tertiary",
            on_click=url_state.change,
            kwargs={"area": ""},
        )
    if not count:
        st.caption("No image lies in this area.")
        return
    if count > url_state.MOST_SHOWN:
        st.caption(f"The first {url_state.MOST_SHOWN:,} of them can be seen; a smaller area shows all.")
    limit = url_state.shown_count()
    hits = manual_selection.hits(source, snapshot, rows[:limit].tolist(), scores)
    more = max(0, min(count, url_state.MOST_SHOWN) - len(hits))
    grid.show(
        hits,
        question=repr((state.key(), _area(), url_state.words())),
        scores=scores is not None,
        more=more,
        curated=True,
    )
    selection_actions.show(hits)
    if more and url_state.plain():
        st.button("Show more", icon=":material/expand_more:", key="more", on_click=url_state.show_more)
    image_viewer.show_if_open(hits, line.text if line is not None else "", more=more > 0)


if __name__ == "__main__":  # as Streamlit names a page that it runs
    page()
