"""Do quotes demand exactly their words, and does hybrid search keep the laws of every other search?"""

from __future__ import annotations

import re
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest

import clipdex
from core.errors import QueryError
from indexer.search import fulltext, hybrid
from indexer.search.filters import Condition
from indexer.search.query import Hit, Like
from indexer.search.searcher import Searcher
from tests.indexer.pictures import COLOURS, index, paint

CAPTIONS = {
    "a/IMG_1234.png": ["A red Parking-Lot", "seen from above"],
    "a/b/parking_lot.png": [],
    "café.png": ["Ärger im Café", "spark in glots"],
    "parking/lot.png": ["the parking place", "lot 7"],
    "x.png": ["parking   lots", "100% (really?) a.b*c"],
    "y.png": ["parking\tlot"],
}


@pytest.fixture(scope="module")
def captioned(tmp_path_factory: pytest.TempPathFactory) -> Searcher:
    folder = tmp_path_factory.mktemp("captioned")
    for number, (name, texts) in enumerate(CAPTIONS.items()):
        file = paint(folder / name, list(COLOURS)[number % 4], seed=number)
        file.with_suffix(".txt").write_text("\n".join(texts))
    index(folder)
    return clipdex.open(folder)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Searcher:
    """60 images in two folders; captions of a few words that often tie, and images without any."""
    folder = tmp_path_factory.mktemp("many")
    words = ["house", "boat", "tree", "red", "old"]
    for number in range(60):
        file = paint(folder / "ab"[number % 2] / f"{number:02}.png", list(COLOURS)[number % 4], seed=number % 20)
        if number % 3:
            file.with_suffix(".txt").write_text(f"{words[number % 5]} {words[number % 7 % 5]}\n{words[number % 4]}")
    index(folder)
    return clipdex.open(folder)


def held(searcher: Searcher, *phrases: str, without: tuple[str, ...] = ()) -> set[str]:
    return {hit.id for hit in searcher.search(holding=list(phrases), not_holding=list(without), limit=100)}


@pytest.mark.parametrize(
    ("phrase", "found"),
    [
        ("parking lot", {"a/IMG_1234.png", "a/b/parking_lot.png", "y.png"}),
        ("PARKING", {"a/IMG_1234.png", "a/b/parking_lot.png", "parking/lot.png", "x.png", "y.png"}),
        ("lot", {"a/IMG_1234.png", "a/b/parking_lot.png", "parking/lot.png", "y.png"}),
        ("1234", {"a/IMG_1234.png"}),
        ("IMG_1234.png", {"a/IMG_1234.png"}),
        ("img", {"a/IMG_1234.png"}),
        ("b", {"x.png"}),  # a.b*c, and not the folder b
        ("ärger", {"café.png"}),
        ("CAFÉ", {"café.png"}),
        (unicodedata.normalize("NFD", "café"), {"café.png"}),
        ("caf", set()),
        ("100 really a b c", {"x.png"}),
        (".*", None),
        ("seen above", set()),
        ("lot seen", set()),  # two captions are not one
        ("'; DROP TABLE images", set()),
    ],
)
def test_quotes_demand_whole_words_next_to_each_other(captioned: Searcher, phrase: str, found: set[str] | None) -> None:
    if found is None:
        with pytest.raises(QueryError, match=re.escape(f"there is no word in the quotes: {phrase!r}")):
            held(captioned, phrase)
    else:
        assert held(captioned, phrase) == found
        everything = set(CAPTIONS)
        assert {hit.id for hit in captioned.search("red", not_holding=phrase, limit=100)} == everything - found


def test_every_phrase_must_be_held_but_not_in_one_caption(captioned: Searcher) -> None:
    assert held(captioned, "above", "parking") == {"a/IMG_1234.png"}
    assert held(captioned, "parking", without=("lot", "lots")) == set()
    line = captioned.read('"parking lot" -"IMG 1234" red')
    assert [hit.id for hit in captioned.search(line)] == [
        hit.id for hit in captioned.search("red", holding=["parking lot"]) if "IMG" not in hit.id
    ]


def test_of_captions_each_must_hold_the_phrase_or_have_a_picture_of_that_name(captioned: Searcher) -> None:
    hits = captioned.search("x", holding="lot", target="texts", limit=100)
    assert {hit.caption for hit in hits} == {"A red Parking-Lot", "lot 7", "the parking place", "parking lot"}
    hits = captioned.search("x", where="folder=a", target="texts")
    assert {hit.caption for hit in hits} == {"A red Parking-Lot", "seen from above"}


def test_conditions_alone_list_what_they_keep_by_id(many: Searcher) -> None:
    hits = many.search(where=["folder=a", Condition("width", ">=", 60)], limit=10, offset=5)
    assert [hit.id for hit in hits] == [f"a/{number:02}.png" for number in range(10, 30, 2)]
    assert [(hit.rank, hit.score, hit.parts) for hit in hits[:2]] == [(6, 0.0, {}), (7, 0.0, {})]
    assert many.search(where="width>60") == []


def test_a_filter_loses_nothing_and_changes_no_score(many: Searcher) -> None:
    everything = many.search("red house", limit=100)
    for where in ("folder=b", "id=*7*", "width<=60", "taken!="):
        kept = many.search("red house", where=where, limit=100)
        marks = dict(zip(many.snapshot().ids, clipdex_mask(many, where), strict=True))
        expected = [hit for hit in everything if marks[hit.id]]
        assert [(hit.id, hit.score) for hit in kept] == [(hit.id, hit.score) for hit in expected]
        assert [hit.rank for hit in kept] == list(range(1, len(kept) + 1))


def clipdex_mask(searcher: Searcher, where: str) -> np.ndarray:
    from indexer.search import filters

    snapshot = searcher.snapshot()
    return filters.parse(where, snapshot.columns).mask(snapshot.images)


# --- hybrid ----------------------------------------------------------------------------------------------------------


def test_fusion_adds_reciprocal_ranks_as_the_paper_does() -> None:
    first = np.array([5, 3, 9]), np.array([0.9, 0.8, 0.7], np.float32)
    second = np.array([9, 5, 1, 7]), np.array([8.0, 2.0, 2.0, 1.0])  # 5 and 1 share rank 2
    rows, sums = hybrid.fused([first, second])
    expected = {5: 1 / 61 + 1 / 62, 9: 1 / 63 + 1 / 61, 3: 1 / 62, 1: 1 / 62, 7: 1 / 64}
    assert rows.tolist() == [5, 9, 1, 3, 7]
    assert dict(zip(rows.tolist(), sums, strict=True)) == pytest.approx(expected)


def test_words_in_a_caption_lift_a_picture_and_the_parts_say_so(captioned: Searcher) -> None:
    plain = captioned.search("white above", limit=10)
    hits = captioned.search("white above", hybrid=True, limit=10)
    assert (plain[0].id, hits[0].id) == ("parking/lot.png", "a/IMG_1234.png")
    better = sum(hit.score > hits[0].score for hit in plain)
    assert hits[0].parts == {
        "white above": hits[0].score,
        "full text": hits[0].parts["full text"],
        "fused": pytest.approx(1 / 61 + 1 / (61 + better)),
    }
    assert [hit.parts["full text"] > 0 for hit in hits] == [True] + 5 * [False]
    assert {hit.id: hit.score for hit in hits} == {hit.id: hit.score for hit in plain}  # still exact cosines


def test_file_names_are_full_text_too(captioned: Searcher) -> None:
    assert captioned.search("img 1234", hybrid=True)[0].parts["full text"] > 0
    assert captioned.search("lots 7", hybrid=True, target="texts", limit=1)[0].caption == "lot 7"


def slow_hybrid(searcher: Searcher, text: str, depth: int) -> list[str]:
    """Reciprocal rank fusion, spelled out over whole rankings."""
    snapshot = searcher.snapshot()
    near = [(hit.id, hit.score) for hit in searcher.search(text, limit=1000)]
    rows, scores = fulltext.ranked(snapshot, text, 1000, None, "images")
    spoken = [(snapshot.ids[row], float(score)) for row, score in zip(rows, scores, strict=True)]
    sums: dict[str, float] = {}
    for ranking in (near, spoken):
        for name, score in ranking[:depth]:
            better = sum(other > score for _, other in ranking)
            sums[name] = sums.get(name, 0) + 1 / (61 + better)
    best = sorted(sums, key=lambda name: (-sums[name], name))
    return best + [name for name, _ in near[depth:] if name not in sums]


@pytest.mark.parametrize("depth", [1000, 10])
@pytest.mark.parametrize("text", ["red house", "old boat tree", "zebra", "house"])
def test_hybrid_is_the_fusion_of_both_rankings(
    many: Searcher, text: str, depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hybrid, "DEPTH", depth)
    whole = many.search(text, hybrid=True, limit=100)
    assert [hit.id for hit in whole] == slow_hybrid(many, text, depth)
    assert sorted(hit.id for hit in whole) == sorted(many.snapshot().ids)
    for size in (1, 7, 23):
        pages: list[Hit] = []
        while len(pages) < len(whole):
            pages += many.search(text, hybrid=True, limit=size, offset=len(pages))
        assert pages == whole


def test_hybrid_keeps_filters(many: Searcher) -> None:
    hits = many.search("red house", hybrid=True, where="folder=a", limit=100)
    assert len(hits) == 30
    assert all(hit.id.startswith("a/") for hit in hits)


def test_few_documents_at_a_time_find_the_same(many: Searcher, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = np.arange(60) % 5 == 0
    expected = fulltext.ranked(many.snapshot(), "red house", 4, allowed, "images")
    monkeypatch.setattr(fulltext, "FIRST", 2)
    found = fulltext.ranked(many.snapshot(), "red house", 4, allowed, "images")
    assert [values.tolist() for values in found] == [values.tolist() for values in expected]
    assert len(found[0]) == 4


@pytest.mark.parametrize("words", ["'; DROP TABLE words", '"', "(", "*", "\0", "a AND NOT (b", "text:house", "☃"])
def test_any_words_can_be_looked_for(many: Searcher, words: str) -> None:
    assert len(many.search(words, hybrid=True, limit=3)) == 3


def test_hybrid_needs_words(many: Searcher) -> None:
    for asked in ({"like": "a/00.png"}, {"where": "width>1"}, {"without": "red"}):
        with pytest.raises(QueryError, match="hybrid search needs words"):
            many.search(hybrid=True, **asked)  # type: ignore[arg-type]
    assert many.search("house", like=Like("a/00.png"), hybrid=True)


def test_the_words_follow_the_collection_and_may_be_deleted_or_damaged(tmp_path: Path) -> None:
    paint(tmp_path / "1.png", "red").with_suffix(".txt").write_text("a lighthouse")
    paint(tmp_path / "2.png", "red", seed=1)
    index(tmp_path)
    searcher, folder = clipdex.open(tmp_path), tmp_path / ".clipdex" / "indexes"

    def lit(source: Searcher) -> list[str]:
        return [hit.id for hit in source.search("lighthouse", hybrid=True) if hit.parts["full text"] > 0]

    assert lit(searcher) == ["1.png"]
    (place,) = folder.glob("words-*")
    assert lit(clipdex.open(tmp_path)) == ["1.png"]  # from the disk
    for file in (file for file in place.rglob("*") if file.is_file()):
        file.write_bytes(b"damaged")
    assert lit(clipdex.open(tmp_path)) == ["1.png"]
    shutil.rmtree(folder)
    assert lit(searcher) == lit(clipdex.open(tmp_path)) == ["1.png"]  # also where it was open
    (tmp_path / "2.txt").write_text("another lighthouse")
    index(tmp_path)
    assert lit(searcher) == ["1.png", "2.png"]
    shutil.rmtree(folder)
    folder.write_text("no folder")  # as where nothing may be written
    assert lit(clipdex.open(tmp_path)) == ["1.png", "2.png"]


def test_a_collection_elsewhere_is_searched_as_one_here(tmp_path: Path) -> None:
    paint(tmp_path / "pictures" / "1.png", "red").with_suffix(".txt").write_text("a lighthouse")
    paint(tmp_path / "pictures" / "2.png", "blue")
    index(tmp_path / "pictures", to=f"file://{tmp_path}/far")
    searcher = clipdex.open(f"file://{tmp_path}/far")
    hits = searcher.search(searcher.read('blue -red "lighthouse" width>5'), hybrid=True)
    assert [hit.id for hit in hits] == ["1.png"]
    assert [hit.parts["full text"] > 0 for hit in searcher.search("blue lighthouse", hybrid=True)] == [True, False]
    assert not (tmp_path / "far" / "indexes").exists()  # what can be made again is kept on this machine
