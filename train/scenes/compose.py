"""Decides what is in the scene of a seed and where; paints nothing."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from random import Random

from train.scenes.content import Content, Thing
from train.scenes.kinds import Kind
from train.scenes.palette import COLOURS
from train.scenes.registry import CLOSE_KINDS, KINDS, TABLE_KINDS
from train.scenes.settings import SETTINGS, Setting

Box = tuple[float, float, float, float]
SIZES = {"small": (0.2, 0.25), "medium": (0.3, 0.38), "large": (0.46, 0.58)}
BACKDROPS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "grey", "teal", "black")
ALIKE = (
    {"red", "orange"},
    {"orange", "yellow"},
    {"blue", "teal"},
    {"green", "teal"},
    {"white", "grey"},
    {"red", "pink"},
    {"orange", "brown"},
    {"purple", "blue"},
    {"black", "brown"},
    {"pink", "purple"},
    {"red", "brown"},
    {"black", "blue"},
    {"black", "purple"},
)


@dataclass(frozen=True)
class Plan:
    """A scene decided: its content (colours as painted) and the height of its horizon."""

    content: Content
    horizon: float


def compose(rng: Random, style: str) -> Plan:
    """The plan of one scene; the same numbers are drawn from `rng` whatever the size of the picture."""
    kind_of_scene = rng.random()
    if kind_of_scene < 0.23:
        return _close_up(rng, style)
    if kind_of_scene < 0.41:
        return _still_life(rng, style)
    return _landscape(rng, style)


def _close_up(rng: Random, style: str) -> Plan:
    """One subject, or two or three of it, before a plain backdrop."""
    kind = KINDS[rng.choice(CLOSE_KINDS)]
    colour = rng.choice(kind.colours) if kind.colours else None
    near = _near(colour or _nearest(kind))
    backdrop = rng.choice([b for b in BACKDROPS if b not in near])
    count = rng.choice((1, 1, 1, 1, 2, 3)) if kind.crowd >= 3 else 1
    size = rng.choice(("medium", "large", "large", "large")) if count == 1 else "medium"
    extent = rng.uniform(0.58, 0.72) if size == "large" else rng.uniform(0.32, 0.38)
    boxes = _group(rng, kind, count, extent, (0.0, 0.0, 1.0, 0.95), (0.72, 0.92), [])
    assert boxes, "an empty backdrop always has room"
    return Plan(Content("plain background", None, None, style, backdrop, (_thing(kind, colour, boxes, ""),), ()), 1.0)


def _still_life(rng: Random, style: str) -> Plan:
    """One to three different things on a table."""
    horizon = rng.uniform(0.5, 0.62)
    wall = rng.choice([b for b in BACKDROPS if b != "black"])
    things: list[Thing] = []
    for name in rng.sample(TABLE_KINDS, rng.choice((1, 2, 2, 3))):
        kind = KINDS[name]
        allowed = [c for c in kind.colours if c not in _near(wall) and c != "brown"] or list(kind.colours)
        colour = rng.choice(allowed) if kind.colours else None
        count = min(kind.crowd, rng.choice((1, 1, 1, 2, 2, 3, 4, 5)))
        extent = rng.uniform(*SIZES[rng.choice(("medium", "medium", "large"))]) if count < 3 else 0.2
        boxes = _group(
            rng, kind, count, extent, (0.03, 0.0, 0.97, 1.0), (horizon + 0.16, 0.94), [t.box for t in things]
        )
        if boxes:
            things.append(_thing(kind, colour, boxes, ""))
    return Plan(Content("table", None, None, style, wall, tuple(things), ()), horizon)


def _landscape(rng: Random, style: str) -> Plan:
    name = rng.choice(list(SETTINGS))
    setting = SETTINGS[name]
    horizon = setting.horizon + rng.uniform(-0.03, 0.03)
    time: str | None = rng.choice(("dawn", "day", "day", "sunset", "night")) if setting.weathers else None
    if style == "neon" and time:
        time = "night"
    weathers = [w for w in setting.weathers if w != "rainbow" or time == "day"]
    if style == "neon":  # glowing rain would outshine everything
        weathers = [w for w in weathers if w in ("clear", "cloudy")]
    weather = rng.choice(weathers) if weathers else None
    things: list[Thing] = []
    leading = rng.random() < 0.4
    wanted = rng.choice((1, 2, 2, 3, 3))
    for index in range(wanted + 4):  # not everything finds room
        if len(things) == wanted:
            break
        choices = _fitting(setting, {t.kind for t in things})
        if not choices:
            break
        kind = KINDS[rng.choice(choices)]
        avoid = {*setting.avoid, *(("white",) if weather == "snow" else ())}
        if time == "night":
            avoid |= {"black"}
        allowed = [c for c in kind.colours if c not in avoid]
        colour = rng.choice(allowed or list(kind.colours)) if kind.colours else None
        count = min(kind.crowd, rng.choice((1, 1, 1, 1, 2, 2, 3, 4, 5)))
        word = "large" if leading and index == 0 else rng.choice(("small", "medium", "medium", "large"))
        count = 1 if word == "large" and count < 3 else count
        extent = rng.uniform(*SIZES[word]) if count == 1 else rng.uniform(0.19, 0.24)
        placed = _place(rng, setting, kind, count, extent, horizon, [t.box for t in things])
        if placed:
            things.append(_thing(kind, colour, *placed))
    scenery = [*setting.scenery]
    if time == "night" and weather in ("clear", "cloudy"):
        scenery += ["moon", "star"]
    return Plan(Content(name, time, weather, style, None, tuple(things), tuple(scenery)), horizon)


def _fitting(setting: Setting, taken: set[str]) -> list[str]:
    """Kinds for this setting; the sky gets its turn about every fourth time."""
    grounded = [k for k in (*setting.land_kinds, *setting.water_kinds) if k not in taken]
    sky = [k for k in setting.sky_kinds if k not in taken]
    if grounded and taken.intersection(setting.sky_kinds):
        return grounded  # one kind in the sky is enough
    return grounded * 4 + sky * max(1, round(len(grounded) / max(1, len(sky))))


def _place(
    rng: Random, setting: Setting, kind: Kind, count: int, extent: float, horizon: float, taken: list[Box]
) -> tuple[list[Box], str] | None:
    """Boxes of the members and a depth word, or None when there is no room left."""
    if kind.name in setting.sky_kinds:
        top = 0.9 if setting.ground is None and setting.water is None else horizon - 0.04
        boxes = _group(rng, kind, count, min(extent, 0.42), (0, 0.03, 1, 1), (0.2, max(0.3, top)), taken)
        return (boxes, "") if boxes else None
    band = setting.water if kind.name in setting.water_kinds else setting.ground
    if band is None:
        return None
    left, far, right, near = band
    y0, y1 = horizon + far * (1 - horizon), horizon + near * (1 - horizon)
    reach = min(1.0, max(0.0, (extent - 0.18) / 0.3))  # larger things stand nearer
    low, high = y0 + (y1 - y0) * reach * 0.6, y0 + (y1 - y0) * (0.35 + 0.65 * reach)
    if setting.horizon < 0.1:  # under water a fish may swim at any height
        low, high = 0.25, 0.85
    boxes = _group(rng, kind, count, extent, (left, 0.02, right, 1.0), (low, high), taken, y0)
    if not boxes:
        return None
    feet = (max(b[3] for b in boxes) - y0) / (y1 - y0)
    depth = "background" if feet < 0.3 and extent < 0.3 else "foreground" if feet > 0.75 else ""
    return boxes, depth if setting.ground and y1 - y0 > 0.2 else ""


def _group(
    rng: Random,
    kind: Kind,
    count: int,
    extent: float,
    room: Box,
    feet: tuple[float, float],
    taken: list[Box],
    back: float = 0.0,
) -> list[Box]:
    """Boxes for `count` members in one or two rows with their feet between the two heights; [] if they do not fit.

    `extent` is the square root of a member's area, so that long and tall things look equally large. The feet of a
    second row, behind the first, stay below `back`.
    """
    rows = 1 if count <= 3 else 2
    columns = -(-count // rows)
    for attempt in range(14):
        size = extent * (1 if attempt < 5 else 0.88 if attempt < 9 else 0.76)
        w, h = size * sqrt(kind.aspect), size / sqrt(kind.aspect)
        shrink = min(
            1.0,
            (room[2] - room[0]) * 0.96 / (w * (1.12 * columns - 0.12)),
            0.84 * (feet[1] - room[1]) / (h * (1 + 0.8 * (rows - 1))),
        )
        w, h = w * shrink, h * shrink
        if max(w, h) < 0.16:
            return []
        gw, gh = w * (1.12 * columns - 0.12), h * (1 + 0.8 * (rows - 1))
        x = rng.uniform(room[0] + 0.015, max(room[0] + 0.016, room[2] - 0.015 - gw))
        highest = max(feet[0], room[1] + gh, back + 0.8 * h * (rows - 1))
        y = rng.uniform(highest, max(feet[1], highest))
        if rows > 1 and back and highest > feet[1] + 0.02:
            continue
        box = (x, y - gh, x + gw, y)
        if any(
            box[0] < t[2] + 0.01 and t[0] < box[2] + 0.01 and box[1] < t[3] - 0.02 and t[1] < box[3] - 0.02
            for t in taken
        ):
            continue
        members: list[Box] = []
        for i in range(count):
            row, column = divmod(i, columns)
            shift = (columns - (count - columns)) * 0.56 * w if row else 0.0
            nudge = rng.uniform(-0.1, 0.0) * h if count > 1 and rows == 1 else 0.0
            bx, by = x + column * w * 1.12 + shift, y - gh + row * h * 0.8 + (0 if rows > 1 else nudge)
            members.append((bx, max(room[1] * 0.5, by), bx + w, by + h))
        return members
    return []


def _thing(kind: Kind, colour: str | None, boxes: list[Box], depth: str) -> Thing:
    around = (min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))
    extent = sqrt((boxes[0][2] - boxes[0][0]) * (boxes[0][3] - boxes[0][1]))
    size = "small" if extent < 0.265 else "medium" if extent < 0.42 else "large"
    centre = (around[0] + around[2]) / 2
    place = "left" if centre < 0.38 else "right" if centre > 0.62 else "middle"
    return Thing(kind.name, colour, len(boxes), size, place, depth, around, tuple(boxes))


def _near(colour: str) -> set[str]:
    """The colour and those that it would be hard to see against."""
    return {colour}.union(*(pair for pair in ALIKE if colour in pair))


def _nearest(kind: Kind) -> str:
    """The colour word nearest to a natural colour."""
    return min(COLOURS, key=lambda name: sum((a - b) ** 2 for a, b in zip(COLOURS[name], kind.natural, strict=True)))
