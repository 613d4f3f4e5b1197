"""Shows the map of images.

One component paints all dots and reports what is drawn around or clicked. The places come over a route of the server's
own, which the browser keeps; what is sent with each run of the page is a byte for each dot.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from app.formatting import sendable
from app.web.components.custom_component import component, on_report
from app.web.map_colors import HIDDEN, Colours

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEY = "map"


def show(
    address: str,
    colours: Colours,
    *,
    area: np.ndarray | None,
    label: str,
    title: str,
    further: str,
    on_area: Callable[[Sequence[Sequence[float]]], None],
    on_open: Callable[[int], None],
    on_stale: Callable[[], None],
) -> None:
    """The map whose places are at an address. `title` says what a scale is, `further` names what shares the grey."""
    component("map", "map_paint.js")(
        key=_KEY,
        data={
            "places": address,
            "codes": base64.b64encode(colours.codes.tobytes()).decode("ascii"),
            "legend": {
                "names": [[sendable(name), count] for name, count in colours.names],
                "other": colours.other,
                "title": sendable(title) if colours.ends and colours.far else "",
                "further": further,
                "unknown": colours.unknown,
                "ends": colours.ends,
                "far": colours.far,
                "count": int((colours.codes != HIDDEN).sum()),
            },
            "area": None if area is None else area.tolist(),
            "label": sendable(label),
        },
        on_area_change=lambda: on_report(_KEY, "area", on_area),
        on_opened_change=lambda: on_report(_KEY, "opened", on_open),
        on_stale_change=lambda: on_report(_KEY, "stale", lambda _: on_stale()),
    )
