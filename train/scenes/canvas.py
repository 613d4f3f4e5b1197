"""Draws shapes without knowing the size of the image.

Everything is given in fractions: a `Canvas` spans 0..1 in both directions, a `Pen` spans 0..1 inside the box of one
thing, y downwards. A three-channel colour is tinted by the light of the scene, a four-channel one is drawn as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np
from PIL import Image, ImageDraw

from train.scenes.palette import RGB, Colour, Tones

Point = tuple[float, float]
Box = tuple[float, float, float, float]


class Pen:
    """Draws one thing inside its box; `flip` mirrors it, `night` tells that lamps are lit."""

    def __init__(self, canvas: Canvas, box: Box, flip: bool = False) -> None:
        self.canvas, self.flip, self.night, self.rng = canvas, flip, canvas.night, canvas.rng
        side = canvas.side
        self.left, self.top = box[0] * side, box[1] * side
        self.width, self.height = (box[2] - box[0]) * side, (box[3] - box[1]) * side
        self._draw = canvas.draw

    def _at(self, x: float, y: float) -> Point:
        return (self.left + (1 - x if self.flip else x) * self.width, self.top + y * self.height)

    def _round(self, cx: float, cy: float, rx: float, ry: float) -> Box:
        x, y = self._at(cx, cy)
        return (x - rx, y - ry, x + rx, y + ry)

    def poly(self, points: Sequence[Point], colour: Colour) -> None:
        self._draw.polygon([self._at(x, y) for x, y in points], fill=self.canvas.lit(colour))

    def oval(self, cx: float, cy: float, rx: float, ry: float, colour: Colour) -> None:
        """An ellipse; rx in fractions of the width, ry of the height."""
        self._draw.ellipse(self._round(cx, cy, rx * self.width, ry * self.height), fill=self.canvas.lit(colour))

    def disc(self, cx: float, cy: float, r: float, colour: Colour) -> None:
        """A true circle; r in fractions of the height."""
        self._draw.ellipse(self._round(cx, cy, r * self.height, r * self.height), fill=self.canvas.lit(colour))

    def rect(self, x0: float, y0: float, x1: float, y1: float, colour: Colour, r: float = 0) -> None:
        """A rectangle; corners rounded by r in fractions of the height."""
        (ax, ay), (bx, by) = self._at(x0, y0), self._at(x1, y1)
        box, fill = (min(ax, bx), ay, max(ax, bx), by), self.canvas.lit(colour)
        if r:
            self._draw.rounded_rectangle(box, r * self.height, fill=fill)
        else:
            self._draw.rectangle(box, fill=fill)

    def line(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """A line with round ends and joints; width in fractions of the height."""
        xy, fill = [self._at(x, y) for x, y in points], self.canvas.lit(colour)
        thick = max(1, round(width * self.height))
        self._draw.line(xy, fill=fill, width=thick, joint="curve")
        if thick > 3 and len(fill) == 3:
            for x, y in (xy[0], xy[-1]):
                self._draw.ellipse((x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), fill=fill)

    def ring(self, cx: float, cy: float, r: float, width: float, colour: Colour) -> None:
        box = self._round(cx, cy, r * self.height, r * self.height)
        self._draw.ellipse(box, outline=self.canvas.lit(colour), width=max(1, round(width * self.height)))

    def pie(self, cx: float, cy: float, rx: float, ry: float, start: float, end: float, colour: Colour) -> None:
        """A slice of an ellipse, degrees clockwise from the right (from the left when flipped)."""
        if self.flip:
            start, end = 180 - end, 180 - start
        box = self._round(cx, cy, rx * self.width, ry * self.height)
        self._draw.pieslice(box, start, end, fill=self.canvas.lit(colour))

    def window(self, x0: float, y0: float, x1: float, y1: float, r: float = 0) -> None:
        """A window pane: warm light at night, sky by day."""
        self.rect(x0, y0, x1, y1, (255, 216, 110, 255) if self.night else (176, 216, 240), r)

    def halo(self, cx: float, cy: float, r: float, colour: RGB) -> None:
        """A soft shine around a flame; r in fractions of the height."""
        x, y = self._at(cx, cy)
        side = self.canvas.side
        self.canvas.glow(x / side, y / side, r * self.height / side, colour, 0.45)

    def eye(self, cx: float, cy: float, r: float, t: Tones) -> None:
        """A dot that stands out from the coat."""
        if sum(t.main) < 300:
            self.disc(cx, cy, r * 1.7, (240, 240, 235))
        self.disc(cx, cy, r, (22, 20, 28))


class Canvas:
    """A square picture in progress, and the light in which things are seen."""

    def __init__(self, side: int, rng: Random, ambient: tuple[float, float, float], night: bool) -> None:
        self.side, self.rng, self.ambient, self.night = side, rng, ambient, night
        self.sun: tuple[float, RGB] | None = None  # x and colour of the sun or moon, for its path on water
        self.image = Image.new("RGB", (side, side))
        self.draw = ImageDraw.Draw(self.image, "RGBA")

    def lit(self, colour: Colour) -> Colour:
        """The colour under the light of the scene."""
        if len(colour) == 4:
            return colour
        r, g, b = self.ambient
        return (round(colour[0] * r), round(colour[1] * g), round(colour[2] * b))

    def pen(self, box: Box = (0, 0, 1, 1), flip: bool = False) -> Pen:
        return Pen(self, box, flip)

    def gradient(self, top: float, bottom: float, colours: Sequence[RGB]) -> None:
        """Horizontal bands melting into each other from y = top to y = bottom, over the whole width."""
        y0, y1 = round(top * self.side), round(bottom * self.side)
        if y1 <= y0:
            return
        at = np.linspace(0, len(colours) - 1, y1 - y0)
        stops = np.arange(len(colours))
        column = np.stack([np.interp(at, stops, [c[i] for c in colours]) for i in range(3)], axis=1)
        strip = Image.fromarray(np.round(column).astype(np.uint8)[:, None, :], "RGB")
        self.image.paste(strip.resize((self.side, y1 - y0), Image.Resampling.NEAREST), (0, y0))

    def glow(self, x: float, y: float, radius: float, colour: RGB, strength: float = 0.5) -> None:
        """Light that fades outwards, as rings of thin paint."""
        rings, cx, cy = 18, x * self.side, y * self.side
        fill = (*colour, round(255 * strength / rings))
        for i in range(rings):
            r = radius * self.side * (1 - i / rings)
            self.draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=fill)
