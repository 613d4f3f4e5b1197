"""Does a collection that many workers made equal the one that a single run makes, row for row?"""

from __future__ import annotations

import shutil
import sys
import tarfile
import zipfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import clipdex
from core.errors import CollectionError, ConfigError, MissingExtraError, WrongModelError
from core.image.metadata import Metadata
from core.inference.load import load_encoder
from indexer.collection.collection import STAGING
from indexer.collection.storage.store import RemoteStore, located, store_at
from indexer.ingest import sync
from indexer.ingest.distributed import coordinator, shards
from indexer.ingest.distributed.coordinator import Distributed
from indexer.ingest.distributed.shard_worker import Order, ShardWorker, file_of, folder_of
from indexer.ingest.distributed.shards import Finished, Shard
from indexer.ingest.embedding.pipeline import Embedded, Failed, Same
from indexer.ingest.options import Options
from indexer.ingest.report import Report
from indexer.sources import Item
from tests.indexer.object_store import bucket
from tests.indexer.pictures import Half, index, paint, state

__all__ = ["bucket"]


class Here:
    """A pool in this program, one worker after the other; it may fail in ways that a cluster does."""

    workers, gpus = 3, False

    def __init__(self, *, lose: int = 0, die_after: int | None = None, spoil: int = 0) -> None:
        self.lose, self.die_after, self.spoil = lose, die_after, spoil
        self.done: list[str] = []
        self.items: list[Item] = []

    @contextmanager
    def entered(self) -> Iterator[Here]:
        yield self

    def finished(self, order: Order, todo: Sequence[Shard]) -> Generator[str, None, None]:
        worker = ShardWorker(order)
        store = store_at(order.home)
        for shard in reversed(todo):  # in another order than they were given
            if len(self.done) == self.die_after:
                raise SystemExit("killed")
            worker.work(Shard.from_json(shard.to_json()))
            name = file_of(order.fingerprint, shard.key)
            if self.lose:
                self.lose -= 1
                store.remove(name)
            elif self.spoil:
                self.spoil -= 1
                store.write(name, store.read(name)[:-9])
            self.done.append(shard.key)
            self.items.extend(shard.items)
            yield shard.key
            worker.work(shard)  # somebody believed dead wrote it once more: at least once


def spread(folder: Path | list[Path], to: Path | str, pool: Here | None = None, **asked: Any) -> Report:
    """Index with workers."""
    pool = pool or Here()
    options = Options(engine=lambda run: Distributed(run, pool.entered), **asked)
    return sync.index(folder, encoder=load_encoder("toy"), to=to, options=options)


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordinator, "SHARD", 5)


def library(folder: Path) -> Path:
    """Twenty-three files of every state: captions by table, beside and inside; copies; broken and empty ones."""
    for number in range(14):
        paint(folder / f"trip/{number:02}.jpg", seed=number)
    for name in ("copy-a.jpg", "trip/copy-b.jpg", "z/copy-c.jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(folder / "trip/03.jpg", folder / name)
    image = Image.new("RGB", (30, 20), (9, 120, 9))
    exif = Image.Exif()
    exif[0x010E], exif[0x0110] = "a meadow, told inside", "Box 7"
    image.save(folder / "inside.jpg", exif=exif)
    (folder / "trip/05.txt").write_text("one beside\nand another\n")
    (folder / "captions.csv").write_text("image,caption\ntrip/01.jpg,red first\ntrip/01.jpg,red second\nnobody.jpg,x\n")
    (folder / "broken.jpg").write_text("no image")
    (folder / "broken-too.jpg").write_text("no image")
    (folder / "empty.png").touch()
    (folder / "cut.jpg").write_bytes((folder / "trip/02.jpg").read_bytes()[:400])
    return folder


def assert_equal_row_for_row(one: Path, other: Path) -> None:
    first, second = state(one), state(other)
    for name in first:
        assert first[name].keys() == second[name].keys()
        for key, row in first[name].items():
            twin = second[name][key]
            if "vector" in row:
                np.testing.assert_allclose(row["vector"], twin["vector"], atol=1e-6)
            assert {k: v for k, v in row.items() if k != "vector"} == {k: v for k, v in twin.items() if k != "vector"}


def test_what_workers_make_equals_what_one_run_makes(tmp_path: Path) -> None:
    folder = library(tmp_path / "pictures")
    local = index(folder, to=tmp_path / "local")
    pool = Here()
    report = spread(folder, tmp_path / "spread", pool)
    assert len(pool.done) == 5
    assert_equal_row_for_row(tmp_path / "local", tmp_path / "spread")
    assert local.failed and report.failed == local.failed
    assert (report.added, report.total, report.texts) == (local.added, local.total, local.texts)
    assert report.unmatched_captions == local.unmatched_captions == 1
    assert not (tmp_path / "spread" / STAGING).exists()


def test_workers_read_archives_and_tables_that_they_have_not_listed(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    for number in range(7):
        paint(pictures / f"{number}.jpg", seed=number)
        (pictures / f"{number}.txt").write_text(f"number {number}")
    with tarfile.open(tmp_path / "shard-000.tar", "w") as archive:
        for file in sorted(pictures.iterdir()):
            archive.add(file, file.name)
    with zipfile.ZipFile(tmp_path / "album.zip", "w") as album:
        for file in pictures.glob("*.jpg"):
            album.write(file, f"inside/{file.name}")
    rows = [f"pictures/{number}.jpg,{number / 2},a caption of {number}" for number in range(7)]
    (tmp_path / "list.csv").write_text("\n".join(["image,rating,caption", *rows]) + "\n")
    sources = [tmp_path / "shard-000.tar", tmp_path / "album.zip", tmp_path / "list.csv"]
    index(sources, to=tmp_path / "local")
    spread(sources, tmp_path / "spread")
    assert_equal_row_for_row(tmp_path / "local", tmp_path / "spread")
    assert len(state(tmp_path / "spread")["images"]) == 21
    images = clipdex.open(tmp_path / "spread").snapshot().images
    ratings = dict(zip(images["id"].to_pylist(), images["rating"].to_pylist(), strict=True))
    assert sorted(value for value in ratings.values() if value is not None) == [number / 2 for number in range(7)]


def test_later_runs_do_only_what_changed_and_reuse_what_moved(tmp_path: Path) -> None:
    folder = library(tmp_path / "pictures")
    spread(folder, tmp_path / "spread")
    pool = Here()
    assert spread(folder, tmp_path / "spread", pool).unchanged == 18
    assert pool.done == []  # no cluster is asked for when there is nothing to do
    (folder / "trip/04.jpg").rename(folder / "elsewhere.jpg")
    paint(folder / "trip/06.jpg", "blue")
    (folder / "trip/07.jpg").unlink()
    report = spread(folder, tmp_path / "spread")
    assert (report.moved, report.updated, report.removed, report.unchanged) == (1, 1, 1, 15)
    index(folder, to=tmp_path / "local")
    assert_equal_row_for_row(tmp_path / "local", tmp_path / "spread")


def test_a_run_that_was_killed_leaves_finished_shards_to_the_next_one(tmp_path: Path) -> None:
    folder = library(tmp_path / "pictures")
    index(folder, to=tmp_path / "local")
    with pytest.raises(SystemExit):
        spread(folder, tmp_path / "spread", Here(die_after=2))
    # Workers went on for a moment after the run was killed: a shard that nobody has merged.
    order = _order(folder, tmp_path / "spread")
    waiting = sorted(item for item in _items(folder) if item.id not in state(tmp_path / "spread")["images"])[:7]
    orphan = next(shards.cut(waiting, {}, order.fingerprint, 7))
    ShardWorker(order).work(orphan)
    before = len(state(tmp_path / "spread")["images"])
    assert 0 < before < 18
    pool = Here()
    report = spread(folder, tmp_path / "spread", pool)
    assert report.unchanged == before
    assert pool.done and not set(orphan.items) & set(pool.items)
    # The orphan had no caption of the table; what the plan knows counts, and its vector was made here.
    assert_equal_row_for_row(tmp_path / "local", tmp_path / "spread")


def test_lost_and_spoilt_shards_are_done_again(tmp_path: Path) -> None:
    folder = library(tmp_path / "pictures")
    index(folder, to=tmp_path / "local")
    pool = Here(lose=1, spoil=2)
    spread(folder, tmp_path / "spread", pool)
    assert len(pool.done) > 5
    assert_equal_row_for_row(tmp_path / "local", tmp_path / "spread")


def test_workers_that_write_somewhere_else_are_told_of(tmp_path: Path) -> None:
    folder = library(tmp_path / "pictures")
    with pytest.raises(CollectionError, match=r"22 images were given to workers and are not in .*/staging"):
        spread(folder, tmp_path / "spread", Here(lose=1000))


def test_a_file_that_changed_after_its_shard_was_made_is_done_anew(tmp_path: Path) -> None:
    folder = library(tmp_path / "pictures")
    index(folder, to=tmp_path / "spread")
    order = _order(folder, tmp_path / "spread")
    ShardWorker(order).work(next(shards.cut(_items(folder)[:3], {}, order.fingerprint, 3)))
    for number in range(14):
        paint(folder / f"trip/{number:02}.jpg", "blue", seed=100 + number)
    spread(folder, tmp_path / "spread")
    index(folder, to=tmp_path / "local")
    assert_equal_row_for_row(tmp_path / "local", tmp_path / "spread")


def test_a_stopped_run_keeps_what_is_done(tmp_path: Path) -> None:
    folder = library(tmp_path / "pictures")
    pool = Here()
    report = spread(folder, tmp_path / "spread", pool, stop=lambda: len(pool.done) >= 2)
    assert report.stopped and 0 < report.left < report.total
    assert spread(folder, tmp_path / "spread").unchanged == report.added
    index(folder, to=tmp_path / "local")
    assert_equal_row_for_row(tmp_path / "local", tmp_path / "spread")


def test_workers_write_to_an_object_store(bucket: str, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    for number in range(7):
        paint(folder / f"{number}.jpg", seed=number)
    index(folder, to=tmp_path / "local")
    spread(folder, f"{bucket}/spread")
    assert_equal_row_for_row(tmp_path / "local", located(f"{bucket}/spread"))
    assert STAGING not in RemoteStore(f"{bucket}/spread").names("")


def test_a_shard_comes_back_as_it_was_written() -> None:
    item = Item("trip/näh “1”.jpg", 12, 34)
    vector = np.linspace(0, 1, 4, dtype=np.float32)
    known = Metadata(camera="Box 7", latitude=-3.5)
    done = [
        Finished(Embedded(item, "ab", 3, 2, ["in\nside"], known, b"\0webp", vector), {"a text": vector[::-1]}),
        Finished(Same(item, "cd")),
        Finished(Failed(item, "truncated", "trip: ends early"), {}),
    ]
    back = shards.from_bytes(shards.to_bytes(done, 4), 4)
    assert [each.outcome.item for each in back] == [item] * 3
    first = back[0].outcome
    assert isinstance(first, Embedded)
    assert (first.hash, first.width, first.height, first.embedded) == ("ab", 3, 2, ["in\nside"])
    assert (first.metadata, first.thumbnail) == (known, b"\0webp")
    assert first.vector.tolist() == vector.tolist()
    assert back[0].texts["a text"].tolist() == vector[::-1].tolist()
    assert back[1].outcome == Same(item, "cd")
    assert back[2].outcome == Failed(item, "truncated", "trip: ends early")


@pytest.mark.parametrize("data", [b"", b"PAR1 and nothing", b"PAR1" * 100])
def test_what_is_no_shard_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="Parquet"):
        shards.from_bytes(data, 4)
    with pytest.raises(ValueError, match="another model"):
        shards.from_bytes(shards.to_bytes([], 4), 5)


def test_the_key_of_a_shard_says_what_is_in_it() -> None:
    items = [Item(f"{number}.jpg", 1, 2) for number in range(5)]
    made = [shard.key for shard in shards.cut(items, {}, "f", 2)]
    assert len(set(made)) == 3
    assert made == [shard.key for shard in shards.cut(items, {"x.jpg": ["not in it"]}, "f", 2)]
    assert made[0] != next(shards.cut(items, {"0.jpg": ["words"]}, "f", 2)).key
    assert made[0] != next(shards.cut(items, {}, "g", 2)).key
    assert made[0] != next(shards.cut([items[0]._replace(mtime_ns=3), items[1]], {}, "f", 2)).key


def test_a_worker_with_another_model_refuses(tmp_path: Path) -> None:
    folder = library(tmp_path / "pictures")
    index(folder, to=tmp_path / "spread")
    order = _order(folder, tmp_path / "spread")
    with pytest.raises(WrongModelError, match="another one on this machine"):
        ShardWorker(Order(**{**vars(order), "fingerprint": Half.fingerprint}))


def test_a_finished_shard_is_not_done_again(tmp_path: Path) -> None:
    folder = library(tmp_path / "pictures")
    index(folder, to=tmp_path / "spread")
    order = _order(folder, tmp_path / "spread")
    shard = next(shards.cut(_items(folder), {}, order.fingerprint, 3))
    ShardWorker(order).work(shard)
    shutil.rmtree(folder)  # whoever read an image now would fail
    ShardWorker(order).work(shard)
    store = store_at(order.home)
    assert store.names(folder_of(order.fingerprint)) == [f"{shard.key}.parquet"]
    done = shards.from_bytes(store.read(file_of(order.fingerprint, shard.key)), load_encoder("toy").dim)
    assert {type(each.outcome) for each in done} == {Embedded, Failed}


def test_engines_and_addresses_that_make_no_sense_are_told_of(tmp_path: Path) -> None:
    paint(tmp_path / "red.jpg")
    with pytest.raises(ConfigError, match=r"unknown engine 'spark'; choose one of: local, ray"):
        index(tmp_path, engine="spark")
    with pytest.raises(ConfigError, match="--address belongs to --engine ray"):
        index(tmp_path, address="host:1")
    assert not (tmp_path / ".clipdex").exists()


def test_without_ray_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paint(tmp_path / "red.jpg")
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.data", None)
    with pytest.raises(MissingExtraError, match=r"--engine ray needs the package ray: pip install 'clipdex\[ray\]'"):
        index(tmp_path, engine="ray")


def _order(folder: Path, to: Path) -> Order:
    collection = clipdex.open(to).collection
    infos, model = tuple(collection.info.sources), collection.info.model
    return Order(str(to), infos, str(to), model.load, model.fingerprint, "auto", False, 60.0, ())


def _items(folder: Path) -> list[Item]:
    from indexer.sources import make_source

    return make_source("folder", folder).scan().items
