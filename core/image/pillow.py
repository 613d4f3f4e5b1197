"""Shields Pillow: its warnings and its own size limit stay inside.

Pillow reports trouble through global state: `Image.MAX_IMAGE_PIXELS` and Python's warning filters. Decoding happens
in several threads, and neither is safe to change per thread; so the first thread in changes them and the last one out
restores them.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from PIL import Image

MAX_PIXELS = 200_000_000  # the largest phone sensors have 200 megapixels; decoded that is 0.6 GB

_lock = threading.Lock()
_limits: list[int] = []  # of the calls that are inside now
_restore = ExitStack()


@contextmanager
def pillow_guard(max_pixels: int = MAX_PIXELS) -> Iterator[None]:
    """Inside, Pillow gives no warnings, and more than `max_pixels` pixels raise, also for images within images.

    With several calls inside the largest of their limits counts; each checks the declared size against its own.
    """
    with _lock:
        if not _limits:
            _enter()
        _limits.append(max_pixels)
        Image.MAX_IMAGE_PIXELS = max(_limits)
    try:
        yield
    finally:
        with _lock:
            _limits.remove(max_pixels)
            if _limits:
                Image.MAX_IMAGE_PIXELS = max(_limits)
            else:
                _restore.close()


def _enter() -> None:
    _restore.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    _restore.enter_context(warnings.catch_warnings())
    warnings.filterwarnings("ignore", module=r"PIL\.")
    # Between one and two times its limit Pillow only warns; here the limit is the limit.
    warnings.simplefilter("error", Image.DecompressionBombWarning)
