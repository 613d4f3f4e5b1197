"""Paints the scene of a seed."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np

from core.errors import ConfigError, unknown_choice
from train.scenes import indoors, land
from train.scenes.canvas import Canvas, Pen
from train.scenes.captions import captions, precise
from train.scenes.compose import Plan, compose
from train.scenes.content import Content, Scene, Thing
from train.scenes.palette import COLOURS, Tones, jitter
from train.scenes.registry import KINDS
from train.scenes.settings import SETTINGS
from train.scenes.skies import TIMES, paint_fog, paint_sky, paint_weather, sky_colours
from train.scenes.styles import STYLES

# Which drawings a seed means. Raise it whenever a scene of any seed changes in a pixel or a word: scenes that were kept
# from an older version are then painted anew.
VERSION = 1
SMALLEST, LARGEST = 16, 2048
SUPERSAMPLE = 2  # shapes are drawn twice as large and averaged, which smooths their edges


def paint(seed: int, size: int = 256, style: str | None = None) -> Scene:
    """The scene of a seed, `size` pixels wide and high; the same seed is the same scene at every size.

    `style` overrides the style that the seed would choose; the content stays, except that neon is always at night.
    Raises ConfigError for an unknown style or an impossible
    size.
    """
    if not SMALLEST <= size <= LARGEST:
        raise ConfigError(f"a scene cannot be {size} pixels wide; choose a size from {SMALLEST} to {LARGEST}")
    if style is not None and style not in STYLES:
        raise ConfigError(unknown_choice("style", style, STYLES))
    chosen = Random(f"style {seed}").choices(list(STYLES), [s.weight for s in STYLES.values()])[0]
    name = style or chosen
    plan = compose(Random(f"content {seed}"), name)
    canvas = _draw(plan, size * SUPERSAMPLE, Random(f"drawing {seed}"))
    image = STYLES[name].apply(canvas.image.reduce(SUPERSAMPLE), np.random.default_rng([seed & (2**63 - 1), 7]))
    content = _visible(plan.content)
    words = Random(f"words {seed}")
    return Scene(image, captions(words, content), precise(words, content), content)


def _visible(content: Content) -> Content:
    """What can be seen: a style without hue hides the colours."""
    if STYLES[content.style].colours:
        return content
    return replace(content, backdrop=None, things=tuple(replace(t, colour=None) for t in content.things))


def _draw(plan: Plan, side: int, rng: Random) -> Canvas:
    """The clean drawing, before any style."""
    content = plan.content
    time, weather = content.time, content.weather
    ambient = TIMES[time].ambient if time else (1.0, 1.0, 1.0)
    canvas = Canvas(side, rng, ambient, night=time == "night")
    if content.setting == "plain background":
        indoors.plain(canvas, COLOURS[content.backdrop or "grey"])
    elif content.setting == "table":
        indoors.table(canvas, COLOURS[content.backdrop or "grey"], (176, 122, 78), plan.horizon)
    else:
        sky = sky_colours(time or "day", weather or "clear")
        if time and weather:
            paint_sky(canvas, time, weather, plan.horizon)
        view = land.View(sky[-1], sky[0], weather == "snow", time or "day")
        SETTINGS[content.setting].draw(canvas, view, plan.horizon)
    if time and weather == "fog":
        paint_fog(canvas, time, weather, plan.horizon, front=False)
    for thing in sorted(content.things, key=lambda t: t.box[3]):
        _draw_thing(canvas, content, thing)
    if time and weather == "fog":
        paint_fog(canvas, time, weather, plan.horizon, front=True)
    elif weather:
        paint_weather(canvas, weather)
    return canvas


def _draw_thing(canvas: Canvas, content: Content, thing: Thing) -> None:
    """Every member of the group, with its shadow or its reflection."""
    kind, setting = KINDS[thing.kind], SETTINGS.get(content.setting)
    afloat = setting is not None and thing.kind in setting.water_kinds and content.setting != "underwater"
    flying = kind.on in ("sky", "deep") or content.setting in ("underwater", "high sky")
    flip = canvas.rng.random() < 0.5
    for left, top, right, bottom in sorted(thing.boxes, key=lambda b: b[3]):
        colour = jitter(COLOURS[thing.colour] if thing.colour else kind.natural, canvas.rng)
        width, height = right - left, bottom - top
        under = canvas.pen()
        if afloat:
            for i, w in enumerate((0.46, 0.4, 0.3, 0.2)):
                under.oval((left + right) / 2, bottom + height * 0.045 * i, width * w, height * 0.025, (20, 40, 70, 70))
        elif not flying:
            under.oval(
                (left + right) / 2 + width * 0.04, bottom - 0.004, width * 0.5, 0.012 + height * 0.03, (20, 20, 40, 64)
            )
        pen = Pen(canvas, (left, top, right, bottom), flip)
        kind.draw(pen, Tones.of(colour, thing.colour))
