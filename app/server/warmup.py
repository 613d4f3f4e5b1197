"""Loads what the first page and the first search need while the browser connects.

The port is open before anything else is imported. Then what pages import is imported, while the browser loads
Streamlit's own scripts; and once the first page was sent, or nobody came for a while, the first collection and its
model are loaded, PyTorch last.
"""

from __future__ import annotations

import gc
import importlib
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

PATIENCE = 4.0  # seconds to wait for a first page before the collection is loaded anyway

_sent = threading.Event()


@asynccontextmanager
async def warming(_app: object) -> AsyncIterator[None]:
    """The lifespan of the server."""
    threading.Thread(target=_warm, name="clipdex-warm", daemon=True).start()
    yield


def sent() -> None:
    """A page was sent; as soon as the first one was, the rest is loaded."""
    _sent.set()


def _warm() -> None:
    importlib.import_module("app.web.pages.search")
    from app.library import open_collections, searchers
    from core.errors import ClipdexError
    from core.inference.load import TESTING

    _sent.wait(PATIENCE)
    with suppress(ClipdexError):  # the page says it
        if (place := open_collections.first_open()) is not None:
            source = searchers.searcher(place)
            source.search("an image", limit=1)
            if source.encoder.name != TESTING:
                # The first words need no PyTorch (`core/inference/numpy_text.py`); for many it is quicker, and images
                # need it.
                importlib.import_module("torch")
                source.search("a photo", limit=1)
    # Streamlit collects garbage after each run of a page: it need not look through all the libraries every time.
    gc.collect()
    gc.freeze()
