"""Named colors, and how daylight changes them."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

RGB = tuple[int, int, int]
RGBA = tuple[int, int, int, int]
Colour = RGB | RGBA

# Distinct to the eye and to an average over a thing's pixels; the only colour words that captions use.
COLOURS: dict[str, RGB] = {
    "red": (212, 36, 40),
    "orange": (246, 128, 24),
    "yellow": (250, 208, 40),
    "green": (50, 158, 66),
    "blue": (34, 92, 214),
    "purple": (126, 56, 178),
    "pink": (248, 132, 180),
    "brown": (124, 78, 42),
    "black": (36, 36, 42),
    "white": (246, 246, 242),
    "grey": (142, 146, 152),
    "teal": (16, 148, 146),
}


def mix(a: RGB, b: RGB, t: float) -> RGB:
    """`a` at t = 0, `b` at t = 1."""
    return (
        round(a[0] + (b[0] - a[0]) * t),
        round(a[1] + (b[1] - a[1]) * t),
        round(a[2] + (b[2] - a[2]) * t),
    )


def alpha(colour: RGB, opacity: float) -> RGBA:
    """The colour with an opacity from 0 to 1; four channels are drawn as they are, untouched by the time of day."""
    return (*colour, round(255 * opacity))


def clamp(value: float) -> int:
    return max(0, min(255, round(value)))


def jitter(colour: RGB, rng: Random, amount: int = 9) -> RGB:
    """A neighbour of the colour, so that two red cars differ a little."""
    r, g, b = (clamp(c + rng.uniform(-amount, amount)) for c in colour)
    return (r, g, b)


@dataclass(frozen=True)
class Tones:
    """One colour in the light and in the shade."""

    main: RGB
    dark: RGB
    light: RGB
    name: str | None = None

    @classmethod
    def of(cls, colour: RGB, name: str | None = None) -> Tones:
        brightness = sum(colour) / 3
        if brightness < 60:  # black: shade can hardly go darker, so the light side carries the form
            return cls(colour, mix(colour, (0, 0, 0), 0.5), mix(colour, (150, 155, 170), 0.35), name)
        deep = 0.16 if brightness > 230 else 0.3
        return cls(colour, mix(colour, (25, 20, 50), deep), mix(colour, (255, 255, 255), 0.35), name)
