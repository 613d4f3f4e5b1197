"""Does clearing away free the disk, lose no row and disturb no search?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

import clipdex
from core.errors import CollectionError
from indexer.collection.collection import Collection
from indexer.collection.storage import lock, tables
from indexer.ingest.writing import writer
from indexer.maintenance import compact, verify
from tests.indexer.pictures import index, paint, state
from tests.shared import ROOT

NOTHING = timedelta(0)


def grown(folder: Path, runs: int) -> Collection:
    """A collection that many runs wrote to, each adding, changing and removing an image."""
    for number in range(runs):
        paint(folder / f"{number:03}.jpg", seed=number)
        paint(folder / "changing.jpg", seed=1000 + number)
        (folder / f"{number - 3:03}.jpg").unlink(missing_ok=True)
        index(folder)
    return Collection.find(folder)


def files(collection: Collection) -> int:
    return sum(path.is_file() for path in collection.path.rglob("*"))


def test_old_versions_and_small_files_go_and_every_row_stays(tmp_path: Path) -> None:
    collection = grown(tmp_path, 6)
    data = collection.path / "images.lance" / "data"
    (data / "left.lance").write_bytes(bytes(10**6))  # by a run that was killed
    week_ago = time.time() - 8 * 24 * 3600
    os.utime(data / "left.lance", (week_ago, week_ago))
    (data / "fresh.lance").touch()  # by somebody who is tagging just now, without a lock
    (collection.path / "lock.123").touch()
    os.utime(collection.path / "lock.123", (1, 1))  # long ago
    (collection.path / "lock.456").touch()  # of a run that begins just now
    expected, many, size = state(tmp_path), files(collection), collection.size_bytes()
    done = compact.compact(collection, keep=NOTHING)
    assert state(tmp_path) == expected
    assert (done.before, done.after, done.kept) == (size, collection.size_bytes(), 0)
    assert done.after < size - 10**6
    assert [path.name for path in collection.path.glob("lock.*")] == ["lock.456"]
    assert (data / "fresh.lance").exists() and not (data / "left.lance").exists()
    assert files(collection) <= 3 * 4 + 4 < many  # data, version, hint and transaction a table
    assert index(tmp_path).unchanged == len(expected["images"])
    assert verify.verify(collection).findings == []


def test_old_versions_of_the_concepts_go_too(tmp_path: Path) -> None:
    from indexer.collection import concepts

    collection = grown(tmp_path, 2)
    searcher = clipdex.open(tmp_path)
    some = sorted(state(tmp_path)["images"])
    for number in range(6):
        searcher.keep_concept(f"c{number % 2}", some[: 1 + number // 2])
    assert len(concepts.table_of(collection).list_versions()) > 6
    assert compact.compact(collection).kept > 6  # somebody may be reading them
    assert compact.compact(collection, keep=NOTHING).kept == 0
    assert len(concepts.table_of(collection).list_versions()) == 1
    assert [(one.name, len(one.fits)) for one in clipdex.open(tmp_path).concepts()] == [("c0", 3), ("c1", 3)]


def test_versions_that_a_search_may_be_reading_stay(tmp_path: Path) -> None:
    collection = grown(tmp_path, 2)
    searcher = clipdex.open(tmp_path)
    snapshot = searcher.snapshot()  # it reads vectors, captions and thumbnails when they are needed
    keep = timedelta(seconds=6)
    time.sleep(6.2)  # the version is old, but it is the newest
    grown(tmp_path, 4)
    done = compact.compact(collection, keep=keep)
    assert done.kept >= 1
    assert snapshot.thumbnail(snapshot.ids[0])[:3] == b"\xff\xd8\xff"
    assert len(snapshot.vectors) == len(snapshot.ids)
    time.sleep(7.2)
    assert compact.compact(collection, keep=keep).kept < done.kept
    assert len(searcher.search("red")) == len(state(tmp_path)["images"])


def test_nothing_is_cleared_away_under_a_run(tmp_path: Path) -> None:
    collection = grown(tmp_path, 1)
    with lock.writing(collection.path), pytest.raises(CollectionError, match="another run"):
        compact.compact(collection)


def test_a_run_of_many_commits_does_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(40):
        paint(tmp_path / f"{number:03}.jpg", seed=number)
    monkeypatch.setattr(writer, "COMMIT_ROWS", 1)
    monkeypatch.setattr(writer, "TIDY_COMMITS", 10)
    monkeypatch.setattr(tables, "KEEP_VERSIONS", NOTHING)
    index(tmp_path)
    versions = [len(Collection.find(tmp_path).table(name).list_versions()) for name in tables.KEYS]
    assert max(versions) <= 2 * 10, versions
    assert len(state(tmp_path)["images"]) == 40


# Adds images one run after the other; a line with the number of those that are acknowledged.
WRITE = """
import sys, time
from pathlib import Path
import clipdex
from tests.indexer.pictures import paint
folder, stop = Path(sys.argv[1]), time.monotonic() + float(sys.argv[2])
number = 1
while number < 5 or time.monotonic() < stop:
    paint(folder / f"{number:04}.jpg", seed=number)
    (folder / f"{number:04}.txt").write_text(f"words {number}")
    try:
        report = clipdex.index(folder, model="toy")
    except clipdex.ClipdexError as error:
        assert "another run" in str(error), error  # compact has the right to write now
        continue
    assert report.added >= 1 and report.removed == 0, report
    number += 1
    print(number, flush=True)
    time.sleep(0.2)
"""

# Asks again and again; a line with what a search, an image and a thumbnail gave.
READ = """
import json, sys, time
import clipdex
stop = time.monotonic() + float(sys.argv[2])
searcher = clipdex.open(sys.argv[1])
asked = 0
while not asked or time.monotonic() < stop:
    asked += 1
    hits = searcher.search("red", limit=1000)
    words = searcher.search("words", target="texts", limit=1000)
    assert searcher.thumbnail(hits[-1].id).startswith(bytes([255, 216, 255]))
    assert words[-1].caption in searcher.item(words[-1].id).captions
    fresh = clipdex.open(sys.argv[1]).search("red", limit=1000)
    print(json.dumps([len(hits), len(words), len(fresh)]), flush=True)
"""


@pytest.mark.serial
def test_no_row_is_lost_and_no_reader_fails_while_one_writes_and_another_compacts(tmp_path: Path) -> None:
    seconds = 120.0 if os.environ.get("CLIPDEX_SLOW") else 6.0
    paint(tmp_path / "0000.jpg", seed=0)
    (tmp_path / "0000.txt").write_text("words 0")
    index(tmp_path)
    collection = Collection.find(tmp_path)
    said: dict[str, list[str]] = {}
    errors: dict[str, str] = {}

    def process(name: str, code: str) -> None:
        command = [sys.executable, "-c", code, str(tmp_path), str(seconds)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds + 120)
        said[name], errors[name] = done.stdout.splitlines(), done.stderr

    def thread(name: str) -> None:
        said[name], errors[name] = [], ""
        while not said[name] or programs[0].is_alive():
            try:
                hits = searcher.search("red", limit=1000)
                assert searcher.thumbnail(hits[0].id)[:3] == b"\xff\xd8\xff"
                said[name].append(json.dumps([len(hits)]))
            except Exception as error:
                errors[name] = repr(error)
                return

    searcher = clipdex.open(tmp_path)
    programs = [threading.Thread(target=process, args=each) for each in (("write", WRITE), ("a", READ), ("b", READ))]
    readers = [threading.Thread(target=thread, args=(name,)) for name in ("c", "d")]
    for each in [*programs, *readers]:
        each.start()
    compacted = 0
    while programs[0].is_alive():
        try:
            compact.compact(collection, keep=timedelta(seconds=3))
            compacted += 1
        except CollectionError as error:
            if "another run" not in str(error):
                raise
        time.sleep(0.1)
    for each in [*programs, *readers]:
        each.join()
    assert errors == dict.fromkeys(["write", "a", "b", "c", "d"], "")
    assert compacted >= 1
    acknowledged = int(said["write"][-1])
    assert acknowledged >= 5
    assert sorted(state(tmp_path)["images"])[:acknowledged] == [f"{number:04}.jpg" for number in range(acknowledged)]
    for name in "abcd":
        told = [json.loads(line) for line in said[name]]
        assert told, f"reader {name} was never answered"
        for counts in zip(*told, strict=True):
            assert list(counts) == sorted(counts), f"reader {name} lost a row"
    assert verify.verify(collection).findings == []
