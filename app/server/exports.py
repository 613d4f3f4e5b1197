"""Streams a selection to the browser as one zip file.

The page offers the selection here and gets an address for it; nothing is read before that is asked for, and then the
zip is sent while it is made. Only ids of an open collection are offered, so only its images can be had.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.errors import ClipdexError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from indexer.collection.snapshot import Snapshot

MOST = 64  # selections that can be asked for; the oldest goes
FILE = "clipdex-images.zip"

_secret = secrets.token_bytes(16)
_lock = threading.Lock()
_offered: OrderedDict[str, tuple[str, tuple[str, ...]]] = OrderedDict()


def offer(key: str, ids: Sequence[str]) -> str:
    """The address of a zip of these images of the collection with this key."""
    from app.server.addresses import base

    told = "\0".join((key, *ids)).encode("utf-8", "surrogateescape")
    token = hmac.digest(_secret, told, hashlib.sha256).hex()[:40]
    with _lock:
        _offered[token] = key, tuple(ids)
        _offered.move_to_end(token)
        while len(_offered) > MOST:
            _offered.popitem(last=False)
    return f"{base()}/export/{token}"


def export_routes() -> list[Route]:
    """The route of the zips."""
    from starlette.routing import Route

    return [Route("/export/{token}", _zip)]


async def _zip(request: Request) -> Response:
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import PlainTextResponse, StreamingResponse

    from app.server.addresses import HEADERS
    from indexer.search.selection_export import stream_zip

    with _lock:
        found = _offered.get(request.path_params["token"])
    snapshot = await run_in_threadpool(_snapshot, found[0]) if found is not None else None
    if found is None or snapshot is None:
        return PlainTextResponse("select the images again, and export them then", status_code=404, headers=HEADERS)
    ids = [item for item in found[1] if item in snapshot.rows]
    headers = {**HEADERS, "Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{FILE}"'}
    return StreamingResponse(stream_zip(snapshot, ids), media_type="application/zip", headers=headers)


def _snapshot(key: str) -> Snapshot | None:
    from app.library import searchers

    folder = searchers.folder_of(key)
    try:
        return None if folder is None else searchers.searcher(folder).snapshot()
    except ClipdexError:
        return None
