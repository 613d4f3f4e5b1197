"""The page of files that could not be read."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from app.formatting import failure_row, format_time, sendable
from app.jobs.supervisor import jobs
from app.jobs.worker import Order
from app.library import open_collections
from app.server import failure_preview
from app.web import state
from app.web.components import index_form, job_progress, library_style, navigation, page_frame
from app.web.components.inline_image import data_url

if TYPE_CHECKING:
    from clipdex import Status
    from indexer.maintenance.status import Failure

PAGE = 50
ALL = "all"


def page() -> None:
    """Each file with reason, message and what can be shown of it; choose by reason, export, try again."""
    page_frame.begin("Not readable")
    library_style.begin()
    navigation.mark("collection")  # this page stands in no menu
    with state.errors_in_place():
        status = state.status()
    page_frame.headline("Not readable", str(status.folder))
    st.page_link("app/web/pages/collection.py", label="Back to the collection", query_params={"c": state.key()})
    job_progress.panel(state.searcher().collection.path)
    if not status.failures:
        st.success("Every image of this collection could be read.", icon=":material/check:")
        return
    chosen = _choose(status)
    _actions(status, chosen)
    count = st.session_state.get("failures-shown", PAGE)
    _list(chosen[:count])
    if count < len(chosen):
        with st.container(horizontal=True, horizontal_alignment="center"):
            st.button(f"Show more ({len(chosen) - count:,})", key="failures-more", on_click=_more, args=(count + PAGE,))


def _more(count: int) -> None:
    st.session_state["failures-shown"] = count


def _choose(status: Status) -> list[Failure]:
    reasons = status.reasons
    labels = {
        ALL: f"all {len(status.failures):,}",
        **{reason: f"{count:,} {reason}" for reason, count in reasons.items()},
    }
    chosen = st.pills(
        "Reason",
        [ALL, *reasons],
        default=ALL,
        key="failures-reason",
        format_func=lambda reason: labels[reason],
        label_visibility="collapsed",
        required=True,
        on_change=_more,
        args=(PAGE,),
    )
    return [failure for failure in status.failures if chosen in (ALL, None, failure.reason)]


def _actions(status: Status, chosen: Sequence[Failure]) -> None:
    with st.container(horizontal=True), index_form.problems_in_place():
        if st.button("Try them all again", key="failures-retry", type="primary"):
            order = Order(task="index", to=str(status.collection), retry_failures=True)
            jobs.start(order, state.folder(), f"Trying again in {open_collections.display_name(state.folder())}")
            st.rerun()
        st.download_button(
            "Export as CSV", table(chosen), "not-readable.csv", "text/csv", key="failures-csv", on_click="ignore"
        )


def table(failures: Sequence[Failure]) -> bytes:
    """The failures as a CSV file. Bytes of names that are not text are written as they are."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["file", "reason", "message", "when"])
    for failure in failures:
        reason, location, message = failure_row(failure)
        rows.writerow([location, reason, message, failure.when.isoformat()])
    return out.getvalue().encode("utf-8", "surrogateescape")


def _list(failures: Sequence[Failure]) -> None:
    with st.spinner("Looking at what can be shown of them …", show_time=False):
        seen = failure_preview.previews_of(state.searcher().collection, failures)
    st.html(f'<ul class="failed">{"".join(_row(failure, seen.get(failure.location)) for failure in failures)}</ul>')


def _row(failure: Failure, seen: bytes | None) -> str:
    reason, location, message = failure_row(failure)
    picture = "<span>cannot be shown</span>"
    if seen:
        picture = f'<img src="{data_url(seen)}" alt="What can be shown of it">'
    name, why, what = (html.escape(sendable(text)) for text in (location, reason, message))
    return (
        f'<li><div class="seen">{picture}</div><div><b>{name}</b><p>{why}: {what}</p>'
        f"<p>{format_time(failure.when)}</p></div></li>"
    )


if __name__ == "__main__":  # as Streamlit names a page that it runs
    page()
