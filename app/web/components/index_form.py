"""The form that starts indexing: folder, model and options."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import streamlit as st

from app.formatting import format_size
from app.jobs.supervisor import jobs
from app.jobs.worker import Order
from app.library import open_collections
from app.web import model_choices
from app.web.components.job_progress import begun_here, in_page
from app.web.components.markdown import as_text
from core.errors import ClipdexError, SourceError
from indexer.collection.collection import FOLDER, INFO

ANOTHER = "Another model …"
PROBLEM = "index-problem"  # in the session: what was asked of the form last, and why it could not be done
SIGNS = "Signs as in file names: `*.jpg`, `trips/2024`, `thumbs`; several with spaces between them."


@contextmanager
def problems_in_place() -> Iterator[None]:
    """Show an expected problem where it happened; the page goes on."""
    try:
        yield
    except ClipdexError as error:
        st.error(as_text(in_page(str(error))), icon=":material/error:")


def new_collection() -> None:
    """The form for a folder that is not indexed yet, or is to be opened."""
    with st.container(border=True, key="index-form"):
        folder = st.text_input(
            "Folder of images",
            key="index-folder",
            placeholder=str(Path.home() / "Images"),
            help="Its full path on the machine where clipdex runs. Archives (.zip, .tar) and tables (.csv, .parquet) "
            "can be indexed, too.",
        )
        st.caption(_where_allowed())
        _say_around(folder)
        offer = choose_model("index")
        with st.expander("More options"):
            to = st.text_input(
                "Keep the collection in",
                key="index-to",
                placeholder="the folder itself, as .clipdex",
                help="For folders that cannot be written to: an empty or a new folder.",
            )
            captions = st.text_input(
                "Captions",
                key="index-captions",
                placeholder="captions.csv in the folder, if there is one",
                help="A CSV file with the columns image,caption.",
            )
            include, exclude = patterns("index")
            tiles = st.checkbox(
                "Find small things, too",
                key="index-tiles",
                help="Parts of each image are embedded beside the whole: some twenty times the work for a photo.",
            )
        ready = offer is not None and consent(offer, "index")
        with st.container(horizontal=True):
            start = st.button("Index", type="primary", key="index-start", disabled=not ready)
            look = st.button("What would be done?", key="index-look", disabled=offer is None)
    asked = (folder, to, captions)
    if (start or look) and offer is not None:
        try:
            order, place = _ordered(folder, to, captions, offer)
        except ClipdexError as error:
            st.session_state[PROBLEM] = asked, str(error)
        else:
            st.session_state.pop(PROBLEM, None)
            wanted = {"include": tuple(include) or None, "exclude": tuple(exclude) or None, "tiles": tiles or None}
            with problems_in_place():
                _begin(order.model_copy(update=wanted), place, look)
    about, problem = st.session_state.get(PROBLEM, ((), ""))
    if about == asked:  # it stays while work that ends runs the page anew
        st.error(as_text(in_page(problem)), icon=":material/error:")


def _say_around(typed: str) -> None:
    """Images that can be found already, before they are indexed a second time."""
    with suppress(ClipdexError):
        if typed.strip() and (above := open_collections.collection_around(open_collections.allowed(typed))) is not None:
            st.info(
                f"{as_text(str(above))} is indexed, with what lies in it: open that instead, unless this folder shall "
                "be a collection of its own.",
                icon=":material/info:",
            )


def _begin(order: Order, place: Path, look: bool) -> None:
    name = open_collections.display_name(place)
    if look:
        begun_here(jobs.start(order.model_copy(update={"task": "forecast"}), place, f"What would change in {name}"))
    else:
        begun_here(jobs.start(order, place, f"Indexing {name}"))
    st.rerun()


def _ordered(folder: str, to: str, captions: str, offer: model_choices.Offer) -> tuple[Order, Path]:
    """The order, and where its collection is opened. Raises `ClipdexError` for what may not be or makes no sense."""
    from indexer.ingest import sync

    source = open_collections.allowed(folder)
    if FOLDER in source.parts or (source / INFO).is_file():
        raise SourceError(f"{source} is a collection and no folder of images: open it instead")
    target = open_collections.allowed(to, new=True) if to.strip() else None
    table = str(open_collections.allowed(captions, "file")) if captions.strip() else None
    path = sync.collection_path(str(source), target)
    model = None if sync.has_collection(str(source), target) else offer.model  # it keeps the one that it has
    order = Order(
        task="index",
        to=str(path),
        sources=(str(source),),
        model=model,
        captions=table,
        download=offer.must_download,
    )
    return order, target or (source if source.is_dir() else path)


def choose_model(name: str, *, but: str = "") -> model_choices.Offer | None:
    """A known model, or another one by its name or path; None while what is typed is none. `but` is left out."""
    names = [each for each in model_choices.names() if each != but]
    chosen = st.selectbox(
        "Model",
        [*names, ANOTHER],
        key=f"{name}-model",
        format_func=lambda each: each if each == ANOTHER else model_choices.label(each),
    )
    typed = chosen
    if chosen == ANOTHER:
        typed = st.text_input(
            "Its name or path",
            key=f"{name}-other",
            placeholder="hf:OWNER/REPOSITORY, or the path of a model",
        )
        if not typed.strip():
            return None
    with problems_in_place():
        offer = model_choices.offer_of(typed)
        about = f":gray[{as_text(offer.about)}]" if offer.about else ""
        if offer.licence:
            about += f" :gray[· Licence: {as_text(offer.licence)}]"
        if offer.page:
            about += f" [{as_text(offer.page.removeprefix('https://'))}]({offer.page})"
        if about:
            st.markdown(f":small[{about}]")
        return offer
    return None


def consent(offer: model_choices.Offer, name: str) -> bool:
    """Whether it may begin: a model that is not here is downloaded only when that was asked for."""
    if not offer.must_download:
        return True
    much = f"about {format_size(offer.download)}" if offer.download else "the model"
    return st.checkbox(
        f"Download {much} from huggingface.co first, once",
        key=f"{name}-download",
        help="Nothing else is asked of the network, and nothing is sent there.",
    )


def patterns(name: str, include: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> tuple[list[str], list[str]]:
    """Which files count."""
    left, right = st.columns(2)
    only = left.text_input("Only images like", " ".join(include), key=f"{name}-include", placeholder="all", help=SIGNS)
    none = right.text_input("No images like", " ".join(exclude), key=f"{name}-exclude", placeholder="none", help=SIGNS)
    return only.split(), none.split()


def _where_allowed() -> str:
    within = open_collections.roots()
    if within is None:
        return "Any folder that you may read yourself: only this machine can reach this page."
    places = ", ".join(as_text(str(root)) for root in within) or "none: start with `clipdex ui --allow-folders FOLDER`"
    return f"Folders that may be indexed from here, with all that lies in them: {places}"
