"""Draws four-legged animals, facing right; the pen mirrors some."""

from __future__ import annotations

from train.scenes.canvas import Pen
from train.scenes.kinds import Kind
from train.scenes.palette import RGB, Tones

PINK, HOOF, BEAK, DARK = (240, 160, 160), (60, 48, 44), (246, 160, 40), (30, 28, 34)


def legs(p: Pen, xs: tuple[float, ...], top: float, width: float, near: RGB, far: RGB) -> None:
    """Straight legs down to the ground; every second one is on the far side."""
    for i, x in enumerate(xs):
        p.rect(x, top, x + width, 1.0, far if i % 2 else near, 0.02)


def cat(p: Pen, t: Tones) -> None:
    p.line([(0.2, 0.9), (0.04, 0.74), (0.1, 0.48)], 0.08, t.dark)
    p.oval(0.46, 0.74, 0.3, 0.26, t.main)
    p.oval(0.56, 0.62, 0.2, 0.26, t.main)
    p.rect(0.5, 0.7, 0.6, 1.0, t.main, 0.04)
    p.rect(0.64, 0.7, 0.74, 1.0, t.dark, 0.04)
    p.poly([(0.4, 0.28), (0.42, 0.0), (0.6, 0.14)], t.main)
    p.poly([(0.92, 0.28), (0.9, 0.0), (0.72, 0.14)], t.main)
    p.poly([(0.45, 0.2), (0.46, 0.07), (0.55, 0.14)], PINK)
    p.poly([(0.87, 0.2), (0.86, 0.07), (0.77, 0.14)], PINK)
    p.oval(0.66, 0.3, 0.27, 0.21, t.main)
    p.oval(0.56, 0.27, 0.045, 0.05, (180, 220, 90))
    p.oval(0.77, 0.27, 0.045, 0.05, (180, 220, 90))
    p.oval(0.56, 0.27, 0.018, 0.045, DARK)
    p.oval(0.77, 0.27, 0.018, 0.045, DARK)
    p.poly([(0.63, 0.34), (0.7, 0.34), (0.665, 0.385)], PINK)
    for y in (0.36, 0.41):
        p.line([(0.58, y), (0.36, y + 0.01)], 0.01, t.light if t.name == "black" else DARK)
        p.line([(0.75, y), (0.97, y + 0.01)], 0.01, t.light if t.name == "black" else DARK)


def dog(p: Pen, t: Tones) -> None:
    p.line([(0.14, 0.48), (0.03, 0.22)], 0.1, t.main)
    legs(p, (0.14, 0.24, 0.56, 0.64), 0.6, 0.085, t.main, t.dark)
    p.rect(0.1, 0.4, 0.72, 0.74, t.main, 0.16)
    p.poly([(0.56, 0.46), (0.66, 0.2), (0.84, 0.3), (0.72, 0.62)], t.main)
    p.oval(0.76, 0.26, 0.14, 0.18, t.main)
    p.rect(0.78, 0.24, 0.99, 0.4, t.light, 0.07)
    p.oval(0.97, 0.27, 0.03, 0.045, DARK)
    p.poly([(0.62, 0.1), (0.72, 0.12), (0.7, 0.44), (0.58, 0.4)], t.dark)
    p.eye(0.81, 0.2, 0.03, t)
    p.line([(0.62, 0.5), (0.74, 0.53)], 0.06, (210, 40, 40) if t.name != "red" else (40, 90, 200))


def horse(p: Pen, t: Tones) -> None:
    p.poly([(0.1, 0.4), (0.0, 0.5), (0.02, 0.8), (0.12, 0.56)], t.dark)
    legs(p, (0.13, 0.22, 0.55, 0.63), 0.54, 0.06, t.main, t.dark)
    for x in (0.13, 0.22, 0.55, 0.63):
        p.rect(x, 0.95, x + 0.06, 1.0, HOOF)
    p.oval(0.39, 0.5, 0.31, 0.17, t.main)
    p.poly([(0.52, 0.46), (0.7, 0.12), (0.84, 0.16), (0.7, 0.58)], t.main)
    p.poly([(0.7, 0.1), (0.84, 0.08), (1.0, 0.28), (0.95, 0.36), (0.76, 0.28)], t.main)
    p.poly([(0.74, 0.12), (0.77, 0.0), (0.81, 0.1)], t.main)
    p.poly([(0.74, 0.06), (0.64, 0.14), (0.5, 0.42), (0.6, 0.42), (0.74, 0.16)], t.dark)
    p.eye(0.83, 0.16, 0.022, t)


def cow(p: Pen, t: Tones) -> None:
    p.line([(0.05, 0.36), (0.02, 0.7)], 0.03, t.dark)
    p.oval(0.3, 0.72, 0.06, 0.06, PINK)
    legs(p, (0.1, 0.2, 0.54, 0.62), 0.6, 0.075, t.main, t.dark)
    p.rect(0.04, 0.26, 0.74, 0.72, t.main, 0.14)
    spots = (250, 248, 244) if t.name != "white" else (50, 46, 48)
    for x, y, rx, ry in ((0.22, 0.4, 0.1, 0.1), (0.46, 0.54, 0.09, 0.09), (0.6, 0.34, 0.06, 0.06)):
        p.oval(x, y, rx, ry, spots)
    p.line([(0.74, 0.16), (0.7, 0.02)], 0.03, (236, 226, 200))
    p.line([(0.86, 0.16), (0.92, 0.02)], 0.03, (236, 226, 200))
    p.oval(0.69, 0.22, 0.06, 0.05, t.dark)
    p.oval(0.93, 0.22, 0.05, 0.05, t.dark)
    p.poly([(0.7, 0.14), (0.9, 0.14), (0.94, 0.44), (0.74, 0.46)], t.main)
    p.oval(0.84, 0.47, 0.12, 0.1, PINK)
    p.disc(0.8, 0.47, 0.02, DARK)
    p.disc(0.89, 0.47, 0.02, DARK)
    p.eye(0.76, 0.26, 0.025, t)
    p.eye(0.88, 0.26, 0.025, t)


def sheep(p: Pen, t: Tones) -> None:
    face = (56, 50, 52) if t.name != "black" else (214, 196, 178)
    legs(p, (0.2, 0.3, 0.56, 0.66), 0.7, 0.06, face, face)
    for x, y in ((0.2, 0.46), (0.36, 0.34), (0.54, 0.34), (0.68, 0.46), (0.62, 0.62), (0.44, 0.66), (0.24, 0.62)):
        p.disc(x, y, 0.2, t.main)
    p.oval(0.44, 0.5, 0.28, 0.24, t.main)
    for x, y in ((0.3, 0.44), (0.48, 0.38), (0.5, 0.58)):
        p.ring(x, y, 0.09, 0.025, t.dark)
    p.oval(0.84, 0.42, 0.12, 0.18, face)
    p.oval(0.72, 0.36, 0.07, 0.045, face)
    p.disc(0.8, 0.26, 0.1, t.main)
    p.disc(0.87, 0.37, 0.035, (250, 250, 250))
    p.disc(0.875, 0.37, 0.018, DARK)


def pig(p: Pen, t: Tones) -> None:
    legs(p, (0.16, 0.28, 0.54, 0.66), 0.68, 0.09, t.main, t.dark)
    p.ring(0.05, 0.42, 0.07, 0.03, t.dark)
    p.oval(0.42, 0.52, 0.38, 0.32, t.main)
    p.oval(0.76, 0.46, 0.19, 0.26, t.main)
    p.poly([(0.64, 0.26), (0.66, 0.06), (0.78, 0.2)], t.dark)
    p.oval(0.92, 0.52, 0.075, 0.13, t.light)
    p.disc(0.9, 0.52, 0.025, t.dark)
    p.disc(0.945, 0.52, 0.025, t.dark)
    p.eye(0.8, 0.38, 0.035, t)


def elephant(p: Pen, t: Tones) -> None:
    p.line([(0.04, 0.4), (0.01, 0.66)], 0.025, t.dark)
    legs(p, (0.1, 0.24, 0.46, 0.58), 0.6, 0.13, t.main, t.dark)
    p.oval(0.38, 0.44, 0.36, 0.32, t.main)
    p.oval(0.76, 0.34, 0.18, 0.25, t.main)
    p.line([(0.88, 0.4), (0.93, 0.62), (0.92, 0.82), (0.98, 0.86)], 0.11, t.main)
    p.line([(0.84, 0.54), (0.99, 0.6)], 0.04, (250, 246, 232))
    p.oval(0.64, 0.34, 0.14, 0.23, t.dark)
    p.oval(0.64, 0.34, 0.1, 0.17, t.light)
    p.eye(0.84, 0.27, 0.025, t)


def rabbit(p: Pen, t: Tones) -> None:
    p.disc(0.1, 0.72, 0.09, (250, 250, 250) if t.name != "white" else t.dark)
    p.oval(0.4, 0.72, 0.32, 0.26, t.main)
    p.oval(0.3, 0.8, 0.2, 0.18, t.dark)
    p.oval(0.62, 0.16, 0.07, 0.2, t.dark)
    p.oval(0.76, 0.17, 0.075, 0.2, t.main)
    p.oval(0.76, 0.18, 0.035, 0.14, PINK)
    p.oval(0.72, 0.48, 0.21, 0.17, t.main)
    p.eye(0.78, 0.44, 0.035, t)
    p.disc(0.92, 0.5, 0.03, PINK)
    p.oval(0.64, 0.95, 0.14, 0.05, t.main)
    p.oval(0.24, 0.95, 0.18, 0.05, t.main)


def deer(p: Pen, t: Tones) -> None:
    for s in (0, 0.06):
        p.line([(0.74 + s, 0.24), (0.66 + s * 2.4, 0.02)], 0.022, (110, 84, 56))
        p.line([(0.71 + s * 1.6, 0.13), (0.6 + s * 4, 0.1)], 0.018, (110, 84, 56))
    legs(p, (0.16, 0.24, 0.52, 0.6), 0.6, 0.045, t.main, t.dark)
    p.oval(0.38, 0.56, 0.28, 0.14, t.main)
    p.disc(0.1, 0.5, 0.05, (250, 246, 236))
    p.poly([(0.5, 0.52), (0.68, 0.24), (0.8, 0.28), (0.66, 0.6)], t.main)
    p.poly([(0.68, 0.22), (0.82, 0.2), (0.96, 0.32), (0.92, 0.38), (0.74, 0.36)], t.main)
    p.poly([(0.68, 0.24), (0.56, 0.2), (0.66, 0.3)], t.dark)
    for x, y in ((0.26, 0.52), (0.36, 0.5), (0.46, 0.53)):
        p.disc(x, y, 0.018, (250, 240, 222))
    p.eye(0.8, 0.26, 0.02, t)


def giraffe(p: Pen, t: Tones) -> None:
    legs(p, (0.12, 0.22, 0.5, 0.6), 0.6, 0.07, t.main, t.dark)
    p.oval(0.38, 0.56, 0.32, 0.12, t.main)
    p.poly([(0.48, 0.56), (0.66, 0.1), (0.8, 0.12), (0.7, 0.58)], t.main)
    p.poly([(0.64, 0.06), (0.8, 0.04), (1.0, 0.14), (0.96, 0.19), (0.7, 0.17)], t.main)
    p.line([(0.7, 0.06), (0.68, 0.0)], 0.015, (90, 60, 40))
    p.line([(0.76, 0.05), (0.76, 0.0)], 0.015, (90, 60, 40))
    for x, y in (
        (0.2, 0.54),
        (0.34, 0.5),
        (0.44, 0.58),
        (0.3, 0.61),
        (0.58, 0.5),
        (0.62, 0.38),
        (0.66, 0.27),
        (0.72, 0.19),
    ):
        p.oval(x, y, 0.05, 0.026, (150, 92, 44))
    p.eye(0.8, 0.09, 0.014, t)


def camel(p: Pen, t: Tones) -> None:
    legs(p, (0.14, 0.24, 0.52, 0.62), 0.58, 0.06, t.main, t.dark)
    p.pie(0.28, 0.5, 0.14, 0.3, 180, 360, t.main)
    p.pie(0.52, 0.5, 0.14, 0.28, 180, 360, t.main)
    p.oval(0.4, 0.52, 0.32, 0.16, t.main)
    p.line([(0.64, 0.52), (0.8, 0.54), (0.85, 0.26)], 0.13, t.main)
    p.rect(0.78, 0.12, 1.0, 0.3, t.main, 0.08)
    p.line([(0.08, 0.46), (0.05, 0.7)], 0.03, t.dark)
    p.poly([(0.79, 0.16), (0.78, 0.04), (0.85, 0.14)], t.dark)
    p.eye(0.87, 0.18, 0.022, t)


def bear(p: Pen, t: Tones) -> None:
    legs(p, (0.08, 0.22, 0.5, 0.62), 0.6, 0.14, t.main, t.dark)
    p.oval(0.4, 0.48, 0.38, 0.32, t.main)
    for x in (0.7, 0.9):
        p.disc(x, 0.14, 0.08, t.dark)
    p.oval(0.8, 0.32, 0.18, 0.22, t.main)
    p.oval(0.9, 0.4, 0.1, 0.11, t.light)
    p.oval(0.96, 0.36, 0.03, 0.035, DARK)
    p.eye(0.82, 0.26, 0.026, t)


def lion(p: Pen, t: Tones) -> None:
    p.line([(0.08, 0.5), (0.01, 0.3), (0.05, 0.24)], 0.04, t.main)
    p.disc(0.05, 0.22, 0.06, t.dark)
    legs(p, (0.12, 0.22, 0.5, 0.6), 0.6, 0.09, t.main, t.dark)
    p.rect(0.06, 0.4, 0.7, 0.74, t.main, 0.15)
    p.disc(0.76, 0.36, 0.31, (150, 84, 36))
    p.disc(0.78, 0.36, 0.2, t.main)
    p.oval(0.85, 0.44, 0.08, 0.09, t.light)
    p.oval(0.88, 0.4, 0.03, 0.035, DARK)
    p.eye(0.74, 0.32, 0.024, t)
    p.eye(0.84, 0.31, 0.024, t)


def zebra(p: Pen, t: Tones) -> None:
    horse(p, t)
    for x in (0.16, 0.25, 0.34, 0.43, 0.52):
        p.poly([(x, 0.36), (x + 0.035, 0.36), (x + 0.02, 0.64), (x - 0.005, 0.64)], DARK)
    for x, y in ((0.62, 0.34), (0.66, 0.26), (0.7, 0.19)):
        p.line([(x, y), (x + 0.1, y + 0.05)], 0.028, DARK)
    p.poly([(0.74, 0.06), (0.64, 0.14), (0.5, 0.42), (0.58, 0.36), (0.74, 0.14)], DARK)


COAT = ("brown", "black", "white", "grey", "orange")
KINDS = [
    Kind("cat", cat, "land", 0.85, COAT, also=("kitten",)),
    Kind("dog", dog, "land", 1.25, COAT, also=("puppy",)),
    Kind("horse", horse, "land", 1.2, ("brown", "black", "white", "grey"), also=("pony",)),
    Kind("cow", cow, "land", 1.3, ("brown", "black", "white"), also=("dairy cow",)),
    Kind("sheep", sheep, "land", 1.2, ("white", "black", "grey", "brown"), also=("lamb",)),
    Kind("pig", pig, "land", 1.45, (), (244, 158, 166), also=("piglet",)),
    Kind("elephant", elephant, "land", 1.25, ("grey", "pink", "blue"), crowd=3),
    Kind("rabbit", rabbit, "land", 0.9, ("white", "brown", "grey", "black"), also=("bunny",)),
    Kind("deer", deer, "land", 1.05, (), (166, 104, 58), also=("stag",)),
    Kind("giraffe", giraffe, "land", 0.62, (), (240, 196, 96), crowd=3),
    Kind("camel", camel, "land", 1.15, (), (200, 148, 88), crowd=4),
    Kind("bear", bear, "land", 1.3, ("brown", "black", "white"), crowd=3),
    Kind("lion", lion, "land", 1.25, (), (226, 172, 92), crowd=3),
    Kind("zebra", zebra, "land", 1.2, (), (246, 246, 242), crowd=4),
]
