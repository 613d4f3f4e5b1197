"""Which pictures does the server hand out?

Two routes beside Streamlit's own: `/thumb/KEY/ITEM` and `/image/KEY/ITEM`. KEY names an open collection; ITEM is
the id of one of its items in base64, because an id may hold anything a file name may. The id is looked up in the
collection's table and never joined to a path, so nothing but the collection's pictures can be asked for.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
from typing import TYPE_CHECKING

from core.errors import ClipdexError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

# What browsers show as it is, by Pillow's name of the format. All else is converted.
SHOWN_BY_BROWSERS = {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp"}
LONGEST_CONVERTED_SIDE = 2400
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'",
    # No other web site that is open in the browser may embed these pictures.
    "Cross-Origin-Resource-Policy": "same-origin",
}


def routes() -> list[Route]:
    """The routes to be served beside Streamlit's own."""
    from starlette.routing import Route

    return [Route("/thumb/{key}/{item}", _thumb), Route("/image/{key}/{item}", _image)]


def address(kind: str, key: str, item: str, stamp: str = "") -> str:
    """The URL of an item's picture; `kind` is `thumb` or `image`. Another `stamp` is another URL for the browser's
    cache, and makes no difference here."""
    import streamlit as st

    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    token = base64.urlsafe_b64encode(item.encode("utf-8", "surrogateescape")).decode("ascii").rstrip("=")
    return f"{'/' + base if base else ''}/{kind}/{key}/{token}{'?v=' + stamp if stamp else ''}"


def item_of(token: str) -> str | None:
    """The id in a URL; None when it is not one that `address` made."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw.decode("utf-8", "surrogateescape")


async def _thumb(request: Request) -> Response:
    return await _answer(request, _thumbnail)


async def _image(request: Request) -> Response:
    return await _answer(request, _full_size)


async def _answer(request: Request, read: Reader) -> Response:
    """The picture with headers that let the browser keep it, or 304 when it has it, or 404."""
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import PlainTextResponse, Response

    found = await run_in_threadpool(_read, request.path_params["key"], request.path_params["item"], read)
    if found is None:
        return PlainTextResponse("no such picture", status_code=404, headers=HEADERS)
    content, kind = found
    tag = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
    headers = {**HEADERS, "Cache-Control": "private, max-age=3600", "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=kind, headers=headers)


def _read(key: str, token: str, read: Reader) -> tuple[bytes, str] | None:
    from app import state

    item, folder = item_of(token), state.folder_of(key)
    if item is None or folder is None:
        return None
    try:
        return read(state.searcher(folder), item)
    except ClipdexError:  # not in the collection, or gone from the disk since
        return None


def _thumbnail(searcher: Searcher, item: str) -> tuple[bytes, str]:
    return searcher.thumbnail(item), "image/webp"


def _full_size(searcher: Searcher, item: str) -> tuple[bytes, str] | None:
    """The file itself if a browser can show it, otherwise a WebP of it. What the file is decides, not its name."""
    from PIL import Image

    from core.images import open_image, thumbnail

    details = searcher.item(item)
    if details.path is None:
        return _thumbnail(searcher, item)
    content = searcher.collection.source.read(details.id)  # bounded, and of regular files only
    try:
        with Image.open(io.BytesIO(content)) as image:
            kind = SHOWN_BY_BROWSERS.get(image.format or "")
            shown = kind is not None and image.mode in ("RGB", "RGBA", "L", "P", "LA", "1")
    except (OSError, Image.DecompressionBombError):
        return None
    if shown and kind is not None:
        return content, kind
    return thumbnail(open_image(content), LONGEST_CONVERTED_SIDE), "image/webp"


if TYPE_CHECKING:
    from collections.abc import Callable

    from indexer.search import Searcher

    Reader = Callable[[Searcher, str], tuple[bytes, str] | None]
