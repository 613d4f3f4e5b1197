"""Is a change noticed, and does watching survive faults?"""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import clipdex
from core.errors import ClipdexError, CollectionError
from indexer.ingest.report import Report
from indexer.ingest.watch import Changes, keep_current
from tests.indexer.pictures import index, paint, paint_three


def never() -> bool:
    return False


@pytest.fixture
def changes(tmp_path: Path) -> Iterator[Changes]:
    (tmp_path / "photos" / "album").mkdir(parents=True)
    watcher = Changes(tmp_path / "photos", [tmp_path / "photos" / "kept"], quiet=0.2)
    yield watcher
    watcher.close()


def noticed(changes: Changes, seconds: float = 60.0) -> bool:
    """Was there a change within that time?"""
    started = time.monotonic()
    changes.wait(seconds, never)
    return time.monotonic() - started < seconds


def later(action: Callable[[], object]) -> None:
    threading.Timer(0.3, action).start()


def test_new_changed_moved_and_deleted_files_are_noticed(tmp_path: Path, changes: Changes) -> None:
    photos = tmp_path / "photos"
    actions: list[Callable[[], object]] = [
        lambda: paint(photos / "album" / "a.jpg"),
        lambda: os.utime(photos / "album" / "a.jpg", (5, 5)),
        lambda: (photos / "album" / "a.jpg").rename(photos / "b.jpg"),
        lambda: (photos / "b.jpg").unlink(),
        lambda: paint(photos / "new" / "deep" / "c.jpg"),
    ]
    for action in actions:
        later(action)
        assert noticed(changes)


def test_reading_hidden_files_and_the_collection_are_not_changes(tmp_path: Path, changes: Changes) -> None:
    photos = tmp_path / "photos"
    file = paint(photos / "a.jpg")
    assert noticed(changes)
    file.read_bytes()
    paint(photos / ".hidden" / "x.jpg")
    paint(photos / "kept" / "x.jpg")
    (photos / ".clipdex").mkdir()
    (photos / ".clipdex" / "lock").write_text("1")
    # The folders themselves appear in one that is looked at: that may be told once, and then no more.
    while noticed(changes, 1.0):
        pass
    (photos / ".clipdex" / "lock").write_text("2")
    paint(photos / "kept" / "y.jpg")
    file.read_bytes()
    assert not noticed(changes, 1.0)


def test_many_changes_in_a_row_are_one(tmp_path: Path, changes: Changes) -> None:
    changes.quiet = 1.5  # longer than a busy machine stops between two of them

    def copy_slowly() -> None:
        for number in range(8):
            paint(tmp_path / "photos" / f"{number}.jpg", seed=number)
            time.sleep(0.05)

    later(copy_slowly)
    assert noticed(changes)
    assert len(list((tmp_path / "photos").glob("*.jpg"))) == 8
    assert not noticed(changes, 3.0)


def test_a_folder_that_comes_back_is_watched_again(tmp_path: Path, changes: Changes) -> None:
    photos = tmp_path / "photos"
    photos.rename(tmp_path / "away")
    noticed(changes, 1.0)
    later(lambda: photos.mkdir())
    assert noticed(changes)
    later(lambda: paint(photos / "a.jpg"))
    assert noticed(changes)


def test_watching_goes_on_over_faults(tmp_path: Path) -> None:
    folder = paint_three(tmp_path / "photos")
    told: list[Report | ClipdexError] = []

    class Now(Changes):
        """Something changed, always."""

        def wait(self, longest: float, stop: Callable[[], bool]) -> None:
            if len(told) == 1:
                folder.rename(tmp_path / "away")
            elif len(told) == 2:
                (tmp_path / "away").rename(folder)
                paint(folder / "new.jpg", seed=1)

    changes = Now(folder)
    try:
        keep_current(lambda: index(folder, to=tmp_path / "kept"), changes, told.append, lambda: len(told) == 3)
    finally:
        changes.close()
    first, second, third = told
    assert isinstance(first, Report) and first.added == 3
    assert isinstance(second, ClipdexError) and "is the disk connected" in str(second)
    assert isinstance(third, Report) and (third.added, third.unchanged) == (1, 3)
    assert len(clipdex.open(tmp_path / "kept").search("red")) == 4
    assert not isinstance(second, CollectionError)


def test_folders_made_inside_folders_are_noticed_without_a_warning(tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        quiet = Changes(tmp_path, quiet=0.2)
        for number in range(60):
            for depth in range(1, 6):
                tmp_path.joinpath(f"trip{number}", *"abcde"[:depth]).mkdir(parents=True)
                time.sleep(0.0005)  # as long as it takes to meet a folder from above and from below
        assert noticed(quiet)
        quiet.close()
    assert [str(each.message) for each in said if "Callback" in str(each.message)] == []
