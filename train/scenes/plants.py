"""Draws trees and flowers."""

from __future__ import annotations

from math import cos, pi, sin

from train.scenes.canvas import Pen
from train.scenes.kinds import Kind
from train.scenes.palette import Tones

BARK, LEAF = (110, 74, 46), (62, 140, 64)


def pine(p: Pen, t: Tones) -> None:
    p.rect(0.44, 0.84, 0.56, 1.0, BARK)
    for top, base, half in ((0.5, 0.88, 0.48), (0.26, 0.64, 0.38), (0.02, 0.4, 0.27)):
        p.poly([(0.5 - half, base), (0.5, top), (0.5 + half, base)], t.main)
        p.poly([(0.5, top), (0.5 + half, base), (0.5 + half * 0.1, base)], t.dark)


def palm(p: Pen, t: Tones) -> None:
    p.poly([(0.36, 1.0), (0.44, 0.6), (0.52, 0.26), (0.57, 0.27), (0.53, 0.62), (0.48, 1.0)], (150, 108, 66))
    for x, y, dip in (
        (0.02, 0.34, 0.05),
        (0.1, 0.08, 0.0),
        (0.98, 0.3, 0.05),
        (0.9, 0.06, 0.0),
        (0.2, 0.56, 0.16),
        (0.86, 0.54, 0.16),
    ):
        mx, my = (x + 0.54) / 2, min(y, 0.26) - 0.08 + dip * 0.6
        p.poly([(0.54, 0.22), (mx, my), (x, y), (mx + (0.05 if x < 0.5 else -0.05), my + 0.12), (0.54, 0.29)], t.main)
        p.line([(0.54, 0.25), (mx, my + 0.055), (x, y)], 0.01, t.dark)
    for dx in (-0.05, 0.03):
        p.disc(0.55 + dx, 0.31, 0.028, (104, 66, 36))


def oak(p: Pen, t: Tones) -> None:
    p.poly([(0.42, 1.0), (0.45, 0.5), (0.55, 0.5), (0.58, 1.0)], BARK)
    p.line([(0.5, 0.66), (0.3, 0.48)], 0.04, BARK)
    p.line([(0.5, 0.62), (0.7, 0.46)], 0.04, BARK)
    for x, y, r in ((0.26, 0.46, 0.2), (0.74, 0.46, 0.2), (0.5, 0.52, 0.2)):
        p.disc(x, y, r, t.dark)
    for x, y, r in ((0.26, 0.38, 0.2), (0.74, 0.38, 0.2), (0.5, 0.24, 0.24), (0.5, 0.42, 0.2)):
        p.disc(x, y, r, t.main)
    for x, y, r in ((0.4, 0.2, 0.11), (0.22, 0.34, 0.08), (0.66, 0.32, 0.08)):
        p.disc(x, y, r, t.light)


def cherry_tree(p: Pen, t: Tones) -> None:
    oak(p, t)
    for _ in range(16):
        p.disc(p.rng.uniform(0.15, 0.85), p.rng.uniform(0.1, 0.55), 0.025, (255, 232, 242))


def cactus(p: Pen, t: Tones) -> None:
    p.line([(0.16, 0.3), (0.16, 0.58), (0.5, 0.6)], 0.13, t.main)
    p.line([(0.84, 0.22), (0.84, 0.48), (0.5, 0.5)], 0.13, t.main)
    p.rect(0.34, 0.04, 0.66, 1.0, t.main, 0.1)
    for x in (0.42, 0.5, 0.58):
        p.line([(x, 0.1), (x, 0.98)], 0.01, t.dark)


def flower(p: Pen, t: Tones) -> None:
    p.line([(0.5, 0.4), (0.5, 1.0)], 0.05, (60, 134, 60))
    p.poly([(0.5, 0.9), (0.1, 0.64), (0.3, 0.88)], (74, 154, 70))
    p.poly([(0.5, 0.94), (0.9, 0.68), (0.7, 0.92)], (60, 134, 60))
    for k in range(6):
        a = k * pi / 3
        p.disc(0.5 + 0.3 * cos(a), 0.28 + 0.17 * sin(a), 0.125, t.main if k % 2 else t.light)
    p.disc(0.5, 0.28, 0.09, (250, 206, 60) if t.name != "yellow" else (150, 90, 40))


def tulip(p: Pen, t: Tones) -> None:
    p.line([(0.5, 0.4), (0.5, 1.0)], 0.05, (60, 134, 60))
    p.poly([(0.5, 1.0), (0.06, 0.5), (0.2, 0.86)], (74, 154, 70))
    p.poly([(0.5, 1.0), (0.94, 0.54), (0.8, 0.88)], (60, 134, 60))
    p.poly(
        [(0.14, 0.08), (0.34, 0.18), (0.5, 0.02), (0.66, 0.18), (0.86, 0.08), (0.82, 0.36), (0.5, 0.5), (0.18, 0.36)],
        t.main,
    )
    p.poly([(0.5, 0.02), (0.66, 0.2), (0.5, 0.5), (0.34, 0.2)], t.light)


def mushroom(p: Pen, t: Tones) -> None:
    p.poly([(0.38, 0.5), (0.62, 0.5), (0.68, 1.0), (0.32, 1.0)], (240, 230, 210))
    p.oval(0.5, 0.54, 0.47, 0.08, (214, 196, 172))
    p.pie(0.5, 0.54, 0.48, 0.5, 180, 360, t.main)
    spots = (250, 248, 240) if t.name != "white" else (200, 180, 160)
    for x, y, r in ((0.5, 0.18, 0.07), (0.26, 0.36, 0.06), (0.74, 0.34, 0.065), (0.5, 0.43, 0.05)):
        p.disc(x, y, r, spots)


BLOOM = ("red", "yellow", "pink", "purple", "white", "orange", "blue")
KINDS = [
    Kind("pine tree", pine, "land", 0.62, (), (34, 104, 66), also=("fir tree", "spruce")),
    Kind("palm tree", palm, "land", 0.85, (), (52, 146, 70), also=("palm",)),
    Kind("oak tree", oak, "land", 0.95, ("green", "orange", "red", "yellow"), also=("tree", "leafy tree")),
    Kind(
        "cherry tree", cherry_tree, "land", 0.95, (), (248, 160, 196), also=("cherry blossom tree", "blossoming tree")
    ),
    Kind("cactus", cactus, "land", 0.62, (), (58, 136, 76)),
    Kind("flower", flower, "land", 0.6, BLOOM, also=("blossom",), still=True),
    Kind("tulip", tulip, "land", 0.5, BLOOM, still=True),
    Kind(
        "mushroom",
        mushroom,
        "land",
        0.95,
        ("red", "brown", "orange", "purple", "yellow", "white"),
        also=("toadstool",),
        still=True,
    ),
]
