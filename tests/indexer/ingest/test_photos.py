"""Do real photos arrive, with all their captions?"""

from __future__ import annotations

from pathlib import Path

import pytest

import clipdex
from core.image.decode import open_image
from core.inference.load import load_encoder
from indexer.collection.collection import Collection
from tests.indexer.pictures import index
from tests.shared import shared


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    kept = tmp_path_factory.mktemp("photos") / "kept"
    report = index(shared("data", "photos"), to=kept)
    assert (report.added, report.failed, report.total, report.unmatched_captions) == (200, {}, 200, 0)
    assert report.texts == 1000
    return kept


def test_all_200_photos_and_their_1000_captions_arrive(collection: Path) -> None:
    status = clipdex.open(collection).status()
    assert (status.images, status.texts, status.failures) == (200, 1000, [])
    assert status.folder == shared("data", "photos")


def test_every_photo_finds_itself_first(collection: Path) -> None:
    searcher = clipdex.open(collection)
    for item_id in searcher.snapshot().ids:
        hit = searcher.search(like=item_id, limit=1)[0]
        assert hit.id == item_id
        assert hit.score == pytest.approx(1, abs=1e-5)
    for item_id in searcher.snapshot().ids[::20]:  # the same from the file, decoded anew
        assert searcher.search(image=shared("data", "photos") / item_id, limit=1)[0].id == item_id


def test_a_photo_has_its_five_captions_and_its_size(collection: Path) -> None:
    searcher = clipdex.open(collection)
    for item_id in searcher.snapshot().ids[::40]:
        item = searcher.item(item_id)
        assert len(item.captions) == 5
        assert item.path is not None
        assert (item.width, item.height) == open_image(item.path).size


def test_a_caption_finds_itself_among_the_texts(collection: Path) -> None:
    searcher = clipdex.open(collection)
    caption = searcher.item(searcher.snapshot().ids[7]).captions[3]
    hits = searcher.search(caption, target="texts", limit=3)
    assert hits[0].score == pytest.approx(1, abs=1e-5)
    assert caption in {hit.caption for hit in hits}


def test_a_second_run_only_looks(collection: Path) -> None:
    report = index(shared("data", "photos"), to=collection)
    assert (report.unchanged, report.total) == (200, 200)
    assert set(report.stages) == {"scan", "write"}
    assert Collection.find(collection).info.model.dim == load_encoder("toy").dim
