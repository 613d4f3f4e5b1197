"""Draws birds, sea animals and small creatures, facing right; the pen mirrors some."""

from __future__ import annotations

from math import cos, pi, sin

from train.scenes.canvas import Pen
from train.scenes.kinds import Kind
from train.scenes.palette import Tones

BEAK, DARK = (246, 160, 40), (30, 28, 34)


def bird(p: Pen, t: Tones) -> None:
    p.poly([(0.3, 0.54), (0.0, 0.44), (0.04, 0.66)], t.dark)
    p.poly([(0.52, 0.5), (0.22, 0.04), (0.5, 0.1), (0.7, 0.46)], t.dark)
    p.oval(0.5, 0.56, 0.28, 0.19, t.main)
    p.disc(0.78, 0.42, 0.16, t.main)
    p.poly([(0.88, 0.36), (1.0, 0.45), (0.87, 0.5)], BEAK)
    p.poly([(0.32, 0.5), (0.66, 0.5), (0.44, 0.98), (0.24, 0.9)], t.light)
    p.eye(0.81, 0.38, 0.035, t)


def duck(p: Pen, t: Tones) -> None:
    p.poly([(0.02, 0.44), (0.2, 0.56), (0.76, 0.54), (0.8, 0.74), (0.68, 0.96), (0.24, 0.98), (0.08, 0.78)], t.main)
    p.poly([(0.58, 0.62), (0.62, 0.28), (0.82, 0.3), (0.8, 0.7)], t.main)
    p.disc(0.72, 0.24, 0.2, t.main)
    p.poly([(0.85, 0.2), (1.0, 0.28), (0.85, 0.34)], BEAK)
    p.oval(0.4, 0.72, 0.22, 0.14, t.dark)
    p.eye(0.77, 0.2, 0.035, t)


def penguin(p: Pen, t: Tones) -> None:
    p.oval(0.36, 0.97, 0.16, 0.03, BEAK)
    p.oval(0.66, 0.97, 0.16, 0.03, BEAK)
    p.oval(0.5, 0.6, 0.38, 0.37, (40, 42, 54))
    p.oval(0.5, 0.2, 0.28, 0.19, (40, 42, 54))
    p.poly([(0.14, 0.46), (0.0, 0.74), (0.2, 0.66)], (40, 42, 54))
    p.poly([(0.86, 0.46), (1.0, 0.74), (0.8, 0.66)], (40, 42, 54))
    p.oval(0.52, 0.64, 0.26, 0.31, (250, 250, 246))
    p.oval(0.4, 0.19, 0.1, 0.08, (250, 250, 246))
    p.oval(0.62, 0.19, 0.1, 0.08, (250, 250, 246))
    p.disc(0.42, 0.19, 0.025, DARK)
    p.disc(0.6, 0.19, 0.025, DARK)
    p.poly([(0.42, 0.25), (0.62, 0.25), (0.52, 0.32)], BEAK)


def fish(p: Pen, t: Tones) -> None:
    p.poly([(0.3, 0.5), (0.0, 0.16), (0.06, 0.5), (0.0, 0.84)], t.dark)
    p.poly([(0.4, 0.26), (0.56, 0.0), (0.72, 0.24)], t.dark)
    p.oval(0.6, 0.5, 0.38, 0.34, t.main)
    for x in (0.44, 0.6):
        p.oval(x, 0.5, 0.045, 0.27, t.light)
    p.poly([(0.52, 0.56), (0.38, 0.82), (0.64, 0.64)], t.dark)
    p.disc(0.82, 0.4, 0.085, (250, 250, 250))
    p.disc(0.835, 0.4, 0.045, DARK)


def whale(p: Pen, t: Tones) -> None:
    p.poly([(0.16, 0.62), (0.02, 0.3), (0.12, 0.34), (0.18, 0.24), (0.28, 0.5)], t.main)
    p.pie(0.58, 0.86, 0.42, 0.5, 180, 360, t.main)
    p.poly([(0.16, 0.5), (0.4, 0.5), (0.4, 0.98), (0.24, 0.94), (0.1, 0.7)], t.main)
    p.rect(0.24, 0.84, 1.0, 1.0, t.light, 0.08)
    p.line([(0.66, 0.36), (0.64, 0.16), (0.54, 0.08)], 0.03, (210, 236, 250))
    p.line([(0.66, 0.36), (0.68, 0.16), (0.78, 0.08)], 0.03, (210, 236, 250))
    p.eye(0.84, 0.68, 0.035, t)


def turtle(p: Pen, t: Tones) -> None:
    skin = (126, 168, 92)
    p.oval(0.87, 0.5, 0.12, 0.2, skin)
    p.oval(0.26, 0.88, 0.1, 0.12, skin)
    p.oval(0.64, 0.88, 0.1, 0.12, skin)
    p.poly([(0.1, 0.78), (0.0, 0.9), (0.14, 0.88)], skin)
    p.pie(0.45, 0.82, 0.38, 0.74, 180, 360, t.main)
    p.rect(0.06, 0.76, 0.84, 0.86, t.light, 0.05)
    for x, y in ((0.45, 0.34), (0.28, 0.56), (0.62, 0.56)):
        p.oval(x, y, 0.085, 0.13, t.dark)
    p.disc(0.91, 0.45, 0.045, DARK)


def butterfly(p: Pen, t: Tones) -> None:
    for s in (-1, 1):
        p.oval(0.5 + s * 0.26, 0.32, 0.23, 0.29, t.main)
        p.oval(0.5 + s * 0.2, 0.74, 0.17, 0.22, t.dark)
        p.oval(0.5 + s * 0.28, 0.3, 0.1, 0.13, t.light)
        p.disc(0.5 + s * 0.2, 0.76, 0.06, t.light)
        p.line([(0.5, 0.22), (0.5 + s * 0.12, 0.02)], 0.02, DARK)
    p.oval(0.5, 0.52, 0.045, 0.36, (50, 40, 44))


def snail(p: Pen, t: Tones) -> None:
    p.rect(0.04, 0.84, 0.92, 1.0, (214, 186, 140), 0.08)
    p.line([(0.84, 0.92), (0.9, 0.5)], 0.14, (214, 186, 140))
    p.line([(0.88, 0.5), (0.84, 0.24)], 0.035, (190, 160, 116))
    p.line([(0.92, 0.5), (0.98, 0.26)], 0.035, (190, 160, 116))
    p.disc(0.42, 0.5, 0.42, t.main)
    p.ring(0.42, 0.5, 0.29, 0.06, t.dark)
    p.ring(0.42, 0.5, 0.14, 0.06, t.dark)


def frog(p: Pen, t: Tones) -> None:
    p.oval(0.5, 0.72, 0.36, 0.26, t.main)
    for x in (0.14, 0.86):
        p.oval(x, 0.78, 0.14, 0.17, t.dark)
        p.oval(x, 0.95, 0.16, 0.05, t.main)
    for x in (0.3, 0.7):
        p.disc(x, 0.22, 0.17, t.main)
        p.disc(x, 0.2, 0.11, (250, 250, 240))
        p.disc(x, 0.2, 0.055, DARK)
    p.oval(0.5, 0.44, 0.36, 0.24, t.main)
    p.pie(0.5, 0.46, 0.26, 0.16, 10, 170, t.dark)
    p.oval(0.5, 0.8, 0.2, 0.16, t.light)


def owl(p: Pen, t: Tones) -> None:
    p.oval(0.5, 0.64, 0.4, 0.35, t.main)
    p.poly([(0.14, 0.04), (0.4, 0.14), (0.16, 0.34)], t.main)
    p.poly([(0.86, 0.04), (0.6, 0.14), (0.84, 0.34)], t.main)
    p.oval(0.5, 0.3, 0.4, 0.24, t.main)
    p.oval(0.5, 0.7, 0.25, 0.24, t.light)
    p.oval(0.13, 0.64, 0.12, 0.24, t.dark)
    p.oval(0.87, 0.64, 0.12, 0.24, t.dark)
    for x in (0.32, 0.68):
        p.disc(x, 0.29, 0.12, (250, 248, 236))
        p.disc(x, 0.29, 0.075, (246, 190, 40))
        p.disc(x, 0.29, 0.045, DARK)
        p.oval(x, 0.97, 0.1, 0.03, BEAK)
    p.poly([(0.43, 0.36), (0.57, 0.36), (0.5, 0.47)], BEAK)


def hen(p: Pen, t: Tones) -> None:
    p.line([(0.44, 0.8), (0.44, 0.98), (0.54, 0.98)], 0.03, BEAK)
    p.line([(0.58, 0.8), (0.58, 0.98), (0.68, 0.98)], 0.03, BEAK)
    p.poly([(0.02, 0.26), (0.14, 0.2), (0.36, 0.5), (0.26, 0.72)], t.dark)
    p.oval(0.46, 0.62, 0.34, 0.25, t.main)
    p.poly([(0.56, 0.56), (0.64, 0.2), (0.84, 0.24), (0.8, 0.62)], t.main)
    for x in (0.66, 0.73, 0.8):
        p.disc(x, 0.09, 0.055, (214, 36, 40))
    p.disc(0.75, 0.22, 0.13, t.main)
    p.poly([(0.84, 0.18), (0.98, 0.24), (0.84, 0.3)], BEAK)
    p.oval(0.84, 0.36, 0.035, 0.06, (214, 36, 40))
    p.oval(0.4, 0.6, 0.18, 0.13, t.dark)
    p.eye(0.78, 0.19, 0.025, t)


def bee(p: Pen, t: Tones) -> None:
    p.oval(0.42, 0.24, 0.15, 0.23, (226, 240, 250))
    p.oval(0.6, 0.22, 0.13, 0.22, (206, 226, 242))
    p.poly([(0.1, 0.6), (0.0, 0.66), (0.12, 0.7)], DARK)
    p.oval(0.46, 0.64, 0.38, 0.32, t.main)
    for x, r in ((0.28, 0.25), (0.46, 0.31), (0.64, 0.27)):
        p.oval(x, 0.64, 0.05, r, DARK)
    p.disc(0.86, 0.58, 0.17, (60, 50, 44))
    p.disc(0.9, 0.54, 0.05, (250, 250, 250))
    p.line([(0.88, 0.42), (0.94, 0.24)], 0.03, DARK)


def ladybird(p: Pen, t: Tones) -> None:
    for x in (0.22, 0.44, 0.64):
        p.line([(x, 0.7), (x - 0.04, 0.98)], 0.05, DARK)
    p.oval(0.85, 0.62, 0.14, 0.24, DARK)
    p.pie(0.45, 0.84, 0.44, 0.8, 180, 360, t.main)
    p.rect(0.02, 0.8, 0.9, 0.86, DARK, 0.03)
    for x, y in ((0.22, 0.58), (0.42, 0.3), (0.46, 0.62), (0.68, 0.5)):
        p.disc(x, y, 0.085, DARK)
    p.disc(0.91, 0.54, 0.05, (250, 250, 250))
    p.line([(0.92, 0.42), (0.99, 0.22)], 0.03, DARK)


def crab(p: Pen, t: Tones) -> None:
    for s in (-1, 1):
        for k in range(3):
            p.line(
                [(0.5 + s * 0.2, 0.7), (0.5 + s * (0.34 + 0.04 * k), 0.62 + 0.1 * k), (0.5 + s * 0.4, 0.82 + 0.07 * k)],
                0.045,
                t.dark,
            )
        p.line([(0.5 + s * 0.2, 0.55), (0.5 + s * 0.36, 0.4)], 0.08, t.main)
        p.pie(0.5 + s * 0.37, 0.24, 0.13, 0.2, -60, 240, t.main)
        p.line([(0.5 + s * 0.08, 0.45), (0.5 + s * 0.09, 0.26)], 0.03, t.dark)
        p.disc(0.5 + s * 0.09, 0.23, 0.055, (250, 250, 250))
        p.disc(0.5 + s * 0.09, 0.23, 0.028, DARK)
    p.oval(0.5, 0.66, 0.29, 0.25, t.main)
    p.pie(0.5, 0.7, 0.12, 0.11, 10, 170, t.dark)


def octopus(p: Pen, t: Tones) -> None:
    for i, x in enumerate((0.14, 0.29, 0.43, 0.57, 0.71, 0.86)):
        out = (x - 0.5) * 0.35
        p.line(
            [(0.5 + (x - 0.5) * 0.7, 0.5), (x, 0.72), (x + out, 0.84), (x + out * 0.3, 0.96)],
            0.09,
            t.dark if i % 2 else t.main,
        )
    p.oval(0.5, 0.34, 0.33, 0.34, t.main)
    p.oval(0.36, 0.2, 0.08, 0.08, t.light)
    for x in (0.39, 0.61):
        p.disc(x, 0.4, 0.075, (250, 250, 250))
        p.disc(x, 0.41, 0.04, DARK)


def starfish(p: Pen, t: Tones) -> None:
    points = []
    for k in range(10):
        r = 0.5 if k % 2 == 0 else 0.22
        a = k * pi / 5 - pi / 2
        points.append((0.5 + r * cos(a), 0.53 + r * 1.04 * sin(a)))
    p.poly(points, t.main)
    for k in range(0, 10, 2):
        a = k * pi / 5 - pi / 2
        for r in (0.12, 0.24, 0.35):
            p.disc(0.5 + r * cos(a), 0.53 + r * sin(a), 0.026, t.light)


FEATHER = ("red", "blue", "yellow", "white", "black", "green", "purple")
KINDS = [
    Kind("bird", bird, "sky", 1.2, FEATHER),
    Kind("duck", duck, "water", 1.15, ("yellow", "white", "brown", "green"), also=("duckling",)),
    Kind("penguin", penguin, "land", 0.62, (), (40, 42, 54)),
    Kind("fish", fish, "deep", 1.5),
    Kind("whale", whale, "water", 1.6, ("blue", "grey", "teal"), crowd=2),
    Kind("turtle", turtle, "land", 1.6, ("green", "brown", "purple"), also=("tortoise",)),
    Kind("butterfly", butterfly, "sky", 1.15, ("orange", "blue", "yellow", "purple", "red", "pink", "white")),
    Kind("snail", snail, "land", 1.25, ("brown", "orange", "pink", "purple"), still=True),
    Kind("frog", frog, "land", 1.1, ("green", "orange", "blue", "brown")),
    Kind("owl", owl, "land", 0.72, ("brown", "white", "grey", "purple")),
    Kind("hen", hen, "land", 1.05, ("white", "brown", "black", "orange"), also=("chicken",)),
    Kind("bee", bee, "sky", 1.25, (), (250, 204, 50), also=("honey bee",)),
    Kind("ladybird", ladybird, "land", 1.3, ("red", "orange", "yellow"), also=("ladybug",)),
    Kind("crab", crab, "land", 1.25, ("red", "orange", "blue")),
    Kind("octopus", octopus, "deep", 0.95, ("purple", "pink", "orange", "red"), crowd=2),
    Kind("starfish", starfish, "land", 1.0, ("orange", "pink", "red", "purple")),
]
