"""Shows whether a collection has a good search index."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import streamlit as st

from app.formatting import format_age, format_size
from app.jobs.supervisor import jobs
from app.jobs.worker import Order
from app.library import open_collections
from app.web import state
from app.web.components.fact_list import facts
from app.web.components.index_form import problems_in_place
from app.web.components.markdown import as_text

if TYPE_CHECKING:
    from clipdex import Status
    from indexer.ann.optimize import Health

WORDS = {"images": "Images", "texts": "Captions"}


def health(status: Status) -> None:
    """The search index of each kind of row, its measured recall, and building it anew."""
    st.header("Search index", anchor=False)
    with state.errors_in_place():
        found = state.index_health()
    missing = {index.target: index.missing for index in status.indexes}
    rows = {"images": status.images, "texts": status.texts}
    told: dict[str, str] = {}
    for each in found:
        told |= _described(each, rows[each.target], missing.get(each.target))
    facts(told)
    for each in found:
        if each.problem:
            st.warning(as_text(each.problem), icon=":material/warning:")
    if any(each.suggestion for each in found):
        st.caption("A new index would make searches quicker, or find more.")
    with problems_in_place():
        built = any(each.built for each in found)
        if st.button("Build it anew" if built else "Build an index", key="optimize", help=_help(status)):
            order = Order(task="optimize", to=str(status.collection))
            jobs.start(
                order, state.folder(), f"Building the search index of {open_collections.display_name(state.folder())}"
            )
            st.rerun()


def _help(status: Status) -> str:
    small = " A collection as small as this one is searched best without." if status.images < 20_000 else ""
    return f"Chooses the kind of index that suits the collection, builds it and measures what it finds.{small}"


def _described(each: Health, rows: int, missing: int | None) -> dict[str, str]:
    """An index as names and values."""
    if each.built is None:
        return {WORDS[each.target]: f"{rows:,}, without an index: each is compared, so nothing is missed"}
    built = f"built {format_age(datetime.now(UTC) - each.built)} ago"
    what = WORDS[each.target]
    told = {
        what: f"{each.kind}, {rows:,}, {built}, {format_size(each.size_bytes)}",
        f"{what} not in it yet": f"{missing:,}, compared one by one" if missing else "",
    }
    for kind, measured in (each.measured or {}).items():
        asked = {"text": "by words", "image": "by images"}[kind]
        told[f"{what} {asked}"] = f"{measured.ann_recall:.1%} of the ten best found, in {measured.milliseconds:.1f} ms"
    return told
