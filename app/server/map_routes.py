"""Serves the positions and names of the map.

`/places/KEY/MARK` is where all images lie: two numbers each, as a browser reads them, and kept by it. POST to the
same address with a JSON list of rows tells which images these are. MARK names what the images were when the map was
painted; when they have changed since, the answer is 404 and the page paints anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.formatting import sendable
from app.server.addresses import HEADERS, address, base, listed
from core.errors import ClipdexError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from indexer.collection.snapshot import Snapshot

MOST_ROWS, LONGEST_LIST = 400, 8_000
NAME = "map"  # of the work, see `app.library.background_cache`


def map_routes() -> list[Route]:
    from starlette.routing import Route

    return [
        Route("/places/{key}/{mark}", _places, methods=["GET"]),
        Route("/places/{key}/{mark}", _names, methods=["POST"]),
    ]


def map_address(key: str, mark: str) -> str:
    """The URL of the places; `mark` as `background_cache.mark`, and what else changes with the places."""
    return f"{base()}/places/{key}/{mark}"


async def _places(request: Request) -> Response:
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import PlainTextResponse, Response

    found = await run_in_threadpool(_packed, request.path_params["key"], request.path_params["mark"])
    if found is None:
        return PlainTextResponse("no such map", status_code=404, headers=HEADERS)
    headers = {**HEADERS, "Cache-Control": "private, max-age=31536000, immutable"}
    return Response(found, media_type="application/octet-stream", headers=headers)


async def _names(request: Request) -> Response:
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import JSONResponse, PlainTextResponse, Response

    rows = await listed(request, int, most=MOST_ROWS, longest=LONGEST_LIST)
    if isinstance(rows, Response):
        return rows
    told = await run_in_threadpool(_named, request.path_params["key"], request.path_params["mark"], rows)
    if told is None:
        return PlainTextResponse("no such map", status_code=404, headers=HEADERS)
    return JSONResponse(told, headers={**HEADERS, "Cache-Control": "no-store"})


def _opened(key: str, mark: str) -> tuple[Path, Snapshot] | None:
    from app.library import background_cache, searchers

    folder = searchers.folder_of(key)
    if folder is None:
        return None
    try:
        snapshot = searchers.searcher(folder).snapshot()
    except ClipdexError:
        return None
    return (folder, snapshot) if mark.partition("-")[0] == background_cache.mark(snapshot) else None


def _packed(key: str, mark: str) -> bytes | None:
    from app.library import background_cache

    opened = _opened(key, mark)
    if opened is None:
        return None
    work = background_cache.get(NAME, opened[1])
    if work is None or work.value is None or mark != f"{background_cache.mark(opened[1])}-{work.number}":
        return None
    data: bytes = work.value.places.astype("<f4").tobytes()
    return data


def _named(key: str, mark: str, rows: list[int]) -> list[dict[str, Any]] | None:
    opened = _opened(key, mark)
    if opened is None:
        return None
    snapshot = opened[1]
    known = [row for row in rows if 0 <= row < len(snapshot.ids)]
    ids = snapshot.images["id"].take(known).to_pylist()
    return [
        {
            "row": row,
            "name": sendable(item.rsplit("/", 1)[-1]),
            "caption": sendable(next(iter(snapshot.captions(item)), "")),
            "thumb": address("thumb", key, item, snapshot.stamp(item)),
        }
        for row, item in zip(known, ids, strict=True)
    ]
