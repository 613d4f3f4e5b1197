"""Draws the sky, its lights and the weather at each time of day."""

from __future__ import annotations

from dataclasses import dataclass

from train.scenes.canvas import Canvas
from train.scenes.palette import RGB, alpha, mix


@dataclass(frozen=True)
class Light:
    """A time of day: sky colours from the zenith to the horizon, and the tint of everything below."""

    sky: tuple[RGB, ...]
    ambient: tuple[float, float, float]
    cloud: RGB
    phrases: tuple[str, ...]


TIMES: dict[str, Light] = {
    "dawn": Light(
        ((116, 142, 200), (202, 178, 214), (250, 206, 190), (255, 228, 190)),
        (0.95, 0.9, 0.94),
        (255, 226, 222),
        ("at dawn", "at sunrise", "early in the morning"),
    ),
    "day": Light(
        ((58, 134, 216), (118, 184, 238), (200, 230, 248)),
        (1.0, 1.0, 1.0),
        (255, 255, 255),
        ("by day", "during the day", "in daylight"),
    ),
    "sunset": Light(
        ((74, 56, 122), (196, 84, 112), (248, 136, 74), (255, 202, 104)),
        (0.98, 0.85, 0.8),
        (252, 168, 138),
        ("at sunset", "in the evening", "at dusk"),
    ),
    "night": Light(
        ((10, 14, 44), (22, 32, 80), (46, 60, 116)),
        (0.68, 0.72, 0.88),
        (76, 86, 128),
        ("at night", "in the dark of night", "after dark"),
    ),
}
WEATHER: dict[str, tuple[str, ...]] = {
    "clear": ("under a clear sky", "in clear weather"),
    "cloudy": ("under a cloudy sky", "with clouds"),
    "rain": ("in the rain", "on a rainy day", "while it rains"),
    "snow": ("in the snow", "while snow is falling", "in snowy weather"),
    "fog": ("in the fog", "on a foggy day", "in thick mist"),
    "rainbow": ("under a rainbow", "with a rainbow in the sky"),
}


def sky_colours(time: str, weather: str) -> tuple[RGB, ...]:
    """Bad weather pulls the sky towards grey."""
    grey = {"rain": 0.6, "snow": 0.5, "fog": 0.55, "cloudy": 0.22}.get(weather, 0.0)
    overcast: RGB = (66, 72, 92) if time == "night" else (184, 190, 200)
    return tuple(mix(c, overcast, grey * (0.5 if time == "night" else 1.0)) for c in TIMES[time].sky)


def paint_sky(canvas: Canvas, time: str, weather: str, horizon: float) -> None:
    """Gradient, stars and moon or sun, rainbow and clouds, down to behind the first hills."""
    rng = canvas.rng
    canvas.gradient(0, min(1.0, horizon + 0.08), sky_colours(time, weather))
    open_sky = weather in ("clear", "rainbow", "cloudy")
    x = rng.choice((rng.uniform(0.1, 0.32), rng.uniform(0.68, 0.9)))
    if time == "night":
        _stars(canvas, horizon, 70 if open_sky else 14)
        if open_sky:
            _moon(canvas, x, rng.uniform(0.1, 0.2), sky_colours(time, weather)[0])
    elif open_sky:
        low = {"dawn": 0.08, "sunset": 0.06, "day": 0.8}[time]
        _sun(canvas, x, max(0.1, horizon * (1 - low) - 0.02) if time != "day" else rng.uniform(0.1, 0.16), time)
    if weather == "rainbow":
        _rainbow(canvas, horizon)
    clouds = {"clear": 0, "cloudy": 6, "rain": 8, "snow": 5, "fog": 0, "rainbow": 2}[weather]
    tone = TIMES[time].cloud
    if weather in ("rain", "snow"):
        tone = mix(tone, (120, 126, 140) if time != "night" else (50, 56, 84), 0.6)
    for i in range(clouds):
        at = (i + rng.uniform(0.1, 0.9)) / clouds
        _cloud(canvas, at, rng.uniform(0.04, max(0.1, horizon * 0.5)), rng.uniform(0.13, 0.24), tone)


def _stars(canvas: Canvas, horizon: float, count: int) -> None:
    pen = canvas.pen()
    for _ in range(count):
        x, y, r = canvas.rng.random(), canvas.rng.random() * horizon, canvas.rng.uniform(0.0025, 0.006)
        pen.disc(x, y, r, (255, 250, 225, 230))


def _moon(canvas: Canvas, x: float, y: float, sky: RGB) -> None:
    canvas.glow(x, y, 0.17, (210, 220, 255), 0.35)
    canvas.sun = (x, (236, 236, 220))
    pen = canvas.pen()
    pen.disc(x, y, 0.062, (250, 246, 222, 255))
    if canvas.rng.random() < 0.5:
        pen.disc(x + 0.028, y - 0.014, 0.052, alpha(mix(sky, (90, 100, 150), 0.25), 1.0))
    else:
        pen.disc(x - 0.02, y - 0.01, 0.012, (226, 218, 190, 255))
        pen.disc(x + 0.02, y + 0.02, 0.016, (226, 218, 190, 255))


def _sun(canvas: Canvas, x: float, y: float, time: str) -> None:
    tone: RGB = {"dawn": (255, 214, 160), "sunset": (255, 188, 92), "day": (255, 240, 170)}[time]
    canvas.glow(x, y, 0.3 if time == "sunset" else 0.22, tone, 0.55)
    canvas.sun = (x, tone)
    core: RGB = {"dawn": (255, 232, 190), "sunset": (255, 226, 140), "day": (255, 244, 190)}[time]
    canvas.pen().disc(x, y, 0.07, alpha(core, 1.0))


def _rainbow(canvas: Canvas, horizon: float) -> None:
    pen, centre = canvas.pen(), canvas.rng.uniform(0.35, 0.65)
    bands = ((222, 50, 60), (246, 140, 50), (250, 220, 80), (90, 190, 90), (70, 130, 220), (130, 80, 190))
    for i, band in enumerate(bands):
        pen.ring(centre, horizon + 0.06, 0.52 - i * 0.022, 0.023, alpha(band, 0.72))


def _cloud(canvas: Canvas, x: float, y: float, width: float, tone: RGB) -> None:
    rng, pen, shade = canvas.rng, canvas.pen(), mix(tone, (90, 100, 140), 0.22)
    lumps = [
        (x + width * (u - 0.5), y + rng.uniform(-0.012, 0.012), width * r)
        for u, r in ((0.1, 0.16), (0.34, 0.25), (0.62, 0.29), (0.88, 0.17))
    ]
    for cx, cy, r in lumps:
        pen.disc(cx, cy + 0.016, r, alpha(shade, 0.9))
    for cx, cy, r in lumps:
        pen.disc(cx, cy, r, alpha(tone, 0.95))


def paint_weather(canvas: Canvas, weather: str) -> None:
    """What falls in front of everything: rain, snow."""
    rng, pen = canvas.rng, canvas.pen()
    if weather == "rain":
        for _ in range(110):
            x, y, length = rng.uniform(-0.05, 1.05), rng.uniform(-0.05, 1.0), rng.uniform(0.035, 0.07)
            pen.line([(x, y), (x - length * 0.3, y + length)], 0.004, (214, 226, 244, 150))
    elif weather == "snow":
        for _ in range(120):
            pen.disc(rng.random(), rng.random(), rng.uniform(0.004, 0.011), (255, 255, 255, 225))


def paint_fog(canvas: Canvas, time: str, weather: str, horizon: float, front: bool) -> None:
    """Banks of fog: thick behind the things, a thin veil in front of them."""
    rng, pen = canvas.rng, canvas.pen()
    light: RGB = (90, 98, 130) if time == "night" else (235, 238, 242)
    tone = mix(sky_colours(time, weather)[-1], light, 0.5)
    for _ in range(3 if front else 9):
        y, h = rng.uniform(horizon - 0.25, horizon + 0.3), rng.uniform(0.05, 0.11)
        pen.oval(rng.uniform(-0.1, 1.1), y, rng.uniform(0.5, 0.9), h, alpha(tone, 0.1 if front else 0.24))
