"""Do copies collapse, does variety spread, and do many queries at once get the answers of single ones?"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

import clipdex
from core.errors import QueryError
from indexer.search.date_sort import sorted_by_date
from indexer.search.diversity import POOL, diversify
from indexer.search.ranking import Ranked
from indexer.search.relevance import THRESHOLD
from indexer.search.searcher import Searcher
from tests.indexer.dedup.test_duplicates import picture, unit
from tests.indexer.pictures import index, paint


@pytest.fixture(scope="module")
def searcher(tmp_path_factory: pytest.TempPathFactory) -> Searcher:
    """Eight scenes, each with an equal file and a grey copy."""
    folder = tmp_path_factory.mktemp("arranged")
    for seed in (0, 2, 4, 5, 6, 7, 8, 9):
        picture(seed).save(folder / f"{seed}.png")
        shutil.copyfile(folder / f"{seed}.png", folder / f"{seed}-equal.png")
        ImageOps.grayscale(picture(seed)).save(folder / f"{seed}-grey.png")
    index(folder)
    return clipdex.open(folder)


def test_copies_collapse_into_the_best_of_them(searcher: Searcher) -> None:
    plain = [hit.id for hit in searcher.search("gray", limit=24)]
    bytes_once = [hit.id for hit in searcher.search("gray", limit=24, collapse="bytes")]
    assert len(bytes_once) == 16
    assert bytes_once == [item for item in plain if item in bytes_once]
    assert not {item for item in bytes_once if item.endswith("-equal.png")} & {
        item.replace(".png", "-equal.png") for item in bytes_once
    }
    once = searcher.search("gray", limit=24, collapse="picture")
    assert len({hit.id[0] for hit in once}) == 8 <= len(once) < 16
    assert [hit.rank for hit in once] == list(range(1, len(once) + 1))
    assert len(searcher.search("gray", limit=24, collapse="scene")) <= len(once)


@pytest.mark.parametrize("options", [{"collapse": "picture"}, {"diverse": 0.4}, {"collapse": "bytes", "diverse": 0.3}])
def test_pages_of_arranged_hits_are_parts_of_the_whole(searcher: Searcher, options: dict[str, object]) -> None:
    whole = [hit.id for hit in searcher.search("blue", limit=24, **options)]  # type: ignore[arg-type]
    paged = [searcher.search("blue", limit=1, offset=n, **options)[0].id for n in range(4)]  # type: ignore[arg-type]
    assert paged == whole[:4]
    assert len(set(whole)) == len(whole)


def test_variety_keeps_the_best_first_and_moves_its_copies_back(searcher: Searcher) -> None:
    plain = [hit.id for hit in searcher.search("blue", limit=24)]
    spread = [hit.id for hit in searcher.search("blue", limit=24, diverse=0.5)]
    assert sorted(plain) == sorted(spread)
    assert spread[0] == plain[0]
    assert len({item[0] for item in spread[:4]}) > len({item[0] for item in plain[:4]})
    assert [hit.id for hit in searcher.search("blue", limit=24, diverse=0.0)] == plain


def test_maximal_marginal_relevance_is_its_formula() -> None:
    draw = np.random.default_rng(0)
    vectors, query = unit(draw.normal(size=(30, 8))), unit(draw.normal(size=(1, 8)))[0]
    vectors = vectors[np.argsort(-(vectors @ query))]
    scores, order = vectors @ query, [0]
    while len(order) < 30:
        rest = [row for row in range(30) if row not in order]
        order.append(max(rest, key=lambda r: 0.6 * scores[r] - 0.4 * max(vectors[r] @ vectors[o] for o in order)))
    assert diversify(vectors, scores, 0.4).tolist() == order
    many = np.repeat(vectors[:1], POOL + 5, axis=0)
    assert diversify(many, many @ query, 0.4).tolist() == list(range(POOL + 5))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"collapse": "byte"}, "unknown kind 'byte'; choose one of: bytes"),
        ({"diverse": 1.5}, "diverse 1.5 is not between 0 and 1"),
        ({"diverse": float("nan")}, "diverse nan"),
        ({"collapse": "bytes", "target": "texts"}, "only images can be collapsed or spread, not captions"),
        ({"diverse": 0.5, "hybrid": True}, "cannot be hybrid, too"),
    ],
)
def test_what_cannot_be_arranged_is_said(searcher: Searcher, asked: dict[str, object], message: str) -> None:
    with pytest.raises(QueryError, match=message):
        searcher.search("blue", **asked)  # type: ignore[arg-type]


def test_many_queries_at_once_get_the_answers_of_single_ones(searcher: Searcher) -> None:
    texts = [f"{colour} {thing}" for colour in ("red", "blue", "gray", "dark") for thing in range(40)]
    together = searcher.search_many(texts, limit=5)
    for text, found in zip(texts[::23], together[::23], strict=True):
        single = searcher.search(text, limit=5)
        assert [item for item, _ in found] == [hit.id for hit in single]
        assert [score for _, score in found] == pytest.approx([hit.score for hit in single], abs=1e-6)
    assert searcher.search_many([]) == []
    with pytest.raises(QueryError, match="the query number 2 is empty"):
        searcher.search_many(["red", " "])
    with pytest.raises(QueryError, match="limit 0"):
        searcher.search_many(["red"], limit=0)


def test_what_matches_comes_in_the_order_of_time(tmp_path: Path) -> None:
    for number in range(40):
        colour = ("red", "green", "blue", "white")[number % 4]
        file = paint(tmp_path / f"{number:02}.jpg", colour, seed=number)
        os.utime(file, (1_700_000_000 + 60 * number, 1_700_000_000 + 60 * number))
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2031:05:31 12:30:00"
    Image.new("RGB", (60, 40), (220, 20, 20)).save(tmp_path / "00.jpg", exif=exif)
    index(tmp_path)
    searcher = clipdex.open(tmp_path)
    best = searcher.search("red", limit=40)
    relevant = [hit.id for hit in best if (hit.relevance or 0) >= THRESHOLD]
    dated = [hit.id for hit in searcher.search("red", limit=40, sort="date")]
    assert len(relevant) > 1
    assert dated[0] == "00.jpg", "the camera's clock counts, not the file's"
    assert dated == ["00.jpg", *sorted((item for item in relevant if item != "00.jpg"), reverse=True)]
    snapshot = searcher.snapshot()
    whole = Ranked(np.array([7, 3, 9]), np.array([0.9, 0.8, 0.7], np.float32))
    assert sorted_by_date(snapshot, whole, [0.9, 0.8, 0.1], slice(0, 5)).rows.tolist() == [7, 3]
    assert sorted_by_date(snapshot, whole, [0.9, 0.1, 0.8], slice(0, 5)).rows.tolist() == [9, 7], "a guess is left out"
    assert sorted_by_date(snapshot, whole, [0.1, 0.1, 0.1], slice(0, 5)).rows.tolist() == [7, 3, 9], "all are guesses"
    assert sorted_by_date(snapshot, whole, [None] * 3, slice(1, 2)).scores.tolist() == pytest.approx([0.9])
    assert [searcher.search("red", limit=1, offset=n, sort="date")[0].id for n in range(3)] == dated[:3]
    assert [hit.id for hit in searcher.search(where="width>0", limit=3, sort="date")] == ["00.jpg", "39.jpg", "38.jpg"]
    with pytest.raises(QueryError, match="unknown order 'time'"):
        searcher.search("red", sort="time")
    with pytest.raises(QueryError, match="only images can be put in the order of time"):
        searcher.search("red", sort="date", target="texts")


def test_a_ranking_of_copies_alone_ends_where_it_was_about_to_be_read_deeper(tmp_path: Path) -> None:
    for number in range(8):
        picture(0).save(tmp_path / f"{number}.png")
    index(tmp_path)
    for limit in (3, 4, 5):  # 8 rows are exactly all that a limit of 4 asks for at first
        assert len(clipdex.open(tmp_path).search("red", limit=limit, collapse="bytes")) == 1
