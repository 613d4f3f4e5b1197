"""Does a collection go over to another model whole or not at all, while searches go on?"""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import clipdex
from core.errors import SourceError, WrongModelError
from core.inference.toy import ToyEncoder
from indexer.collection.collection import Collection
from indexer.collection.storage import tables
from indexer.ingest import sync
from indexer.ingest.options import Options
from indexer.ingest.report import Progress
from indexer.ingest.writing import writer
from indexer.search.searcher import open_searcher
from tests.indexer.dying import Dying, Killed
from tests.indexer.pictures import Half, failures, go_over, ids, index, paint, paint_three, state


def paint_album(folder: Path) -> Path:
    """Images, captions, a copy and a broken file."""
    paint_three(folder)
    for number in range(20):
        paint(folder / f"{number:02}.jpg", seed=number)
    shutil.copyfile(folder / "00.jpg", folder / "copy.jpg")
    (folder / "bad.jpg").write_text("no image")
    (folder / "red.txt").write_text("something red\nand warm\n")
    return folder


def test_another_model_takes_over_and_the_collection_is_as_if_it_had_made_it(tmp_path: Path) -> None:
    folder = paint_album(tmp_path / "photos")
    index(folder, to=tmp_path / "kept")
    report = go_over(folder, tmp_path / "kept")
    assert (report.added, report.replaced_model, report.model) == (24, "toy", "half")
    assert "the model is half now, before it was toy" in report.summary()
    sync.index(folder, encoder=Half(), to=tmp_path / "fresh")
    assert state(tmp_path / "kept") == state(tmp_path / "fresh")
    assert failures(tmp_path / "kept") == {"bad.jpg": "not an image"}
    info = Collection.open(tmp_path / "kept").info
    assert (info.model.name, info.model.dim, info.others) == ("half", 32, [])
    with pytest.raises(WrongModelError):
        index_as_is(folder, tmp_path / "kept")
    assert sync.index(folder, encoder=Half(), to=tmp_path / "kept").unchanged == 24
    assert not (tmp_path / "kept" / "images.lance").exists()  # the vectors of the toy went with the run after
    assert state(tmp_path / "kept") == state(tmp_path / "fresh")


def index_as_is(folder: Path, to: Path) -> Any:
    return sync.index(folder, encoder=ToyEncoder(), to=to)


def test_a_model_that_was_not_asked_for_by_name_never_takes_over(tmp_path: Path) -> None:
    paint_three(tmp_path)
    index(tmp_path)
    with pytest.raises(WrongModelError):
        sync.index(tmp_path, encoder=Half())
    assert clipdex.index(tmp_path).unchanged == 3


def test_searches_are_answered_by_the_old_model_until_the_new_one_takes_over(tmp_path: Path) -> None:
    paint_album(tmp_path)
    index(tmp_path)
    searcher, answers = clipdex.open(tmp_path), []

    def search(step: Progress) -> None:
        hit = searcher.search("red", limit=1)[0]
        answers.append((step.stage, searcher.status().model, hit.id, searcher.thumbnail(hit.id)[:4]))

    go_over(tmp_path, progress=search)
    assert {(model, item_id) for _, model, item_id, _ in answers} == {("toy", "red.jpg")}
    assert {stage for stage, *_ in answers} == {"scan", "embed", "finish"}
    given = open_searcher(tmp_path, Half())
    assert given.search("red", limit=1)[0].id == "red.jpg"
    assert given.search(like="red.jpg", limit=2)[0].score == pytest.approx(1, abs=1e-6)
    assert searcher.snapshot().vectors.shape == (24, 32)  # one that was open follows
    assert searcher.status().model == "half"


def test_a_searcher_with_a_model_of_its_own_says_so_when_that_has_gone(tmp_path: Path) -> None:
    paint_three(tmp_path)
    index(tmp_path)
    searcher = open_searcher(tmp_path, ToyEncoder())
    assert searcher.search("red")[0].id == "red.jpg"
    go_over(tmp_path)
    with pytest.raises(WrongModelError, match="made by the model half"):
        searcher.search("red")


def test_the_model_before_may_be_kept_and_chosen(tmp_path: Path) -> None:
    paint_album(tmp_path)
    index(tmp_path)
    searcher = open_searcher(tmp_path, ToyEncoder())
    go_over(tmp_path, keep_old=True)
    assert searcher.search("red", limit=1)[0].id == "red.jpg"
    old, new = clipdex.open(tmp_path, model="toy"), open_searcher(tmp_path, Half())
    assert (old.snapshot().vectors.shape, new.snapshot().vectors.shape) == ((24, 64), (24, 32))
    assert old.search("something red", target="texts", limit=1)[0].caption == "something red"
    paint(tmp_path / "new.jpg", seed=99)
    assert sync.index(tmp_path, encoder=Half()).added == 1
    assert (len(old.snapshot().ids), len(new.snapshot().ids)) == (24, 25)  # as new as the last run with it
    report = clipdex.index(tmp_path, model="toy")  # and back: only what is new is embedded
    assert (report.added, report.unchanged, report.replaced_model) == (1, 24, "half")
    index(tmp_path, to=tmp_path / "fresh")
    assert state(tmp_path) == state(tmp_path / "fresh")


def test_a_stopped_migration_goes_on_where_it_was_and_is_no_hindrance_meanwhile(tmp_path: Path) -> None:
    for number in range(150):
        paint(tmp_path / f"{number:03}.jpg", seed=number)
    index(tmp_path)
    before = state(tmp_path)
    enough = threading.Event()

    def after_a_batch(step: Progress) -> None:
        if step.stage == "embed" and step.done >= 64:
            enough.set()

    asked = Options(change_model=True, stop=enough.is_set)
    report = sync.index(tmp_path, encoder=Slow(), progress=after_a_batch, options=asked)
    assert report.stopped and report.replaced_model is None and 64 <= report.added < 150
    assert state(tmp_path) == before
    with pytest.raises(WrongModelError):
        open_searcher(tmp_path, Half())  # not finished, not to be searched
    paint(tmp_path / "new.jpg", seed=999)
    assert clipdex.index(tmp_path).added == 1  # the present model goes on meanwhile
    again = go_over(tmp_path)
    assert (again.unchanged, again.added) == (report.added, 151 - report.added)
    sync.index(tmp_path, encoder=Half(), to=tmp_path / "fresh")
    assert state(tmp_path) == state(tmp_path / "fresh")


class Slow(Half):
    def encode_prepared(self, pixels: Any) -> Any:
        time.sleep(0.2)
        return super().encode_prepared(pixels)


def test_whoever_names_the_present_model_gives_up_one_that_was_begun(tmp_path: Path) -> None:
    paint_three(tmp_path)
    index(tmp_path)
    go_over(tmp_path, stop=lambda: True)
    assert [path.name for path in (tmp_path / ".clipdex" / "models").iterdir()] == ["1" * 16]
    clipdex.index(tmp_path)
    assert (tmp_path / ".clipdex" / "models").exists()
    index(tmp_path)
    assert not (tmp_path / ".clipdex" / "models").exists()
    assert Collection.find(tmp_path).info.others == []


def test_pictures_that_cannot_be_looked_at_are_not_lost_to_another_model(tmp_path: Path) -> None:
    folder, disk = paint_three(tmp_path / "photos"), tmp_path / "disk"
    paint(disk / "a.jpg", seed=1)
    (folder / "linked").symlink_to(disk)
    index(folder)
    disk.rename(tmp_path / "unplugged")
    with pytest.raises(SourceError, match=r"1 image.* cannot be looked at now, so half cannot take over"):
        go_over(folder)
    assert clipdex.open(folder).status().model == "toy"
    assert "linked/a.jpg" in ids(folder)
    (tmp_path / "unplugged").rename(disk)
    assert (go_over(folder).unchanged, len(ids(folder))) == (3, 4)


def test_a_source_that_is_gone_or_empty_or_mostly_unreadable_lets_no_model_take_over(tmp_path: Path) -> None:
    folder = paint_three(tmp_path / "photos")
    index(folder, to=tmp_path / "kept")
    folder.rename(tmp_path / "unplugged")
    with pytest.raises(SourceError, match="is the disk connected"):
        go_over(folder, tmp_path / "kept")
    folder.mkdir()
    with pytest.raises(SourceError, match="has no images now and the collection has 3"):
        go_over(folder, tmp_path / "kept")
    paint(folder / "red.jpg")
    with pytest.raises(SourceError, match=r"half has vectors for 1 images and the collection has 3.*--allow-removal"):
        go_over(folder, tmp_path / "kept")
    assert len(ids(tmp_path / "kept")) == 3
    assert go_over(folder, tmp_path / "kept", allow_removal=True).replaced_model == "toy"


def test_a_dry_run_counts_what_the_other_model_has_to_do(tmp_path: Path) -> None:
    paint_three(tmp_path)
    index(tmp_path)
    report = sync.forecast(tmp_path, encoder=Half(), options=Options(change_model=True))
    assert (report.added, report.unchanged, report.removed) == (3, 0, 0)
    assert not (tmp_path / ".clipdex" / "models").exists()


def test_a_migration_may_stop_before_and_after_every_single_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = paint_album(tmp_path / "photos")
    monkeypatch.setattr(writer, "COMMIT_ROWS", 12)
    index(folder, to=tmp_path / "before")
    old = state(tmp_path / "before")
    sync.index(folder, encoder=Half(), to=tmp_path / "undisturbed")
    expected = state(tmp_path / "undisturbed")
    writes = Dying()
    writes.replace(monkeypatch, tables, "append", "upsert", "remove")
    writes.replace(monkeypatch, Collection, "save", "make_tables")
    for moment in writes.moments(step=5):
        victim = tmp_path / f"victim{moment}"
        shutil.copytree(tmp_path / "before", victim)
        writes.left = moment
        try:
            go_over(folder, victim)
        except Killed:
            assert state(victim) in (old, expected)  # one model or the other, and all of it
            assert clipdex.open(victim).snapshot().vectors.shape[1] in (32, 64)
        else:
            break
        writes.left = -1
        go_over(folder, victim)
        assert state(victim) == expected, f"killed at write {moment}"
        shutil.rmtree(victim)
    assert 10 < moment < 999
