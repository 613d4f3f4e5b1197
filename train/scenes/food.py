"""Draws fruit, cakes and other food."""

from __future__ import annotations

from train.scenes.canvas import Pen
from train.scenes.kinds import Kind
from train.scenes.palette import Tones

LEAF, STEM = (74, 154, 70), (96, 66, 40)


def apple(p: Pen, t: Tones) -> None:
    p.line([(0.5, 0.24), (0.56, 0.02)], 0.05, STEM)
    p.poly([(0.56, 0.16), (0.74, 0.0), (0.9, 0.08), (0.74, 0.2)], LEAF)
    p.oval(0.34, 0.58, 0.32, 0.38, t.main)
    p.oval(0.66, 0.58, 0.32, 0.38, t.main)
    p.oval(0.5, 0.7, 0.36, 0.3, t.main)
    p.oval(0.27, 0.46, 0.08, 0.12, t.light)


def pear(p: Pen, t: Tones) -> None:
    p.line([(0.5, 0.2), (0.56, 0.02)], 0.04, STEM)
    p.oval(0.5, 0.3, 0.24, 0.2, t.main)
    p.poly([(0.27, 0.3), (0.73, 0.3), (0.94, 0.64), (0.06, 0.64)], t.main)
    p.oval(0.5, 0.7, 0.46, 0.3, t.main)
    p.oval(0.28, 0.6, 0.08, 0.12, t.light)


def banana(p: Pen, t: Tones) -> None:
    p.poly(
        [
            (0.04, 0.34),
            (0.2, 0.72),
            (0.5, 0.96),
            (0.82, 0.86),
            (1.0, 0.52),
            (0.8, 0.64),
            (0.52, 0.64),
            (0.28, 0.46),
            (0.12, 0.18),
        ],
        t.main,
    )
    p.poly([(0.04, 0.34), (0.2, 0.72), (0.5, 0.96), (0.82, 0.86), (0.52, 0.82), (0.26, 0.6)], t.dark)
    p.rect(0.03, 0.1, 0.13, 0.32, (110, 84, 40), 0.04)


def pumpkin(p: Pen, t: Tones) -> None:
    p.line([(0.5, 0.26), (0.56, 0.04)], 0.1, (90, 120, 60))
    for x in (0.2, 0.8):
        p.oval(x, 0.6, 0.2, 0.36, t.dark)
    for x in (0.35, 0.65):
        p.oval(x, 0.6, 0.22, 0.39, t.main)
    p.oval(0.5, 0.6, 0.16, 0.4, t.light)


def orange(p: Pen, t: Tones) -> None:
    p.disc(0.5, 0.52, 0.48, t.main)
    p.pie(0.5, 0.52, 0.48, 0.48, 20, 130, t.dark)
    p.disc(0.47, 0.49, 0.43, t.main)
    p.poly([(0.5, 0.1), (0.66, 0.0), (0.84, 0.06), (0.68, 0.16)], LEAF)
    p.disc(0.34, 0.34, 0.08, t.light)


def lemon(p: Pen, t: Tones) -> None:
    p.poly([(0.0, 0.5), (0.14, 0.34), (0.86, 0.34), (1.0, 0.5), (0.86, 0.66), (0.14, 0.66)], t.main)
    p.oval(0.5, 0.5, 0.42, 0.46, t.main)
    p.oval(0.36, 0.32, 0.12, 0.08, t.light)
    p.pie(0.5, 0.5, 0.42, 0.46, 40, 140, t.dark)
    p.oval(0.5, 0.46, 0.4, 0.41, t.main)
    p.oval(0.36, 0.3, 0.12, 0.07, t.light)


def strawberry(p: Pen, t: Tones) -> None:
    p.poly([(0.04, 0.3), (0.2, 0.16), (0.8, 0.16), (0.96, 0.3), (0.9, 0.56), (0.5, 1.0), (0.1, 0.56)], t.main)
    for x, y in ((0.26, 0.36), (0.5, 0.4), (0.74, 0.36), (0.36, 0.56), (0.62, 0.57), (0.5, 0.76)):
        p.oval(x, y, 0.03, 0.035, (255, 226, 130))
    p.poly(
        [(0.1, 0.16), (0.34, 0.1), (0.5, 0.0), (0.66, 0.1), (0.9, 0.16), (0.68, 0.24), (0.5, 0.34), (0.32, 0.24)], LEAF
    )


def cherries(p: Pen, t: Tones) -> None:
    p.line([(0.26, 0.7), (0.4, 0.3), (0.62, 0.04)], 0.035, LEAF)
    p.line([(0.74, 0.7), (0.66, 0.3), (0.62, 0.04)], 0.035, LEAF)
    p.poly([(0.62, 0.06), (0.84, 0.0), (1.0, 0.16), (0.78, 0.2)], LEAF)
    for x in (0.25, 0.75):
        p.disc(x, 0.75, 0.24, t.main)
        p.disc(x - 0.07, 0.67, 0.06, t.light)


def cake(p: Pen, t: Tones) -> None:
    for x in (0.3, 0.5, 0.7):
        p.rect(x - 0.02, 0.1, x + 0.02, 0.32, (250, 250, 250))
        p.oval(x, 0.07, 0.03, 0.06, (255, 180, 50, 255))
    p.oval(0.5, 0.95, 0.5, 0.05, (226, 230, 236))
    p.rect(0.08, 0.36, 0.92, 0.94, (244, 226, 188), 0.05)
    p.rect(0.08, 0.62, 0.92, 0.74, t.main)
    p.rect(0.06, 0.3, 0.94, 0.48, t.main, 0.06)
    for i in range(6):
        p.oval(0.14 + i * 0.144, 0.48, 0.06, 0.07 + 0.04 * (i % 2), t.main)


def ice_cream(p: Pen, t: Tones) -> None:
    p.poly([(0.12, 0.46), (0.88, 0.46), (0.5, 1.0)], (222, 164, 92))
    for a, b in (
        ((0.3, 0.46), (0.62, 0.83)),
        ((0.54, 0.46), (0.74, 0.66)),
        ((0.7, 0.46), (0.38, 0.83)),
        ((0.46, 0.46), (0.26, 0.66)),
    ):
        p.line([a, b], 0.015, (178, 118, 60))
    p.oval(0.5, 0.28, 0.42, 0.26, t.main)
    for x in (0.18, 0.4, 0.62, 0.82):
        p.oval(x, 0.46, 0.13, 0.065, t.main)
    p.oval(0.34, 0.17, 0.1, 0.06, t.light)


def pizza(p: Pen, t: Tones) -> None:
    p.oval(0.5, 0.56, 0.5, 0.42, (206, 146, 76))
    p.oval(0.5, 0.53, 0.44, 0.36, t.main)
    for x, y in ((0.3, 0.42), (0.56, 0.34), (0.72, 0.52), (0.46, 0.6), (0.28, 0.66), (0.62, 0.74)):
        p.oval(x, y, 0.075, 0.065, (204, 56, 44))
    for x, y in ((0.42, 0.44), (0.6, 0.6), (0.36, 0.78)):
        p.oval(x, y, 0.035, 0.02, (70, 140, 60))


FRUIT = ("red", "green", "yellow")
CREAM = ("pink", "white", "brown", "yellow", "green", "blue")
KINDS = [
    Kind("apple", apple, "table", 1.0, FRUIT, still=True),
    Kind("pear", pear, "table", 0.75, ("green", "yellow"), still=True),
    Kind("banana", banana, "table", 1.4, (), (252, 216, 60), still=True),
    Kind("pumpkin", pumpkin, "table", 1.15, ("orange",), still=True),
    Kind("orange", orange, "table", 1.0, (), (250, 146, 30), still=True),
    Kind("lemon", lemon, "table", 1.25, (), (252, 222, 64), still=True),
    Kind("strawberry", strawberry, "table", 0.85, (), (222, 40, 56), still=True),
    Kind(
        "pair of cherries", cherries, "table", 0.95, (), (190, 24, 48), also=("bunch of cherries",), still=True, crowd=1
    ),
    Kind("cake", cake, "table", 1.1, CREAM, also=("birthday cake",), still=True, crowd=1),
    Kind("ice cream cone", ice_cream, "table", 0.58, CREAM, also=("ice cream",), still=True),
    Kind("pizza", pizza, "table", 1.2, (), (250, 206, 96), still=True, crowd=2),
]
