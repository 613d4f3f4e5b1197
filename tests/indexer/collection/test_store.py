"""Is a collection in an object store like one in a folder?"""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

import clipdex
from core.errors import CollectionError
from indexer.collection.collection import INFO, Collection
from indexer.collection.storage import lease, lock
from indexer.collection.storage.remote_files import RemoteFiles
from indexer.collection.storage.store import LocalStore, RemoteStore, located, store_of, url_of
from tests.indexer.object_store import bucket
from tests.indexer.pictures import index, paint, paint_three, state

__all__ = ["bucket"]


def check_like_a_folder(url: str, folder: Path) -> None:
    paint_three(folder / "pictures")
    (folder / "pictures" / "captions.csv").write_text("image,caption\nred.jpg,a red field\n")
    (folder / "pictures" / "broken.jpg").write_text("no image")
    index(folder / "pictures", to=folder / "here")
    assert index(folder / "pictures", to=url).added == 3
    assert state(located(url)) == state(folder / "here")
    (folder / "pictures" / "green.jpg").unlink()
    paint(folder / "pictures" / "white.jpg", "white")
    report = index(folder / "pictures", to=Path(url))  # the command line makes a Path of everything
    assert (report.added, report.removed, report.unchanged) == (1, 1, 2)
    index(folder / "pictures", to=folder / "here")
    assert state(located(url)) == state(folder / "here")
    searcher = clipdex.open(url)
    assert [hit.id for hit in searcher.search("red", limit=1)] == ["red.jpg"]
    assert [hit.caption for hit in searcher.search("red", target="texts")] == ["a red field"]
    assert searcher.status().images == 3


def test_a_collection_at_a_url_is_like_one_in_a_folder(tmp_path: Path) -> None:
    check_like_a_folder(f"file://{tmp_path}/far/away", tmp_path)


def test_a_collection_in_a_bucket_is_like_one_in_a_folder(bucket: str, tmp_path: Path) -> None:
    url = f"{bucket}/collection"
    index(paint_three(tmp_path))
    assert index(tmp_path, to=url).added == 3
    assert index(tmp_path, to=url).unchanged == 3
    assert state(located(url)) == state(tmp_path)
    assert [hit.id for hit in clipdex.open(url).search("red", limit=1)] == ["red.jpg"]


def test_a_bucket_that_is_not_there_is_told_of_before_any_work(bucket: str, tmp_path: Path) -> None:
    paint_three(tmp_path)
    with pytest.raises(CollectionError, match=r"s3://no-such-bucket/x.*check the bucket"):
        index(tmp_path, to="s3://no-such-bucket/x")


def test_only_one_machine_makes_a_file(bucket: str) -> None:
    files = RemoteStore(f"{bucket}/race")
    assert files.make("first", b"a")
    assert not files.make("first", b"b")
    assert files.read("first") == b"a"
    assert files.names("") == ["first"]
    files.remove("first")
    assert not files.exists("first")
    files.remove("first")


def test_a_place_with_other_things_in_it_is_refused(tmp_path: Path) -> None:
    paint_three(tmp_path)
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "diary.txt").write_text("")
    with pytest.raises(CollectionError, match="holds other things"):
        index(tmp_path, to=f"file://{tmp_path}/far")


def test_a_place_that_cannot_be_written_is_told_of(tmp_path: Path) -> None:
    paint_three(tmp_path / "pictures")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CollectionError, match=r"cannot be kept at file:///.*/file/collection: Not a directory"):
        index(tmp_path / "pictures", to=f"file://{tmp_path}/file/collection")


def test_a_url_is_understood_in_every_form_and_others_are_refused(tmp_path: Path) -> None:
    assert url_of("s3://bucket/a//b/") == url_of(Path("s3://bucket/a/b")) == "s3://bucket/a/b"
    assert url_of("file:///srv/x") == url_of(Path("file:///srv/x")) == "file:///srv/x"
    assert url_of("pictures/2024") is None and url_of(Path("notes: 3/x")) is None
    assert located(tmp_path / "x" / "..") == tmp_path
    with pytest.raises(CollectionError, match="unknown kind of object store 'http'"):
        located("http://example.org/x")
    with pytest.raises(CollectionError, match="unknown kind of object store 'hdfs'"):
        located(Path("hdfs://name/x"))
    with pytest.raises(CollectionError, match="names no place"):
        located("s3://")


def test_a_pointer_in_a_folder_that_came_from_others_leads_nowhere(tmp_path: Path) -> None:
    own = located("s3://bucket/collection")
    assert store_of(own).home == "s3://bucket/collection"
    (tmp_path / "gift").mkdir()
    (tmp_path / "gift" / "at.url").write_text("s3://bucket/collection")
    assert isinstance(store_of(tmp_path / "gift"), LocalStore)


def test_a_url_without_a_collection_says_so(tmp_path: Path) -> None:
    with pytest.raises(CollectionError, match=r"file:///.*/nowhere is not a finished collection"):
        Collection.find(located(f"file://{tmp_path}/nowhere"))


def test_two_machines_never_write_at_once(tmp_path: Path) -> None:
    files = RemoteFiles(f"file://{tmp_path}/c")
    with lease.leased(files) as waited:
        assert not waited
        with pytest.raises(CollectionError, match="another run is writing"), lease.leased(files):
            pass
    with lease.leased(files) as waited:
        assert not waited  # the one before was given back
    assert len(files.names("")) == 1


def test_the_right_of_a_killed_run_ends(tmp_path: Path) -> None:
    files = RemoteFiles(f"file://{tmp_path}/c")
    files.write(f"{lease.LEASE}00000007", json.dumps({"owner": "gone", "until": time.time() - 1}).encode())
    with lease.leased(files):
        assert files.names("") == [f"{lease.LEASE}00000008"]
    files.write(f"{lease.LEASE}00000009", b"half a li")
    with lease.leased(files):
        assert files.names("") == [f"{lease.LEASE}00000010"]


def test_the_lock_of_a_collection_elsewhere_is_there_too(tmp_path: Path) -> None:
    paint_three(tmp_path / "pictures")
    url = f"file://{tmp_path}/far"
    index(tmp_path / "pictures", to=url)
    held, refused = lock.writing(located(url)), pytest.raises(CollectionError, match="another run is writing")
    with held, refused, lease.leased(RemoteStore(url)):
        pass
    assert INFO in RemoteStore(url).names("")
