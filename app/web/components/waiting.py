"""Shows progress in place of what is still being computed."""

from __future__ import annotations

import time
from typing import Any

import streamlit as st

from app.library.background_cache import BackgroundWork, Make, discard, start
from app.web import state
from app.web.components.markdown import as_text


def wait(name: str, make: Make, title: str) -> Any:
    """What was made of the open collection; until then a bar on the page that moves by itself, and nothing below it.

    Quick work is waited for."""
    with state.errors_in_place():
        work = start(name, state.searcher().snapshot(), make)
    end = time.monotonic() + 0.4
    while not work.is_over and time.monotonic() < end:
        time.sleep(0.02)
    if not work.is_over:
        _watch(work, title)
        st.stop()
    if work.error:
        st.error(as_text(work.error), icon=":material/error:")
        if st.button("Try again", key=f"again-{name}"):
            discard(name, state.searcher().snapshot())
            st.rerun()
        st.stop()
    return work.value


@st.fragment(run_every=0.7)
def _watch(work: BackgroundWork, title: str) -> None:
    if work.is_over:
        st.rerun()
    st.progress(min(1.0, work.part), text=f"{title}: {work.stage or 'beginning'} · {work.seconds:.0f} s")
