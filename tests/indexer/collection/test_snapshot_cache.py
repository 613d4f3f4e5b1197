"""Is what searches read without LanceDB the same, and never of another version than the newest?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from benchmarks.made_collection import collection_of
from core.inference.toy import ToyEncoder
from indexer.collection.collection import Collection
from indexer.collection.snapshot import TARGETS, Snapshot, keep_newest
from indexer.collection.storage import snapshot_cache, tables
from indexer.collection.storage.arrays import numbers, row_indices
from indexer.ingest import sync
from indexer.ingest.options import Options
from indexer.search.searcher import Searcher


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    vectors = np.random.default_rng(0).standard_normal((40, 12)).astype(np.float32)
    made = collection_of(tmp_path, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    texts = [
        {"id": f"t{n}", "image_id": f"{n:09}.jpg", "key": "", "position": 0, "text": f"text {n}", "vector": vectors[n]}
        for n in range(5)
    ]
    tables.append(made.table("texts"), texts)
    return made


def recalled(collection: Collection) -> Snapshot | None:
    versions = snapshot_cache.newest(collection, TARGETS)
    assert versions is not None
    return Snapshot.recall(collection, versions)


def test_a_copy_holds_what_the_tables_hold(collection: Collection) -> None:
    assert recalled(collection) is None
    keep_newest(collection.path)
    kept, read = recalled(collection), Snapshot.load(collection)
    assert kept is not None
    assert kept.versions == read.versions
    assert kept.images.equals(read.images) and kept.texts.equals(read.texts)
    assert kept.vectors.tobytes() == read.vectors.tobytes()
    assert kept.text_vectors.tobytes() == read.text_vectors.tobytes()
    assert kept.text_owners.tolist() == read.text_owners.tolist() == list(range(5))
    assert kept.thumbnails(["000000001.jpg"]) == {"000000001.jpg": b""}
    assert kept.table.version == kept.versions[0] and kept.tiles is None and kept.tiles_count is None


def test_a_search_keeps_a_copy_and_sees_what_is_written_after_it(collection: Collection) -> None:
    query = Snapshot.load(collection).vectors[7]
    first = Searcher(collection).search(vector=query, limit=5)
    assert recalled(collection) is not None
    searcher = Searcher(Collection.open(collection.path))
    assert [(hit.id, hit.score) for hit in searcher.search(vector=query, limit=5)] == [
        (hit.id, hit.score) for hit in first
    ]
    tables.remove(collection.table("images"), "id", [first[0].id])
    assert recalled(collection) is None
    assert [hit.id for hit in searcher.search(vector=query, limit=4)] == [hit.id for hit in first[1:]]
    assert recalled(collection) is not None


def test_when_another_model_takes_over_the_copy_holds_its_vectors(tmp_path: Path) -> None:
    """Also where both have as many numbers, and tables of the same version."""
    paint_pictures(tmp_path)
    for encoder in (ToyEncoder(), Mirrored()):
        sync.index(tmp_path, encoder=encoder, options=Options(change_model=True))
        collection = Collection.find(tmp_path)
        kept = recalled(collection)
        assert kept is not None and collection.info.model.fingerprint == encoder.fingerprint
        assert kept.vectors.tobytes() == Snapshot.load(collection).vectors.tobytes()
        red = encoder.encode_texts(["red"])[0]
        assert kept.ids[int((kept.vectors @ red).argmax())] == "red.png"


class Mirrored(ToyEncoder):
    """Another model with vectors of the same length."""

    def __init__(self) -> None:
        super().__init__()
        self.name, self.fingerprint = "mirrored", "2" * 64

    def encode_prepared(self, pixels: np.ndarray) -> np.ndarray:
        return -super().encode_prepared(pixels)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        return -super().encode_texts(texts)


def paint_pictures(folder: Path) -> None:
    for name in ("red", "blue", "green"):
        Image.new("RGB", (64, 64), name).save(folder / f"{name}.png")


def test_a_copy_that_is_damaged_or_of_another_collection_is_not_used(collection: Collection, tmp_path: Path) -> None:
    keep_newest(collection.path)
    file = snapshot_cache._place(collection, "images")
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for damaged in (b"", whole[:1000], whole[: len(whole) // 2], b"ARROW1" * 100, bytes(flipped)):
        file.write_bytes(damaged)
        assert recalled(collection) is None
    file.write_bytes(whole)
    assert recalled(collection) is not None
    changed = collection.info.model_copy(
        update={"model": collection.info.model.model_copy(update={"fingerprint": "1" * 64})}
    )
    assert recalled(Collection(collection.path, changed)) is None


@pytest.mark.parametrize("stranger", ["7.manifest", "d18446744073709551614.manifest", f"{2**64 - 9}.manifest#1"])
def test_where_manifests_are_named_otherwise_only_lancedb_can_tell(collection: Collection, stranger: str) -> None:
    keep_newest(collection.path)
    (collection.path / "images.lance" / "_versions" / stranger).write_bytes(b"")
    assert snapshot_cache.newest(collection, TARGETS) is None


def test_what_is_too_large_is_not_kept(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_cache, "MOST_BYTES", 40 * 12 * 4)
    keep_newest(collection.path)
    assert recalled(collection) is None


@pytest.mark.parametrize("count", [0, 1, 7, 9, 64, 1000])
@pytest.mark.parametrize("start", [0, 1, 3])
def test_numbers_and_places_go_both_ways(count: int, start: int) -> None:
    values = np.random.default_rng(count).integers(-(2**31), 2**31, count).tolist()
    column = pa.chunked_array([pa.array(values, pa.int32()), pa.array(values, pa.int32())])
    assert numbers(column.slice(start)).tolist() == (values * 2)[start:]
    marks = pa.array([value > 0 for value in values], pa.bool_())
    assert numbers(marks.slice(start)).tolist() == [value > 0 for value in values][start:]
    table, rows = pa.table({"a": pa.array(values, pa.int32())}), np.arange(len(values))[::-1]
    assert table.take(row_indices(rows))["a"].to_pylist() == values[::-1]


def test_null_is_no_number() -> None:
    with pytest.raises(ValueError, match="1 of 2 values are null"):
        numbers(pa.array([1, None]))
