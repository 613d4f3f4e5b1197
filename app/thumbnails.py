"""Which thumbnails are in memory?

Reading sixty at once from a table takes hardly longer than reading one, and a thumbnail that was read is given out
without looking at the collection again: its mark changes with the picture.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from indexer.snapshot import Snapshot

MOST = 5_000  # of some 10 kB each

Mark = tuple[str, str, str]  # key of the collection, id, and what changes with the picture

_kept: dict[Mark, bytes] = {}  # of all sessions; the routes read it, too
_lock = threading.Lock()


def kept(key: str, item: str, stamp: str) -> bytes | None:
    """A thumbnail that was read before; None otherwise."""
    return _kept.get((key, item, stamp)) or None


def read(key: str, snapshot: Snapshot, items: Sequence[str]) -> dict[str, bytes]:
    """The thumbnails of several items of a collection, those that are there. Raises CollectionError."""
    marks: dict[str, Mark] = {item: (key, item, snapshot.stamp(item)) for item in items}
    found = {item: content for item, mark in marks.items() if (content := _kept.get(mark)) is not None}
    read_now = snapshot.thumbnails([item for item in marks if item not in found])
    with _lock:
        for item, content in read_now.items():
            found[item] = _kept[marks[item]] = content
        while len(_kept) > MOST:
            del _kept[next(iter(_kept))]  # the one that came first
    return {item: content for item, content in found.items() if content}


class Quick:
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
    from core.images import thumbnail_type

    urls = [
        f"data:{thumbnail_type(one)};base64,{base64.b64encode(one).decode('ascii')}" if one else None
        for one in contents
    ]
    return json.dumps(urls, separators=(",", ":")).encode("ascii")


def _asked_for(scope: Scope) -> tuple[bytes, list[tuple[bytes, bytes]]] | None:
    """The answer to a request for one thumbnail, or for many, if all of them are in memory."""
    from app import state
    from app.routes import HEADERS, LASTING, MOST_TILES, base, item_of, marks
    from core.images import thumbnail_type

    kind, _, rest = str(scope["path"]).removeprefix(f"{base()}/").partition("/")
    if kind not in ("thumb", "thumbs") or not str(scope["path"]).startswith(f"{base()}/"):
        return None
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)  # as the routes do
    key, _, token = rest.partition("/")
    asked = marks(query.get("t", [])) if kind == "thumbs" else [(item_of(token), query.get("v", [""])[0])]
    if not 0 < len(asked) <= MOST_TILES or state.folder_of(key) is None:
        return None
    found = [kept(key, item, stamp) if item is not None and stamp else None for item, stamp in asked]
    if not all(found):
        return None
    content = together(found) if kind == "thumbs" else found[0] or b""
    media = "application/json" if kind == "thumbs" else thumbnail_type(content)
    headers = {**HEADERS, "Cache-Control": LASTING, "Content-Type": media}
    named = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return content, [*named, (b"content-length", str(len(content)).encode())]
