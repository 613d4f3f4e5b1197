"""The describe page: captions that fit an image."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from app.formatting import sendable
from app.web import redirect, state, url_state
from app.web.components import grid, page_frame, search_bar
from app.web.components.markdown import as_text
from app.web.search_service import PageQuery, naming_upload
from core.errors import QueryError
from core.image.decode import open_image, thumbnail
from core.text import zeroshot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from PIL import Image

SHOWN_CAPTIONS, SHOWN_SIDE = 10, 900
EXAMPLE_LABELS = "a landscape, people, an animal, a building, a vehicle, food"
EXAMPLE_PROMPTS = "7"
OWN = ("labels", "prompts")  # what this page keeps in the URL beside `item`
MOST_LABELS, MOST_PROMPTS = 1_000, 200
FEATURED, FEATURED_BY = 12, "an image"


def page() -> None:
    """An image, uploaded or of the collection; the collection's captions ranked, and one's own labels."""
    page_frame.begin("Describe")
    redirect.to_search(OWN)
    with state.errors_in_place():
        status = state.status()
    page_frame.headline(
        "Describe an image", "Which words fit it best: captions of this collection, or labels of yours."
    )
    left, right = st.columns([2, 3], gap="large")
    with left, st.container(key="describe"):
        upload = st.file_uploader("Image to describe", key="describe-picture", label_visibility="collapsed")
        search_bar.helper()
        with state.errors_in_place():
            shown = _picture(upload.name, upload.getvalue()) if upload is not None else _item(url_state.item())
    if shown is None:
        _choose(status.images)
        return
    with right:
        _captions(shown, status.texts)
        _labels(shown)


# --- the image -----------------------------------------------------------------------------------------------------


def _picture(name: str, content: bytes) -> Image.Image:
    with naming_upload(name):
        image = open_image(content)
    st.image(thumbnail(image, SHOWN_SIDE), width="stretch", caption=as_text(name), alt="The image to describe")
    return image


def _item(item: str) -> Image.Image | None:
    """The image of the collection that the URL names."""
    if not item:
        return None
    source = state.searcher()
    found = _picture(item, source.collection.source.read(source.item(item).id))
    st.button("Another image", icon=":material/close:", key="another", on_click=url_state.close_item)
    return found


def _choose(count: int) -> None:
    """Some of the collection, where nothing was chosen yet."""
    if not count:
        return
    with state.errors_in_place():
        some = state.answer(PageQuery(text=FEATURED_BY), FEATURED).hits
    st.markdown(":gray[Upload an image, paste or drop one, or choose one of this collection]")
    grid.show(some, scores=False)


# --- words for it ----------------------------------------------------------------------------------------------------


def _captions(image: Image.Image, texts: int) -> None:
    st.header("Captions of the collection", anchor=False)
    if not texts:
        st.info("This collection has no captions: put a captions.csv (image,caption) into its folder and index again.")
        return
    with state.errors_in_place():
        hits = state.searcher().describe(image, limit=SHOWN_CAPTIONS)
    ranking((hit.caption or "", max(0.0, hit.score), f"{hit.score:.3f}") for hit in hits)
    st.caption("The number is the cosine between the image and the caption.")


@st.fragment
def _labels(image: Image.Image) -> None:
    """What a person typed, with probabilities; another label runs only this again."""
    st.header("Your labels", anchor=False)
    _remember("labels", EXAMPLE_LABELS)
    typed = st.text_input("Labels, with commas between them", key="labels", on_change=_keep, args=("labels",))
    names = list(dict.fromkeys(name.strip() for name in typed.split(",") if name.strip()))
    sentences = _sentences()
    if len(names) < 2:
        st.info("Two labels or more, with commas between them: the image is compared with each.")
        return
    with state.errors_in_place():
        if len(names) > MOST_LABELS:
            raise QueryError(f"{len(names):,} labels are too many for this page: at most {MOST_LABELS:,}")
        ranked = zeroshot.classify(state.searcher().encoder, [image], names, sentences)[0]
    ranking((label.name, label.probability, f"{label.probability:.1%}") for label in ranked)
    together = abs(sum(label.probability for label in ranked) - 1) < 0.01
    st.caption("Probabilities among these labels." if together else "Each label has a probability of its own.")


def _sentences() -> list[str]:
    """The prompts into which each label is put: shown, and to be changed."""
    _remember("prompts", "\n".join(zeroshot.templates(EXAMPLE_PROMPTS)))
    lines = [line for line in st.session_state["prompts"].splitlines() if line.strip()]
    with st.expander(f"Each label is put into {len(lines)} sentence{'s' if len(lines) != 1 else ''}"):
        st.text_area(
            "Sentences, one a line, with {} where the label goes; the mean of all counts",
            key="prompts",
            height=190,
            on_change=_keep,
            args=("prompts",),
        )
        with st.container(horizontal=True, key="prompt-sets"):
            for which, told in (("1", "One"), ("7", "Seven for photos"), ("80", "Eighty for anything")):
                st.button(told, key=f"prompts-{which}", on_click=_use, args=(which,))
    with state.errors_in_place():
        if len(lines) > MOST_PROMPTS:
            raise QueryError(f"{len(lines):,} sentences are too many for this page: at most {MOST_PROMPTS:,}")
        return zeroshot.checked(lines, "the sentences")


def ranking(rows: Iterable[tuple[str, float, str]]) -> None:
    """Words, best first, each with a bar from 0 to 1 and what to say of it."""
    lines = (
        f'<li><span class="words">{escape(sendable(words))}</span><b>{escape(told)}</b>'
        f'<span class="bar"><span style="width:{100 * min(1.0, part):.1f}%"></span></span></li>'
        for words, part, told in rows
    )
    st.html(f'<ol class="clipdex-ranking">{"".join(lines)}</ol>')


# --- the URL ---------------------------------------------------------------------------------------------------------


def _remember(name: str, otherwise: str) -> None:
    """What the URL says of a field, the first time."""
    if name not in st.session_state:
        st.session_state[name] = str(st.query_params.get(name, otherwise))


def _keep(name: str) -> None:
    st.query_params[name] = st.session_state[name]


def _use(which: str) -> None:
    st.session_state["prompts"] = "\n".join(zeroshot.templates(which))
    _keep("prompts")


if __name__ == "__main__":  # as Streamlit names a page that it runs
    page()
