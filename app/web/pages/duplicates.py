"""The duplicates page: groups, and which image of each to keep."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from app.formatting import format_size
from app.library import background_cache
from app.web import redirect, state, url_state
from app.web.components import duplicate_groups, image_viewer, page_frame, waiting
from app.web.components.markdown import as_text
from core.errors import ClipdexError
from indexer.dedup.duplicate_rule import KINDS, Kind
from indexer.dedup.duplicates import Group, best_of, duplicates

if TYPE_CHECKING:
    from indexer.collection.snapshot import Snapshot
    from indexer.dedup.keep_policy import Best
    from indexer.search.searcher import Searcher

NAME = "duplicates"
PAGE_SIZE = 20
TITLES: dict[Kind, str] = {"bytes": "Same file", "picture": "Changed copy", "scene": "Same scene"}
MEANINGS: dict[Kind, str] = {
    "bytes": "The files are equal, byte for byte.",
    "picture": "The same image, saved again: another size or format, cropped, recoloured, or with a border.",
    "scene": "Another image of the same scene, as in a burst. These are not copies: look before you decide.",
}


@dataclass(frozen=True)
class Found:
    """The groups of one kind, and for each which image is suggested to be kept."""

    groups: list[Group]
    best: list[Best]


def page() -> None:
    """Three kinds, each for itself: how many groups, and what is in them."""
    page_frame.begin("Duplicates")
    redirect.to_search(("kind", "p"))
    page_frame.headline(
        "Duplicates", "What is here more than once. Nothing is ever deleted from the disk by this page."
    )
    with state.errors_in_place():
        source = state.searcher()
        snapshot = source.snapshot()
    _told(source)
    every: list[Group] = waiting.wait(NAME, _made, "Looking for duplicates")
    found = _of_kinds(snapshot, every)
    if not any(one.groups for one in found.values()):
        st.success("No image is here more than once.", icon=":material/check_circle:")
        st.caption("Equal files, copies that were changed, and several images of one scene were looked for.")
        return
    kind = _choose(found)
    st.markdown(f":gray[{MEANINGS[kind]}]")
    if not found[kind].groups:
        st.info("There is none of this kind.")
        return
    _kind(source, snapshot, kind, found[kind])


def _made(snapshot: Snapshot, progress: background_cache.Progress) -> list[Group]:
    return duplicates(snapshot, progress=progress)


def _of_kinds(snapshot: Snapshot, every: Sequence[Group]) -> dict[Kind, Found]:
    """By kind, without the images that were excluded since; kept while nothing changes."""
    mark = (state.key(), snapshot.versions, id(every))
    held = st.session_state.get("duplicates")
    if held is None or held[0] != mark:
        left = _without_excluded(snapshot, every)
        found: dict[Kind, Found] = {}
        for kind in KINDS:
            mine = [group for group in left if group.kind == kind]
            found[kind] = Found(mine, best_of(snapshot, mine))
        held = (mark, found)
        st.session_state["duplicates"] = held
    kinds: dict[Kind, Found] = held[1]
    return kinds


def _without_excluded(snapshot: Snapshot, every: Sequence[Group]) -> list[Group]:
    if snapshot.excluded is None:
        return list(every)
    gone = set(snapshot.images["id"].take(np.flatnonzero(snapshot.excluded)).to_pylist())
    left = [Group(group.kind, [one for one in group.ids if one not in gone]) for group in every]
    return [group for group in left if len(group.ids) > 1]


# --- one kind --------------------------------------------------------------------------------------------------------


def _choose(found: dict[Kind, Found]) -> Kind:
    """The three kinds with their counts; the URL says which is seen."""
    told = st.query_params.get("kind", "")
    kind: Kind = next(one for one in KINDS if one == told or (told not in KINDS and found[one].groups))
    st.session_state["kind"] = kind
    st.segmented_control(
        "Kind",
        KINDS,
        key="kind",
        required=True,
        label_visibility="collapsed",
        format_func=lambda one: f"{TITLES[one]} · {len(found[one].groups):,}",
        on_change=lambda: url_state.change(kind=st.session_state["kind"], p=""),
    )
    return kind


def _kind(source: Searcher, snapshot: Snapshot, kind: Kind, found: Found) -> None:
    chosen = {number: _kept(kind, number, group, found.best[number].id) for number, group in enumerate(found.groups)}
    others = [one for number, group in enumerate(found.groups) for one in group.ids if one != chosen[number]]
    with st.container(horizontal=True, key="numbers"):
        st.metric("Groups", f"{len(found.groups):,}", border=True)
        st.metric("Others than the one to keep", f"{len(others):,}", border=True)
        st.metric("They take", format_size(_bytes(snapshot, others)), border=True)
    with st.container(horizontal=True, vertical_alignment="center", key="duplicate-tools"):
        st.download_button(
            "List of the others (CSV)",
            lambda: _table(source, found, chosen),
            file_name=f"duplicates-{kind}.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
        )
        st.download_button(
            "Their paths",
            lambda: "".join(f"{source.collection.source.path(one) or one}\n" for one in others).encode(
                "utf-8", "surrogateescape"
            ),
            file_name=f"duplicates-{kind}.txt",
            mime="text/plain",
            icon=":material/list:",
            on_click="ignore",
        )
        if others:
            st.button(
                f"Exclude the others ({len(others):,})",
                key="exclude",
                icon=":material/visibility_off:",
                help="No search finds them until they are taken in again. Their files stay where they are.",
                on_click=_exclude,
                args=(source, others),
            )
    last = (len(found.groups) - 1) // PAGE_SIZE + 1
    at = _page_number(last)
    shown = range((at - 1) * PAGE_SIZE, min(at * PAGE_SIZE, len(found.groups)))
    duplicate_groups.show(
        snapshot,
        [
            duplicate_groups.Shown(
                number, found.groups[number].ids, chosen[number], _why(found.best[number], chosen[number])
            )
            for number in shown
        ],
        lambda number, one: _keep(kind, found.groups, number, one),
    )
    _pages(at, last)
    image_viewer.show_if_open([], "")


def _exclude(source: Searcher, others: Sequence[str]) -> None:
    """Keep the others out of every answer, and remember them for one step back."""
    with _problem_kept():
        source.exclude(list(others))
        st.session_state["excluded"] = (state.key(), list(others))
        url_state.change(p="")


def _include(source: Searcher, items: Sequence[str]) -> None:
    with _problem_kept():
        source.include(list(items))
        st.session_state.pop("excluded", None)


@contextmanager
def _problem_kept() -> Iterator[None]:
    """What goes wrong in a callback is told by the run of the page that follows."""
    try:
        yield
    except ClipdexError as error:
        st.session_state["not-excluded"] = str(error)


def _told(source: Searcher) -> None:
    """What became of the last exclusion, and the way back."""
    if problem := st.session_state.pop("not-excluded", ""):
        st.error(as_text(problem), icon=":material/error:")
    key, items = st.session_state.get("excluded", ("", []))
    if items and key == state.key():
        with st.container(horizontal=True, vertical_alignment="center", key="excluded-row"):
            count = f"{len(items):,} {'image is' if len(items) == 1 else 'images are'}"
            st.markdown(f"{count} excluded: no search finds them; their files stay where they are.", width="content")
            st.button("Take them in again", key="include", on_click=_include, args=(source, items))


def _why(best: Best, kept: str) -> str:
    if kept != best.id:
        return f"kept by your choice; suggested was {best.id}"
    others = f" · the others take {format_size(best.others)}" if best.others else ""
    return f"suggested to keep: {', '.join(best.why)}{others}"


def _bytes(snapshot: Snapshot, others: Sequence[str]) -> int:
    rows = [snapshot.rows[one] for one in others]
    return int(snapshot.images["size"].fill_null(0).to_numpy()[rows].sum()) if rows else 0


def _table(source: Searcher, found: Found, chosen: dict[int, str]) -> bytes:
    """A row for each image that is not the one to keep, with that one beside it."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["group", "image", "path", "keep", "why"])
    for number, (group, best) in enumerate(zip(found.groups, found.best, strict=True)):
        why = ", ".join(best.why) if chosen[number] == best.id else "chosen"
        for one in group.ids:
            if one != chosen[number]:
                path = source.collection.source.path(one)
                table.writerow([number + 1, one, "" if path is None else path, chosen[number], why])
    return out.getvalue().encode("utf-8", "surrogateescape")


# --- which is kept, and which page is seen ---------------------------------------------------------------------------


def _kept(kind: Kind, number: int, group: Group, suggested: str) -> str:
    """What the person chose in this session, or what is suggested."""
    choice = st.session_state.get("kept", {}).get((state.key(), kind, *sorted(group.ids)))
    return choice if choice in group.ids else suggested


def _keep(kind: Kind, every: Sequence[Group], number: int, one: str) -> None:
    if 0 <= number < len(every) and one in every[number].ids:
        st.session_state.setdefault("kept", {})[(state.key(), kind, *sorted(every[number].ids))] = one


def _page_number(last: int) -> int:
    told = str(st.query_params.get("p", "1"))
    return min(max(1, int(told)), last) if told.isascii() and told.isdigit() and len(told) < 8 else 1


def _pages(at: int, last: int) -> None:
    if last < 2:
        return
    with st.container(horizontal=True, horizontal_alignment="center", vertical_alignment="center", key="pages"):
        st.button("Previous groups", disabled=at == 1, on_click=url_state.change, kwargs={"p": str(at - 1)})
        st.markdown(f":gray[Page {at:,} of {last:,}]", width="content")
        st.button("Next groups", disabled=at == last, on_click=url_state.change, kwargs={"p": str(at + 1)})


if __name__ == "__main__":  # as Streamlit names a page that it runs
    page()
