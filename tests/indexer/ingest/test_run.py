"""Does a run do what it was asked, and stop to ask before it loses anything?"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import clipdex
from core.errors import CollectionError, SourceError
from core.image.decode import open_image
from core.inference.load import load_encoder
from core.inference.toy import ToyEncoder
from indexer.collection.collection import Collection
from indexer.collection.storage import lock
from indexer.ingest import sync
from indexer.ingest.embedding import pipeline
from indexer.ingest.options import Options
from indexer.ingest.report import Meter, Progress
from indexer.ingest.writing import writer
from indexer.sources import SOURCES
from indexer.sources.folder import FolderSource
from tests.indexer.pictures import failures, ids, index, paint, paint_three, state
from tests.shared import ROOT


def paint_many(folder: Path, n: int, first: int = 0) -> Path:
    for number in range(first, first + n):
        paint(folder / f"{number:03}.jpg", seed=number)
    return folder


# --- contents instead of times ---------------------------------------------------------------------------------------


def test_a_content_that_changed_behind_size_and_time_is_found_with_checksum_only(tmp_path: Path) -> None:
    paint_three(tmp_path)
    file = paint(tmp_path / "x.bmp", "red", seed=1)
    index(tmp_path)
    before = state(tmp_path)["images"]
    found = file.stat()
    paint(file, "blue", seed=2)
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
    report = index(tmp_path)
    assert (report.unchanged, report.updated) == (4, 0)
    assert state(tmp_path)["images"] == before
    report = index(tmp_path, checksum=True)
    assert (report.unchanged, report.updated, report.total) == (3, 1, 4)
    assert state(tmp_path)["images"]["x.bmp"]["vector"] != before["x.bmp"]["vector"]
    assert index(tmp_path, checksum=True).unchanged == 4


def test_checksum_reads_everything_and_embeds_nothing_where_nothing_changed(tmp_path: Path) -> None:
    paint_many(tmp_path, 20)
    index(tmp_path)
    before = state(tmp_path)
    told: list[Progress] = []
    report = index(tmp_path, checksum=True, progress=told.append)
    assert (report.unchanged, report.total) == (20, 20)
    assert report.stages["read"] > 0 and "embed" not in report.stages
    assert state(tmp_path) == before
    assert [step.total for step in told if step.stage == "check"][-1] == 20


def test_what_cannot_be_read_for_a_checksum_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paint_three(tmp_path)
    index(tmp_path)
    before = state(tmp_path)
    with slow_source(monkeypatch, lambda item_id: item_id == "red.jpg"):
        report = index(tmp_path, checksum=True, time_limit=0.2)
    assert (report.unchanged, report.kept, report.total, report.failed) == (2, 1, 2, {})
    assert state(tmp_path) == before


# --- removal ---------------------------------------------------------------------------------------------------------


def test_more_than_half_is_not_removed_unless_allowed(tmp_path: Path) -> None:
    paint_many(tmp_path, 10)
    index(tmp_path)
    before = state(tmp_path)
    for number in range(6):
        (tmp_path / f"{number:03}.jpg").unlink()
    with pytest.raises(SourceError, match=r"6 of the 10 images .* are no longer in .*--allow-removal"):
        index(tmp_path)
    assert state(tmp_path) == before
    paint(tmp_path / "005.jpg", seed=5)
    assert index(tmp_path).removed == 5  # half is not more than half
    for number in range(5, 9):
        (tmp_path / f"{number:03}.jpg").unlink()
    assert index(tmp_path, allow_removal=True).removed == 4
    assert ids(tmp_path) == ["009.jpg"]


def test_renaming_everything_is_no_removal(tmp_path: Path) -> None:
    paint_many(tmp_path / "a", 10)
    index(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    report = index(tmp_path)
    assert (report.moved, report.removed) == (10, 0)
    assert ids(tmp_path)[0] == "b/000.jpg"


def test_other_pictures_in_place_of_most_are_indexed_and_the_old_ones_stay_until_allowed(tmp_path: Path) -> None:
    paint_many(tmp_path / "a", 10)
    index(tmp_path)
    shutil.rmtree(tmp_path / "a")
    paint_many(tmp_path / "b", 10, first=100)
    with pytest.raises(SourceError, match="10 of the 10"):
        index(tmp_path)
    assert len(ids(tmp_path)) == 20
    report = index(tmp_path, allow_removal=True)
    assert (report.removed, report.unchanged) == (10, 10)


def test_even_with_permission_an_empty_folder_removes_nothing(tmp_path: Path) -> None:
    folder = paint_many(tmp_path / "photos", 4)
    index(folder, to=tmp_path / "kept")
    for file in folder.iterdir():
        file.unlink()
    with pytest.raises(SourceError, match="is the disk connected"):
        index(folder, to=tmp_path / "kept", allow_removal=True)
    assert len(ids(tmp_path / "kept")) == 4


def test_a_disk_that_fails_for_most_of_what_changed_removes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint_many(tmp_path, 8)
    index(tmp_path)
    for file in tmp_path.glob("*.jpg"):
        os.utime(file, (5, 5))
    with slow_source(monkeypatch, lambda item_id: item_id < "006.jpg"), pytest.raises(SourceError, match="6 of the 8"):
        index(tmp_path, time_limit=0.05)
    assert len(ids(tmp_path)) == 8
    report = index(tmp_path)  # touched, and now readable
    assert (report.unchanged, report.failed) == (8, {})
    assert failures(tmp_path) == {}


# --- failures --------------------------------------------------------------------------------------------------------


def test_failures_are_tried_again_when_asked(tmp_path: Path) -> None:
    paint_three(tmp_path)
    (tmp_path / "bad.jpg").write_text("x")
    index(tmp_path)
    report = index(tmp_path)
    assert (report.failed, "read" in report.stages) == ({"not an image": 1}, False)
    report = index(tmp_path, retry_failures=True)
    assert (report.failed, "read" in report.stages, report.unchanged) == ({"not an image": 1}, True, 3)


# --- a read that hangs -----------------------------------------------------------------------------------------------


class slow_source:  # noqa: N801 - reads as a statement
    """A folder on a share that does not answer for some images: their reads wait in the operating system."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, hangs: Callable[[str], bool]) -> None:
        self.patch, self.hangs = monkeypatch, hangs
        self.reader, self.writer = os.pipe()

    def __enter__(self) -> None:
        read, hangs, pipe = FolderSource.read, self.hangs, self.reader

        class Share(FolderSource):
            def read(self, item_id: str) -> bytes:
                if hangs(item_id):
                    os.read(pipe, 1)
                return read(self, item_id)

        self.patch.setitem(SOURCES, "folder", Share)

    def __exit__(self, *_: object) -> None:
        self.patch.undo()
        os.close(self.writer)  # every read that waits comes back


def test_a_read_that_hangs_costs_one_picture_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint_many(tmp_path, 30)
    started = time.monotonic()
    with slow_source(monkeypatch, lambda item_id: item_id in ("003.jpg", "017.jpg")):
        report = index(tmp_path, time_limit=1.0)
    assert (report.added, report.failed) == (28, {"timeout": 2})
    assert failures(tmp_path) == {"003.jpg": "timeout", "017.jpg": "timeout"}
    assert time.monotonic() - started < 60
    report = index(tmp_path)
    assert (report.added, report.failed, report.unchanged) == (2, {}, 28)


def test_a_share_that_hangs_for_good_ends_the_run_and_keeps_what_was_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint_many(tmp_path, 30)
    with (
        slow_source(monkeypatch, lambda item_id: item_id >= "010.jpg"),
        pytest.raises(SourceError, match=r"in a row took longer than 0.1 s .* does the disk or network share still"),
    ):
        index(tmp_path, time_limit=0.1)
    assert index(tmp_path).unchanged + index(tmp_path).unchanged >= 30


def test_a_pipe_in_the_place_of_a_picture_does_not_hang(tmp_path: Path) -> None:
    paint_three(tmp_path)
    os.mkfifo(tmp_path / "pipe.jpg")
    assert index(tmp_path).failed == {"not an image": 1}

    def swap(step: Progress) -> None:
        if step.stage == "embed" and not (tmp_path / "late.jpg").is_fifo():
            (tmp_path / "late.jpg").unlink()
            os.mkfifo(tmp_path / "late.jpg")

    paint(tmp_path / "late.jpg", seed=3)
    assert index(tmp_path, progress=swap).failed == {"not an image": 2}


# --- commits ---------------------------------------------------------------------------------------------------------


class Slow(ToyEncoder):
    """The toy encoder, so many seconds an image."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.batches: list[int] = []

    def encode_prepared(self, pixels: np.ndarray) -> np.ndarray:
        self.batches.append(len(pixels))
        time.sleep(self.seconds * len(pixels))
        return super().encode_prepared(pixels)


def test_commits_are_bounded_in_time_for_a_slow_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "COMMIT_SECONDS", 0.2)
    monkeypatch.setattr(pipeline, "BATCH_SECONDS", 0.1)
    paint_many(tmp_path, 90)
    encoder = Slow(0.01)
    sync.index(tmp_path, encoder=encoder)
    assert sum(encoder.batches) == 90 and max(encoder.batches[1:]) <= 32
    versions = Collection.find(tmp_path).table("images").list_versions()
    assert len(versions) >= 3


def test_commits_are_bounded_in_number_and_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paint_many(tmp_path, 30)
    monkeypatch.setattr(writer, "COMMIT_ROWS", 10)
    index(tmp_path, to=tmp_path / "a")
    assert len(Collection.open(tmp_path / "a").table("images").list_versions()) == 1 + 3
    monkeypatch.setattr(writer, "COMMIT_ROWS", 1000)
    monkeypatch.setattr(writer, "COMMIT_BYTES", 5_000)
    index(tmp_path, to=tmp_path / "b")
    assert len(Collection.open(tmp_path / "b").table("images").list_versions()) > 2
    assert state(tmp_path / "a") == state(tmp_path / "b")


def test_a_long_run_tidies_up_on_its_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paint_many(tmp_path, 40)
    monkeypatch.setattr(writer, "COMMIT_ROWS", 1)
    monkeypatch.setattr(writer, "TIDY_COMMITS", 8)
    most = 0

    def look(step: Progress) -> None:
        nonlocal most
        if step.stage == "embed" and step.done:
            most = max(most, Collection.find(tmp_path).table("images").stats()["fragment_stats"]["num_fragments"])

    index(tmp_path, progress=look)
    assert 0 < most <= 9
    assert len(ids(tmp_path)) == 40


# --- stopping and going on -------------------------------------------------------------------------------------------


def test_a_run_that_is_stopped_keeps_its_batch_and_the_next_one_goes_on(tmp_path: Path) -> None:
    paint_many(tmp_path, 200)
    paint(tmp_path / "gone.jpg", "red")
    index(tmp_path, to=tmp_path / "whole")
    enough = threading.Event()

    def after_a_batch(step: Progress) -> None:
        if step.stage == "embed" and step.done >= 64:
            enough.set()

    encoder = Slow(0.003)
    told: list[Progress] = []

    def tell(step: Progress) -> None:
        told.append(step)
        after_a_batch(step)

    report = sync.index(
        tmp_path, encoder=encoder, to=tmp_path / "kept", progress=tell, options=Options(stop=enough.is_set)
    )
    assert report.stopped and 64 <= report.added < 200
    assert report.left == 201 - report.added
    assert report.added + report.left == report.total
    assert f"stopped: {report.left} left" in report.summary()
    assert len(ids(tmp_path / "kept")) == report.added
    again = index(tmp_path, to=tmp_path / "kept")
    assert (again.unchanged, again.added, again.stopped) == (report.added, report.left, False)
    assert state(tmp_path / "kept") == state(tmp_path / "whole")


def test_a_stopped_run_removes_nothing(tmp_path: Path) -> None:
    paint_many(tmp_path, 6)
    index(tmp_path)
    (tmp_path / "000.jpg").unlink()
    paint(tmp_path / "new.jpg", seed=77)
    report = index(tmp_path, stop=lambda: True)
    assert (report.stopped, report.removed, report.left, report.unchanged) == (True, 0, 1, 5)
    assert len(ids(tmp_path)) == 6
    assert index(tmp_path).removed == 1


def test_the_rate_counts_only_what_this_run_does(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    told: list[Progress] = []
    meter = Meter(told.append)
    meter.begin("embed", done=900, total=1000)
    for _ in range(20):
        now += 0.5
        meter.count()
    assert (told[-1].done, told[-1].rate, told[-1].eta) == (920, 2.0, 40.0)
    now += 100  # a pause, and then ten times as fast: the images of the last half minute tell the time left
    for _ in range(70):
        now += 0.5
        meter.count()
    assert told[-1].rate == pytest.approx(2.0, rel=0.1)
    assert meter.rate == pytest.approx(90 / 145)


# --- asking first ----------------------------------------------------------------------------------------------------


def test_a_dry_run_says_what_would_be_done_and_does_nothing(tmp_path: Path) -> None:
    folder = paint_many(tmp_path / "photos", 6)
    report = index(folder, dry_run=True)
    assert (report.added, report.dry_run, (folder / ".clipdex").exists()) == (6, True, False)
    index(folder)
    before = state(folder)
    paint(folder / "000.jpg", seed=100)
    (folder / "001.jpg").unlink()
    (folder / "002.txt").write_text("words")
    paint(folder / "new.jpg", seed=101)
    stamp = (folder / ".clipdex" / "collection.json").stat().st_mtime_ns
    report = clipdex.index(folder, dry_run=True)
    assert (report.added, report.updated, report.removed, report.unchanged) == (1, 2, 1, 3)
    assert "1 new (or moved), 2 changed, 1 gone (or moved), 3 unchanged\nnothing was done" in report.summary()
    assert state(folder) == before
    assert (folder / ".clipdex" / "collection.json").stat().st_mtime_ns == stamp
    for number in range(2, 6):
        (folder / f"{number:03}.jpg").unlink()
    assert "would stop and ask for --allow-removal" in index(folder, dry_run=True).summary()


# --- two runs at once ------------------------------------------------------------------------------------------------


def test_a_run_may_wait_for_another_one_and_then_finds_its_work_done(tmp_path: Path) -> None:
    paint_many(tmp_path, 12)
    index(tmp_path)
    paint_many(tmp_path, 12, first=12)
    reports: list[clipdex.Report] = []
    with lock.writing(tmp_path / ".clipdex"):
        waiting = threading.Thread(target=lambda: reports.append(index(tmp_path, wait=True)))
        waiting.start()
        time.sleep(0.3)
        assert not reports
        paint(tmp_path / "late.jpg", seed=500)  # after the one that waits has listed the folder
        with pytest.raises(CollectionError, match=r"another run .* wait until it is done, or use --wait"):
            index(tmp_path)
    waiting.join(120)
    assert (reports[0].added, reports[0].unchanged) == (13, 12)


BOTH = """
import sys, clipdex
print("ready", flush=True)
sys.stdin.readline()
report = clipdex.index(sys.argv[1], model="toy", wait=True)
print(report.added, report.unchanged, flush=True)
"""


@pytest.mark.serial
def test_two_runs_at_once_end_in_one_right_state(tmp_path: Path) -> None:
    paint_many(tmp_path, 40)
    index(tmp_path, to=tmp_path / "alone")
    command = [sys.executable, "-c", BOTH, str(tmp_path)]
    runs = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for run in runs:
        assert run.stdout is not None and run.stdout.readline() == "ready\n"
    ended = [run.communicate("\n", timeout=300)[0] for run in runs]
    assert sorted(ended) == ["0 40\n", "40 0\n"]
    assert state(tmp_path) == state(tmp_path / "alone")


# --- the disk is full ------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Three megabytes in memory."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_is_one_sentence_keeps_what_was_written_and_goes_on_when_there_is_space(
    tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = paint_noise(tmp_path / "photos", 240)
    monkeypatch.setattr(writer, "COMMIT_ROWS", 20)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1 << 20))
    kept = small_disk / "kept"
    with pytest.raises(CollectionError, match=r"the disk is full; make space and run it again, finished work is kept"):
        index(folder, to=kept)
    so_far = len(ids(kept))
    assert 20 <= so_far < 240
    assert len(clipdex.open(kept).search("red", limit=300)) == so_far  # searches go on
    with pytest.raises(CollectionError, match="the disk is full"):
        index(folder, to=kept)
    assert len(ids(kept)) >= so_far
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=60m", str(small_disk)], check=True)
    report = index(folder, to=kept)
    assert report.unchanged >= so_far and report.unchanged + report.added == 240
    index(folder, to=tmp_path / "undisturbed")
    assert state(kept) == state(tmp_path / "undisturbed")


def paint_noise(folder: Path, n: int) -> Path:
    """Images whose thumbnails take some kilobytes."""
    from PIL import Image

    folder.mkdir()
    for number in range(n):
        pixels = np.random.default_rng(number).integers(0, 256, (90, 120, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:03}.png", compress_level=1)
    return folder


def test_a_source_that_is_unmounted_removes_nothing_and_goes_on_when_it_is_back(
    tmp_path: Path, small_disk: Path
) -> None:
    paint_many(small_disk / "photos", 6)
    place = tmp_path / "mounted"
    place.mkdir()
    subprocess.run(["mount", "--bind", str(small_disk / "photos"), str(place)], check=True)
    try:
        index(place, to=tmp_path / "kept")
    finally:
        subprocess.run(["umount", str(place)], check=True)
    with pytest.raises(SourceError, match="has no images now and the collection has 6: is the disk connected"):
        index(place, to=tmp_path / "kept")
    assert len(clipdex.open(tmp_path / "kept").search("red")) == 6
    paint(small_disk / "photos" / "new.jpg", seed=50)
    subprocess.run(["mount", "--bind", str(small_disk / "photos"), str(place)], check=True)
    try:
        report = index(place, to=tmp_path / "kept")
    finally:
        subprocess.run(["umount", str(place)], check=True)
    assert (report.unchanged, report.added) == (6, 1)


# --- sources that go while they are read -----------------------------------------------------------------------------


def test_a_folder_that_vanishes_while_it_is_read_keeps_what_is_in_the_collection(tmp_path: Path) -> None:
    paint_many(tmp_path / "a", 6)
    paint_many(tmp_path / "b", 4, first=20)
    index(tmp_path)
    for file in (tmp_path / "b").iterdir():
        os.utime(file, (9, 9))

    def vanish(step: Progress) -> None:
        if step.stage == "embed" and (tmp_path / "b").exists():
            shutil.rmtree(tmp_path / "b")

    report = index(tmp_path, progress=vanish)
    assert (report.failed, report.unchanged) == ({"vanished": 4}, 6)
    assert failures(tmp_path) == {f"b/{number:03}.jpg": "vanished" for number in range(20, 24)}
    assert index(tmp_path).failed == {}
    assert len(ids(tmp_path)) == 6


def test_a_file_replaced_by_another_picture_between_listing_and_reading_is_right_after_the_next_run(
    tmp_path: Path,
) -> None:
    paint_three(tmp_path)

    def replace(step: Progress) -> None:
        if step.stage == "embed" and step.done == 0:
            paint(tmp_path / "red.jpg", "blue", size=(77, 33))

    index(tmp_path, progress=replace)
    index(tmp_path)
    row = state(tmp_path)["images"]["red.jpg"]
    assert (row["width"], row["size"]) == (77, (tmp_path / "red.jpg").stat().st_size)
    expected = load_encoder("toy").encode_images([open_image(tmp_path / "red.jpg")])[0]
    assert np.allclose(row["vector"], expected)
