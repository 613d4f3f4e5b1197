"""Which words fit a picture?"""

from __future__ import annotations

import io

import streamlit as st

from app import state
from app.components import frame
from app.components.text import as_text
from core.images import open_image

SHOWN_CAPTIONS = 10
EXAMPLE_LABELS = "a landscape, people, an animal, a building, a vehicle, food"


def page() -> None:
    """Upload a picture; see the collection's captions ranked, and labels of one's own with probabilities."""
    frame.begin("Describe")
    with state.errors_in_place():
        status = state.status()
    frame.headline("Describe a picture", "Which words fit it best: captions of this collection, or labels of yours.")
    left, right = st.columns([2, 3], gap="large")
    with left:
        upload = st.file_uploader("Picture", key="describe-picture", label_visibility="collapsed")
        if upload is None:
            return
        content = upload.getvalue()
        with state.errors_in_place():
            open_image(content)
            st.image(io.BytesIO(content), width="stretch", caption=as_text(upload.name))
    with right:
        _captions(content, status.texts)
        _labels(content)


def _captions(content: bytes, texts: int) -> None:
    st.subheader("Captions of the collection", anchor=False)
    if not texts:
        st.info("This collection has no captions: put a captions.csv (image,caption) into its folder and index again.")
        return
    with state.errors_in_place():
        hits = state.searcher().describe(content, limit=SHOWN_CAPTIONS)
    for hit in hits:
        st.markdown(f"`{hit.score:.3f}` {as_text(hit.caption or '')}")


def _labels(content: bytes) -> None:
    st.subheader("Your labels", anchor=False)
    typed = st.text_input("Labels, with commas between them", value=EXAMPLE_LABELS, key="labels")
    names = list(dict.fromkeys(name.strip() for name in typed.split(",") if name.strip()))
    if len(names) < 2:
        st.info("Two labels or more, with commas between them: the picture is compared with each.")
        return
    with state.errors_in_place():
        ranked = state.searcher().classify([open_image(content)], names)[0]
    for label in ranked:
        st.progress(float(label.probability), text=f"{as_text(label.name)} · {label.probability:.1%}")


if __name__ == "__main__":  # as Streamlit names a page that it runs
    page()
