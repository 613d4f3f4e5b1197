"""Serves the images and thumbnails of open collections.

Four routes beside Streamlit's own: `/thumb/KEY/ITEM` and `/image/KEY/ITEM` are images, `/thumbs/KEY?t=ITEM.STAMP&t=…`
are many thumbnails in one answer, and `/tiles/KEY` tells of many items how they look from afar and whether their files
are still there. KEY names an open collection; ITEM is the id of one of its items in base64, because an id may hold
anything a file name may. The id is looked up in the collection's table and never joined to a path, so nothing but the
collection's images can be asked for.
"""

from __future__ import annotations

import base64
import hashlib
import io
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from app.server.addresses import HEADERS, LASTING, LONGEST_LIST, MOST_TILES, SHORT, decode_item, listed, marks
from app.server.thumbnails import together
from core.errors import ClipdexError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

T = TypeVar("T")

# What browsers show as it is, by Pillow's name of the format. All else is converted.
SHOWN_BY_BROWSERS = {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp"}
LONGEST_CONVERTED_SIDE = 2400
BLURRED = 6  # pixels


def routes() -> list[Route]:
    """The routes to be served beside Streamlit's own."""
    from starlette.routing import Route

    from app.server.exports import export_routes
    from app.server.map_routes import map_routes

    return [
        *map_routes(),
        *export_routes(),
        Route("/thumb/{key}/{item}", _thumb),
        Route("/thumbs/{key}", _thumbs),
        Route("/image/{key}/{item}", _image),
        Route("/tiles/{key}", _tiles, methods=["POST"]),
    ]


async def _thumb(request: Request) -> Response:
    return await _answer(request, _thumbnail)


async def _thumbs(request: Request) -> Response:
    """The thumbnails of many items; with stamps in the URL, which the browser may keep for good."""
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import PlainTextResponse, Response

    asked = marks(request.query_params.getlist("t"))
    if not 0 < len(asked) <= MOST_TILES:
        return PlainTextResponse(f"not 1 to {MOST_TILES} images", status_code=400, headers=HEADERS)
    found = await run_in_threadpool(_thumbnails, request.path_params["key"], [item for item, _ in asked])
    if found is None:
        return PlainTextResponse("no such collection", status_code=404, headers=HEADERS)
    whole = all(found) and all(stamp for _, stamp in asked)
    headers = {**HEADERS, "Cache-Control": LASTING if whole else "no-store"}
    return Response(together(found), media_type="application/json", headers=headers)


def _thumbnails(key: str, items: list[str | None]) -> list[bytes | None] | None:
    from app.library import searchers

    folder = searchers.folder_of(key)
    if folder is None:
        return None
    try:
        found = searchers.thumbnails(folder, [one for one in items if one is not None])
    except ClipdexError:
        return None
    return [None if one is None else found.get(one) for one in items]


async def _image(request: Request) -> Response:
    return await _answer(request, _full_size)


async def _answer(request: Request, read: Reader) -> Response:
    """The image with headers that let the browser keep it, or 304 when it has it, or 404."""
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import PlainTextResponse, Response

    found = await run_in_threadpool(_read, request.path_params["key"], request.path_params["item"], read)
    if found is None:
        return PlainTextResponse("no such image", status_code=404, headers=HEADERS)
    content, kind = found
    tag = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
    headers = {**HEADERS, "Cache-Control": LASTING if request.query_params.get("v") else SHORT, "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=kind, headers=headers)


def _read(key: str, token: str, read: Reader) -> tuple[bytes, str] | None:
    from app.library import searchers

    item, folder = decode_item(token), searchers.folder_of(key)
    if item is None or folder is None:
        return None
    try:
        return read(folder, item)
    except ClipdexError:  # not in the collection, or gone from the disk since
        return None


def _thumbnail(folder: Path, item: str) -> tuple[bytes, str] | None:
    from app.library import searchers
    from core.image.decode import thumbnail_type

    content = searchers.thumbnails(folder, [item]).get(item)
    return (content, thumbnail_type(content)) if content else None


async def _tiles(request: Request) -> Response:
    """Of a JSON list of ids, {id: {blur: a tiny image as a data URL, gone: whether its file is missing}}.

    With `?soft=N` only the first N get a blur: the others are seen already."""
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import JSONResponse, PlainTextResponse, Response

    ids = await listed(request, str, most=MOST_TILES, longest=LONGEST_LIST)
    if isinstance(ids, Response):
        return ids
    soft = request.query_params.get("soft", "")
    blurs = set(ids[: int(soft)] if soft.isascii() and soft.isdigit() and len(soft) < 5 else ids)
    told = await run_in_threadpool(_tiles_of, request.path_params["key"], ids, blurs)
    if told is None:
        return PlainTextResponse("no such collection", status_code=404, headers=HEADERS)
    return JSONResponse(told, headers={**HEADERS, "Cache-Control": "no-store"})


def _tiles_of(key: str, ids: list[str], blurs: set[str]) -> dict[str, dict[str, Any]] | None:
    from app.library import searchers

    folder = searchers.folder_of(key)
    if folder is None:
        return None
    try:
        pictures = searchers.thumbnails(folder, ids)
        source = searchers.searcher(folder).collection.source
        places = {item: source.path(item) for item in pictures}
    except ClipdexError:
        return None
    gone = {item: place is not None and not place.exists() for item, place in places.items()}
    return {
        item: {"blur": blurred(content) if item in blurs else "", "gone": gone[item]}
        for item, content in pictures.items()
    }


@lru_cache(maxsize=5_000)  # it keeps the thumbnails, too
def blurred(thumbnail: bytes) -> str:
    """An image of 6 × 6 pixels as a data URL, which the browser draws large and soft until the real one has come."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(thumbnail)) as image:
            small = image.convert("RGB").resize((BLURRED, BLURRED), Image.Resampling.BOX)
    except OSError:
        return ""
    out = io.BytesIO()
    small.save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode("ascii")


def _full_size(folder: Path, item: str) -> tuple[bytes, str] | None:
    """The file itself if a browser can show it, otherwise a JPEG of it. What the file is decides, not its name."""
    from PIL import Image

    from app.library import searchers
    from core.errors import ImageError
    from core.image.decode import open_image, thumbnail, thumbnail_type

    searcher = searchers.searcher(folder)
    details = searcher.item(item)
    try:
        content = searcher.collection.source.read(details.id)  # bounded, and of regular files or members only
    except ImageError:
        if details.path is not None:
            raise
        return _thumbnail(folder, item)  # imported without its file
    kind = None
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.mode in ("RGB", "RGBA", "L", "P", "LA", "1"):
                kind = SHOWN_BY_BROWSERS.get(image.format or "")
    except (OSError, Image.DecompressionBombError):
        pass  # perhaps a kind that Pillow learns when it is met, as HEIC
    if kind is not None:
        return content, kind
    converted = thumbnail(open_image(content), LONGEST_CONVERTED_SIDE)
    return converted, thumbnail_type(converted)


if TYPE_CHECKING:
    from collections.abc import Callable

    Reader = Callable[[Path, str], tuple[bytes, str] | None]
