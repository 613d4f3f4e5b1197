"""The collection page: contents, health, updates."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from app.formatting import format_size, format_time, sendable
from app.jobs.supervisor import jobs
from app.jobs.worker import Order, Task
from app.library import open_collections
from app.web import model_choices, state
from app.web.components import index_form, job_progress, library_style, page_frame
from app.web.components.fact_list import facts
from app.web.components.index_health import health
from app.web.components.markdown import as_text
from indexer.collection.collection import FOLDER
from indexer.collection.storage.store import url_of
from indexer.ingest.last_run import LastRun, recall

if TYPE_CHECKING:
    from clipdex import Status


def page() -> None:
    """Counts, the work that goes on, update, failures, search index, model, and where it is kept."""
    page_frame.begin("Collection")
    library_style.begin()
    with state.errors_in_place():
        status = state.status()
        source = state.searcher()
        last = recall(source.collection)
    page_frame.headline("Collection", " and ".join(status.sources) or str(status.folder))
    with st.container(horizontal=True, key="numbers"):
        st.metric("Images", f"{status.images:,}", border=True)
        st.metric("Captions", f"{status.texts:,}", border=True)
        st.metric("Not readable", f"{len(status.failures):,}", border=True)
        st.metric("On disk", format_size(status.size_bytes), border=True)
    job_progress.panel(state.searcher().collection.path)
    left, right = st.columns(2, gap="large")
    with left:
        _update(status, last)
        _failures(status)
    with right:
        health(status)
        _model(status, last)
        _kept(status, source.collection.place)


def _order(status: Status, task: Task, title: str, **more: object) -> None:
    """Begin a piece of work on this collection."""
    order = Order(task=task, to=str(status.collection)).model_copy(update=more)
    jobs.start(order, state.folder(), f"{title} {open_collections.display_name(state.folder())}")


def _update(status: Status, last: LastRun | None) -> None:
    st.header("Update", anchor=False)
    st.markdown("New, changed and removed images are found by indexing again; what did not change costs nothing.")
    said = {"Last indexed": format_time(status.updated)}
    if last is not None:
        said |= {
            "What it did": last.done(),
            "It took": job_progress.clock(last.seconds) if last.seconds >= 60 else f"{last.seconds:.1f} s",
        }
    facts(said)
    settings = state.searcher().collection.info.sources[0].settings
    with st.expander("Options"):
        include, exclude = index_form.patterns("update", settings.include or (), settings.exclude or ())
        retry = st.checkbox("Try again what could not be read", key="update-retry")
    more = {"include": tuple(include), "exclude": tuple(exclude), "retry_failures": retry}
    if (include, exclude) == (list(settings.include or ()), list(settings.exclude or ())):
        more = {"retry_failures": retry}
    with st.container(horizontal=True), index_form.problems_in_place():
        if st.button("Index again", key="update", type="primary"):
            _order(status, "index", "Indexing", **_sourced(status, more))
            st.rerun()
        if st.button("What would change?", key="update-look"):
            _order(status, "forecast", "What would change in", **_sourced(status, more))
            st.rerun()
    with st.expander("From the command line"):
        st.code(sendable(_update_command(status)), language="shell", wrap_lines=True)


def _sourced(status: Status, more: dict[str, object]) -> dict[str, object]:
    """Settings belong to a source: where they are changed, it has to be named."""
    return {**more, "sources": tuple(status.sources[:1])} if "include" in more else more


def _update_command(status: Status) -> str:
    words = ["clipdex", "index", str(status.folder)]
    if status.collection != Path(status.folder) / FOLDER:
        words += [
            "--to",
            open_collections.display_name(state.folder()) if url_of(state.folder()) else str(status.collection),
        ]
    return shlex.join(words)


def _failures(status: Status) -> None:
    if not status.failures:
        return
    st.header("Not readable", anchor=False)
    st.markdown(" · ".join(f"{count:,} {as_text(reason)}" for reason, count in status.reasons.items()))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link("app/web/pages/failures.py", label="See each of them and why", query_params={"c": state.key()})


def _model(status: Status, last: LastRun | None) -> None:
    st.header("Model", anchor=False)
    info = state.searcher().collection.info.model
    known = model_choices.known_as(info.name, info.load)
    pixels, card = model_choices.card_of(info.load) if known is None else (known.image_size, "")
    licence = known.licence if known else model_choices.LICENCE_BUNDLED if info.load == model_choices.BUNDLED else ""
    facts(
        {
            "Name": status.model,
            "Numbers an image": f"{status.dim:,}",
            "Sees": f"{pixels} × {pixels} pixels" if pixels else "",
            "Licence": licence,
            "Found at": info.load if info.load != info.name else known.page if known else "",
            "Fingerprint": status.fingerprint,
            "Further models": ", ".join(status.others),
        }
    )
    if card:
        with st.expander("Its card"):
            st.code(card, language=None, wrap_lines=True)  # as text: a card could ask for images from elsewhere
    with st.expander("Change the model"):
        st.markdown(_price(status, last))
        offer = index_form.choose_model("change", but=status.model)
        ready = offer is not None and index_form.consent(offer, "change")
        with index_form.problems_in_place():
            if st.button("Index anew with this model", key="change", disabled=not ready) and offer is not None:
                more = {"model": offer.model, "download": offer.must_download}
                _order(status, "index", f"Changing the model to {offer.model} in", **more)
                st.rerun()


def _price(status: Status, last: LastRun | None) -> str:
    """What another model costs."""
    pictures = f"{status.images:,} {'image is' if status.images == 1 else 'images are'}"
    said = f"Every image gets a new vector: {pictures} read and embedded anew."
    if last is not None and last.rate:
        said += f" With the present model that takes about {job_progress.clock(status.images / last.rate)} here"
        said += f" ({last.rate:.0f} a second in the last run); larger models are slower."
    return f"{said} Searches go on with the present model until the other one is done; stopping loses nothing."


def _kept(status: Status, place: str) -> None:
    st.header("Kept", anchor=False)
    facts({"In": place, "Takes": format_size(status.size_bytes), "Format": str(status.format_version)})
    with st.container(horizontal=True), index_form.problems_in_place():
        if st.button("Verify", key="verify", help="Reads every row and says what is wrong, if anything is."):
            _order(status, "verify", "Verifying")
            st.rerun()
        if st.button("Free disk space", key="compact", help="Drops old versions of its tables."):
            _order(status, "compact", "Freeing disk space of")
            st.rerun()


if __name__ == "__main__":  # as Streamlit names a page that it runs
    page()
