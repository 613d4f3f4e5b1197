"""The settings of scenes: where things can stand and which things fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from train.scenes import land
from train.scenes.canvas import Canvas

Band = tuple[float, float, float, float]  # left, far, right, near: x in the picture, y from horizon 0 to bottom 1


@dataclass(frozen=True)
class Setting:
    """A kind of place. `ground` and `water` are the bands on which the feet of things can be."""

    draw: Callable[[Canvas, land.View, float], None]
    horizon: float
    phrases: tuple[str, ...]
    ground: Band | None = None
    water: Band | None = None
    land_kinds: tuple[str, ...] = ()
    water_kinds: tuple[str, ...] = ()
    sky_kinds: tuple[str, ...] = (
        "bird",
        "airplane",
        "hot air balloon",
        "kite",
        "helicopter",
        "butterfly",
        "party balloon",
    )
    scenery: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()  # colours that would vanish against the ground
    weathers: tuple[str, ...] = ("clear", "clear", "cloudy", "cloudy", "rain", "snow", "fog", "rainbow")


WARM = ("clear", "clear", "cloudy", "rain", "fog", "rainbow")
FARM = ("cow", "sheep", "horse", "pig", "dog", "cat", "rabbit", "hen", "barn", "windmill", "tractor")
COUNTRY = (
    "house",
    "church",
    "castle",
    "windmill",
    "oak tree",
    "pine tree",
    "cherry tree",
    "tent",
    "horse",
    "cow",
    "sheep",
)
FOLK = ("girl", "boy", "woman", "man")
PARK = (
    *FOLK,
    "bench",
    "umbrella",
    "ball",
    "dog",
    "cat",
    "bicycle",
    "flower",
    "tulip",
    "chair",
    "oak tree",
    "cherry tree",
)
WILD = ("deer", "bear", "rabbit", "mushroom", "snail", "owl", "frog", "ladybird", "campfire", "tent")

SETTINGS: dict[str, Setting] = {
    "meadow": Setting(
        land.meadow,
        horizon=0.5,
        phrases=("in a meadow", "on a green meadow", "in a grassy field"),
        ground=(0, 0.25, 1, 0.95),
        land_kinds=tuple(dict.fromkeys((*FARM, *COUNTRY, *PARK, *WILD, "elephant", "turtle"))),
        avoid=("green",),
    ),
    "hills": Setting(
        land.hills,
        horizon=0.46,
        phrases=("among rolling hills", "in a hilly landscape", "in green hills"),
        ground=(0, 0.45, 1, 0.95),
        land_kinds=tuple(dict.fromkeys((*FOLK, *FARM, *COUNTRY, "bench", "bicycle", "giraffe", "train"))),
        avoid=("green",),
    ),
    "mountains": Setting(
        land.mountains,
        horizon=0.52,
        phrases=("in the mountains", "below snowy mountains", "in front of high mountains"),
        ground=(0, 0.3, 1, 0.95),
        land_kinds=(
            *FOLK,
            "house",
            "church",
            "castle",
            "tent",
            "pine tree",
            "campfire",
            "train",
            "deer",
            "bear",
            "horse",
            "sheep",
            "cow",
            "truck",
        ),
        scenery=("mountain",),
        avoid=("green",),
    ),
    "desert": Setting(
        land.desert,
        horizon=0.5,
        phrases=("in the desert", "among sand dunes", "in a sandy desert"),
        ground=(0, 0.35, 1, 0.95),
        land_kinds=(
            "camel",
            "cactus",
            "palm tree",
            "tent",
            "truck",
            "car",
            "elephant",
            "giraffe",
            "horse",
            "castle",
            "campfire",
            "snail",
            "turtle",
        ),
        avoid=("yellow", "orange"),
        weathers=("clear", "clear", "cloudy", "fog"),
    ),
    "forest": Setting(
        land.forest,
        horizon=0.54,
        phrases=("in a forest", "at the edge of the woods", "in front of pine woods"),
        ground=(0, 0.35, 1, 0.95),
        land_kinds=(*WILD, "house", "bicycle", "dog", "cat", "flower", "bench", "horse", "turtle"),
        sky_kinds=("bird", "butterfly", "bee"),
        scenery=("pine tree",),
        avoid=("green",),
    ),
    "lake": Setting(
        land.lake,
        horizon=0.44,
        phrases=("at a lake", "on a mountain lake", "by a quiet lake"),
        ground=(0, 0.88, 1, 0.97),
        water=(0, 0.2, 1, 0.62),
        land_kinds=(*FOLK, "dog", "cat", "bench", "tent", "campfire", "deer", "flower", "umbrella", "chair", "rabbit"),
        water_kinds=("sailing boat", "rowing boat", "duck"),
        scenery=("mountain",),
        avoid=("green",),
    ),
    "river": Setting(
        land.river,
        horizon=0.46,
        phrases=("by a river", "on the bank of a river", "along a winding river"),
        ground=(0, 0.3, 0.54, 0.95),
        water=(0.57, 0.78, 0.89, 0.95),
        land_kinds=tuple(dict.fromkeys((*FARM, *WILD))),
        water_kinds=("rowing boat", "duck"),
        avoid=("green",),
    ),
    "sea": Setting(
        land.sea,
        horizon=0.48,
        phrases=("on the sea", "out at sea", "on the open ocean"),
        water=(0, 0.15, 1, 0.88),
        water_kinds=("sailing boat", "ship", "rowing boat", "whale"),
        avoid=("blue",),
        weathers=WARM,
    ),
    "beach": Setting(
        land.beach,
        horizon=0.42,
        phrases=("on the beach", "at the seaside", "on a sandy beach"),
        ground=(0, 0.72, 1, 0.95),
        water=(0, 0.12, 1, 0.48),
        land_kinds=(
            *FOLK,
            "umbrella",
            "ball",
            "chair",
            "palm tree",
            "dog",
            "bench",
            "lighthouse",
            "turtle",
            "house",
            "bicycle",
            "horse",
        ),
        water_kinds=("sailing boat", "ship", "rowing boat", "whale"),
        avoid=("yellow",),
        weathers=WARM,
    ),
    "island": Setting(
        land.island,
        horizon=0.46,
        phrases=("on a small island", "on a tropical island", "on an island with palm trees"),
        ground=(0.5, 0.68, 0.86, 0.76),
        water=(0, 0.2, 0.34, 0.9),
        land_kinds=("house", "lighthouse", "tent", "umbrella", "chair", "turtle", "campfire", "cat", "dog"),
        water_kinds=("sailing boat", "rowing boat", "ship", "whale"),
        scenery=("palm tree",),
        avoid=("green", "teal"),
        weathers=WARM,
    ),
    "city": Setting(
        land.city,
        horizon=0.52,
        phrases=("in the city", "on a city street", "in front of tall buildings"),
        ground=(0, 0.3, 1, 0.95),
        land_kinds=(
            *FOLK,
            "car",
            "bus",
            "truck",
            "bicycle",
            "bench",
            "umbrella",
            "dog",
            "cat",
            "skyscraper",
            "church",
            "house",
        ),
        scenery=("skyscraper",),
        avoid=("grey",),
    ),
    "road": Setting(
        land.road,
        horizon=0.42,
        phrases=("on a country road", "on a road through the hills", "on the road"),
        ground=(0, 0.66, 1, 0.94),
        land_kinds=("car", "car", "bus", "truck", "bicycle", "tractor"),
        avoid=("grey",),
    ),
    "snow field": Setting(
        land.snowfield,
        horizon=0.5,
        phrases=("in a snowy field", "in a white winter landscape", "on deep snow"),
        ground=(0, 0.3, 1, 0.95),
        land_kinds=(
            *FOLK,
            "snowman",
            "igloo",
            "penguin",
            "bear",
            "deer",
            "pine tree",
            "house",
            "church",
            "rabbit",
            "dog",
            "train",
            "tent",
            "barn",
        ),
        sky_kinds=("bird", "hot air balloon", "airplane", "helicopter"),
        scenery=("pine tree",),
        avoid=("white", "grey"),
        weathers=("clear", "cloudy", "snow", "snow", "fog"),
    ),
    "underwater": Setting(
        land.underwater,
        horizon=0.02,
        phrases=("under water", "under the sea", "in a coral sea below the surface"),
        water=(0, 0.2, 1, 0.85),
        water_kinds=("fish", "octopus", "turtle"),
        sky_kinds=(),
        avoid=("blue", "teal"),
        weathers=(),
    ),
    "high sky": Setting(
        land.clouds,
        horizon=0.96,
        phrases=("high in the sky", "up in the air", "high above the land"),
        sky_kinds=("bird", "airplane", "hot air balloon", "kite", "helicopter", "rocket", "party balloon"),
        avoid=("blue",),
        weathers=("clear", "cloudy", "cloudy", "rain", "snow"),
    ),
}
