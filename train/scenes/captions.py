"""Describes a scene in words, always true to its content."""

from __future__ import annotations

from random import Random

from train.scenes.content import Content, Thing
from train.scenes.kinds import plural
from train.scenes.registry import KINDS
from train.scenes.settings import SETTINGS
from train.scenes.skies import TIMES, WEATHER
from train.scenes.styles import STYLES

NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five"}
SIZES = {"small": ("small", "little", "tiny"), "medium": ("",), "large": ("large", "big", "huge")}
PLACES = {
    "left": ("on the left", "to the left", "on the left side"),
    "middle": ("in the middle", "in the centre", "at the centre"),
    "right": ("on the right", "to the right", "on the right side"),
}
DEPTHS = {"foreground": "in the foreground", "background": "in the background"}


def article(words: str) -> str:
    """`words` with a or an."""
    return f"{'an' if words[0] in 'aeio8' or words.startswith('umb') else 'a'} {words}"


def joined(parts: list[str]) -> str:
    """a, b and c."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def noun(rng: Random, thing: Thing, varied: bool) -> str:
    """What it is called, in the right number."""
    kind = KINDS[thing.kind]
    name = rng.choice((kind.name, kind.name, *kind.also)) if varied else kind.name
    return name if thing.count == 1 else PLURAL_OF_PHRASES.get(name, plural(name))


PLURAL_OF_PHRASES = {"vase of flowers": "vases of flowers"}


def phrase(rng: Random, thing: Thing, *, colour: bool = True, size: bool = True, varied: bool = True) -> str:
    """For example: a small red car; three white sheep."""
    worn = KINDS[thing.kind].wears if colour and thing.colour else ""
    words = [
        (rng.choice(SIZES[thing.size]) if varied else SIZES[thing.size][0]) if size else "",
        thing.colour or "" if colour and not worn else "",
        noun(rng, thing, varied),
    ]
    text = " ".join(word for word in words if word)
    if worn:
        garment = f"{thing.colour} {worn}" if thing.count == 1 else f"{thing.colour} {plural(worn)}"
        text += f" in {article(garment)}" if thing.count == 1 else f" in {garment}"
    return article(text) if thing.count == 1 else f"{NUMBERS[thing.count]} {text}"


def surroundings(rng: Random, content: Content, varied: bool = True) -> str:
    """Where it is: a setting, a table before a wall, or a backdrop."""
    options: tuple[str, ...]
    if content.setting == "plain background":
        tone = f"{content.backdrop} " if content.backdrop else "plain "
        options = (
            f"on {article(tone + 'background')}",
            f"in front of {article(tone + 'backdrop')}",
            f"against {article(tone + 'background')}",
        )
    elif content.setting == "table":
        wall = f" in front of {article(content.backdrop + ' wall')}" if content.backdrop else ""
        options = (f"on a table{wall}", f"on a wooden table{wall}")
    else:
        options = SETTINGS[content.setting].phrases
    return rng.choice(options) if varied else options[0]


def _when(rng: Random, content: Content, varied: bool = True) -> str:
    if content.time is None:
        return ""
    return rng.choice(TIMES[content.time].phrases) if varied else TIMES[content.time].phrases[0]


def _weather(rng: Random, content: Content, varied: bool = True) -> str:
    if content.weather is None or (content.weather == "clear" and content.time == "night"):
        return ""
    return rng.choice(WEATHER[content.weather]) if varied else WEATHER[content.weather][0]


def _style(rng: Random, content: Content, varied: bool = True) -> str:
    phrases = STYLES[content.style].phrases
    return rng.choice(phrases) if varied else phrases[0]


def _sentence(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def captions(rng: Random, content: Content) -> list[str]:
    """Five different descriptions of the scene, short ones first; a few name only a part of it."""
    things, where = content.things, surroundings(rng, content)
    if not things:
        place = _sentence(_when(rng, content), _weather(rng, content))
        return [
            f"a view {where}",
            _sentence(article(_style(rng, content)), "of an empty landscape", where),
            _sentence("nothing but nature", where, place),
            _sentence("an empty scene", where, _when(rng, content)),
        ]
    one, main = rng.choice(things), things[0]
    every = joined([phrase(rng, t, size=False) for t in things])
    placed = joined([f"{phrase(rng, t)} {rng.choice(PLACES[t.place])}" for t in things])
    seen = "there is" if main.count == 1 else "there are"
    bare = phrase(rng, one, size=False).split(" ", 1)[1]  # as typed into a search box: red car
    short = [bare, bare, phrase(rng, one, size=False), _sentence(phrase(rng, one, colour=False, size=False), where)]
    out = [
        rng.choice(short),
        _sentence(phrase(rng, main), surroundings(rng, content)),
        _sentence(
            article(_style(rng, content)),
            "of",
            every,
            surroundings(rng, content),
            rng.choice((_when(rng, content), "")),
        ),
        rng.choice(
            (
                _sentence(
                    surroundings(rng, content),
                    _when(rng, content) + ",",
                    seen,
                    joined([phrase(rng, t) for t in things]),
                ),
                _sentence(every, _when(rng, content), _weather(rng, content)),
                _sentence(rng.choice(("a picture of", "an image of", "a scene with")), every, _weather(rng, content)),
            )
        ).replace(" ,", ","),
        _sentence(
            placed,
            surroundings(rng, content),
            _when(rng, content),
            _weather(rng, content) + ",",
            article(_style(rng, content)),
        ).replace(" ,", ","),
    ]
    return list(dict.fromkeys(out))


def precise(rng: Random, content: Content) -> str:
    """Everything that was decided, in one sentence: style, things with number, size, colour and place, where, when."""
    parts = [
        _sentence(phrase(rng, t, varied=False), PLACES[t.place][0], DEPTHS.get(t.depth, "")) for t in content.things
    ]
    return _sentence(
        article(_style(rng, content, varied=False)),
        "of",
        joined(parts) if parts else "an empty landscape",
        surroundings(rng, content, varied=False),
        _when(rng, content, varied=False),
        _weather(rng, content, varied=False),
    )
