"""Are the hits the right ones, in the right order, and is every odd question answered with a sentence?"""

from __future__ import annotations

import io
import re
import shutil
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import clipdex
from core.errors import CollectionError, ImageError, QueryError, WrongModelError
from core.inference.load import load_encoder
from core.inference.toy import ToyEncoder
from indexer.collection.storage.migrations import FORMAT_VERSION
from indexer.search.searcher import Searcher
from tests.indexer.pictures import COLOURS, index, paint, paint_three, state


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Searcher:
    """40 images, half of them equal to another one, so that scores tie; some captions."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(20):
        colour = list(COLOURS)[number % 4]
        paint(folder / f"{number:02}.png", colour, seed=number if number % 3 else None)
        shutil.copyfile(folder / f"{number:02}.png", folder / f"again-{number:02}.png")
    rows = "".join(f"{number:02}.png,{list(COLOURS)[number % 4]} number {number % 5}\n" for number in range(20))
    (folder / "captions.csv").write_text("image,caption\n" + rows)
    index(folder)
    return clipdex.open(folder)


def test_words_find_their_pictures_first(tmp_path: Path) -> None:
    searcher = clipdex.open(paint_and_index(tmp_path))
    for colour, name in [("red", "red.jpg"), ("green", "green.jpg"), ("blue", "blue.png")]:
        hits = searcher.search(colour)
        assert (hits[0].id, hits[0].rank, len(hits)) == (name, 1, 3)
        assert hits[0].score > 0.5 > hits[1].score
        assert (hits[0].path, hits[0].width, hits[0].height) == (tmp_path / name, 60, 40)


def test_each_picture_finds_itself_first_in_every_form(tmp_path: Path) -> None:
    searcher = clipdex.open(paint_and_index(tmp_path))
    for name in ("red.jpg", "green.jpg", "blue.png"):
        file = tmp_path / name
        for form in (file, str(file), file.read_bytes(), Image.open(io.BytesIO(file.read_bytes()))):
            hit = searcher.search(image=form)[0]
            assert hit.id == name
            assert hit.score == pytest.approx(1, abs=1e-5)
        assert searcher.search(like=name)[0].id == name


def test_scores_are_the_cosines_of_the_models_vectors(many: Searcher) -> None:
    rows = state(many.collection.path)["images"]
    query = load_encoder("toy").encode_texts(["red white"])[0]
    expected = {item_id: float(np.dot(query, np.array(row["vector"], np.float32))) for item_id, row in rows.items()}
    hits = many.search("red white", limit=100)
    assert {hit.id: hit.score for hit in hits} == {key: pytest.approx(cosine) for key, cosine in expected.items()}


def test_equal_scores_come_in_the_order_of_ids(many: Searcher) -> None:
    hits = many.search("red", limit=100)
    assert [(-hit.score, hit.id) for hit in hits] == sorted((-hit.score, hit.id) for hit in hits)
    assert len({hit.score for hit in hits}) < len(hits)


@settings(deadline=None, max_examples=30)
@given(k=st.integers(1, 50), target=st.sampled_from(["images", "texts"]))
def test_the_best_k_are_the_beginning_of_the_best_2k(many: Searcher, k: int, target: Any) -> None:
    assert (
        many.search("red number 1", limit=k, target=target)
        == many.search("red number 1", limit=2 * k, target=target)[:k]
    )


@settings(deadline=None, max_examples=30)
@given(size=st.integers(1, 17), target=st.sampled_from(["images", "texts"]))
def test_pages_neither_overlap_nor_skip(many: Searcher, size: int, target: Any) -> None:
    whole = many.search("blue number 2", limit=100, target=target)
    paged = [
        hit
        for start in range(0, len(whole) + size, size)
        for hit in many.search("blue number 2", limit=size, offset=start, target=target)
    ]
    assert paged == whole
    assert [hit.rank for hit in whole] == list(range(1, len(whole) + 1))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "the query is empty"),
        ({"text": ""}, "the query is empty"),
        ({"text": " \n\t"}, "the query is empty"),
        ({"text": "a", "like": "b"}, "no image 'b' is indexed here"),
        ({"text": "a", "limit": 0}, "limit 0 is not between 1 and 10,000"),
        ({"text": "a", "limit": -3}, "limit -3"),
        ({"text": "a", "limit": 10_001}, "limit 10,001"),
        ({"text": "a", "offset": -1}, "offset -1 is negative"),
        ({"text": "a", "target": "image"}, "unknown target 'image'; choose one of: images"),
        ({"like": "01.pgn"}, "no image '01.pgn' is indexed here; nearest: 01.png"),
        ({"like": "'; DROP TABLE images"}, "no image"),
    ],
)
def test_questions_that_make_no_sense_get_a_sentence(many: Searcher, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(QueryError, match=re.escape(message)):
        many.search(**asked)


def test_names_that_are_not_like_the_one_asked_for_are_not_suggested(many: Searcher) -> None:
    with pytest.raises(QueryError, match=r"no image 'quite another\.png' is indexed here$"):
        many.search(like="quite another.png")


@pytest.mark.parametrize("content", [b"", b"no image", b"\xff\xd8\xff\xe0 cut"])
def test_a_query_picture_that_cannot_be_read_is_an_image_error(many: Searcher, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "query.jpg").write_bytes(content)
    for form in (content, tmp_path / "query.jpg", tmp_path / "absent.jpg", tmp_path):
        with pytest.raises(ImageError):
            many.search(image=form)
        with pytest.raises(ImageError):
            many.describe(form)


def test_a_long_query_is_fine_and_a_pasted_book_is_refused(many: Searcher) -> None:
    assert many.search("red " * 1_000, limit=1)[0].score > 0.5  # far beyond what any model reads
    with pytest.raises(QueryError, match="the query has 10,000 words, at most 1,000"):
        many.search("red " * 10_000)


def test_words_may_hold_any_character(many: Searcher) -> None:
    assert len(many.search("☃\0\ud800 ' \" ; --", limit=3)) == 3


def test_beyond_the_last_hit_there_is_nothing(many: Searcher) -> None:
    assert many.search("red", limit=10_000, offset=40) == []
    assert len(many.search("red", limit=10_000)) == 40


def test_the_caption_of_a_hit_is_the_first_of_its_picture(many: Searcher) -> None:
    captions = {hit.id: hit.caption for hit in many.search("red", limit=100)}
    assert captions["06.png"] == "blue number 1"
    assert captions["again-06.png"] is None


def test_an_item_tells_all_about_a_picture(tmp_path: Path) -> None:
    paint_three(tmp_path)
    (tmp_path / "red.txt").write_text("one\ntwo")
    index(tmp_path)
    searcher = clipdex.open(tmp_path)
    item, file = searcher.item("red.jpg"), tmp_path / "red.jpg"
    assert (item.id, item.path, item.width, item.height, item.captions) == ("red.jpg", file, 60, 40, ["one", "two"])
    assert item.size == file.stat().st_size
    assert item.modified is not None
    assert abs(item.modified - datetime.fromtimestamp(file.stat().st_mtime, UTC)).total_seconds() < 0.001
    with Image.open(io.BytesIO(searcher.thumbnail("red.jpg"))) as small:
        assert (small.format, small.size) == ("JPEG", (60, 40))
        assert small.convert("RGB").getpixel((30, 20))[0] > 180  # type: ignore[index]
    for ask in (searcher.item, searcher.thumbnail):
        with pytest.raises(QueryError, match=r"no image 'rad\.jpg' is indexed here; nearest: red\.jpg"):
            ask("rad.jpg")


def test_each_thumbnail_belongs_to_its_picture_after_many_changes(tmp_path: Path) -> None:
    for number in range(12):
        paint(tmp_path / f"{number}.jpg", size=(20 + number, 20), seed=number)
    index(tmp_path)
    for number in (0, 5, 11):
        (tmp_path / f"{number}.jpg").unlink()
    paint(tmp_path / "3.jpg", size=(203, 20))
    index(tmp_path)
    searcher = clipdex.open(tmp_path)
    for number in (1, 2, 4, 6, 7, 8, 9, 10):
        with Image.open(io.BytesIO(searcher.thumbnail(f"{number}.jpg"))) as small:
            assert small.width == 20 + number
    with Image.open(io.BytesIO(searcher.thumbnail("3.jpg"))) as small:
        assert small.width == 203


def test_an_open_collection_sees_what_later_runs_write(tmp_path: Path) -> None:
    searcher = clipdex.open(paint_and_index(tmp_path))
    assert len(searcher.search("red")) == 3
    assert searcher.snapshot() is searcher.snapshot()
    paint(tmp_path / "new.jpg", "red", size=(50, 50))
    (tmp_path / "blue.png").unlink()
    (tmp_path / "green.txt").write_text("meadow")
    index(tmp_path)
    assert {hit.id: hit.caption for hit in searcher.search("red")} == {
        "red.jpg": None,
        "new.jpg": None,
        "green.jpg": "meadow",
    }
    with pytest.raises(QueryError):
        searcher.thumbnail("blue.png")


def test_an_open_collection_survives_being_made_again(tmp_path: Path) -> None:
    searcher = clipdex.open(paint_and_index(tmp_path))
    assert len(searcher.search("red")) == 3
    shutil.rmtree(tmp_path / ".clipdex")
    with pytest.raises(CollectionError, match="is gone"):
        searcher.search("red")
    (tmp_path / "blue.png").unlink()
    index(tmp_path)
    assert [hit.id for hit in searcher.search("red")] == ["red.jpg", "green.jpg"]


def test_a_picture_that_was_moved_away_is_still_found(tmp_path: Path) -> None:
    searcher = clipdex.open(paint_and_index(tmp_path))
    (tmp_path / "red.jpg").unlink()
    hit = searcher.search("red", limit=1)[0]
    assert hit.path == tmp_path / "red.jpg"
    assert len(searcher.thumbnail("red.jpg")) > 20


def test_many_threads_may_search_at_once(many: Searcher) -> None:
    expected = many.search("red", limit=5)
    found: list[Any] = []

    def ask() -> None:
        found.extend(many.search("red", limit=5) == expected for _ in range(5))
        found.append(len(many.thumbnail("01.png")) > 20)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 48


def test_status_tells_what_the_collection_is(tmp_path: Path) -> None:
    paint_three(tmp_path)
    (tmp_path / "bad.jpg").write_text("x")
    (tmp_path / "red.txt").write_text("words")
    index(tmp_path)
    status = clipdex.open(tmp_path).status()
    assert (status.folder, status.collection) == (tmp_path, tmp_path / ".clipdex")
    assert (status.model, status.fingerprint, status.dim) == ("toy", load_encoder("toy").fingerprint, 64)
    assert (status.images, status.texts, status.format_version) == (3, 1, FORMAT_VERSION)
    assert [(failure.location, failure.reason) for failure in status.failures] == [("bad.jpg", "not an image")]
    assert status.size_bytes == sum(
        file.stat().st_size for file in (tmp_path / ".clipdex").rglob("*") if file.is_file()
    )
    assert (datetime.now(UTC) - status.updated).total_seconds() < 60


def test_a_search_needs_no_pictures_and_no_model_that_is_not_asked_for(tmp_path: Path) -> None:
    """`like` and `status` use stored vectors only; the folder may be unplugged."""
    folder = paint_three(tmp_path / "disk")
    index(folder, to=tmp_path / "kept")
    folder.rename(tmp_path / "unplugged")
    searcher = clipdex.open(tmp_path / "kept")
    assert searcher.search(like="red.jpg")[0].id == "red.jpg"
    assert searcher.status().images == 3
    assert searcher._encoder is None


class Other(ToyEncoder):
    """The toy encoder under another fingerprint."""

    name = "other"
    fingerprint = "0" * 64


def test_vectors_of_two_models_never_meet(tmp_path: Path) -> None:
    from indexer.ingest import sync
    from indexer.search.searcher import open_searcher

    paint_and_index(tmp_path)
    before = state(tmp_path)
    with pytest.raises(WrongModelError, match=r"made by the model toy .* not by other .*index FOLDER --model other"):
        open_searcher(tmp_path, Other())
    with pytest.raises(WrongModelError):
        sync.index(tmp_path, encoder=Other())
    assert state(tmp_path) == before
    sync.index(tmp_path, encoder=Other(), to=tmp_path / "other")
    assert clipdex.open(tmp_path, model="toy").search("red")[0].id == "red.jpg"


def paint_and_index(folder: Path) -> Path:
    paint_three(folder)
    index(folder)
    return folder


def test_pictures_are_classified_by_the_collections_model(tmp_path: Path) -> None:
    searcher = clipdex.open(paint_and_index(tmp_path))
    answers = searcher.classify([tmp_path / "red.jpg", (tmp_path / "blue.png").read_bytes()], ["blue", "red", "green"])
    assert [labels[0].name for labels in answers] == ["red", "blue"]
    assert all(sum(label.probability for label in labels) == pytest.approx(1) for labels in answers)
    with pytest.raises(ImageError):
        searcher.classify([tmp_path / "absent.jpg"], ["red"])


def test_a_file_has_one_vector_however_large_it_is(tmp_path: Path) -> None:
    """A large JPEG is decoded straight to a part of its size; the same happens when it is the query."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8))
    coarse.resize((2000, 1500), Image.Resampling.BICUBIC).save(tmp_path / "large.jpg", quality=90)
    clipdex.index(tmp_path, model="tiny")
    for image in (tmp_path / "large.jpg", (tmp_path / "large.jpg").read_bytes()):
        (hit,) = clipdex.open(tmp_path).search(image=image)
        assert hit.score == pytest.approx(1, abs=1e-6)
