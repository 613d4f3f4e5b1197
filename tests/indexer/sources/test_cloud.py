"""Are images in an object store indexed where they are?  Against a local S3 server (moto)."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

import clipdex
from core.errors import ImageError, MissingExtraError, SourceError
from indexer.sources import find_source, make_source
from indexer.sources.file_access import Remote
from tests.indexer.ingest.test_sync import counts
from tests.indexer.object_store import bucket  # noqa: F401 - a fixture
from tests.indexer.pictures import failures, ids, index, paint_three

pytestmark = pytest.mark.serial


@pytest.fixture
def shelf(bucket: str, request: pytest.FixtureRequest) -> Any:  # noqa: F811
    """A place in the bucket for this test, and what puts objects there."""
    import s3fs

    system = s3fs.S3FileSystem(use_listings_cache=False, skip_instance_cache=True)
    place = f"{bucket.removeprefix('s3://')}/{request.node.name}"

    class Shelf:
        url = f"s3://{place}"

        def put(self, name: str, data: bytes | Path) -> None:
            system.pipe_file(f"{place}/{name}", data if isinstance(data, bytes) else data.read_bytes())

        def remove(self, name: str = "") -> None:
            system.rm(f"{place}/{name}".rstrip("/"), recursive=True)

    return Shelf()


def test_objects_are_indexed_changed_and_removed(shelf: Any, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    paint_three(tmp_path / "a")
    for name in ("red.jpg", "green.jpg"):
        shelf.put(f"trips/2024/{name}", tmp_path / "a" / name)
    shelf.put("blue & ü #1.png", tmp_path / "a" / "blue.png")
    shelf.put("trips/2024/red.txt", b"a red thing")
    shelf.put("captions.csv", b"image,caption\ngreen.jpg,grass\n")
    shelf.put("bad.jpg", b"no image")
    shelf.put("notes.md", b"x")
    shelf.put(".hidden/x.jpg", b"x")
    report = index(shelf.url, to=kept)
    assert (report.added, report.failed, report.ignored, report.texts) == (3, {"not an image": 1}, 2, 2)
    assert ids(kept) == ["blue & ü #1.png", "trips/2024/green.jpg", "trips/2024/red.jpg"]
    searcher = clipdex.open(kept)
    assert searcher.item("trips/2024/red.jpg").captions == ["a red thing"]
    assert searcher.item("trips/2024/green.jpg").captions == ["grass"]
    assert searcher.search("red", limit=1)[0].id == "trips/2024/red.jpg"
    again = index(shelf.url + "/", to=kept)
    assert (again.unchanged, again.failed) == (3, {"not an image": 1}) and "read" not in again.stages
    shelf.put("trips/2024/red.jpg", tmp_path / "a" / "green.jpg")
    shelf.remove("blue & ü #1.png")
    report = index(shelf.url, to=kept)
    assert (report.updated, report.removed, report.unchanged) == (1, 1, 1)


def test_a_store_that_is_gone_or_empty_removes_nothing(shelf: Any, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    with pytest.raises(SourceError, match="cannot be read"):
        index(shelf.url, to=kept)
    assert not kept.exists()
    paint_three(tmp_path / "a")
    shelf.put("red.jpg", tmp_path / "a" / "red.jpg")
    index(shelf.url, to=kept)
    shelf.remove()
    with pytest.raises(SourceError):
        index(shelf.url, to=kept)
    assert ids(kept) == ["red.jpg"]
    with pytest.raises(SourceError, match="s3://no-such-bucket-at-all/x cannot be read"):
        index("s3://no-such-bucket-at-all/x", to=tmp_path / "other")


def test_archives_and_tables_in_a_store_are_read_where_they_are(shelf: Any, tmp_path: Path) -> None:
    paint_three(tmp_path / "a")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(tmp_path / "a" / "red.jpg", "0001.jpg")
    shelf.put("shards/00.tar", packed.getvalue())
    shelf.put("shards/01.tar", packed.getvalue())
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as other:
        other.write(tmp_path / "a" / "blue.png", "b/blue.png")
    shelf.put("more.zip", zipped.getvalue())
    shelf.put("p/green.jpg", tmp_path / "a" / "green.jpg")
    shelf.put("list.csv", f"image,n\np/green.jpg,1\n{shelf.url}/p/green.jpg,2\np/gone.jpg,3\n".encode())
    kept = tmp_path / "kept"
    report = index([f"{shelf.url}/shards/{{00..01}}.tar", f"{shelf.url}/more.zip", f"{shelf.url}/list.csv"], to=kept)
    assert (report.added, failures(kept)) == (5, {"list//p/gone.jpg": "vanished"})
    url = shelf.url.replace("//", "/") + "/p/green.jpg"  # an id has no two slashes in a row
    assert ids(kept) == sorted(
        ["00.tar/0001.jpg", "01.tar/0001.jpg", "more//b/blue.png", "list//p/green.jpg", f"list//{url}"]
    )
    again = index([], to=kept)
    assert counts(again) == {"unchanged": 5, "failed": 1}


def test_an_object_that_went_is_an_image_error(shelf: Any, tmp_path: Path) -> None:
    paint_three(tmp_path / "a")
    shelf.put("red.jpg", tmp_path / "a" / "red.jpg")
    source = make_source("cloud", shelf.url)
    assert source.read("red.jpg") == (tmp_path / "a" / "red.jpg").read_bytes()
    for name in ("absent.jpg", "../x.jpg", "/red.jpg", ""):
        with pytest.raises(ImageError):
            source.read(name)


def test_addresses_on_the_web_are_left_to_others(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="img2dataset"):
        index("https://example.org/photos", to=tmp_path / "kept")
    assert find_source("s3://b/x.zip") == ("zip", "s3://b/x.zip")
    assert find_source("s3://b/photos/") == ("cloud", "s3://b/photos")


def test_a_store_whose_package_is_missing_names_it() -> None:
    with pytest.raises(MissingExtraError, match=r"needs the package gcsfs: pip install 'clipdex\[cloud\]'"):
        Remote("gs://bucket/x")
    with pytest.raises(SourceError, match="nonsense://x cannot be reached"):
        Remote("nonsense://x")
