"""Are concepts that people keep found again, by every model, and told when they cannot be?"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

import clipdex
from core.errors import QueryError
from indexer.collection.concept_learning import learn_concept
from indexer.ingest.options import Options
from indexer.ingest.sync import index as sync
from indexer.maintenance.compact import compact
from indexer.search.query import Concept, Text
from indexer.search.query_formatter import pieces, written
from indexer.search.query_parser import parse_line
from tests.indexer.pictures import Half, index, paint

COLOURS = ("red", "green", "blue")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for colour in COLOURS:
        for number in range(4):
            paint(tmp_path / f"{colour}{number}.png", colour, seed=number)
    index(tmp_path)
    return tmp_path


def test_a_concept_is_kept_searched_and_forgotten(folder: Path) -> None:
    searcher = clipdex.open(folder)
    kept = searcher.keep_concept("My red", ["red0.png", "red1.png"], searcher.search(like="blue0.png", limit=1))
    direction = learn_concept(searcher.snapshot(), ["red0.png", "red1.png"], ["blue0.png"])
    assert np.array_equal(np.asarray(kept.vector, np.float32), direction) and kept.does_not == ("blue0.png",)
    again = clipdex.open(folder)
    assert [one.name for one in again.concepts()] == ["My red"]
    expected = [(hit.id, hit.score) for hit in again.search(vector=direction, limit=5)]
    assert [(hit.id, hit.score) for hit in again.search(again.read('concept:"My red"'), limit=5)] == expected
    assert [(hit.id, hit.score) for hit in again.search(concept="my RED", limit=5)] == expected
    assert {hit.id for hit in again.search(concept="My red", limit=4)} == {f"red{n}.png" for n in range(4)}
    best = again.search(again.read('green concept:"my red"'), limit=1)[0]
    assert list(best.parts) == ["green", "concept my red"]
    away = again.search("red", without=Concept("My red", 1.0), limit=1)
    assert list(away[0].parts) == ["red", "-concept My red"] and away[0].score > away[0].parts["red"] - 1
    again.keep_concept("My red", "green0.png")
    assert [one.fits for one in searcher.concepts()] == [("green0.png",)]
    searcher.forget_concept("My red")
    assert again.concepts() == []


def test_a_name_is_found_whichever_way_its_accents_are_typed(folder: Path) -> None:
    searcher = clipdex.open(folder)
    searcher.keep_concept("caf\u00e9", "red0.png")
    expected = [hit.id for hit in searcher.search(concept="caf\u00e9", limit=5)]
    for typed in ("cafe\u0301", "CAFE\u0301"):
        assert [hit.id for hit in searcher.search(concept=typed, limit=5)] == expected
    searcher.forget_concept("cafe\u0301")
    assert searcher.concepts() == []


def test_what_is_no_concept_is_told(folder: Path) -> None:
    searcher = clipdex.open(folder)
    with pytest.raises(QueryError, match="no concept 'dog', and no other"):
        searcher.search(searcher.read("concept:dog"))
    searcher.keep_concept("cat", "red0.png")
    with pytest.raises(QueryError, match="cat"):
        searcher.search(searcher.read("concept:car"))
    with pytest.raises(QueryError, match="cat"):
        searcher.forget_concept("dog")
    with pytest.raises(QueryError, match=r"nope\.png"):
        searcher.keep_concept("x", ["nope.png"])
    with pytest.raises(QueryError, match="at least one example"):
        searcher.keep_concept("x", [])
    with pytest.raises(QueryError, match="empty"):
        searcher.keep_concept(" ", "red0.png")


def test_another_model_learns_a_concept_anew_from_its_examples_or_says_that_it_cannot(folder: Path) -> None:
    searcher = clipdex.open(folder)
    searcher.keep_concept("red ones", ["red0.png", "red1.png"], ["blue0.png"])
    searcher.keep_concept("lost", ["green0.png"])
    (folder / "green0.png").unlink()
    (folder / "blue0.png").unlink()
    sync(folder, encoder=Half(), options=Options(change_model=True))
    compact(searcher.snapshot().collection)
    later = clipdex.open(folder, model=None)
    later._encoder = later._given = Half()
    fresh = learn_concept(later.snapshot(), ["red0.png", "red1.png"])
    assert [hit.id for hit in later.search(concept="red ones", limit=4)] == [
        hit.id for hit in later.search(vector=fresh, limit=4)
    ]
    with pytest.raises(QueryError, match="none of its examples is here"):
        later.search(concept="lost")


def test_concepts_that_are_kept_at_once_are_all_there(folder: Path) -> None:
    searcher = clipdex.open(folder)
    threads = [threading.Thread(target=searcher.keep_concept, args=(f"c{n}", f"red{n}.png")) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.name for one in searcher.concepts()] == ["c0", "c1", "c2", "c3"]


@pytest.mark.parametrize(
    ("line", "concepts", "not_concepts", "text"),
    [
        ("concept:dog red car", ("dog",), (), "red car"),
        ('a -concept:"my dog" b', (), ("my dog",), "a b"),
        ("CONCEPT:„my dog“", ("my dog",), (), ""),
        ("concept: art", (), (), "concept: art"),
        ('concept:""', (), (), 'concept:""'),
        ("concept:a, b", ("a",), (), "b"),
    ],
)
def test_concepts_in_a_line(line: str, concepts: tuple[str, ...], not_concepts: tuple[str, ...], text: str) -> None:
    found = parse_line(line, {})
    assert (found.concepts, found.not_concepts, found.text) == (concepts, not_concepts, text)
    if found.is_special:
        assert parse_line(written(found), {}) == found
        ((label, rest),) = pieces(found)
        assert label.lstrip("-").startswith("concept:") and not rest.is_special


def test_a_concept_alone_and_with_words_makes_parts() -> None:
    from indexer.search.query import Query

    query = Query.of(["red", parse_line("concept:dog -concept:cat", {})], concept=Concept("bird", 0.5))
    assert query.parts == (Text("red"), Concept("dog"), Concept("bird", 0.5), Concept("cat", -0.5))
    assert query.labels() == ["red", "concept dog", "concept bird", "-concept cat"]
