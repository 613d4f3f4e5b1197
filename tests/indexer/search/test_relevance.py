"""Does relevance tell what is there from what is not, whatever the size of the collection and the page?"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import clipdex
from core.encoder import Encoder
from indexer.search.query import Query
from indexer.search.ranking import ranked
from indexer.search.relevance import (
    NEEDED,
    QUERIES,
    SAMPLED_ROWS,
    THRESHOLD,
    Background,
    background,
    composed,
    meaningless,
    relevances,
    sample,
)
from indexer.search.relevance_cache import BackgroundCache
from indexer.search.searcher import Searcher
from tests.indexer.pictures import index, paint

D = 48
TEXT = {"text": 1.0}


def unit(rows: np.ndarray) -> np.ndarray:
    made: np.ndarray = (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)
    return made


def world(n: int, seed: int = 0, topics: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images (n, d) of the first half of some topics, 300 phrases, and words for all topics: texts lie in a cone of
    their own, as those of a CLIP model do."""
    draw = np.random.default_rng(seed)
    centres, others = unit(draw.normal(size=(topics, D))), unit(draw.normal(size=(300, D)))
    cone = unit(draw.normal(size=D))
    pictures = unit(centres[draw.integers(0, topics // 2, n)] + 0.08 * draw.normal(size=(n, D)))
    phrases, words = (unit(meant + 1.5 * cone) for meant in (others, centres))
    return pictures, phrases, words


def first_relevance(query: np.ndarray, pictures: np.ndarray, against: Background) -> float:
    scores = -np.sort(-(pictures @ query))
    return float(relevances(scores[:NEEDED], scores[:1], {"text": 1.0}, against, len(pictures))[0])


@pytest.mark.parametrize("n", [1_000, 5_000, 40_000])
def test_topics_that_are_there_match_and_topics_that_are_not_do_not(n: int) -> None:
    pictures, phrases, words = world(n)
    against = background(meaningless(phrases), pictures)
    found = np.array([first_relevance(query, pictures, against) for query in words])
    half = len(words) // 2
    assert (found[:half] >= THRESHOLD).mean() >= 0.8
    assert (found[half:] < THRESHOLD).mean() > 0.8


def test_a_collection_of_one_topic_matches_it() -> None:
    """The distance from the bulk cannot tell: all images match alike."""
    _, phrases, words = world(10)
    draw = np.random.default_rng(1)
    dogs = unit(world(10_000)[0])
    dogs = dogs[(dogs @ words[0]) > np.quantile(dogs @ words[0], 0.96)]
    dogs = unit(dogs + 0.01 * draw.normal(size=dogs.shape))
    against = background(meaningless(phrases), dogs)
    assert first_relevance(words[0], dogs, against) > THRESHOLD
    assert np.mean([first_relevance(query, dogs, against) < THRESHOLD for query in words[20:]]) > 0.8


def test_the_background_of_a_sample_is_that_of_the_whole() -> None:
    draw = np.random.default_rng(0)
    pictures, phrases = unit(draw.normal(size=(60_000, D))), unit(draw.normal(size=(60, D)))
    found = background(phrases, pictures)
    best = -np.sort(-(pictures @ phrases.T), axis=0)[:5]
    whole = (best[0] + best.mean(axis=0)) / 2
    assert len(pictures) > SAMPLED_ROWS
    assert found.rows == len(pictures)
    assert found.mean == pytest.approx(float(whole.mean()), abs=0.8 * float(whole.std()))
    part = pictures[: SAMPLED_ROWS // 2]
    assert found.mean > background(phrases, part).mean


@settings(deadline=None, max_examples=50)
@given(scores=st.lists(st.floats(-1, 1), min_size=1, max_size=40), k=st.integers(1, 40), rows=st.integers(1, 10**7))
def test_relevance_falls_with_the_cosine_and_a_page_is_the_beginning_of_a_longer_one(
    scores: list[float], k: int, rows: int
) -> None:
    ordered = np.array(sorted(scores, reverse=True))
    against = Background(mean=0.3, spread=0.05, growth=0.01, rows=1_000)
    whole = relevances(ordered[:NEEDED], ordered, {"text": 1.0}, against, rows)
    assert ((whole >= 0) & (whole <= 1)).all()
    assert (np.diff(whole) <= 0).all()
    assert np.array_equal(relevances(ordered[:NEEDED], ordered[:k], {"text": 1.0}, against, rows), whole[:k])


def test_one_picture_and_equal_pictures_are_answered() -> None:
    pictures, phrases, words = world(500)
    for few in (pictures[:1], pictures[:2], np.repeat(pictures[:1], 30, axis=0)):
        for queries in (meaningless(phrases), sample(few)):
            against, best = background(queries, few), -np.sort(-(few @ words[0]))
            found = relevances(best[:NEEDED], best, {"text": 1.0}, against, len(few))
            assert np.isfinite(found).all()


def test_a_picture_of_the_collection_does_not_speak_for_others_like_it() -> None:
    pictures, _, _ = world(2_000)
    against = background(sample(pictures), pictures)
    others = np.full(9, 0.05)
    itself = np.concatenate([[1.0], others])
    found = relevances(itself[:NEEDED], itself, {"image": 1.0}, against, 2_000)
    assert found[0] == 1
    assert np.array_equal(found[1:], relevances(others[:NEEDED], others, {"image": 1.0}, against, 2_000))


def test_meaningless_queries_lie_where_the_others_lie_and_resemble_none() -> None:
    _, phrases, _ = world(10, topics=400)
    made = meaningless(phrases)
    assert np.linalg.norm(made, axis=1) == pytest.approx(1, abs=1e-5)
    assert made.mean(axis=0) @ phrases.mean(axis=0) == pytest.approx(float((phrases.mean(axis=0) ** 2).sum()), rel=0.05)
    spread = [np.linalg.norm(rows - rows.mean(axis=0), axis=1).mean() for rows in (phrases, made)]
    assert spread[1] == pytest.approx(spread[0], rel=0.1)
    assert np.median((made @ phrases.T).max(axis=1)) < 0.99
    assert np.array_equal(made, meaningless(phrases))


def test_composed_queries_have_the_weights_of_the_query() -> None:
    draw = np.random.default_rng(2)
    sources = {"text": unit(draw.normal(size=(QUERIES, D))), "image": unit(draw.normal(size=(QUERIES, D)))}
    made = composed([("text", 1.0), ("image", -0.5), ("text", 0.25)], sources.__getitem__)
    expected = sources["text"] - 0.5 * np.roll(sources["image"], 1, axis=0) + 0.25 * np.roll(sources["text"], 2, axis=0)
    assert made == pytest.approx(unit(expected), abs=1e-6)
    assert composed([("text", 2.0)], sources.__getitem__) == pytest.approx(sources["text"], abs=1e-6)


@pytest.fixture(scope="module")
def searcher(tmp_path_factory: pytest.TempPathFactory) -> Searcher:
    folder = tmp_path_factory.mktemp("relevance")
    for number in range(60):
        paint(folder / f"{number:02}.png", ("red", "green", "blue")[number % 3], seed=number)
    index(folder)
    return clipdex.open(folder)


def test_hits_carry_the_relevance_of_their_query_on_every_page(searcher: Searcher) -> None:
    whole = searcher.search("red", limit=60)
    shown = [hit.relevance or 0.0 for hit in whole]
    assert shown == sorted(shown, reverse=True)
    assert shown[0] > max(THRESHOLD, shown[-1])
    assert [searcher.search("red", limit=1, offset=n)[0].relevance for n in (0, 1, 30)] == [
        shown[n] for n in (0, 1, 30)
    ]
    assert (searcher.search(like="00.png", limit=1)[0].relevance or 0) == 1
    assert (searcher.search("purple", limit=1)[0].relevance or 0) < shown[0]


def test_whoever_asks_something_else_does_not_wait_for_a_background(searcher: Searcher) -> None:
    snapshot, begun, go_on = searcher.snapshot(), threading.Event(), threading.Event()
    backgrounds, found = BackgroundCache(), list[list[float | None]]()

    def slow_to_load() -> Encoder:
        begun.set()
        assert go_on.wait(30)
        return searcher.encoder

    def ask(query: Query) -> list[float | None]:
        page = ranked(query, snapshot, snapshot.vectors[0])
        return backgrounds.relevances(query, snapshot, page, slow_to_load)

    words = Query.of("red", limit=3)
    threads = [threading.Thread(target=lambda: found.append(ask(words))) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert begun.wait(30)
    like = Query.of(None, like=snapshot.ids[0], limit=3)
    assert all(value is not None for value in ask(like))  # meanwhile
    assert not found
    go_on.set()
    for thread in threads:
        thread.join()
    assert found[0] == found[1] == ask(words)


def test_what_nothing_is_known_of_has_no_relevance(searcher: Searcher) -> None:
    assert searcher.search(vector=np.ones(64), limit=1)[0].relevance is None
    assert searcher.search(where="width>0", limit=1)[0].relevance is None
    mixed = searcher.search("red", like="01.png", without="blue", where="width>0", limit=60)
    assert all(0 <= (hit.relevance or 0) <= 1 for hit in mixed)
    assert mixed[0].relevance is not None


def test_excluding_hits_changes_the_relevance_of_no_other(searcher: Searcher) -> None:
    ways: list[dict[str, Any]] = [{}, {"hybrid": True}, {"collapse": "bytes"}, {"diverse": 0.3}, {"where": "width>0"}]
    before = [{hit.id: hit.relevance for hit in searcher.search("red", limit=60, **way)} for way in ways]
    best = [hit.id for hit in searcher.search("red", limit=5)]
    assert searcher.exclude(best) == 5
    for way, told in zip(ways, before, strict=True):
        found = searcher.search("red", limit=60, **way)
        assert len(found) == len(told) - 5 and not {hit.id for hit in found} & set(best)
        assert {hit.id: hit.relevance for hit in found}.items() <= told.items()
    assert searcher.include(best) == 5
