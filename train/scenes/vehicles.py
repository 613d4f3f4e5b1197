"""Draws cars, boats, planes and other vehicles."""

from __future__ import annotations

from math import cos, pi, sin

from train.scenes.canvas import Pen
from train.scenes.kinds import ANY, Kind
from train.scenes.palette import COLOURS, Tones

TYRE, RIM, STEEL = (32, 32, 38), (190, 194, 200), (120, 126, 136)


def wheel(p: Pen, x: float, y: float, r: float) -> None:
    p.disc(x, y, r, TYRE)
    p.disc(x, y, r * 0.5, RIM)


def car(p: Pen, t: Tones) -> None:
    p.poly([(0.2, 0.42), (0.32, 0.08), (0.68, 0.08), (0.84, 0.42)], t.main)
    p.rect(0.02, 0.38, 0.98, 0.8, t.main, 0.14)
    p.rect(0.03, 0.66, 0.97, 0.8, t.dark, 0.06)
    p.poly([(0.27, 0.4), (0.35, 0.16), (0.49, 0.16), (0.49, 0.4)], (196, 226, 242))
    p.poly([(0.53, 0.4), (0.53, 0.16), (0.65, 0.16), (0.76, 0.4)], (196, 226, 242))
    p.rect(0.52, 0.5, 0.6, 0.54, t.dark)
    p.disc(0.94, 0.52, 0.07, (255, 240, 170, 255))
    p.rect(0.02, 0.46, 0.05, 0.58, (200, 30, 30))
    wheel(p, 0.24, 0.8, 0.2)
    wheel(p, 0.77, 0.8, 0.2)


def bus(p: Pen, t: Tones) -> None:
    p.rect(0.01, 0.05, 0.99, 0.85, t.main, 0.1)
    p.rect(0.01, 0.62, 0.99, 0.72, t.light)
    for i in range(5):
        p.window(0.05 + i * 0.155, 0.18, 0.18 + i * 0.155, 0.5, 0.03)
    p.rect(0.83, 0.16, 0.97, 0.55, (196, 226, 242), 0.04)
    p.rect(0.01, 0.78, 0.99, 0.86, t.dark, 0.03)
    wheel(p, 0.2, 0.85, 0.145)
    wheel(p, 0.77, 0.85, 0.145)


def truck(p: Pen, t: Tones) -> None:
    p.rect(0.01, 0.04, 0.66, 0.78, t.light, 0.03)
    p.rect(0.01, 0.04, 0.66, 0.2, t.main, 0.03)
    p.rect(0.05, 0.3, 0.62, 0.7, t.main)
    p.poly([(0.69, 0.78), (0.69, 0.2), (0.86, 0.2), (0.97, 0.46), (0.99, 0.78)], t.main)
    p.poly([(0.76, 0.46), (0.76, 0.28), (0.85, 0.28), (0.92, 0.46)], (196, 226, 242))
    p.rect(0.01, 0.74, 0.99, 0.82, (60, 62, 70))
    for x in (0.15, 0.34, 0.82):
        wheel(p, x, 0.84, 0.155)


def train(p: Pen, t: Tones) -> None:
    p.rect(0, 0.93, 1, 0.97, (110, 84, 64))
    for i, x in enumerate((0.0, 0.34)):
        p.rect(x, 0.26, x + 0.32, 0.78, t.main if i else t.dark, 0.05)
        for j in range(3):
            p.window(x + 0.03 + j * 0.095, 0.36, x + 0.1 + j * 0.095, 0.56)
        wheel(p, x + 0.07, 0.84, 0.1)
        wheel(p, x + 0.25, 0.84, 0.1)
    p.rect(0.68, 0.16, 0.8, 0.78, t.main)
    p.window(0.71, 0.26, 0.78, 0.46)
    p.rect(0.66, 0.1, 0.82, 0.18, t.dark)
    p.rect(0.78, 0.42, 0.98, 0.78, t.main, 0.1)
    p.poly([(0.89, 0.42), (0.875, 0.16), (0.945, 0.16), (0.93, 0.42)], (44, 44, 50))
    p.poly([(0.93, 0.9), (0.95, 0.7), (1.0, 0.9)], (70, 70, 78))
    for i in range(3):
        p.disc(0.86 - i * 0.09, 0.1 - i * 0.02, 0.08 + i * 0.025, (240, 240, 244, 150))
    for x in (0.72, 0.83, 0.92):
        wheel(p, x, 0.82, 0.12)


def bicycle(p: Pen, t: Tones) -> None:
    for x in (0.21, 0.79):
        p.ring(x, 0.7, 0.29, 0.06, TYRE)
        for k in range(4):
            a = k * pi / 4
            dx, dy = 0.16 * cos(a), 0.27 * sin(a)
            p.line([(x - dx, 0.7 - dy), (x + dx, 0.7 + dy)], 0.012, (150, 154, 160))
    p.line([(0.21, 0.7), (0.38, 0.32), (0.68, 0.32), (0.46, 0.72), (0.21, 0.7)], 0.07, t.main)
    p.line([(0.46, 0.72), (0.36, 0.22)], 0.07, t.main)
    p.line([(0.79, 0.7), (0.66, 0.14), (0.74, 0.1)], 0.065, t.dark)
    p.rect(0.27, 0.17, 0.44, 0.24, (40, 36, 36), 0.03)
    p.disc(0.46, 0.72, 0.07, (60, 60, 66))


def tractor(p: Pen, t: Tones) -> None:
    p.rect(0.3, 0.4, 0.95, 0.72, t.main, 0.05)
    p.rect(0.22, 0.08, 0.56, 0.6, t.dark)
    p.rect(0.26, 0.16, 0.52, 0.42, (196, 226, 242))
    p.rect(0.18, 0.04, 0.6, 0.11, t.main, 0.03)
    p.rect(0.78, 0.14, 0.82, 0.42, (50, 50, 56))
    for k in range(4):
        p.rect(0.84, 0.45 + k * 0.06, 0.94, 0.48 + k * 0.06, t.dark)
    wheel(p, 0.28, 0.68, 0.31)
    wheel(p, 0.82, 0.8, 0.19)


def sailing_boat(p: Pen, t: Tones) -> None:
    p.rect(0.485, 0.02, 0.515, 0.84, (110, 78, 52))
    p.poly([(0.47, 0.04), (0.47, 0.74), (0.08, 0.74)], t.light)
    p.poly([(0.53, 0.1), (0.53, 0.74), (0.9, 0.74)], t.main)
    p.poly([(0.02, 0.8), (0.98, 0.8), (0.82, 1.0), (0.16, 1.0)], (134, 86, 50))
    p.poly([(0.02, 0.8), (0.98, 0.8), (0.95, 0.845), (0.05, 0.845)], (236, 228, 210))
    p.poly([(0.47, 0.04), (0.47, 0.74), (0.26, 0.74)], t.main)


def ship(p: Pen, t: Tones) -> None:
    p.rect(0.24, 0.46, 0.8, 0.7, (244, 244, 240), 0.02)
    p.rect(0.32, 0.3, 0.68, 0.47, (232, 232, 230), 0.02)
    for i in range(6):
        p.window(0.28 + i * 0.085, 0.53, 0.325 + i * 0.085, 0.61)
    for x in (0.38, 0.52):
        p.rect(x, 0.06, x + 0.09, 0.31, t.main)
        p.rect(x, 0.06, x + 0.09, 0.13, (40, 40, 46))
    p.poly([(0.0, 0.66), (1.0, 0.66), (0.9, 1.0), (0.08, 1.0)], t.main)
    p.poly([(0.05, 0.88), (0.935, 0.88), (0.9, 1.0), (0.08, 1.0)], t.dark)
    for i in range(7):
        p.disc(0.16 + i * 0.11, 0.78, 0.03, (230, 236, 240))


def rowing_boat(p: Pen, t: Tones) -> None:
    p.line([(0.34, 0.2), (0.16, 0.95)], 0.07, (150, 104, 62))
    p.poly(
        [(0.0, 0.3), (0.2, 0.46), (0.8, 0.46), (1.0, 0.26), (0.86, 0.9), (0.76, 1.0), (0.22, 1.0), (0.12, 0.9)], t.main
    )
    p.poly([(0.03, 0.45), (0.2, 0.6), (0.8, 0.6), (0.965, 0.42), (0.8, 0.72), (0.2, 0.72)], t.light)
    p.line([(0.62, 0.2), (0.8, 0.98)], 0.07, (170, 120, 72))


def airplane(p: Pen, t: Tones) -> None:
    p.poly([(0.5, 0.52), (0.34, 0.1), (0.43, 0.1), (0.66, 0.5)], t.dark)
    p.poly([(0.02, 0.06), (0.12, 0.06), (0.26, 0.46), (0.06, 0.46)], t.main)
    p.poly([(0.03, 0.44), (0.7, 0.36), (0.9, 0.4), (0.99, 0.52), (0.9, 0.64), (0.3, 0.66), (0.1, 0.56)], t.main)
    p.poly([(0.16, 0.58), (0.3, 0.66), (0.9, 0.64), (0.96, 0.58)], t.dark)
    for i in range(6):
        p.disc(0.3 + i * 0.085, 0.48, 0.035, (230, 240, 250))
    p.poly([(0.84, 0.41), (0.92, 0.42), (0.95, 0.48), (0.85, 0.48)], (60, 84, 120))
    p.poly([(0.44, 0.58), (0.66, 0.56), (0.4, 0.98), (0.29, 0.98)], t.light)


def helicopter(p: Pen, t: Tones) -> None:
    p.poly([(0.0, 0.32), (0.07, 0.26), (0.12, 0.4), (0.5, 0.44), (0.5, 0.6), (0.06, 0.46)], t.dark)
    p.oval(0.64, 0.55, 0.26, 0.27, t.main)
    p.pie(0.7, 0.52, 0.19, 0.19, -90, 30, (196, 226, 242))
    p.rect(0.61, 0.14, 0.65, 0.3, STEEL)
    p.rect(0.26, 0.1, 1.0, 0.15, (70, 74, 82))
    p.line([(0.45, 0.92), (0.85, 0.92)], 0.05, STEEL)
    p.line([(0.55, 0.78), (0.53, 0.92)], 0.04, STEEL)
    p.line([(0.74, 0.78), (0.76, 0.92)], 0.04, STEEL)
    p.ring(0.05, 0.3, 0.13, 0.03, STEEL)


def balloon(p: Pen, t: Tones) -> None:
    p.line([(0.3, 0.62), (0.42, 0.86)], 0.012, (90, 70, 56))
    p.line([(0.7, 0.62), (0.58, 0.86)], 0.012, (90, 70, 56))
    p.poly([(0.06, 0.46), (0.94, 0.46), (0.6, 0.78), (0.4, 0.78)], t.main)
    p.oval(0.5, 0.36, 0.48, 0.36, t.main)
    p.oval(0.5, 0.36, 0.3, 0.36, t.light)
    p.poly([(0.21, 0.46), (0.79, 0.46), (0.56, 0.78), (0.44, 0.78)], t.light)
    p.oval(0.5, 0.36, 0.12, 0.36, t.main)
    p.poly([(0.385, 0.46), (0.615, 0.46), (0.53, 0.78), (0.47, 0.78)], t.main)
    p.rect(0.4, 0.85, 0.6, 0.99, (140, 94, 52), 0.02)
    p.rect(0.39, 0.85, 0.61, 0.89, (104, 66, 36))


def rocket(p: Pen, t: Tones) -> None:
    p.poly([(0.36, 0.76), (0.64, 0.76), (0.5, 1.0)], (255, 150, 40, 255))
    p.poly([(0.43, 0.76), (0.57, 0.76), (0.5, 0.92)], (255, 232, 130, 255))
    p.poly([(0.3, 0.5), (0.02, 0.82), (0.3, 0.76)], t.dark)
    p.poly([(0.7, 0.5), (0.98, 0.82), (0.7, 0.76)], t.dark)
    p.poly([(0.26, 0.36), (0.36, 0.14), (0.5, 0.0), (0.64, 0.14), (0.74, 0.36), (0.68, 0.78), (0.32, 0.78)], t.main)
    p.poly([(0.33, 0.2), (0.36, 0.14), (0.5, 0.0), (0.64, 0.14), (0.67, 0.2)], t.dark)
    p.oval(0.5, 0.38, 0.15, 0.075, (240, 240, 244))
    p.oval(0.5, 0.38, 0.11, 0.055, (110, 180, 230))


PAINTED = tuple(COLOURS)
KINDS = [
    Kind("car", car, "land", 1.95, also=("automobile",)),
    Kind("bus", bus, "land", 2.1, also=("coach",)),
    Kind("truck", truck, "land", 1.9, also=("lorry",)),
    Kind("train", train, "land", 3.0, also=("steam train",), crowd=1),
    Kind("bicycle", bicycle, "land", 1.55, also=("bike",)),
    Kind("tractor", tractor, "land", 1.4, crowd=3),
    Kind("sailing boat", sailing_boat, "water", 0.95, also=("sailboat", "yacht")),
    Kind("ship", ship, "water", 1.9, also=("steamship",), crowd=3),
    Kind("rowing boat", rowing_boat, "water", 2.4, PAINTED, also=("rowboat",)),
    Kind("airplane", airplane, "sky", 1.7, also=("plane", "aircraft")),
    Kind("helicopter", helicopter, "sky", 1.6),
    Kind("hot air balloon", balloon, "sky", 0.74),
    Kind("rocket", rocket, "sky", 0.5, ANY),
]
