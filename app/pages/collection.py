"""What is in this collection, which model made it, and what could not be read?"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from app import state
from app.components import frame
from app.components.text import as_text, sendable
from app.output import moment, size
from indexer.collection import FOLDER

if TYPE_CHECKING:
    from clipdex import Status

SHOWN_FAILURES = 1_000


def page() -> None:
    """Counts, model, failures with reasons, and how to update."""
    frame.begin("Collection")
    with state.errors_in_place():
        status = state.status()
    frame.headline("Collection", str(status.folder))
    with st.container(horizontal=True, key="numbers"):
        st.metric("Pictures", f"{status.images:,}", border=True)
        st.metric("Captions", f"{status.texts:,}", border=True)
        st.metric("Not readable", f"{len(status.failures):,}", border=True)
        st.metric("On disk", size(status.size_bytes), border=True)
    _failures(status)
    st.subheader("Model", anchor=False)
    st.markdown(f"**{as_text(status.model)}** · {status.dim} numbers a picture · last indexed {moment(status.updated)}")
    st.code(status.fingerprint, language=None, wrap_lines=True)
    st.subheader("Update", anchor=False)
    st.markdown("New, changed and removed pictures are found by indexing again; what did not change costs nothing.")
    st.code(sendable(_update_command(status)), language="shell", wrap_lines=True)
    st.caption(f"Format {status.format_version}, kept in {as_text(str(status.collection))}")


def _update_command(status: Status) -> str:
    words = ["clipdex", "index", str(status.folder)]
    if status.collection != Path(status.folder) / FOLDER:
        words += ["--to", str(status.collection)]
    return shlex.join(words)


def _failures(status: Status) -> None:
    if not status.failures:
        return
    st.subheader("Not readable", anchor=False)
    st.markdown(" · ".join(f"{count:,} {as_text(reason)}" for reason, count in status.reasons.items()))
    st.dataframe(
        [
            {
                "file": failure.location,
                "reason": failure.reason,
                "what happened": failure.message,
                "when": moment(failure.when),
            }
            for failure in status.failures[:SHOWN_FAILURES]
        ],
        width="stretch",
        hide_index=True,
    )
    if len(status.failures) > SHOWN_FAILURES:
        st.caption(f"The first {SHOWN_FAILURES:,}; all of them: `clipdex failures`")


if __name__ == "__main__":  # as Streamlit names a page that it runs
    page()
