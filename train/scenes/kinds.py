"""What can be drawn, where it belongs, and what it is called.

Every family file holds its drawings and a list of `Kind`; adding a thing is one function there and one line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from train.scenes.canvas import Pen
from train.scenes.palette import RGB, Tones

ANY = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "black", "white", "teal")


@dataclass(frozen=True)
class Kind:
    """One drawable thing.

    `aspect` is width / height. `colours` are those it is painted in; empty when it has only its `natural` one, which
    captions do not name. `on` is where it belongs: land, water, sky, deep (under water) or table.
    """

    name: str
    draw: Callable[[Pen, Tones], None]
    on: str
    aspect: float
    colours: tuple[str, ...] = ANY
    natural: RGB = (90, 150, 80)
    also: tuple[str, ...] = ()  # synonyms
    still: bool = False  # small enough for a table
    crowd: int = 5  # most in one picture
    wears: str = ""  # the piece of clothing that has the colour: a girl in a red dress


PLURALS = {"sheep": "sheep", "fish": "fish", "bus": "buses", "church": "churches", "bench": "benches", "deer": "deer"}
PLURALS |= {"man": "men", "woman": "women", "gentleman": "gentlemen", "lady": "ladies", "dress": "dresses"}
PLURALS |= {"aircraft": "aircraft", "butterfly": "butterflies", "cherry": "cherries", "pony": "ponies"}
PLURALS |= {
    "goose": "geese",
    "box": "boxes",
    "cactus": "cacti",
    "octopus": "octopuses",
    "puppy": "puppies",
    "strawberry": "strawberries",
}


def plural(noun: str) -> str:
    """More than one of it: only the last word changes."""
    head, _, last = noun.rpartition(" ")
    return f"{head} {PLURALS.get(last, last + 's')}".strip()
