"""Are small things found by parts of images, and do these parts follow their images through everything?"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

import clipdex
from core.encoder import read_picture
from core.errors import QueryError
from core.inference.load import load_encoder
from core.inference.toy import ToyEncoder
from indexer.ann.optimize import optimize
from indexer.collection.collection import Collection
from indexer.collection.storage import tables, tile_table
from indexer.collection.storage.tile_table import Tiles
from indexer.collection.tile_set import WHOLE
from indexer.exchange.export_vectors import export_vectors
from indexer.ingest.embedding import tiles
from indexer.ingest.embedding.pipeline import Embedded, Pipeline
from indexer.ingest.embedding.tiles import MOST, boxes
from indexer.ingest.options import Options
from indexer.ingest.report import Stopwatch
from indexer.ingest.sync import index as sync_index
from indexer.ingest.writing import writer
from indexer.maintenance.compact import compact
from indexer.maintenance.repair import Kind
from indexer.maintenance.verify import verify
from indexer.search.searcher import Searcher, open_searcher
from indexer.search.tile_search import tiles_of
from indexer.sources import Item
from tests.indexer.dying import Dying, Killed
from tests.indexer.ingest.test_distributed import Here, spread
from tests.indexer.ingest.test_run import slow_source
from tests.indexer.pictures import Half, go_over, index, paint, state

SIZE = (400, 300)
SPOTS = {"near.png": (20, 20), "middle.png": (180, 130), "far.png": (350, 250), "edge.png": (100, 260)}


def meadow(path: Path, spot: tuple[int, int] | None = None, colour: str = "red") -> Path:
    """A large green image, with a small ball in it."""
    image = Image.new("RGB", SIZE, (20, 160, 30))
    if spot is not None:
        x, y = spot
        ImageDraw.Draw(image).ellipse((x, y, x + 35, y + 35), fill=colour)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def library(folder: Path) -> Path:
    """Four meadows with a red ball each, six without, and images too small for tiles."""
    for name, spot in SPOTS.items():
        meadow(folder / name, spot)
    for number in range(6):
        meadow(folder / f"plain-{number}.png", (40 * number, 40 * number), "blue")
    paint(folder / "small-blue.jpg", "blue", size=(40, 30))
    paint(folder / "small-white.jpg", "white", size=(40, 30))
    return folder


@pytest.fixture(scope="module")
def tiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = library(tmp_path_factory.mktemp("tiled"))
    index(folder, tiles=True)
    return folder


def rows_of(folder: Path) -> dict[tuple[str, int], tuple[Any, ...]]:
    """All rows of the table `tiles`, but for their vectors, which are compared by `vectors_of`."""
    table = Collection.find(folder).table(tile_table.NAME)
    found = tables.read(table, ["hash", "position", "total", *tile_table.SIDES]).to_pylist()
    return {(row["hash"], row["position"]): (row["total"], *(row[side] for side in tile_table.SIDES)) for row in found}


# --- which tiles -------------------------------------------------------------------------------------------------


@given(st.integers(1, 12_000), st.integers(1, 12_000), st.integers(16, 448))
def test_tiles_are_squares_inside_the_picture_few_and_none_where_they_show_no_more(w: int, h: int, side: int) -> None:
    found = boxes(w, h, side)
    assert (not found) == (min(w, h) < tiles.WORTH * side)
    assert len(found) <= MOST
    assert all(0 <= left < right <= w and 0 <= top < bottom <= h for left, top, right, bottom in found)
    assert {right - left - bottom + top for left, top, right, bottom in found} <= {0}
    assert len({right - left for left, _, right, _ in found}) <= 1
    assert found == sorted(set(found), key=lambda box: (box[1], box[0]))


@given(st.integers(100, 4000), st.floats(1, 2.5), st.floats(0, 1), st.floats(0, 1))
def test_a_thing_of_a_ninth_of_the_shorter_side_is_whole_in_one_tile(h: int, ratio: float, x: float, y: float) -> None:
    w = round(h * ratio)
    found = boxes(w, h, 48)
    thing = h // 9 - 2
    left, top = int(x * (w - thing)), int(y * (h - thing))
    assert any(a <= left and b <= top and left + thing <= c and top + thing <= d for a, b, c, d in found)


def test_a_photo_has_twenty_four_tiles_and_a_panorama_no_more_than_the_most() -> None:
    assert len(boxes(640, 480, 48)) == 24
    assert len(boxes(4000, 3000, 224)) == 24
    assert len(boxes(3000, 3000, 224)) == 16
    assert boxes(300, 300, 224) == []
    assert 0 < len(boxes(30_000, 1_000, 224)) <= MOST


# --- what they find ----------------------------------------------------------------------------------------------


def test_a_small_thing_is_found_and_the_box_holds_it(tiled: Path) -> None:
    pictures = open_searcher(tiled)
    hits = pictures.search("red", tiles=True, limit=5)
    assert pictures.search("red", limit=1)[0].score < hits[3].score / 10
    assert {hit.id for hit in hits[:4]} == set(SPOTS)
    assert hits[3].score > hits[4].score + 0.05
    for hit in hits[:4]:
        assert hit.box is not None
        x, y = SPOTS[hit.id]
        left, top, right, bottom = (side * SIZE[n % 2] for n, side in enumerate(hit.box))
        assert left - 1 <= x and top - 1 <= y and right + 1 >= x + 35 and bottom + 1 >= y + 35
        assert hit.parts == {"red": hit.score}
        assert hit.relevance is not None


def test_a_whole_picture_stays_where_no_part_is_better(tiled: Path) -> None:
    hits = open_searcher(tiled).search(like="small-blue.jpg", tiles=True, limit=3)
    assert (hits[0].id, hits[0].box) == ("small-blue.jpg", None)
    assert hits[0].score == pytest.approx(1)


def by_hand(pictures: Searcher, vector: np.ndarray) -> list[tuple[str, float]]:
    """Every image with its best cosine, best first, equal ones by id: one by one, in float64."""
    snapshot = pictures.snapshot()
    found = tiles_of(snapshot)
    scores = []
    for row, item_id in enumerate(snapshot.ids):
        whole = float(np.float32((snapshot.vectors[row].astype(np.float64) * vector).sum()))
        group = found.group[row]
        place = slice(0, 0) if group == WHOLE else slice(found.starts[group], found.starts[group + 1])
        parts = [float(np.float32((part.astype(np.float64) * vector).sum())) for part in found.vectors[place]]
        scores.append((item_id, max([whole, *parts])))
    return sorted(scores, key=lambda entry: (-entry[1], entry[0]))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(0, 8), st.sampled_from([None, "width>=100", "id=*n*"]))
def test_the_ranking_is_that_of_the_best_parts_on_every_page(
    tiled: Path, seed: int, limit: int, offset: int, where: str | None
) -> None:
    pictures = open_searcher(tiled)
    vector = np.random.default_rng(seed).normal(size=64)
    vector[-34:] = 0  # no image is there
    vector /= np.linalg.norm(vector)
    kept = {hit.id for hit in pictures.search(where=where or "id=*", limit=100)}
    expected = [entry for entry in by_hand(pictures, vector.astype(np.float32)) if entry[0] in kept]
    hits = pictures.search(vector=vector, tiles=True, where=where, limit=limit, offset=offset)
    assert [hit.id for hit in hits] == [item_id for item_id, _ in expected][offset : offset + limit]
    assert [hit.score for hit in hits] == pytest.approx([score for _, score in expected][offset : offset + limit])


def test_an_index_of_the_collection_changes_nothing(tmp_path: Path) -> None:
    folder = library(tmp_path)
    index(folder, tiles=True)
    before = open_searcher(folder).search("red", tiles=True, limit=12)
    optimize(Collection.find(folder), kind="hnsw", encoder=load_encoder("toy"))
    assert open_searcher(folder).search("red", tiles=True, limit=12) == before


def test_collapse_diversity_hybrid_and_dates_work_on_tiles(tiled: Path) -> None:
    pictures = open_searcher(tiled)
    best = pictures.search("red", tiles=True, limit=4)
    assert {hit.id for hit in pictures.search("red", tiles=True, hybrid=True, limit=4)} == set(SPOTS)
    assert {hit.score for hit in pictures.search("red", tiles=True, diverse=0.1, limit=12)} >= {best[0].score}
    assert pictures.search("red", tiles=True, collapse="bytes", limit=4) == best
    assert {hit.id for hit in pictures.search("red", tiles=True, sort="date", limit=4)} == set(SPOTS)
    two = pictures.search(["red", "green"], tiles=True, limit=1)[0]
    assert two.score == pytest.approx(sum(two.parts.values()) / np.linalg.norm(_sum_of("red", "green")), abs=1e-6)


def _sum_of(*words: str) -> np.ndarray:
    return load_encoder("toy").encode_texts(list(words)).sum(axis=0)


def test_without_tiles_the_way_to_them_is_told(tmp_path: Path) -> None:
    paint(tmp_path / "red.jpg", "red")
    index(tmp_path)
    with pytest.raises(QueryError, match=r"has no tiles.*clipdex index FOLDER --tiles"):
        open_searcher(tmp_path).search("red", tiles=True)
    with pytest.raises(QueryError, match="only images have tiles"):
        open_searcher(tmp_path).search("red", tiles=True, target="texts")


# --- what becomes of them ----------------------------------------------------------------------------------------


def test_the_whole_pictures_have_the_same_vectors_with_and_without_tiles(tiled: Path, tmp_path: Path) -> None:
    index(tiled, to=tmp_path / "plain")
    plain, with_tiles = state(tmp_path / "plain")["images"], state(tiled)["images"]
    assert plain.keys() == with_tiles.keys()
    assert all(plain[key] == with_tiles[key] for key in plain)


def test_tiles_come_later_and_go_again(tiled: Path, tmp_path: Path) -> None:
    folder = library(tmp_path / "pictures")
    index(folder)
    forecast = index(folder, tiles=True, dry_run=True)
    report = index(folder, tiles=True)
    assert (forecast.updated, forecast.unchanged) == (report.updated, report.unchanged) == (10, 2)
    assert rows_of(folder) == rows_of(tiled)
    assert index(folder).unchanged == 12  # kept up without being asked for again
    meadow(folder / "late.png", (60, 60))
    assert index(folder).added == 1
    assert len(rows_of(folder)) == len(rows_of(tiled)) + 24
    pictures = open_searcher(folder)
    assert pictures.search("red", tiles=True)
    assert pictures.status().tiles == 11 * 24
    seldom = open_searcher(folder)
    seldom.look_again = 1000.0
    assert seldom.search("red")
    assert index(folder, tiles=False).unchanged == 13
    assert not (folder / ".clipdex" / "tiles.lance").exists()
    for searcher in (pictures, seldom):
        with pytest.raises(QueryError, match="has no tiles"):
            searcher.search("red", tiles=True)
    assert pictures.status().tiles is None


def test_pictures_that_cannot_be_read_while_tiles_are_added_stay_and_get_theirs_later(
    tiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = library(tmp_path / "pictures")
    index(folder)
    before = state(folder)
    open_searcher(folder).tag("far.png", add="x")
    with slow_source(monkeypatch, lambda item_id: item_id in ("far.png", "near.png")):
        report = index(folder, tiles=True, time_limit=0.5)
    assert (report.kept, report.updated, report.unchanged, report.removed, report.failed) == (2, 8, 2, 0, {})
    assert report.total == 10 and len(rows_of(folder)) == len(rows_of(tiled)) - 2 * 24
    assert state(folder)["failures"] == {} and verify(Collection.find(folder)).well
    assert {key: row | {"tags": None} for key, row in state(folder)["images"].items()} == before["images"]
    report = index(folder)
    assert (report.updated, report.kept) == (2, 0) and rows_of(folder) == rows_of(tiled)
    assert open_searcher(folder).tags() == {"x": 1}


def test_contents_are_compared_while_tiles_are_added_and_each_picture_counts_once(tmp_path: Path) -> None:
    folder = library(tmp_path)
    index(folder)
    before = (folder / "far.png").stat()
    os.truncate(meadow(folder / "far.png", (70, 70)), before.st_size)  # padded, or cut and broken
    os.utime(folder / "far.png", ns=(before.st_atime_ns, before.st_mtime_ns))
    report = index(folder, tiles=True, checksum=True)
    failed = sum(report.failed.values())
    assert (report.total, report.updated + failed, report.unchanged, report.kept) == (12, 10, 2, 0)


def test_copies_share_tiles_moved_pictures_keep_them_and_removed_ones_take_them_away(tmp_path: Path) -> None:
    folder = library(tmp_path)
    index(folder, tiles=True)
    before = rows_of(folder)
    shutil.copy(folder / "near.png", folder / "copy.png")
    (folder / "far.png").rename(folder / "moved.png")
    report = index(folder)
    assert (report.added, report.moved) == (1, 1)
    assert rows_of(folder) == before
    hits = open_searcher(folder).search("red", tiles=True, limit=5)
    assert {hit.id for hit in hits} == {"copy.png", "near.png", "moved.png", "middle.png", "edge.png"}
    (folder / "middle.png").unlink()
    (folder / "near.png").unlink()
    meadow(folder / "edge.png", (200, 100), "blue")
    index(folder)
    after = rows_of(folder)
    contents = {row["hash"] for row in state(folder)["images"].values()}
    assert {digest for digest, _ in after} < contents
    assert len(after) == 9 * 24  # plain-5 reaches over the edge and is one more
    assert {hit.id for hit in open_searcher(folder).search("red", tiles=True, limit=2)} == {"copy.png", "moved.png"}


def test_what_a_killed_run_left_is_passed_over_and_swept(tmp_path: Path) -> None:
    folder = library(tmp_path)
    index(folder, tiles=True)
    expected, before = open_searcher(folder).search("red", tiles=True, limit=12), rows_of(folder)
    stray = Tiles(np.tile(np.array([0, 0, 1, 1], np.float32), (3, 1)), load_encoder("toy").encode_texts(["red"] * 3))
    tile_table.append(Collection.find(folder).table(tile_table.NAME), [("f" * 64, stray)])
    assert open_searcher(folder).search("red", tiles=True, limit=12) == expected
    assert [finding.kind for finding in verify(Collection.find(folder)).findings] == [Kind.STRAY_TILES]
    index(folder)
    assert rows_of(folder) == before


def test_a_run_may_stop_before_and_after_every_single_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "pictures"
    for name, spot in SPOTS.items():
        meadow(folder / name, spot)
    monkeypatch.setattr(writer, "COMMIT_ROWS", 2)
    index(folder, to=tmp_path / "before")
    meadow(folder / "near.png", (300, 20))
    (folder / "far.png").unlink()
    meadow(folder / "new.png", (10, 240))
    index(folder, to=tmp_path / "undisturbed", tiles=True)
    expected = rows_of(tmp_path / "undisturbed")

    writes = Dying()
    writes.replace(monkeypatch, tables, "append", "upsert", "remove")
    writes.replace(monkeypatch, tile_table, "append")
    writes.replace(monkeypatch, Collection, "save")
    for moment in writes.moments(step=7):
        victim = tmp_path / f"victim{moment}"
        shutil.copytree(tmp_path / "before", victim)
        writes.left = moment
        try:
            index(folder, to=victim, tiles=True)
        except Killed:
            pass
        else:
            break
        writes.left = -1
        assert {finding.kind for finding in verify(Collection.find(victim)).findings} <= {Kind.STRAY_TILES}
        index(folder, to=victim, tiles=True)
        assert rows_of(victim) == expected, f"killed at write {moment}"
        assert verify(Collection.find(victim)).well
        shutil.rmtree(victim)
    assert 10 < moment < 999


def test_another_model_takes_over_with_tiles_of_its_own(tmp_path: Path) -> None:
    folder = library(tmp_path)
    index(folder, tiles=True)
    before = rows_of(folder)
    assert go_over(folder, keep_old=True).replaced_model == "toy"
    assert rows_of(folder) == before
    pictures = open_searcher(folder, Half())
    assert pictures.snapshot().tiles is not None
    assert pictures.search("red", tiles=True, limit=1)[0].box is not None
    assert open_searcher(folder, load_encoder("toy")).search("red", tiles=True, limit=1)[0].box is not None
    assert verify(Collection.find(folder)).well
    sync_index(folder, encoder=Half(), options=Options(tiles=False))
    assert list((folder / ".clipdex").rglob("tiles.lance")) == []


def test_verify_finds_bad_tiles_and_the_next_run_makes_them_anew(tmp_path: Path) -> None:
    folder = library(tmp_path)
    index(folder, tiles=True)
    before = rows_of(folder)
    assert verify(Collection.find(folder)).well
    assert "240 tiles" in verify(Collection.find(folder)).summary()
    table = Collection.find(folder).table(tile_table.NAME)
    digests = sorted({digest for digest, _ in before})
    table.delete(f"hash = '{digests[0]}' AND position = 5")
    table.update(where=f"hash = '{digests[1]}' AND position = 7", values={"vector": [0.5] * 64})
    found = {(finding.kind, finding.count) for finding in verify(Collection.find(folder)).findings}
    assert found == {(Kind.NOT_UNIT, 1), (Kind.PART_OF_TILES, 46)}
    assert verify(Collection.find(folder), mend=True).repaired
    assert len(rows_of(folder)) == 240 - 48
    assert index(folder).updated == 2
    assert rows_of(folder) == before
    compact(Collection.find(folder))
    assert rows_of(folder) == before


def test_tiles_are_exported_with_the_vectors(tiled: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    export_vectors(Collection.find(tiled), tmp_path / "out", layout="npy", dtype="float32")
    vectors, told = np.load(tmp_path / "out/tiles.npy"), pq.read_table(tmp_path / "out/tiles.parquet")
    assert vectors.shape == (240, 64) and told.num_rows == 240
    first = told.slice(0, 24)
    assert set(first["image_id"].to_pylist()) == {"edge.png"}
    image = Image.open(tiled / "edge.png")
    left, top, right, bottom = (round(first[side][7].as_py() * SIZE[n % 2]) for n, side in enumerate(tile_table.SIDES))
    expected = load_encoder("toy").encode_images([image.crop((left, top, right, bottom))])[0]
    np.testing.assert_allclose(vectors[7], expected, atol=1e-3)


def test_workers_make_the_same_tiles(tmp_path: Path) -> None:
    folder = library(tmp_path / "pictures")
    index(folder, to=tmp_path / "local", tiles=True)
    spread(folder, tmp_path / "spread")
    spread(folder, tmp_path / "spread", Here(), tiles=True)
    assert rows_of(tmp_path / "spread") == rows_of(tmp_path / "local")
    assert clipdex.open(tmp_path / "spread").search("red", tiles=True, limit=4)[3].box is not None


class Narrow(ToyEncoder):
    """A model that counts how many views it was given at once."""

    def __init__(self) -> None:
        self.most = 0

    def encode_prepared(self, pixels: np.ndarray) -> np.ndarray:
        self.most = max(self.most, len(pixels))
        return super().encode_prepared(pixels)


def test_batches_and_what_waits_for_them_stay_as_small_as_without_tiles(tmp_path: Path) -> None:
    paths = [meadow(tmp_path / f"{number:02}.png", (number, number)) for number in range(20)]
    encoder = Narrow()
    pipeline = Pipeline(lambda name: (tmp_path / name).read_bytes(), encoder, Stopwatch(), batch=16, tiles=True)
    items = [Item(path.name, 1, 1) for path in paths]
    outcomes = [outcome for outcome in pipeline.run(items, None) if outcome is not None]
    assert [outcome.item for outcome in outcomes] == items
    assert all(isinstance(one, Embedded) and one.tiles is not None and len(one.tiles.vectors) == 24 for one in outcomes)
    assert encoder.most == 16
    assert pipeline.window * (1 + MOST) <= max(2 * 16, 2 * pipeline.threads * (1 + MOST))


def test_a_large_jpeg_decoded_for_tiles_gives_nearly_the_same_whole(tmp_path: Path) -> None:
    encoder = load_encoder("tiny")
    grain = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    Image.fromarray(grain).resize((3200, 2400)).save(tmp_path / "large.jpg", quality=90)
    (_, *whole), fine = read_picture(encoder, tmp_path / "large.jpg", tiles.ZOOM)
    (_, *same), plain = read_picture(encoder, tmp_path / "large.jpg")
    assert whole == same == [3200, 2400]
    one, other = encoder.encode_prepared(np.stack([fine, plain]))
    assert one @ other > 0.9999


def test_the_table_of_a_collection_names_its_tiles_in_collection_json(tiled: Path) -> None:
    assert json.loads((tiled / ".clipdex" / "collection.json").read_text())["tiles"] is True
