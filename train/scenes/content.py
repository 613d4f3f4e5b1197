"""The content of a scene as data that a search can be scored against."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image


@dataclass(frozen=True)
class Thing:
    """One thing, or a group of `count` equal things.

    `colour` is None where the thing has only its natural colours or the style shows none. `box` is (left, top, right,
    bottom) of the group, `boxes` of each member, in fractions of the picture.
    """

    kind: str
    colour: str | None
    count: int
    size: str  # small, medium, large
    place: str  # left, middle, right
    depth: str  # foreground, background, or "" between them and in the sky
    box: tuple[float, float, float, float]
    boxes: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True)
class Content:
    """The facts of a scene. `scenery` names the kinds that belong to the setting (pine trees of a forest, the moon)."""

    setting: str
    time: str | None  # dawn, day, sunset, night; None for still lifes and plain backgrounds
    weather: str | None  # clear, cloudy, rain, snow, fog, rainbow; None as above
    style: str
    backdrop: str | None  # colour of a plain background or of a still life's wall
    things: tuple[Thing, ...]
    scenery: tuple[str, ...]

    def matches(
        self,
        *,
        kind: str | None = None,
        colour: str | None = None,
        count: int | None = None,
        size: str | None = None,
        place: str | None = None,
        depth: str | None = None,
        setting: str | None = None,
        time: str | None = None,
        weather: str | None = None,
        style: str | None = None,
        backdrop: str | None = None,
    ) -> bool:
        """True when the scene is as asked, and one single thing in it has all the asked properties of a thing."""
        whole = [
            (setting, self.setting),
            (time, self.time),
            (weather, self.weather),
            (style, self.style),
            (backdrop, self.backdrop),
        ]
        if any(asked is not None and asked != found for asked, found in whole):
            return False
        details = (colour, count, size, place, depth)
        if kind is None and all(asked is None for asked in details):
            return True
        if kind in self.scenery and all(asked is None for asked in details):
            return True
        return any(
            all(
                asked is None or asked == found
                for asked, found in [
                    (kind, thing.kind),
                    (colour, thing.colour),
                    (count, thing.count),
                    (size, thing.size),
                    (place, thing.place),
                    (depth, thing.depth),
                ]
            )
            for thing in self.things
        )


@dataclass(frozen=True)
class Scene:
    """A picture, what people might say about it, and what is really in it.

    `captions` are 4 to 6 differently worded sentences, some about a part only; `precise` names everything.
    """

    image: Image.Image
    captions: list[str]
    precise: str
    content: Content
