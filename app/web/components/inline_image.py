"""Puts a small image into a page without a request of its own."""

from __future__ import annotations

import base64

from core.image.decode import thumbnail_type


def data_url(thumbnail: bytes) -> str:
    """What `core.image.decode.thumbnail` made, as an address that holds it."""
    return f"data:{thumbnail_type(thumbnail)};base64,{base64.b64encode(thumbnail).decode('ascii')}"
