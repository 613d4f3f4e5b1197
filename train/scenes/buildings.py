"""Draws houses, castles and other buildings."""

from __future__ import annotations

from math import cos, pi, sin

from train.scenes.canvas import Pen
from train.scenes.kinds import Kind
from train.scenes.palette import Tones

WOOD, STONE, SLATE, DOOR = (124, 82, 50), (176, 172, 164), (88, 92, 108), (104, 64, 40)
WALLS = ("red", "yellow", "blue", "white", "pink", "green", "orange", "purple", "teal", "grey")


def house(p: Pen, t: Tones) -> None:
    roof = (150, 64, 48) if t.name not in ("red", "orange", "pink") else (82, 78, 92)
    p.rect(0.7, 0.08, 0.8, 0.36, (142, 96, 80))
    p.rect(0.1, 0.42, 0.9, 1.0, t.main)
    p.poly([(0.0, 0.45), (0.5, 0.04), (1.0, 0.45)], roof)
    p.rect(0.1, 0.45, 0.9, 0.49, t.dark)
    p.rect(0.42, 0.64, 0.6, 1.0, DOOR)
    p.disc(0.57, 0.83, 0.015, (240, 210, 120))
    for x in (0.18, 0.67):
        p.rect(x - 0.015, 0.585, x + 0.165, 0.795, (250, 250, 246))
        p.window(x, 0.6, x + 0.15, 0.78)
        p.rect(x + 0.065, 0.6, x + 0.085, 0.78, (250, 250, 246))


def castle(p: Pen, t: Tones) -> None:
    for x, top in ((0.0, 0.34), (0.76, 0.34), (0.36, 0.16)):
        p.rect(x, top, x + 0.24, 1.0, t.main)
        p.rect(x + 0.15, top, x + 0.24, 1.0, t.dark)
        p.poly([(x - 0.03, top), (x + 0.12, top - 0.2), (x + 0.27, top)], (140, 52, 60) if t.name != "red" else SLATE)
        p.window(x + 0.09, top + 0.1, x + 0.15, top + 0.2)
    p.rect(0.2, 0.56, 0.8, 1.0, t.main)
    for i in range(6):
        p.rect(0.2 + i * 0.105, 0.5, 0.265 + i * 0.105, 0.57, t.main)
    p.rect(0.42, 0.76, 0.58, 1.0, (70, 46, 34))
    p.oval(0.5, 0.76, 0.08, 0.07, (70, 46, 34))
    p.line([(0.48, -0.03), (0.48, 0.02)], 0.01, (80, 70, 70))


def lighthouse(p: Pen, t: Tones) -> None:
    p.rect(0.0, 0.93, 1.0, 1.0, (120, 116, 112), 0.02)
    p.poly([(0.14, 0.95), (0.3, 0.26), (0.7, 0.26), (0.86, 0.95)], (246, 244, 238))
    for a, b in ((0.3, 0.43), (0.57, 0.7), (0.83, 0.95)):
        left = [0.3 - 0.16 * (y - 0.26) / 0.69 for y in (a, b)]
        p.poly([(left[0], a), (1 - left[0], a), (1 - left[1], b), (left[1], b)], t.main)
    p.rect(0.2, 0.23, 0.8, 0.27, (60, 62, 72))
    p.rect(0.34, 0.12, 0.66, 0.24, (255, 236, 150, 255))
    p.rect(0.48, 0.12, 0.52, 0.24, (60, 62, 72))
    p.poly([(0.26, 0.13), (0.5, 0.0), (0.74, 0.13)], t.main)
    if p.night:
        p.poly([(0.66, 0.15), (2.6, 0.02), (2.6, 0.34), (0.66, 0.21)], (255, 244, 190, 70))


def windmill(p: Pen, t: Tones) -> None:
    p.poly([(0.28, 1.0), (0.37, 0.34), (0.63, 0.34), (0.72, 1.0)], t.main)
    p.poly([(0.56, 1.0), (0.53, 0.34), (0.63, 0.34), (0.72, 1.0)], t.dark)
    p.pie(0.5, 0.35, 0.16, 0.13, 180, 360, (110, 70, 48))
    p.rect(0.44, 0.82, 0.56, 1.0, DOOR)
    p.window(0.46, 0.54, 0.54, 0.62)
    turn = p.rng.uniform(0.2, 1.2)
    for k in range(4):
        a = turn + k * pi / 2
        dx, dy = cos(a), sin(a)
        at = [(0.0, 0.0), (0.42, 0.0), (0.42, 0.1), (0.1, 0.1)]
        p.poly([(0.5 + (u * dx - v * dy) * 1.1, 0.32 + (u * dy + v * dx) * 0.76) for u, v in at], (240, 232, 214))
        p.line([(0.5, 0.32), (0.5 + 0.46 * dx, 0.32 + 0.32 * dy)], 0.016, (90, 60, 42))
    p.disc(0.5, 0.32, 0.03, (70, 50, 40))


def church(p: Pen, t: Tones) -> None:
    p.rect(0.3, 0.52, 0.98, 1.0, t.main)
    p.poly([(0.26, 0.54), (0.42, 0.34), (0.88, 0.34), (1.02, 0.54)], SLATE)
    p.rect(0.06, 0.34, 0.36, 1.0, t.main)
    p.rect(0.28, 0.34, 0.36, 1.0, t.dark)
    p.poly([(0.02, 0.36), (0.21, 0.08), (0.4, 0.36)], SLATE)
    p.rect(0.195, 0.0, 0.225, 0.12, (230, 190, 80))
    p.rect(0.16, 0.03, 0.26, 0.05, (230, 190, 80))
    p.rect(0.13, 0.8, 0.28, 1.0, DOOR)
    p.oval(0.205, 0.8, 0.075, 0.06, DOOR)
    p.disc(0.2, 0.48, 0.05, (250, 246, 230))
    for x in (0.47, 0.65, 0.83):
        p.window(x, 0.66, x + 0.08, 0.88)
        p.oval(x + 0.04, 0.66, 0.04, 0.04, (255, 216, 110, 255) if p.night else (176, 216, 240))


def barn(p: Pen, t: Tones) -> None:
    p.poly([(0.04, 0.42), (0.18, 0.16), (0.5, 0.0), (0.82, 0.16), (0.96, 0.42)], (92, 82, 84))
    p.poly([(0.1, 1.0), (0.1, 0.42), (0.22, 0.2), (0.5, 0.06), (0.78, 0.2), (0.9, 0.42), (0.9, 1.0)], t.main)
    p.rect(0.3, 0.52, 0.7, 1.0, (244, 240, 232))
    p.rect(0.33, 0.55, 0.67, 1.0, t.dark)
    p.line([(0.33, 0.56), (0.67, 0.99)], 0.025, (244, 240, 232))
    p.line([(0.67, 0.56), (0.33, 0.99)], 0.025, (244, 240, 232))
    p.rect(0.42, 0.22, 0.58, 0.38, (244, 240, 232))
    p.window(0.45, 0.25, 0.55, 0.36)


def skyscraper(p: Pen, t: Tones) -> None:
    p.rect(0.47, 0.0, 0.53, 0.12, (120, 124, 132))
    p.rect(0.24, 0.08, 0.76, 0.24, t.main)
    p.rect(0.06, 0.2, 0.94, 1.0, t.main)
    p.rect(0.7, 0.2, 0.94, 1.0, t.dark)
    for row in range(9):
        for col in range(4):
            if not p.night or p.rng.random() < 0.65:
                p.window(0.13 + col * 0.2, 0.25 + row * 0.08, 0.26 + col * 0.2, 0.295 + row * 0.08)


def tent(p: Pen, t: Tones) -> None:
    p.poly([(0.42, 0.06), (0.8, 0.04), (1.0, 1.0), (0.7, 1.0)], t.dark)
    p.poly([(0.0, 1.0), (0.42, 0.06), (0.74, 1.0)], t.main)
    p.poly([(0.26, 1.0), (0.4, 0.4), (0.5, 1.0)], (255, 214, 120, 255) if p.night else (70, 50, 44))
    p.poly([(0.4, 0.4), (0.5, 1.0), (0.58, 1.0)], t.light)


def igloo(p: Pen, t: Tones) -> None:
    p.pie(0.44, 1.0, 0.44, 0.98, 180, 360, (214, 230, 244))
    for y, x in ((0.34, 0.12), (0.56, 0.05), (0.78, 0.02)):
        p.line([(x, y), (0.88 - x, y)], 0.025, (140, 172, 204))
    for x, y in ((0.3, 0.56), (0.52, 0.56), (0.2, 0.78), (0.42, 0.78), (0.6, 0.34), (0.34, 0.34)):
        p.line([(x, y), (x, y + 0.2)], 0.02, (140, 172, 204))
    p.pie(0.78, 1.0, 0.22, 0.62, 180, 360, (220, 232, 242))
    p.pie(0.8, 1.0, 0.13, 0.44, 180, 360, (60, 74, 100))


KINDS = [
    Kind("house", house, "land", 1.0, WALLS, also=("cottage",)),
    Kind(
        "castle",
        castle,
        "land",
        1.05,
        ("grey", "white", "pink", "yellow", "red", "purple"),
        also=("fortress",),
        crowd=1,
    ),
    Kind("lighthouse", lighthouse, "land", 0.42, ("red", "blue", "green", "black", "orange"), crowd=1),
    Kind(
        "windmill", windmill, "land", 0.72, ("white", "red", "brown", "grey", "blue", "green"), also=("mill",), crowd=3
    ),
    Kind("church", church, "land", 0.95, ("white", "yellow", "grey", "red", "pink"), also=("chapel",), crowd=1),
    Kind("barn", barn, "land", 1.05, ("red", "white", "brown", "green", "blue"), crowd=2),
    Kind(
        "skyscraper", skyscraper, "land", 0.42, ("grey", "blue", "brown", "teal", "white", "red"), also=("tower block",)
    ),
    Kind("tent", tent, "land", 1.4),
    Kind("igloo", igloo, "land", 1.6, (), (236, 244, 250), also=("snow house",), crowd=2),
]
