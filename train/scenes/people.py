"""Draws people; their color is that of their clothes."""

from __future__ import annotations

from train.scenes.canvas import Pen
from train.scenes.kinds import Kind
from train.scenes.palette import RGB, Tones

SKIN: tuple[RGB, ...] = ((250, 214, 180), (226, 172, 130), (170, 114, 78), (116, 76, 54))
HAIR: tuple[RGB, ...] = ((58, 40, 32), (122, 76, 40), (228, 188, 98), (40, 36, 40), (160, 70, 40))
TROUSERS: RGB = (66, 76, 110)


def head(p: Pen, skin: RGB, hair: RGB, y: float, r: float, long: bool) -> None:
    """A face with hair; `long` hair falls to the shoulders."""
    k = p.height / p.width  # turns fractions of the height into fractions of the width
    p.disc(0.5, y - r * 0.14, r * 1.1, hair)
    if long:
        for side in (-1.08, 0.62):
            p.rect(0.5 + side * r * k, y - r * 0.2, 0.5 + (side + 0.46) * r * k, y + r * 1.5, hair, r * 0.2)
    p.disc(0.5, y + r * 0.12, r * 0.9, skin)
    p.pie(0.5, y - r * 0.05, r * 1.04 * k, r * 1.04, 180, 360, hair)
    for side in (-0.36, 0.36):
        p.disc(0.5 + side * r * k, y + r * 0.28, r * 0.12, (36, 30, 34))
    p.pie(0.5, y + r * 0.5, r * 0.36 * k, r * 0.28, 10, 170, (190, 70, 70))


def person(p: Pen, t: Tones, *, dress: bool, child: bool) -> None:
    """Standing, arms a little away from the body."""
    skin, hair = p.rng.choice(SKIN), p.rng.choice(HAIR)
    r = 0.15 if child else 0.11
    neck = 2 * r + 0.01
    hip = 0.7 if child else 0.62
    p.line([(0.4, neck + 0.05), (0.12, hip - 0.04)], 0.065, t.dark)
    p.line([(0.6, neck + 0.05), (0.88, hip - 0.04)], 0.065, t.dark)
    p.disc(0.11, hip - 0.02, 0.035, skin)
    p.disc(0.89, hip - 0.02, 0.035, skin)
    for x in (0.3, 0.54):
        p.rect(x, hip - 0.06, x + 0.16, 0.97, skin if dress else TROUSERS)
        p.rect(x - 0.02, 0.94, x + 0.18, 1.0, (60, 46, 44), 0.02)
    if dress:
        p.poly(
            [
                (0.32, neck),
                (0.68, neck),
                (0.66, neck + 0.2),
                (0.94, hip + 0.16),
                (0.06, hip + 0.16),
                (0.34, neck + 0.2),
            ],
            t.main,
        )
        p.rect(0.33, neck + 0.17, 0.67, neck + 0.215, t.light)
    else:
        p.rect(0.24, neck - 0.01, 0.76, hip + 0.03, t.main, 0.05)
        p.rect(0.485, neck, 0.515, hip + 0.02, t.dark)
    head(p, skin, hair, r + 0.01, r, dress)


def girl(p: Pen, t: Tones) -> None:
    person(p, t, dress=True, child=True)


def boy(p: Pen, t: Tones) -> None:
    person(p, t, dress=False, child=True)


def woman(p: Pen, t: Tones) -> None:
    person(p, t, dress=True, child=False)


def man(p: Pen, t: Tones) -> None:
    person(p, t, dress=False, child=False)


KINDS = [
    Kind("girl", girl, "land", 0.52, wears="dress"),
    Kind("boy", boy, "land", 0.52, wears="jacket"),
    Kind("woman", woman, "land", 0.4, wears="dress", also=("lady",)),
    Kind("man", man, "land", 0.4, wears="jacket", also=("gentleman",)),
]
