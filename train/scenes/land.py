"""Paints mountains, meadows, seas and streets behind the things.

Each function paints everything below the horizon `h`; `View` carries the colours of the hour and the weather.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sin

from train.scenes.canvas import Canvas
from train.scenes.palette import RGB, Tones, alpha, mix
from train.scenes.plants import palm, pine


@dataclass(frozen=True)
class View:
    """The colours that distance and weather add: `haze` far away, snow on the ground."""

    haze: RGB
    sky: RGB
    snowy: bool
    time: str

    def ground(self, colour: RGB) -> RGB:
        return mix(colour, (240, 244, 250), 0.82) if self.snowy else colour


GRASS, SAND, FOREST = (112, 178, 84), (236, 208, 148), (56, 112, 72)


def lit_gradient(canvas: Canvas, top: float, bottom: float, near: RGB, far: RGB) -> None:
    """A ground that recedes: `far` at the top, `near` at the bottom, under the light of the scene."""
    a, b = canvas.lit(far), canvas.lit(near)
    canvas.gradient(top, bottom, ((a[0], a[1], a[2]), (b[0], b[1], b[2])))


def ridge(canvas: Canvas, base: float, height: float, colour: RGB, waves: float = 1.6, floor: float = 1.0) -> None:
    """A rolling hill line around y = base - height, filled down to `floor`."""
    rng, pen = canvas.rng, canvas.pen()
    a, b, c = (rng.uniform(0, 2 * pi) for _ in range(3))
    points = []
    for i in range(33):
        x = i / 32
        y = sin(x * waves * 2 * pi + a) * 0.5 + sin(x * waves * 4.4 + b) * 0.3 + sin(x * waves * 13 + c) * 0.1
        points.append((x, base - height * (0.55 + 0.5 * y)))
    pen.poly([(0, floor), *points, (1, floor)], colour)


def peaks(canvas: Canvas, base: float, height: float, colour: RGB, cap: RGB | None, count: int) -> None:
    """A row of mountains with a shaded side, and snow on the tops when `cap` is given."""
    rng, pen = canvas.rng, canvas.pen()
    shade = Tones.of(colour).dark
    spots = [(i + rng.uniform(0.2, 0.8)) / count for i in range(count)]
    rng.shuffle(spots)
    for x in spots:
        h, half = height * rng.uniform(0.6, 1.0), rng.uniform(0.2, 0.32)
        top, kink = base - h, rng.uniform(-0.02, 0.03)
        pen.poly(
            [
                (x - half, base),
                (x - half * 0.45, base - h * 0.5),
                (x, top),
                (x + half * 0.5, base - h * 0.46),
                (x + half, base),
            ],
            colour,
        )
        pen.poly(
            [
                (x, top),
                (x + half * 0.5, base - h * 0.46),
                (x + half, base),
                (x + half * 0.2, base),
                (x + kink, base - h * 0.5),
            ],
            shade,
        )
        if cap:
            w = half * 0.3
            pen.poly(
                [
                    (x, top),
                    (x - w * 0.92, top + h * 0.3),
                    (x - w * 0.4, top + h * 0.24),
                    (x, top + h * 0.34),
                    (x + w * 0.4, top + h * 0.25),
                    (x + w, top + h * 0.32),
                ],
                cap,
            )


def tufts(canvas: Canvas, top: float, colour: RGB, count: int = 46) -> None:
    """Blades of grass, larger when nearer."""
    rng, pen = canvas.rng, canvas.pen()
    for _ in range(count):
        y = rng.uniform(top, 1.0)
        s = 0.008 + 0.026 * (y - top) / (1.001 - top)
        x = rng.random()
        pen.poly(
            [(x - s * 0.5, y), (x - s * 0.6, y - s), (x, y - s * 0.3), (x + s * 0.2, y - s * 1.3), (x + s * 0.5, y)],
            colour,
        )


def speckles(canvas: Canvas, top: float, colours: tuple[RGB, ...], count: int, size: float) -> None:
    rng, pen = canvas.rng, canvas.pen()
    for _ in range(count):
        y = rng.uniform(top, 1.0)
        pen.disc(rng.random(), y, size * (0.4 + 0.9 * (y - top) / (1.001 - top)), rng.choice(colours))


def water(canvas: Canvas, view: View, top: float, bottom: float, tone: RGB = (42, 118, 176)) -> None:
    """Water that mirrors the sky far away, with streaks of light."""
    rng, pen = canvas.rng, canvas.pen()
    lit = canvas.lit(tone)
    deep: RGB = (lit[0], lit[1], lit[2])
    canvas.gradient(top, bottom, (mix(deep, view.haze, 0.55), mix(deep, view.haze, 0.2), deep))
    for _ in range(30):
        y = top + (bottom - top) * rng.random() ** 1.3
        near = (y - top) / max(0.05, bottom - top)
        w = rng.uniform(0.02, 0.07) * (0.5 + near)
        x = rng.random()
        pen.oval(x, y, w, 0.0025 + 0.003 * near, alpha(mix(view.haze, (255, 255, 255), 0.4), 0.35))
    if canvas.sun:
        x, tone = canvas.sun
        for i in range(18):
            t = (i + rng.random()) / 18
            w = (0.05 - 0.03 * t) * rng.uniform(0.4, 1.1)
            pen.oval(
                x + rng.uniform(-0.02, 0.02),
                top + (bottom - top) * t * 0.8,
                w,
                0.003 + 0.002 * t,
                alpha(tone, 0.6 - 0.4 * t),
            )


def row_of_pines(canvas: Canvas, base: float, height: float, colour: RGB, count: int) -> None:
    rng, tones = canvas.rng, Tones.of(colour)
    for i in range(count):
        x, h = (i + rng.uniform(0.1, 0.9)) / count, height * rng.uniform(0.7, 1.1)
        pine(canvas.pen((x - h * 0.28, base - h, x + h * 0.28, base + 0.01)), tones)


def meadow(canvas: Canvas, view: View, h: float) -> None:
    ridge(canvas, h + 0.02, 0.08, mix(view.ground((120, 170, 120)), view.haze, 0.5))
    near = view.ground(GRASS)
    lit_gradient(canvas, h, 1, near, mix(view.ground((158, 204, 112)), view.haze, 0.12))
    tufts(canvas, h + 0.06, view.ground((84, 146, 66)))
    if not view.snowy:
        speckles(canvas, h + 0.1, ((250, 246, 236), (250, 222, 100)), 26, 0.006)


def hills(canvas: Canvas, view: View, h: float) -> None:
    for i, green in enumerate(((142, 190, 132), (120, 180, 98), (98, 162, 76))):
        base = h + 0.03 + i * 0.1
        ridge(canvas, base, 0.16 - i * 0.03, mix(view.ground(green), view.haze, 0.5 - i * 0.22), 1.0 + i * 0.3)
    tufts(canvas, h + 0.28, view.ground((80, 142, 62)), 34)


def mountains(canvas: Canvas, view: View, h: float) -> None:
    peaks(canvas, h + 0.03, 0.3, mix((110, 122, 156), view.haze, 0.55), None, 4)
    peaks(canvas, h + 0.04, 0.36, mix((96, 104, 132), view.haze, 0.2), (246, 248, 252), 3)
    ridge(canvas, h + 0.06, 0.06, mix(view.ground((84, 136, 92)), view.haze, 0.2))
    lit_gradient(canvas, h + 0.05, 1, view.ground((104, 166, 80)), view.ground((130, 184, 106)))
    tufts(canvas, h + 0.1, view.ground((78, 138, 62)), 36)


def desert(canvas: Canvas, view: View, h: float) -> None:
    for i, sand in enumerate(((226, 178, 116), (236, 190, 122), (244, 206, 140))):
        ridge(canvas, h + 0.02 + i * 0.12, 0.12, mix(sand, view.haze, 0.4 - i * 0.18), 0.7 + i * 0.25)
    pen, rng = canvas.pen(), canvas.rng
    for _ in range(9):
        x, y = rng.random(), rng.uniform(h + 0.3, 0.98)
        pen.line([(x, y), (x + 0.07, y - 0.008), (x + 0.15, y)], 0.004, (222, 176, 112))


def forest(canvas: Canvas, view: View, h: float) -> None:
    green = mix(FOREST, (225, 235, 240), 0.45) if view.snowy else FOREST
    row_of_pines(canvas, h + 0.03, 0.34, mix(green, view.haze, 0.5), 9)
    row_of_pines(canvas, h + 0.07, 0.42, mix(green, view.haze, 0.18), 7)
    lit_gradient(canvas, h + 0.05, 1, view.ground((96, 142, 70)), view.ground((74, 116, 62)))
    tufts(canvas, h + 0.1, view.ground((62, 110, 52)), 40)


def lake(canvas: Canvas, view: View, h: float) -> None:
    peaks(canvas, h + 0.01, 0.22, mix((104, 118, 150), view.haze, 0.45), (244, 247, 252), 4)
    ridge(canvas, h + 0.03, 0.06, mix(view.ground((74, 122, 86)), view.haze, 0.25))
    water(canvas, view, h + 0.01, 0.86, (54, 126, 170))
    ridge(canvas, 0.87, 0.05, view.ground((104, 160, 78)), 0.8)
    tufts(canvas, 0.88, view.ground((74, 128, 58)), 24)


def river(canvas: Canvas, view: View, h: float) -> None:
    ridge(canvas, h + 0.02, 0.1, mix(view.ground((120, 166, 120)), view.haze, 0.5))
    lit_gradient(canvas, h, 1, view.ground(GRASS), view.ground((150, 198, 110)))
    tufts(canvas, h + 0.06, view.ground((84, 146, 66)), 30)
    pen, rng = canvas.pen(), canvas.rng
    blue = mix((62, 138, 190), view.haze, 0.15)
    bank = view.ground((196, 184, 132))
    bends = [(t, 0.6 + 0.17 * t + 0.03 * sin(t * 6), 0.01 + 0.18 * t**1.3) for t in (i / 15 for i in range(16))]
    for grow, colour in ((0.006, bank), (0.0, blue)):
        left = [(x - w - grow - 0.014 * t, h + (1 - h) * t) for t, x, w in bends]
        right = [(x + w + grow + 0.014 * t, h + (1 - h) * t) for t, x, w in bends]
        pen.poly([*left, *reversed(right)], colour)
    for _ in range(16):
        t, x, w = bends[rng.randrange(5, 16)]
        y = h + (1 - h) * t - 0.01
        pen.oval(x + w * rng.uniform(-0.6, 0.6), y, w * rng.uniform(0.1, 0.3), 0.003, (255, 255, 255, 90))


def sea(canvas: Canvas, view: View, h: float) -> None:
    water(canvas, view, h, 1.0, (24, 104, 168))


def beach(canvas: Canvas, view: View, h: float) -> None:
    water(canvas, view, h, 0.78, (36, 138, 184))
    ridge(canvas, 0.745, 0.03, (250, 250, 250), 0.7)
    ridge(canvas, 0.76, 0.03, view.ground((222, 190, 128)), 0.7)
    ridge(canvas, 0.79, 0.03, view.ground(SAND), 0.7)
    speckles(canvas, 0.8, ((222, 190, 126), (250, 232, 186)), 34, 0.005)


def island(canvas: Canvas, view: View, h: float) -> None:
    water(canvas, view, h, 1.0, (22, 142, 176))
    pen, rng = canvas.pen(), canvas.rng
    pen.oval(0.66, 0.86, 0.4, 0.135, alpha((225, 245, 245), 0.5))
    pen.oval(0.66, 0.85, 0.37, 0.12, view.ground(SAND))
    pen.oval(0.67, 0.82, 0.26, 0.075, view.ground((112, 172, 84)))
    for x, height in ((0.9, 0.4), (0.46, 0.34)):
        palm(canvas.pen((x - 0.16, 0.82 - height, x + 0.16, 0.82), rng.random() < 0.5), Tones.of((58, 150, 76)))


def city(canvas: Canvas, view: View, h: float) -> None:
    pen, rng = canvas.pen(), canvas.rng
    for tone, tall, width, fade in (((120, 130, 156), 0.36, 0.1, 0.5), ((96, 104, 128), 0.27, 0.12, 0.15)):
        x = -0.03
        while x < 1.0:
            w, top = width * rng.uniform(0.7, 1.2), h - tall * rng.uniform(0.45, 1.0)
            pen.rect(x, top, x + w, h + 0.06, mix(tone, view.haze, fade))
            for row in range(int((h - top) / 0.045)):
                for col in range(max(1, int(w / 0.03)) - 1):
                    if rng.random() < 0.55:
                        wx, wy = x + 0.014 + col * 0.03, top + 0.02 + row * 0.045
                        pen.rect(
                            wx, wy, wx + 0.014, wy + 0.02, (255, 214, 120, 230) if canvas.night else (206, 224, 236)
                        )
            x += w + rng.uniform(0, 0.015)
    pen.rect(0, h + 0.03, 1, h + 0.12, view.ground((172, 170, 166)))
    lit_gradient(canvas, h + 0.12, 1, view.ground((96, 98, 106)), view.ground((116, 118, 126)))
    for i in range(5):
        pen.poly(
            [(0.06 + i * 0.22, 0.8), (0.16 + i * 0.22, 0.8), (0.155 + i * 0.22, 0.82), (0.05 + i * 0.22, 0.82)],
            (240, 236, 220),
        )


def road(canvas: Canvas, view: View, h: float) -> None:
    hills(canvas, view, h)
    pen = canvas.pen()
    pen.rect(0, 0.7, 1, 0.98, view.ground((104, 106, 114)))
    pen.rect(0, 0.7, 1, 0.715, (224, 220, 206))
    pen.rect(0, 0.965, 1, 0.98, (224, 220, 206))
    for i in range(6):
        pen.rect(0.03 + i * 0.18, 0.83, 0.13 + i * 0.18, 0.85, (240, 226, 150))


def snowfield(canvas: Canvas, view: View, h: float) -> None:
    ridge(canvas, h + 0.02, 0.12, mix((206, 220, 238), view.haze, 0.4), 1.2)
    row_of_pines(canvas, h + 0.03, 0.12, mix((84, 124, 116), view.haze, 0.4), 12)
    lit_gradient(canvas, h + 0.02, 1, (250, 252, 255), (220, 232, 246))
    ridge(canvas, 0.95, 0.12, (240, 246, 252), 0.6)


def underwater(canvas: Canvas, view: View, h: float) -> None:
    rng = canvas.rng
    canvas.gradient(0, 1, ((110, 214, 232), (36, 136, 196), (16, 72, 140)))
    pen = canvas.pen()
    for _ in range(4):
        x = rng.uniform(0, 0.9)
        pen.poly([(x, 0), (x + 0.1, 0), (x + 0.02, 0.8), (x - 0.2, 0.8)], (255, 255, 255, 26))
    ridge(canvas, 0.92, 0.07, (226, 206, 150), 0.9)
    for _ in range(9):
        x, tall, tone = rng.random(), rng.uniform(0.1, 0.22), rng.choice(((36, 140, 92), (60, 160, 84), (30, 120, 100)))
        sway = rng.uniform(-0.03, 0.03)
        pen.line(
            [(x, 0.96), (x + sway, 0.96 - tall * 0.4), (x - sway, 0.96 - tall * 0.7), (x + sway, 0.96 - tall)],
            0.014,
            tone,
        )
    for _ in range(14):
        pen.ring(rng.random(), rng.random() * 0.85, rng.uniform(0.006, 0.016), 0.003, (235, 250, 255, 190))


def clouds(canvas: Canvas, view: View, h: float) -> None:
    """High above the ground: only far hills at the very bottom."""
    ridge(canvas, 0.97, 0.07, mix(view.ground((120, 170, 120)), view.haze, 0.4))
