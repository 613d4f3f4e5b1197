"""The hits of a search: a list that shows itself as a grid of images in notebooks."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import SupportsIndex, overload

from indexer.search.query import Hit

MOST_SHOWN = 60
FORMATS = {b"\xff\xd8": "jpeg", b"\x89P": "png", b"RI": "webp"}  # the first two bytes of a thumbnail

Thumbnails = Callable[[Sequence[str]], Mapping[str, bytes]]


class Hits(list[Hit]):
    """k hits, best first."""

    def __init__(self, hits: Iterable[Hit], thumbnails: Thumbnails) -> None:
        """`thumbnails` gives the thumbnails of ids, as bytes of image files."""
        super().__init__(hits)
        self._thumbnails = thumbnails

    @overload
    def __getitem__(self, place: SupportsIndex) -> Hit: ...
    @overload
    def __getitem__(self, place: slice) -> Hits: ...
    def __getitem__(self, place: SupportsIndex | slice) -> Hit | Hits:
        found = super().__getitem__(place)
        return Hits(found, self._thumbnails) if isinstance(found, list) else found

    def __reduce__(self) -> tuple[type[list[Hit]], tuple[list[Hit]]]:
        """Copied and pickled as a plain list: thumbnails belong to an open collection."""
        return list, (list(self),)

    def _repr_html_(self) -> str:
        """The first hits as a grid, for Jupyter."""
        shown = self[:MOST_SHOWN]
        thumbnails = self._thumbnails([hit.id for hit in shown])
        more = f"<p>and {len(self) - len(shown):,} more</p>" if len(self) > len(shown) else ""
        tiles = "".join(_tile(hit, thumbnails.get(hit.id, b"")) for hit in shown)
        return f'<div style="display:flex;flex-wrap:wrap;gap:8px">{tiles}</div>{more}'


def _tile(hit: Hit, thumbnail: bytes) -> str:
    name = html.escape(hit.id)
    kind = FORMATS.get(thumbnail[:2])
    image = "no thumbnail"
    if kind is not None:
        source = f"data:image/{kind};base64,{base64.b64encode(thumbnail).decode('ascii')}"
        image = f'<img src="{source}" alt="{name}" title="{name}" style="height:140px;border-radius:4px">'
    caption = html.escape(f"{hit.score:.3f}  {hit.caption or hit.id}")
    return (
        '<figure style="margin:0;max-width:220px">'
        f'{image}<figcaption style="font-size:12px;overflow:hidden">{caption}</figcaption></figure>'
    )
