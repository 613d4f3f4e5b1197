"""Paints a table before a wall, and a plain backdrop."""

from __future__ import annotations

from train.scenes.canvas import Canvas
from train.scenes.palette import RGB, alpha, mix


def table(canvas: Canvas, wall: RGB, wood: RGB, h: float) -> None:
    """A wall and a table top, for still lifes."""
    pen = canvas.pen()
    canvas.gradient(0, h, (mix(wall, (255, 255, 255), 0.16), wall, mix(wall, (30, 20, 40), 0.12)))
    canvas.gradient(h, 1, (mix(wood, (30, 18, 10), 0.16), wood, mix(wood, (255, 255, 255), 0.12)))
    for _ in range(7):
        y, x = canvas.rng.uniform(h + 0.04, 0.99), canvas.rng.random()
        pen.line([(x - 0.2, y), (x, y + 0.004), (x + 0.22, y)], 0.003, alpha(mix(wood, (40, 20, 10), 0.35), 0.5))
    pen.rect(0, h - 0.004, 1, h + 0.006, alpha(mix(wood, (30, 18, 10), 0.4), 0.8))


def plain(canvas: Canvas, tone: RGB) -> None:
    """A soft studio backdrop of one colour."""
    canvas.gradient(0, 1, (mix(tone, (255, 255, 255), 0.12), tone, mix(tone, (30, 20, 40), 0.14)))
    canvas.glow(0.5, 0.46, 0.6, mix(tone, (255, 255, 255), 0.4), 0.3)
