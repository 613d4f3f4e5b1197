"""Writes captions from class names.

Labels say one word; people describe. Every name and synonym of a class, and every everyday word and setting that
`kinds.json` knows for it, is put into many sentences, so that the text tower learns the words in company.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from core.text.zeroshot import templates

# Beside the published prompt templates: plain mentions, as captions and queries have them.
PLAIN = ("{}", "a {}", "the {}", "a {} in the picture", "there is a {} here", "this is a {}", "one {}", "{} photo")
WITH_KIND = ("a photo of a {}, a kind of {}.", "a {}, a {}", "{} ({})", "a {} is a {}", "a picture of a {}, some {}")
WITH_PLACE = ("a {} {}", "a photo of a {} {}.", "{} {}")


@cache
def kinds() -> dict[str, dict[str, list[str]]]:
    """First name of a class -> its everyday words, its categories, its usual settings."""
    return json.loads(Path(__file__).with_name("kinds.json").read_text("utf-8"))


def captions_of(names: Sequence[str]) -> list[str]:
    """All captions for one class, given its names, most usual first; sorted and without repetition."""
    known = kinds().get(names[0], {"plain": [], "kinds": [], "where": []})
    words = list(dict.fromkeys([*names, *known["plain"]]))
    sentences = {template.format(word) for word in words for template in (*templates("80"), *PLAIN)}
    sentences |= {form.format(word, kind) for word in words for kind in known["kinds"] for form in WITH_KIND}
    sentences |= {form.format(word, place) for word in words for place in known["where"] for form in WITH_PLACE}
    return sorted(sentences)
