"""Draws balls, cups, kites and other small objects."""

from __future__ import annotations

from math import cos, pi, sin

from train.scenes.canvas import Pen
from train.scenes.kinds import ANY, Kind
from train.scenes.palette import Tones

LEAF, STEM = (74, 154, 70), (96, 66, 40)


def kite(p: Pen, t: Tones) -> None:
    p.line([(0.5, 0.62), (0.44, 0.74), (0.54, 0.84), (0.46, 0.98)], 0.02, (110, 90, 90))
    for x, y in ((0.44, 0.74), (0.54, 0.86)):
        p.poly([(x, y), (x - 0.12, y - 0.04), (x - 0.12, y + 0.04)], t.main)
        p.poly([(x, y), (x + 0.12, y - 0.04), (x + 0.12, y + 0.04)], t.main)
    p.poly([(0.5, 0.0), (0.94, 0.28), (0.5, 0.66), (0.06, 0.28)], t.main)
    p.poly([(0.5, 0.0), (0.94, 0.28), (0.5, 0.28)], t.light)
    p.poly([(0.5, 0.66), (0.06, 0.28), (0.5, 0.28)], t.dark)


def umbrella(p: Pen, t: Tones) -> None:
    p.line([(0.5, 0.04), (0.5, 0.9), (0.44, 0.97), (0.36, 0.92)], 0.035, STEM)
    p.pie(0.5, 0.5, 0.5, 0.46, 180, 360, t.main)
    p.pie(0.5, 0.5, 0.17, 0.46, 180, 360, t.light)
    for x in (0.17, 0.5, 0.83):
        p.pie(x, 0.52, 0.165, 0.07, 180, 360, t.dark)


def bench(p: Pen, t: Tones) -> None:
    for y in (0.1, 0.26, 0.42):
        p.rect(0.04, y, 0.96, y + 0.11, t.main, 0.02)
    p.rect(0.0, 0.58, 1.0, 0.7, t.dark, 0.03)
    for x in (0.1, 0.84):
        p.rect(x, 0.1, x + 0.06, 1.0, (64, 64, 70))


def ball(p: Pen, t: Tones) -> None:
    p.disc(0.5, 0.5, 0.5, t.main)
    p.pie(0.5, 0.5, 0.5, 0.5, -30, 30, (250, 250, 250))
    p.pie(0.5, 0.5, 0.5, 0.5, 150, 210, (250, 250, 250) if t.name != "white" else t.dark)
    p.disc(0.5, 0.5, 0.1, t.light)
    p.disc(0.34, 0.28, 0.09, t.light)


def campfire(p: Pen, t: Tones) -> None:
    p.halo(0.5, 0.6, 0.8, (255, 170, 60))
    p.poly(
        [(0.14, 0.8), (0.24, 0.42), (0.36, 0.58), (0.5, 0.02), (0.66, 0.5), (0.78, 0.36), (0.86, 0.8)],
        (240, 90, 30, 255),
    )
    p.poly([(0.28, 0.82), (0.38, 0.54), (0.5, 0.26), (0.62, 0.58), (0.72, 0.82)], (255, 170, 40, 255))
    p.poly([(0.4, 0.84), (0.5, 0.54), (0.6, 0.84)], (255, 236, 140, 255))
    p.line([(0.1, 0.96), (0.9, 0.8)], 0.1, (110, 70, 42))
    p.line([(0.1, 0.8), (0.9, 0.96)], 0.1, (134, 88, 54))


def cup(p: Pen, t: Tones) -> None:
    p.ring(0.8, 0.56, 0.21, 0.075, t.dark)
    p.poly([(0.06, 0.24), (0.78, 0.24), (0.7, 0.94), (0.14, 0.94)], t.main)
    p.oval(0.42, 0.94, 0.28, 0.05, t.main)
    p.oval(0.42, 0.24, 0.36, 0.1, t.light)
    p.oval(0.42, 0.25, 0.3, 0.07, (92, 56, 36))
    for x in (0.32, 0.5):
        p.line([(x, 0.14), (x + 0.04, 0.08), (x, 0.02)], 0.025, (250, 250, 250, 130))


def teapot(p: Pen, t: Tones) -> None:
    p.ring(0.17, 0.56, 0.24, 0.075, t.dark)
    p.poly([(0.7, 0.62), (0.9, 0.28), (1.0, 0.3), (0.78, 0.86)], t.main)
    p.oval(0.48, 0.62, 0.33, 0.38, t.main)
    p.oval(0.48, 0.3, 0.2, 0.09, t.dark)
    p.disc(0.48, 0.16, 0.09, t.main)
    p.oval(0.36, 0.5, 0.06, 0.12, t.light)


def bottle(p: Pen, t: Tones) -> None:
    p.rect(0.36, 0.0, 0.64, 0.1, (170, 124, 80))
    p.rect(0.36, 0.08, 0.64, 0.4, t.main)
    p.rect(0.1, 0.3, 0.9, 1.0, t.main, 0.1)
    p.rect(0.1, 0.52, 0.9, 0.8, (246, 240, 222))
    p.rect(0.2, 0.36, 0.28, 0.96, t.light, 0.02)


def book(p: Pen, t: Tones) -> None:
    p.poly([(0.0, 0.06), (0.5, 0.16), (1.0, 0.06), (1.0, 0.9), (0.5, 1.0), (0.0, 0.9)], t.main)
    p.poly([(0.5, 0.16), (0.53, 0.154), (0.53, 0.994), (0.5, 1.0), (0.47, 0.994), (0.47, 0.154)], t.dark)
    p.poly([(0.09, 0.1), (0.3, 0.04), (0.5, 0.18), (0.5, 0.86), (0.3, 0.72), (0.09, 0.78)], (250, 246, 232))
    p.poly([(0.91, 0.1), (0.7, 0.04), (0.5, 0.18), (0.5, 0.86), (0.7, 0.72), (0.91, 0.78)], (236, 230, 212))
    for i in range(5):
        p.line([(0.15, 0.22 + i * 0.1), (0.43, 0.27 + i * 0.1)], 0.015, (150, 146, 140))
        p.line([(0.57, 0.27 + i * 0.1), (0.85, 0.22 + i * 0.1)], 0.015, (150, 146, 140))


def candle(p: Pen, t: Tones) -> None:
    p.halo(0.5, 0.2, 0.3, (255, 200, 90))
    p.rect(0.25, 0.34, 0.75, 1.0, t.main, 0.04)
    p.rect(0.25, 0.34, 0.4, 1.0, t.light, 0.04)
    p.line([(0.5, 0.36), (0.5, 0.26)], 0.03, (50, 40, 40))
    p.oval(0.5, 0.18, 0.14, 0.11, (255, 160, 40, 255))
    p.oval(0.5, 0.2, 0.07, 0.06, (255, 240, 150, 255))


def chair(p: Pen, t: Tones) -> None:
    p.rect(0.08, 0.0, 0.2, 1.0, t.dark)
    p.rect(0.1, 0.02, 0.3, 0.5, t.main, 0.04)
    p.rect(0.08, 0.5, 0.94, 0.62, t.main, 0.04)
    p.rect(0.8, 0.6, 0.92, 1.0, t.dark)
    p.rect(0.32, 0.6, 0.4, 0.94, t.dark)


def lamp(p: Pen, t: Tones) -> None:
    p.pie(0.5, 0.4, 0.7, 0.5, 50, 130, (255, 226, 140, 60))
    p.rect(0.47, 0.4, 0.53, 0.94, (90, 84, 84))
    p.oval(0.5, 0.95, 0.28, 0.05, (90, 84, 84))
    p.poly([(0.28, 0.02), (0.72, 0.02), (0.98, 0.44), (0.02, 0.44)], t.main)
    p.poly([(0.28, 0.02), (0.44, 0.02), (0.3, 0.44), (0.02, 0.44)], t.light)


def vase(p: Pen, t: Tones) -> None:
    for x, y, tint in ((0.24, 0.18, (250, 206, 60)), (0.5, 0.1, (240, 90, 110)), (0.76, 0.2, (250, 250, 250))):
        p.line([(0.5, 0.54), (x, y)], 0.025, LEAF)
        for k in range(5):
            p.disc(x + 0.1 * cos(k * 1.257), y + 0.06 * sin(k * 1.257), 0.055, tint)
        p.disc(x, y, 0.035, (150, 90, 40))
    p.poly(
        [(0.32, 0.46), (0.68, 0.46), (0.62, 0.58), (0.82, 0.76), (0.66, 1.0), (0.34, 1.0), (0.18, 0.76), (0.38, 0.58)],
        t.main,
    )
    p.oval(0.36, 0.76, 0.06, 0.09, t.light)


def hat(p: Pen, t: Tones) -> None:
    p.oval(0.5, 0.82, 0.5, 0.17, t.dark)
    p.oval(0.5, 0.78, 0.5, 0.16, t.main)
    p.rect(0.24, 0.06, 0.76, 0.8, t.main, 0.2)
    p.rect(0.24, 0.54, 0.76, 0.72, (60, 50, 56) if t.name != "black" else (200, 60, 60))


def gift(p: Pen, t: Tones) -> None:
    ribbon = (250, 220, 90) if t.name not in ("yellow", "orange") else (210, 50, 60)
    p.rect(0.08, 0.36, 0.92, 1.0, t.main)
    p.rect(0.02, 0.26, 0.98, 0.44, t.dark)
    p.rect(0.42, 0.26, 0.58, 1.0, ribbon)
    p.poly([(0.5, 0.26), (0.2, 0.02), (0.16, 0.24)], ribbon)
    p.poly([(0.5, 0.26), (0.8, 0.02), (0.84, 0.24)], ribbon)


def clock(p: Pen, t: Tones) -> None:
    p.disc(0.5, 0.5, 0.5, t.main)
    p.disc(0.5, 0.5, 0.4, (250, 248, 240))
    for k in range(12):
        p.disc(0.5 + 0.33 * cos(k * pi / 6), 0.5 + 0.33 * sin(k * pi / 6), 0.028, (60, 60, 66))
    hour = p.rng.uniform(0, 2 * pi)
    p.line([(0.5, 0.5), (0.5 + 0.18 * cos(hour), 0.5 + 0.18 * sin(hour))], 0.05, (40, 40, 46))
    p.line([(0.5, 0.5), (0.5 + 0.28 * cos(hour * 12), 0.5 + 0.28 * sin(hour * 12))], 0.035, (40, 40, 46))


def guitar(p: Pen, t: Tones) -> None:
    p.rect(0.44, 0.06, 0.56, 0.6, (86, 54, 34))
    p.rect(0.38, 0.0, 0.62, 0.1, (60, 40, 28), 0.02)
    p.oval(0.5, 0.58, 0.34, 0.15, t.main)
    p.oval(0.5, 0.8, 0.48, 0.2, t.main)
    p.disc(0.5, 0.66, 0.075, (44, 30, 24))
    p.rect(0.36, 0.84, 0.64, 0.87, (60, 40, 28))
    p.line([(0.5, 0.08), (0.5, 0.85)], 0.012, (236, 226, 200))


def snowman(p: Pen, t: Tones) -> None:
    p.line([(0.3, 0.5), (0.02, 0.34)], 0.025, STEM)
    p.line([(0.7, 0.5), (0.98, 0.34)], 0.025, STEM)
    for y, r in ((0.8, 0.2), (0.51, 0.16), (0.27, 0.12)):
        p.disc(0.5, y, r + 0.008, (196, 210, 226))
        p.disc(0.48, y - 0.004, r, (248, 250, 252))
    p.rect(0.34, 0.02, 0.66, 0.16, (40, 40, 48))
    p.rect(0.22, 0.15, 0.78, 0.185, (40, 40, 48))
    p.rect(0.32, 0.355, 0.68, 0.4, t.main, 0.02)
    p.rect(0.58, 0.38, 0.68, 0.54, t.main, 0.02)
    p.poly([(0.5, 0.26), (0.8, 0.29), (0.5, 0.3)], (246, 130, 30))
    for x in (0.42, 0.58):
        p.disc(x, 0.235, 0.016, (30, 30, 34))
    for y in (0.48, 0.56):
        p.disc(0.5, y, 0.016, (30, 30, 34))


def balloons(p: Pen, t: Tones) -> None:
    p.line([(0.5, 0.7), (0.46, 0.84), (0.54, 1.0)], 0.012, (120, 120, 126))
    p.oval(0.5, 0.36, 0.48, 0.36, t.main)
    p.poly([(0.42, 0.76), (0.5, 0.68), (0.58, 0.76)], t.dark)
    p.oval(0.32, 0.22, 0.1, 0.09, t.light)


def sofa(p: Pen, t: Tones) -> None:
    p.rect(0.08, 0.06, 0.92, 0.7, t.main, 0.12)
    p.rect(0.12, 0.46, 0.5, 0.68, t.light, 0.06)
    p.rect(0.5, 0.46, 0.88, 0.68, t.light, 0.06)
    p.rect(0.06, 0.64, 0.94, 0.88, t.dark, 0.04)
    p.rect(0.0, 0.34, 0.16, 0.9, t.main, 0.1)
    p.rect(0.84, 0.34, 1.0, 0.9, t.main, 0.1)
    p.rect(0.06, 0.88, 0.12, 1.0, STEM)
    p.rect(0.88, 0.88, 0.94, 1.0, STEM)


def camera(p: Pen, t: Tones) -> None:
    p.rect(0.3, 0.04, 0.62, 0.3, t.dark, 0.06)
    p.rect(0.0, 0.18, 1.0, 1.0, t.main, 0.1)
    p.rect(0.0, 0.34, 1.0, 0.42, t.light)
    p.disc(0.5, 0.6, 0.33, (226, 228, 232))
    p.disc(0.5, 0.6, 0.26, (44, 46, 56))
    p.disc(0.5, 0.6, 0.14, (84, 120, 170))
    p.disc(0.46, 0.53, 0.05, (240, 246, 252))
    p.rect(0.78, 0.22, 0.93, 0.32, (255, 240, 190))


def shirt(p: Pen, t: Tones) -> None:
    p.poly([(0.3, 0.02), (0.0, 0.22), (0.12, 0.46), (0.26, 0.38)], t.dark)
    p.poly([(0.7, 0.02), (1.0, 0.22), (0.88, 0.46), (0.74, 0.38)], t.dark)
    p.poly([(0.3, 0.02), (0.7, 0.02), (0.78, 0.3), (0.76, 1.0), (0.24, 1.0), (0.22, 0.3)], t.main)
    p.pie(0.5, 0.02, 0.14, 0.14, 0, 180, t.dark)


def drum(p: Pen, t: Tones) -> None:
    p.rect(0.04, 0.34, 0.96, 0.84, t.main)
    p.oval(0.5, 0.84, 0.46, 0.15, t.main)
    for i in range(5):
        x = 0.08 + i * 0.21
        p.line([(x, 0.38), (min(0.96, x + 0.1), 0.88)], 0.025, (244, 220, 120) if t.name != "yellow" else t.dark)
    p.oval(0.5, 0.34, 0.46, 0.15, (248, 244, 232))
    p.line([(0.3, 0.3), (0.72, 0.02)], 0.045, (150, 104, 62))
    p.line([(0.66, 0.32), (0.28, 0.04)], 0.045, (170, 120, 72))


KINDS = [
    Kind("kite", kite, "sky", 0.8),
    Kind("umbrella", umbrella, "land", 1.0, also=("parasol",), crowd=4),
    Kind("bench", bench, "land", 1.7, ("brown", "green", "white", "blue", "red"), crowd=2),
    Kind("ball", ball, "land", 1.0, still=True),
    Kind("campfire", campfire, "land", 1.0, (), (240, 120, 40), also=("bonfire",), crowd=1),
    Kind("cup", cup, "table", 1.1, also=("mug", "coffee cup"), still=True),
    Kind("teapot", teapot, "table", 1.35, also=("tea pot",), still=True, crowd=2),
    Kind("bottle", bottle, "table", 0.38, ("green", "blue", "brown", "red", "purple", "teal"), still=True),
    Kind("book", book, "table", 1.5, also=("open book",), still=True, crowd=2),
    Kind("candle", candle, "table", 0.45, ANY, still=True),
    Kind("chair", chair, "land", 0.75, ("brown", "red", "blue", "green", "yellow", "white"), crowd=3),
    Kind(
        "lamp", lamp, "table", 0.7, ("red", "green", "yellow", "blue", "orange", "pink", "white"), still=True, crowd=2
    ),
    Kind("vase of flowers", vase, "table", 0.7, also=("flower vase",), still=True, crowd=1),
    Kind("hat", hat, "table", 1.5, still=True, crowd=3),
    Kind("gift", gift, "table", 1.0, also=("present",), still=True),
    Kind("clock", clock, "table", 1.0, still=True, crowd=2),
    Kind("guitar", guitar, "table", 0.42, ("brown", "red", "blue", "black", "yellow"), crowd=2),
    Kind("snowman", snowman, "land", 0.72, (), (210, 50, 50), crowd=3),
    Kind("party balloon", balloons, "sky", 0.6, also=("toy balloon",)),
    Kind("sofa", sofa, "table", 1.7, also=("couch",), crowd=1),
    Kind("camera", camera, "table", 1.35, ("black", "red", "blue", "teal", "pink", "yellow"), still=True, crowd=2),
    Kind("shirt", shirt, "table", 1.0, also=("t-shirt",), crowd=3),
    Kind("drum", drum, "table", 1.1, still=True, crowd=2),
]
