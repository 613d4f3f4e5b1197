"""Answers requests for thumbnails in memory without a session or a thread.

Reading sixty at once from a table takes hardly longer than reading one, and a thumbnail that was read is given out
without looking at the collection again: its mark changes with the image.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from app.library.thumbnail_cache import cached

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class ThumbnailMiddleware:
    """ASGI middleware that gives out the thumbnails that are in memory, and passes all else on.

    What a request goes through otherwise (routes, sessions, compression, a thread) takes several times as long as the
    answer. It stands behind the gate.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer at once, or pass the request on."""
        found = _asked_for(scope) if scope["type"] == "http" and scope["method"] == "GET" else None
        if found is None:
            await self.app(scope, receive, send)
            return
        content, headers = found
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})


def together(contents: Sequence[bytes | None]) -> bytes:
    """Many thumbnails as one answer: a JSON list of data URLs, null where there is none."""
    from core.image.decode import thumbnail_type

    urls = [
        f"data:{thumbnail_type(one)};base64,{base64.b64encode(one).decode('ascii')}" if one else None
        for one in contents
    ]
    return json.dumps(urls, separators=(",", ":")).encode("ascii")


def _asked_for(scope: Scope) -> tuple[bytes, list[tuple[bytes, bytes]]] | None:
    """The answer to a request for one thumbnail, or for many, if all of them are in memory."""
    from app.library import searchers
    from app.server.addresses import HEADERS, LASTING, MOST_TILES, base, decode_item, marks
    from core.image.decode import thumbnail_type

    kind, _, rest = str(scope["path"]).removeprefix(f"{base()}/").partition("/")
    if kind not in ("thumb", "thumbs") or not str(scope["path"]).startswith(f"{base()}/"):
        return None
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)  # as the routes do
    key, _, token = rest.partition("/")
    asked = marks(query.get("t", [])) if kind == "thumbs" else [(decode_item(token), query.get("v", [""])[0])]
    if not 0 < len(asked) <= MOST_TILES or searchers.folder_of(key) is None:
        return None
    found = [cached(key, item, stamp) if item is not None and stamp else None for item, stamp in asked]
    if not all(found):
        return None
    content = together(found) if kind == "thumbs" else found[0] or b""
    media = "application/json" if kind == "thumbs" else thumbnail_type(content)
    headers = {**HEADERS, "Cache-Control": LASTING, "Content-Type": media}
    named = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return content, [*named, (b"content-length", str(len(content)).encode())]
