"""Do several sources in one collection keep apart, and go on without one that is missing?"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import clipdex
from core.errors import CollectionError, SourceError
from indexer.collection.collection import Collection
from indexer.sources.base import beginning
from indexer.sources.multi import new_name
from tests.indexer.ingest.test_sync import counts
from tests.indexer.pictures import failures, ids, index, paint, paint_three, state


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """A collected folder with red.jpg, green.jpg and blue.png, and another with red.jpg and trips/white.jpg."""
    first, second = paint_three(tmp_path / "first"), tmp_path / "second"
    paint(second / "red.jpg", "red", seed=1)
    paint(second / "trips" / "white.jpg", "white", seed=2)
    (second / "captions.csv").write_text("image,caption\ntrips/white.jpg,snow\n")
    (first / "red.txt").write_text("a red thing")
    return first, second


BOTH = ["blue.png", "green.jpg", "red.jpg", "second//red.jpg", "second//trips/white.jpg"]


def test_two_folders_become_one_collection(two: tuple[Path, Path]) -> None:
    first, second = two
    report = index([first, second])
    assert counts(report) == {"added": 5}
    assert ids(first) == BOTH
    searcher = clipdex.open(first)
    assert searcher.item("second//trips/white.jpg").captions == ["snow"]
    assert searcher.item("red.jpg").captions == ["a red thing"]
    assert searcher.item("second//red.jpg").path == second / "red.jpg"
    assert {item_id: row["folder"] for item_id, row in state(first)["images"].items()} == {
        "blue.png": "",
        "green.jpg": "",
        "red.jpg": "",
        "second//red.jpg": "second",
        "second//trips/white.jpg": "second//trips",
    }
    assert counts(index(first)) == {"unchanged": 5}  # a run looks at all sources, whichever is named


@pytest.mark.parametrize("inside", ["", ".clipdex"])
def test_a_second_source_is_added_later_and_remembered(two: tuple[Path, Path], inside: str) -> None:
    first, second = two
    index(first)
    assert counts(index(second, to=first / inside)) == {"added": 2, "unchanged": 3}
    assert ids(first) == BOTH
    paint(second / "more.jpg", "green", seed=3)
    assert counts(index(first)) == {"added": 1, "unchanged": 5}
    assert [info.name for info in Collection.find(first).info.sources] == ["", "second//"]


def test_the_same_pictures_in_two_sources_are_embedded_once(two: tuple[Path, Path]) -> None:
    first, _ = two
    copy = first.with_name("copy")
    shutil.copytree(first, copy)
    report = index([first, copy])
    assert counts(report) == {"added": 6}
    rows = state(first)["images"]
    assert all(rows[f"copy//{name}"]["vector"] == rows[name]["vector"] for name in ("red.jpg", "blue.png"))
    assert clipdex.open(first).search(like="red.jpg", limit=1)[0].id == "copy//red.jpg"


def test_a_missing_source_keeps_its_pictures_and_the_others_go_on(two: tuple[Path, Path]) -> None:
    first, second = two
    index([first, second])
    before = state(first)
    second.rename(second.with_name("unplugged"))
    paint(first / "new.jpg", "green", seed=4)
    (first / "green.jpg").unlink()
    report = index(first)
    assert (report.added, report.removed, report.unchanged, report.kept) == (1, 1, 2, 2)
    assert report.failed == {"source missing": 1}
    assert failures(first) == {"second//": "source missing"}
    assert f"there is no folder {second}" in state(first)["failures"]["second//"]["message"]
    assert state(first)["texts"] == before["texts"]
    second.with_name("unplugged").rename(second)
    assert counts(index(first)) == {"unchanged": 5}
    assert failures(first) == {}


def test_the_first_of_two_sources_may_be_the_missing_one(two: tuple[Path, Path], tmp_path: Path) -> None:
    first, second = two
    kept = tmp_path / "kept"
    index([first, second], to=kept)
    first.rename(tmp_path / "unplugged")
    (second / "red.jpg").unlink()
    report = index(second, to=kept)
    assert (report.kept, report.removed, report.failed) == (3, 1, {"source missing": 1})
    assert ids(kept) == ["blue.png", "green.jpg", "red.jpg", "second//trips/white.jpg"]
    with pytest.raises(SourceError, match=r"there is no folder .*first"):
        index([first, second], to=kept)  # what is named must be there


def test_a_suddenly_empty_source_is_a_missing_one(two: tuple[Path, Path]) -> None:
    first, second = two
    index([first, second])
    second.rename(second.with_name("unplugged"))
    second.mkdir()
    report = index(first)
    assert (report.kept, report.removed, report.failed) == (2, 0, {"source missing": 1})
    assert ids(first) == BOTH


def test_all_sources_missing_is_an_error(two: tuple[Path, Path], tmp_path: Path) -> None:
    first, second = two
    kept = tmp_path / "kept"
    index([first, second], to=kept)
    for place in two:
        place.rename(place.with_name(f"{place.name} unplugged"))
    with pytest.raises(SourceError, match="there is no folder"):
        index(first, to=kept)
    assert ids(kept) == BOTH


def test_a_folder_that_moved_is_not_taken_for_a_second_one(two: tuple[Path, Path], tmp_path: Path) -> None:
    first, _ = two
    kept, moved = tmp_path / "kept", tmp_path / "moved"
    index(first, to=kept)
    before = state(kept)
    first.rename(moved)
    with pytest.raises(SourceError, match=r"first is not there, and .* if it has moved, say --remove-source .*first"):
        index(moved, to=kept)
    assert counts(index(moved, to=kept, remove=[first])) == {"unchanged": 3}
    assert state(kept) == before
    assert clipdex.open(kept).item("red.jpg").path == moved / "red.jpg"


def test_a_removed_source_takes_its_pictures_with_it(two: tuple[Path, Path]) -> None:
    first, second = two
    index([first, second])
    for named in ("third", second.with_name("third")):
        with pytest.raises(SourceError, match=r"third is not a source .* its sources are: .*first, .*second"):
            index(first, remove=[named])
    report = index(first, remove=["second"])
    assert (report.removed, report.unchanged) == (2, 3)
    assert ids(first) == ["blue.png", "green.jpg", "red.jpg"]
    assert state(first)["texts"].keys() == {
        row["texts_key"] + "-0" for row in state(first)["images"].values() if row["texts_key"]
    }
    with pytest.raises(SourceError, match="no source would be left"):
        index([], to=first, remove=[first])


def test_the_first_source_can_be_removed_and_the_second_keeps_its_ids(two: tuple[Path, Path], tmp_path: Path) -> None:
    first, second = two
    kept = tmp_path / "kept"
    index([first, second], to=kept)
    index(second, to=kept, remove=[first])
    assert ids(kept) == ["second//red.jpg", "second//trips/white.jpg"]
    index(first, to=kept)
    assert ids(kept) == BOTH


def test_a_source_within_another_is_refused(two: tuple[Path, Path]) -> None:
    _, second = two
    with pytest.raises(SourceError, match=r"trips lies in .*second, which is a source of this collection already"):
        index([second, second / "trips"])
    index(second / "trips", to=second.with_name("kept"))
    with pytest.raises(SourceError, match=r"second holds .*trips, a source of this collection: remove that"):
        index(second, to=second.with_name("kept"))


def test_captions_are_given_to_one_source(two: tuple[Path, Path], tmp_path: Path) -> None:
    first, second = two
    table = tmp_path / "words.csv"
    table.write_text("image,caption\nred.jpg,told by hand\n")
    with pytest.raises(SourceError, match="belongs to one source"):
        index([first, second], captions=table)
    index(first)
    index(second, to=first, captions=table)
    searcher = clipdex.open(first)
    assert searcher.item("second//red.jpg").captions == ["told by hand"]
    assert searcher.item("red.jpg").captions == ["a red thing"]
    assert counts(index(first)) == {"unchanged": 5}
    assert searcher.item("second//red.jpg").captions == ["told by hand"]


def test_nothing_given_is_an_error() -> None:
    with pytest.raises(SourceError, match="nothing to index was given"):
        index([])


def test_a_collection_of_a_file_needs_a_place(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"red.jpg is a file, one image; give the folder it lies in"):
        index(paint(tmp_path / "red.jpg"))
    (tmp_path / "a.zip").write_bytes(b"")
    with pytest.raises(CollectionError, match=r"where shall the collection of .*a.zip be kept\? Say so with --to DIR"):
        index(tmp_path / "a.zip")


def test_names_of_sources_differ_and_are_found_in_ids() -> None:
    taken: dict[str, None] = {}
    places = [
        "/a/photos",
        "/b/photos",
        "/c/photos",
        "s3://bucket/photos/",
        "/d/old.photos.zip",
        "/",
        "/e/.hidden",
        "/f/a\nb",
    ]
    for place in places:
        name = new_name(place, taken)
        assert beginning(name + "x/y.jpg") == name
        taken[name] = None
    assert list(taken) == ["", "photos//", "photos-2//", "photos-3//", "old//", "source//", "source-2//", "a\\x0ab//"]
