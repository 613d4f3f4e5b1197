"""Writes and reads the URLs of images: collection, item and version."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

T = TypeVar("T")
MOST_TILES, LONGEST_LIST = 200, 400_000  # ids in one request, and its bytes
LASTING, SHORT = "private, max-age=31536000, immutable", "private, max-age=3600"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'",
    # No other web site that is open in the browser may embed these images.
    "Cross-Origin-Resource-Policy": "same-origin",
}


def address(kind: str, key: str, item: str, stamp: str = "") -> str:
    """The URL of an item's image; `kind` is `thumb` or `image`. Another `stamp` is another URL for the browser's
    cache, and makes no difference here."""
    token = base64.urlsafe_b64encode(item.encode("utf-8", "surrogateescape")).decode("ascii").rstrip("=")
    return f"{base()}/{kind}/{key}/{token}{'?v=' + stamp if stamp else ''}"


def tiles_address(key: str) -> str:
    """The URL where the tiles of many items are asked for."""
    return f"{base()}/tiles/{key}"


def base() -> str:
    import streamlit as st

    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}" if base else ""


def decode_item(token: str) -> str | None:
    """The id in a URL; None when it is not one that `address` made."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw.decode("utf-8", "surrogateescape")


def marks(told: Sequence[str]) -> list[tuple[str | None, str]]:
    """The items and stamps of a URL for many; None for an item that `address` did not make."""
    return [(decode_item(token), stamp) for token, _, stamp in (one.partition(".") for one in told)]


async def listed(request: Request, kind: type[T], *, most: int, longest: int) -> list[T] | Response:
    """The body, a JSON list of at most so many values of one kind and so many bytes; otherwise the answer to it."""
    from starlette.responses import PlainTextResponse

    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > longest:
            return PlainTextResponse("too long", status_code=413, headers=HEADERS)
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or len(found) > most or not all(type(one) is kind for one in found):
        return PlainTextResponse(f"not a list of at most {most}", status_code=400, headers=HEADERS)
    return found
