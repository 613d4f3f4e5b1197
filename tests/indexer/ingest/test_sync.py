"""Does a run end in the right state, and account for everything?"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import clipdex
from core.errors import SourceError
from indexer.ingest.report import Progress, Report
from tests.indexer.pictures import failures, ids, index, paint, paint_three, state


def counts(report: Report) -> dict[str, int]:
    """What a report says, without noughts; the parts must add up."""
    names = ("added", "updated", "moved", "removed", "unchanged")
    found = {name: getattr(report, name) for name in names} | {"failed": sum(report.failed.values())}
    assert sum(found.values()) - found["removed"] == report.total
    return {name: count for name, count in found.items() if count}


def test_a_first_run_adds_everything_and_a_second_one_nothing(tmp_path: Path) -> None:
    paint_three(tmp_path)
    assert counts(index(tmp_path)) == {"added": 3}
    before = state(tmp_path)
    report = index(tmp_path)
    assert counts(report) == {"unchanged": 3}
    assert set(report.stages) == {"scan", "write"}  # nothing was read
    assert state(tmp_path) == before


def test_a_row_says_what_the_file_is(tmp_path: Path) -> None:
    file = paint(tmp_path / "a.jpg", size=(640, 480))
    index(tmp_path)
    row = state(tmp_path)["images"]["a.jpg"]
    found = file.stat()
    assert (row["width"], row["height"], row["size"], row["mtime_ns"]) == (
        640,
        480,
        found.st_size,
        found.st_mtime_ns,
    )
    assert row["thumbnail"][:3] == b"\xff\xd8\xff"  # JPEG
    assert sum(value * value for value in row["vector"]) == pytest.approx(1)


def test_changed_pictures_are_embedded_again(tmp_path: Path) -> None:
    paint_three(tmp_path)
    index(tmp_path)
    before = state(tmp_path)["images"]
    paint(tmp_path / "red.jpg", "blue", size=(70, 70))
    assert counts(index(tmp_path)) == {"updated": 1, "unchanged": 2}
    after = state(tmp_path)["images"]
    assert after["red.jpg"]["vector"] != before["red.jpg"]["vector"]
    assert after["red.jpg"]["width"] == 70
    assert after["blue.png"] == before["blue.png"]


def test_a_file_that_was_only_touched_is_unchanged(tmp_path: Path) -> None:
    paint_three(tmp_path)
    index(tmp_path)
    os.utime(tmp_path / "red.jpg", (1, 1))
    report = index(tmp_path)
    assert counts(report) == {"unchanged": 3}
    assert "embed" not in {stage for stage, seconds in report.stages.items() if seconds > 0.01}
    assert state(tmp_path)["images"]["red.jpg"]["mtime_ns"] == 10**9
    assert "read" not in index(tmp_path).stages


def test_moved_pictures_keep_their_vector_and_get_their_own_row(tmp_path: Path) -> None:
    paint_three(tmp_path)
    index(tmp_path)
    before = state(tmp_path)["images"]
    (tmp_path / "album").mkdir()
    (tmp_path / "red.jpg").rename(tmp_path / "album" / "rot.jpg")
    report = index(tmp_path)
    assert counts(report) == {"moved": 1, "unchanged": 2}
    after = state(tmp_path)["images"]
    assert sorted(after) == ["album/rot.jpg", "blue.png", "green.jpg"]
    assert after["album/rot.jpg"] == before["red.jpg"] | {"id": "album/rot.jpg", "folder": "album"}


def test_copies_are_rows_of_their_own_with_one_computation(tmp_path: Path) -> None:
    paint_three(tmp_path)
    for number in range(5):
        shutil.copyfile(tmp_path / "red.jpg", tmp_path / f"copy{number}.jpg")
    assert counts(index(tmp_path)) == {"added": 8}
    shutil.copyfile(tmp_path / "red.jpg", tmp_path / "later.jpg")
    assert counts(index(tmp_path)) == {"added": 1, "unchanged": 8}
    found = state(tmp_path)["images"]
    assert len({row["hash"] for row in found.values()}) == 3
    assert all(found[f"copy{number}.jpg"]["vector"] == found["red.jpg"]["vector"] for number in range(5))
    assert found["later.jpg"]["vector"] == found["red.jpg"]["vector"]


def test_one_of_two_copies_that_appear_for_one_gone_file_is_the_moved_one(tmp_path: Path) -> None:
    paint_three(tmp_path)
    index(tmp_path)
    shutil.copyfile(tmp_path / "red.jpg", tmp_path / "x.jpg")
    (tmp_path / "red.jpg").rename(tmp_path / "y.jpg")
    assert counts(index(tmp_path)) == {"added": 1, "moved": 1, "unchanged": 2}


def test_two_files_that_swap_their_names_swap_their_vectors(tmp_path: Path) -> None:
    paint_three(tmp_path)
    index(tmp_path)
    before = state(tmp_path)["images"]
    (tmp_path / "red.jpg").rename(tmp_path / "x")
    (tmp_path / "green.jpg").rename(tmp_path / "red.jpg")
    (tmp_path / "x").rename(tmp_path / "green.jpg")
    os.utime(tmp_path / "red.jpg", (5, 5))
    os.utime(tmp_path / "green.jpg", (6, 6))
    assert counts(index(tmp_path)) == {"updated": 2, "unchanged": 1}
    after = state(tmp_path)["images"]
    assert after["red.jpg"]["vector"] == before["green.jpg"]["vector"]
    assert after["green.jpg"]["vector"] == before["red.jpg"]["vector"]


def test_gone_pictures_and_their_captions_are_removed(tmp_path: Path) -> None:
    paint_three(tmp_path)
    (tmp_path / "red.txt").write_text("words")
    index(tmp_path)
    (tmp_path / "red.jpg").unlink()
    assert counts(index(tmp_path)) == {"removed": 1, "unchanged": 2}
    assert ids(tmp_path) == ["blue.png", "green.jpg"]
    assert state(tmp_path)["texts"] == {}


def test_a_picture_that_breaks_becomes_a_failure_and_comes_back_when_repaired(tmp_path: Path) -> None:
    paint_three(tmp_path)
    index(tmp_path)
    good = (tmp_path / "red.jpg").read_bytes()
    (tmp_path / "red.jpg").write_bytes(b"no image any more")
    assert counts(index(tmp_path)) == {"failed": 1, "unchanged": 2}
    assert (ids(tmp_path), failures(tmp_path)) == (["blue.png", "green.jpg"], {"red.jpg": "not an image"})
    report = index(tmp_path)
    assert counts(report) == {"failed": 1, "unchanged": 2}
    assert "read" not in report.stages  # the same file would fail in the same way
    (tmp_path / "red.jpg").write_bytes(good)
    assert counts(index(tmp_path)) == {"added": 1, "unchanged": 2}
    assert failures(tmp_path) == {}


def test_failures_of_files_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    paint_three(tmp_path)
    (tmp_path / "bad.jpg").write_text("x")
    index(tmp_path)
    (tmp_path / "bad.jpg").unlink()
    assert counts(index(tmp_path)) == {"unchanged": 3}
    assert failures(tmp_path) == {}


def test_copies_of_a_broken_file_fail_each_for_itself(tmp_path: Path) -> None:
    paint_three(tmp_path)
    for number in range(4):
        (tmp_path / f"bad{number}.jpg").write_text("the same text")
    assert index(tmp_path).failed == {"not an image": 4}
    assert sorted(failures(tmp_path)) == ["bad0.jpg", "bad1.jpg", "bad2.jpg", "bad3.jpg"]


def test_many_pictures_over_several_batches_arrive_beside_their_own_data(tmp_path: Path) -> None:
    for number in range(150):
        if number % 10 == 3:
            (tmp_path / f"{number:03}.jpg").write_bytes(b"broken")
        else:
            paint(tmp_path / f"{number:03}.jpg", size=(20 + number, 30), seed=number)
    report = index(tmp_path)
    assert counts(report) == {"added": 135, "failed": 15}
    assert all(row["width"] == 20 + int(item_id[:3]) for item_id, row in state(tmp_path)["images"].items())
    searcher = clipdex.open(tmp_path)
    for name in ("000.jpg", "064.jpg", "149.jpg"):
        hit = searcher.search(image=tmp_path / name, limit=1)[0]
        assert hit.id == name
        assert hit.score == pytest.approx(1, abs=1e-5)


def test_an_empty_folder_makes_an_empty_collection(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("x")
    report = index(tmp_path)
    assert (report.total, report.ignored) == (0, 1)
    assert report.summary() == "no images were found (1 other file passed over)"
    assert clipdex.open(tmp_path).search("red") == []
    paint(tmp_path / "a.jpg")
    assert counts(index(tmp_path)) == {"added": 1}


def test_a_missing_folder_removes_nothing(tmp_path: Path) -> None:
    folder = paint_three(tmp_path / "disk")
    index(folder, to=tmp_path / "kept")
    folder.rename(tmp_path / "unplugged")
    with pytest.raises(SourceError, match=r"there is no folder .*disk; is the disk connected"):
        index(folder, to=tmp_path / "kept")
    assert len(clipdex.open(tmp_path / "kept").search("red")) == 3
    (tmp_path / "unplugged").rename(folder)
    assert counts(index(folder, to=tmp_path / "kept")) == {"unchanged": 3}


def test_a_suddenly_empty_folder_removes_nothing(tmp_path: Path) -> None:
    folder = paint_three(tmp_path / "mount point")
    index(folder, to=tmp_path / "kept")
    folder.rename(tmp_path / "disk")
    folder.mkdir()
    with pytest.raises(SourceError, match="no images now and the collection has 3: is the disk connected"):
        index(folder, to=tmp_path / "kept")
    assert len(clipdex.open(tmp_path / "kept").search("red")) == 3
    folder.rmdir()
    (tmp_path / "disk").rename(folder)
    assert counts(index(folder, to=tmp_path / "kept")) == {"unchanged": 3}


def test_a_linked_folder_that_is_gone_keeps_its_pictures(tmp_path: Path) -> None:
    folder = paint_three(tmp_path / "photos")
    paint(tmp_path / "disk" / "a.jpg", seed=1)
    (folder / "linked").symlink_to(tmp_path / "disk")
    index(folder)
    (tmp_path / "disk").rename(tmp_path / "unplugged")
    report = index(folder)
    assert (report.unchanged, report.removed, report.kept) == (3, 0, 1)
    assert "1 kept that cannot be looked at now" in report.summary()
    assert ids(folder) == ["blue.png", "green.jpg", "linked/a.jpg", "red.jpg"]
    (tmp_path / "unplugged").rename(tmp_path / "disk")
    assert counts(index(folder)) == {"unchanged": 4}
    (folder / "linked").unlink()
    assert counts(index(folder)) == {"unchanged": 3, "removed": 1}


def test_links_to_pictures_on_a_disk_that_is_gone_keep_them(tmp_path: Path) -> None:
    disk, folder = paint_three(tmp_path / "disk"), tmp_path / "album"
    folder.mkdir()
    for file in disk.iterdir():
        (folder / file.name).symlink_to(file)
    index(folder)
    disk.rename(tmp_path / "unplugged")
    (folder / "new.jpg").symlink_to(disk / "new.jpg")
    report = index(folder)
    assert (report.kept, report.removed, report.failed, report.total) == (3, 0, {"vanished": 1}, 1)
    assert ids(folder) == ["blue.png", "green.jpg", "red.jpg"]
    assert failures(folder) == {"new.jpg": "vanished"}  # an image is in one place: kept, or failed
    paint(folder / "real.jpg", seed=1)
    (folder / "red.jpg").unlink()
    assert counts(index(folder)) == {"added": 1, "removed": 1, "failed": 1}


def test_an_unreadable_folder_does_not_excuse_an_empty_disk(tmp_path: Path) -> None:
    folder = paint_three(tmp_path / "mount point")
    index(folder, to=tmp_path / "kept")
    for file in folder.iterdir():
        file.unlink()
    (folder / "lost+found").symlink_to(tmp_path / "nowhere")
    with pytest.raises(SourceError, match="is the disk connected"):
        index(folder, to=tmp_path / "kept")
    assert len(ids(tmp_path / "kept")) == 3


def test_a_collection_elsewhere_knows_its_folder_and_keeps_it(tmp_path: Path) -> None:
    folder = paint_three(tmp_path / "a")
    kept = tmp_path / "deep" / "kept"
    index(folder, to=kept)
    assert not (folder / ".clipdex").exists()
    assert clipdex.open(kept).search("red", limit=1)[0].path == folder / "red.jpg"
    assert clipdex.open(kept).status().folder == folder


def test_a_folder_moves_together_with_its_collection(tmp_path: Path) -> None:
    index(paint_three(tmp_path / "old"))
    (tmp_path / "old").rename(tmp_path / "new")
    hit = clipdex.open(tmp_path / "new").search("red", limit=1)[0]
    assert hit.path == tmp_path / "new" / "red.jpg"
    assert counts(index(tmp_path / "new")) == {"unchanged": 3}


def test_names_that_are_no_utf_8_survive_the_round_trip(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9\n\\.jpg"
    os.rename(paint(tmp_path / "a.jpg"), raw)  # noqa: PTH104
    index(tmp_path)
    assert ids(tmp_path) == [r"caf\xe9\x0a\\.jpg"]
    hit = clipdex.open(tmp_path).search("red")[0]
    assert hit.path is not None
    assert os.fsencode(hit.path) == raw and hit.path.exists()
    assert counts(index(tmp_path)) == {"unchanged": 1}
    assert len(clipdex.open(tmp_path).search(like=hit.id)) == 1


def test_progress_counts_from_the_start_of_the_job(tmp_path: Path) -> None:
    for number in range(30):
        paint(tmp_path / f"{number}.jpg", seed=number)
    index(tmp_path)
    for number in range(30, 40):
        paint(tmp_path / f"{number}.jpg", seed=number)
    (tmp_path / "bad.jpg").write_text("x")
    told: list[Progress] = []
    index(tmp_path, progress=told.append)
    assert [step.stage for step in told if step.done in (0, 30)] == ["scan", "embed"]
    assert (told[-1].stage, told[-1].done, told[-1].total, told[-1].failed) == ("finish", 41, 41, 1)
    assert [step.done for step in told] == sorted(step.done for step in told)


def test_an_error_in_the_progress_callback_is_not_swallowed(tmp_path: Path) -> None:
    paint_three(tmp_path)

    def stop(step: Progress) -> None:
        if step.stage == "embed":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index(tmp_path, progress=stop)
    assert counts(index(tmp_path)) == {"added": 3}


def test_versions_do_not_pile_up_without_end(tmp_path: Path) -> None:
    from indexer.collection.collection import Collection
    from indexer.ingest.run import MANY_VERSIONS

    for number in range(MANY_VERSIONS + 5):
        paint(tmp_path / f"{number}.jpg", seed=number)
        index(tmp_path)
    table = Collection.find(tmp_path).table("images")
    assert table.stats()["fragment_stats"]["num_fragments"] < 10
    assert len(ids(tmp_path)) == MANY_VERSIONS + 5
