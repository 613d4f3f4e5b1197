"""Is what Python passes of a wrong type told in one line, before it is worked with?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import clipdex
from clipdex import ClipdexError, Condition, Like, Picture, Searcher, Text
from tests.indexer.pictures import paint

ARRAY = np.zeros((4, 4, 3), np.uint8)


@pytest.fixture(scope="module")
def searcher(tmp_path_factory: pytest.TempPathFactory) -> Searcher:
    folder = tmp_path_factory.mktemp("pictures")
    for colour in ("red", "green", "blue"):
        paint(folder / f"{colour}.jpg", colour)
    clipdex.index(folder, model="toy")
    return clipdex.open(folder)


def test_a_hit_may_stand_where_an_id_does(searcher: Searcher) -> None:
    hit = searcher.search("green")[0]
    assert [one.id for one in searcher.search(like=hit)] == [one.id for one in searcher.search(like="green.jpg")]
    assert searcher.search(like=[hit, "red.jpg"], limit=1)[0].parts.keys() == {"like green.jpg", "like red.jpg"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.search(5), "what to look for must be text, not 5 (int)"),
        (lambda s: s.search(b"red"), "what to look for must be text, not b'red' (bytes)"),
        (lambda s: s.search(like=5), "an image must be the id of an indexed one, or a hit, not 5"),
        (lambda s: s.search(image=ARRAY), "PIL.Image.fromarray), not something of the type ndarray"),
        (lambda s: s.search(vector=np.ones(64) * 1j), "the vector is not 64 real numbers"),
        (lambda s: s.search(concept=5), "the name of a concept must be text, not 5"),
        (lambda s: s.search("red", limit="3"), "limit must be a whole number, not '3' (str)"),
        (lambda s: s.search("red", limit=None), "limit must be a whole number, not None"),
        (lambda s: s.search("red", limit=2.5), "limit must be a whole number, not 2.5 (float)"),
        (lambda s: s.search("red", limit=True), "limit must be a whole number, not True"),
        (lambda s: s.search("red", offset=None), "offset must be a whole number, not None"),
        (lambda s: s.search("red", diverse="x"), "diverse must be a number, not 'x'"),
        (lambda s: s.search("red", where={"width": 5}), "where must be conditions such as 'width>=1000', not {"),
        (lambda s: s.search("red", where=[None]), "where must be conditions such as 'width>=1000', not None"),
        (lambda s: s.search("red", without=[None]), "what to look for must be text, not None"),
        (lambda s: s.search("red", holding=5), "what a caption or a file name holds must be text, not 5"),
        (lambda s: s.search(where=Condition(5, "=", 3)), "a column must be text, not 5"),  # type: ignore[arg-type]
        (lambda s: s.search("red", templates=5), "templates must be a path or a name, not 5"),
        (lambda s: Text("red", "x"), "a weight must be a number, not 'x'"),  # type: ignore[arg-type]
        (lambda s: Like("red.jpg", box=5), "a region must be four numbers"),  # type: ignore[arg-type]
        (lambda s: Picture(None), "an image must be a path, the bytes of a file"),  # type: ignore[arg-type]
        (lambda s: s.search_many("red"), "texts are several, in a list such as"),
        (lambda s: s.search_many(["red"], limit=2.5), "limit must be a whole number, not 2.5"),
        (lambda s: s.classify("red.jpg", ["a", "b"]), "images are several, in a list such as"),
        (lambda s: s.tag([5], add="x"), "an image must be the id of an indexed one, or a hit, not 5"),
        (lambda s: s.tag(None, add="x"), "say which images: their ids, or hits; None names nothing"),
        (lambda s: s.tag("red.jpg", add=5), "the tag must be text, not 5"),
        (lambda s: s.keep_concept(5, "red.jpg"), "the name of a concept must be text, not 5"),
        (lambda s: s.forget_concept(5), "the name of a concept must be text, not 5"),
        (lambda s: s.item(None), "an image must be the id of an indexed one, or a hit, not None"),
        (lambda s: s.read(None), "what a person typed must be text, not None"),
        (lambda s: clipdex.index(None), "what to index must be a path, a URL"),  # type: ignore[arg-type]
        (lambda s: clipdex.index([5]), "what to index must be a path, a URL"),  # type: ignore[list-item]
        (lambda s: clipdex.index("p", model=5), "model must be a path or a name, not 5"),  # type: ignore[arg-type]
        (lambda s: clipdex.open(None), "folder must be a path or a name, not None"),  # type: ignore[arg-type]
        (lambda s: clipdex.open(Path(), model=5), "model must be a path or a name, not 5"),  # type: ignore[arg-type]
    ],
)
def test_what_is_of_a_wrong_type_is_told_in_one_line(
    searcher: Searcher, call: Callable[[Any], Any], message: str
) -> None:
    with pytest.raises(ClipdexError) as told:
        call(searcher)
    assert message in str(told.value)
    assert "\n" not in str(told.value)


def test_numbers_of_numpy_are_numbers(searcher: Searcher) -> None:
    hits = searcher.search(Text("red", np.float64(2)), limit=np.int64(2), diverse=np.float32(0.5))  # type: ignore[arg-type]
    assert hits[0].id == "red.jpg" and len(hits) == 2
