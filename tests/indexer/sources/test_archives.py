"""Are images read from within archives, with all that lies beside them, whatever an archive may be like?"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import clipdex
from core.errors import ImageError, SourceError
from indexer.sources import Settings, find_source, make_source
from indexer.sources.archives.webdataset import WebDatasetSource
from indexer.sources.archives.zip_archive import ZipSource
from indexer.sources.braces import expand
from tests.indexer.ingest.test_sync import counts
from tests.indexer.pictures import failures, ids, index, paint, state
from tests.indexer.sources.test_table import own, rows


@pytest.fixture
def jpeg(tmp_path: Path) -> dict[str, bytes]:
    """The bytes of small images by their colours."""
    place = tmp_path / "painted"
    return {colour: paint(place / f"{colour}.jpg", colour).read_bytes() for colour in ("red", "green", "blue", "white")}


def tar(path: Path, members: Mapping[str, bytes | dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            data = json.dumps(content).encode() if isinstance(content, dict) else content
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def packed(path: Path, members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def locations(source: WebDatasetSource | ZipSource) -> dict[str, str]:
    return {problem.location: problem.reason for problem in source.scan().problems}


# WebDatasets


def test_a_web_dataset_with_captions_classes_and_columns(tmp_path: Path, jpeg: dict[str, bytes]) -> None:
    place = tmp_path / "shards"
    tar(
        place / "data-000.tar",
        {
            "0001.jpg": jpeg["red"],
            "0001.txt": b"a red thing\nsaid twice",
            "0001.json": {"caption": "said twice", "score": 0.5, "tags": ["a", "b"], "deep": {"x": 1}},
            "0001.cls": b"7\n",
            "0002.left.png": jpeg["green"],
            "0002.right.webp": jpeg["blue"],
            "0002.json": {"captions": ["one", "two"], "score": 1, "tags": []},
            "0003.npy": b"x",
            "0004.json": {"caption": "without an image"},
        },
    )
    tar(place / "data-001.tar", {"0001.jpg": jpeg["white"], "0001.cls": b"9"})
    kept = tmp_path / "kept"
    report = index(place, to=kept)
    assert (report.added, report.ignored, report.total) == (4, 2, 4)
    searcher = clipdex.open(kept)
    assert searcher.item("data-000.tar/0001.jpg").captions == ["a red thing", "said twice"]
    assert searcher.item("data-000.tar/0002.right.webp").captions == ["one", "two"]
    assert own(kept, "score", "source_tags", "deep", "cls") == {
        "data-000.tar/0001.jpg": (0.5, ["a", "b"], '{"x": 1}', 7),
        "data-000.tar/0002.left.png": (1.0, [], None, None),
        "data-000.tar/0002.right.webp": (1.0, [], None, None),
        "data-001.tar/0001.jpg": (None, None, None, 9),
    }
    assert rows(kept)["data-001.tar/0001.jpg"]["folder"] == "data-001.tar"
    assert counts(index(place, to=kept)) == {"unchanged": 4}
    assert searcher.search("blue", limit=1)[0].id == "data-000.tar/0002.right.webp"


def test_the_output_of_img2dataset_is_read_as_it_is(tmp_path: Path, jpeg: dict[str, bytes]) -> None:
    place = tmp_path / "laion"
    facts = {
        "url": "https://example.org/a.jpg",
        "caption": "a red thing",
        "key": "000000000",
        "status": "success",
        "error_message": None,
        "width": 60,
        "height": 40,
        "original_width": 600,
        "original_height": 400,
        "exif": "{}",
        "sha256": "ab" * 32,
        "similarity": 0.31,
    }
    tar(place / "00000.tar", {"000000000.jpg": jpeg["red"], "000000000.txt": b"a red thing", "000000000.json": facts})
    failed = facts | {"key": "000000001", "status": "failed_to_download", "error_message": "404", "caption": "gone"}
    other = facts | {"key": "000000002", "caption": "only in the table", "url": "https://example.org/c.jpg"}
    tar(place / "00001.tar", {"000000002.jpg": jpeg["blue"]})
    pq.write_table(pa.Table.from_pylist([facts, failed]), place / "00000.parquet")
    pq.write_table(pa.Table.from_pylist([other]), place / "00001.parquet")
    (place / "00000_stats.json").write_text('{"count": 2, "successes": 1}')
    assert find_source(str(place)) == ("webdataset", place)
    kept = tmp_path / "kept"
    report = index(place, to=kept)
    assert (report.added, report.failed, report.ignored) == (2, {}, 0)
    searcher = clipdex.open(kept)
    assert searcher.item("00000.tar/000000000.jpg").captions == ["a red thing"]
    assert searcher.item("00001.tar/000000002.jpg").captions == ["only in the table"]
    assert own(kept, "url", "original_width", "similarity", "width") == {
        "00000.tar/000000000.jpg": ("https://example.org/a.jpg", 600, 0.31, 60),
        "00001.tar/000000002.jpg": ("https://example.org/c.jpg", 600, 0.31, 60),
    }
    assert not {"key", "status", "exif", "error_message"} & set(rows(kept)["00000.tar/000000000.jpg"])


def test_a_changed_tar_file_embeds_only_what_changed_in_it(tmp_path: Path, jpeg: dict[str, bytes]) -> None:
    place, kept = tmp_path / "shards", tmp_path / "kept"
    members = {f"{number}.jpg": paint(tmp_path / "p.jpg", seed=number).read_bytes() for number in range(30)}
    tar(place / "a.tar", members)
    index(place, to=kept)
    before = rows(kept)
    tar(place / "a.tar", {"new.jpg": jpeg["blue"]} | members | {"3.jpg": jpeg["green"]})
    os.utime(place / "a.tar", (1, 1))
    report = index(place, to=kept)
    assert counts(report) == {"added": 1, "updated": 1, "unchanged": 29}
    after = rows(kept)
    assert all(after[key]["vector"] == row["vector"] for key, row in before.items() if key != "a.tar/3.jpg")
    assert after["a.tar/3.jpg"]["vector"] != before["a.tar/3.jpg"]["vector"]
    assert {row["mtime_ns"] for row in after.values()} == {10**9}


def test_a_pattern_names_the_tar_files_and_a_missing_one_keeps_its_pictures(
    tmp_path: Path, jpeg: dict[str, bytes]
) -> None:
    kept = tmp_path / "kept"
    for number, colour in enumerate(("red", "green", "blue")):
        tar(tmp_path / "s" / f"data-{number:03}.tar", {"0.jpg": jpeg[colour]})
    pattern = str(tmp_path / "s" / "data-{000..002}.tar")
    assert counts(index(pattern, to=kept)) == {"added": 3}
    (tmp_path / "s" / "data-001.tar").rename(tmp_path / "away.tar")
    report = index(pattern, to=kept)
    assert (report.unchanged, report.kept, report.removed) == (2, 1, 0)
    assert failures(kept) == {"data-001.tar/": "vanished"}
    (tmp_path / "away.tar").rename(tmp_path / "s" / "data-001.tar")
    assert counts(index(pattern, to=kept)) == {"unchanged": 3}
    with pytest.raises(SourceError, match=r"other-\{0..2\}.tar cannot be read: there is no such file"):
        index(str(tmp_path / "other-{0..2}.tar"), to=tmp_path / "none")


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_a_tar_file_that_is_cut_short_keeps_what_was_behind_the_cut(
    tmp_path: Path, jpeg: dict[str, bytes], part: float
) -> None:
    place, kept = tmp_path / "s", tmp_path / "kept"
    whole = tar(place / "a.tar", {f"{colour}.jpg": data for colour, data in jpeg.items()}).read_bytes()
    whole = whole[: 4 * 1536 + 1024]
    tar(place / "b.tar", {"x.jpg": jpeg["red"]})
    (place / "a.tar").write_bytes(whole)
    assert counts(index(place, to=kept)) == {"added": 5}
    (place / "a.tar").write_bytes(whole[: int(len(whole) * part)])
    report = index(place, to=kept)
    assert report.failed == {"damaged archive": 1}
    assert (report.unchanged + report.kept, report.removed) == (5, 0)
    assert (report.kept > 0) == (part < 0.9)  # there only the end mark is missing
    assert failures(kept) == {"a.tar/": "damaged archive"}
    (place / "a.tar").write_bytes(whole)
    assert counts(index(place, to=kept)) == {"unchanged": 5}


def test_fields_of_json_can_be_chosen(tmp_path: Path, jpeg: dict[str, bytes]) -> None:
    said = {"caption": "not this", "alt": "this", "width": 9, "n": 1, "vector": [1]}
    place = tar(tmp_path / "a.tar", {"0.jpg": jpeg["red"], "0.txt": b"nor this", "0.json": said})
    with pytest.raises(SourceError, match=r"clipdex itself keeps of every image: vector"):
        index(place, to=tmp_path / "kept")
    index(place, to=tmp_path / "kept", settings=Settings(captions=("alt",), columns=("n",)))
    assert clipdex.open(tmp_path / "kept").item("0.jpg").captions == ["this"]
    assert own(tmp_path / "kept", "n") == {"0.jpg": (1,)}


def test_texts_that_cannot_be_read_cost_no_picture(tmp_path: Path, jpeg: dict[str, bytes]) -> None:
    members = {f"{n}.jpg": jpeg["red"] for n in range(5)}
    members |= {
        "0.txt": b"\xff\xfe\xff",
        "1.json": b"{",
        "2.json": b"[1]",
        "3.json": b"[" * 100_000,
        "4.txt": b"x" * (1 << 20),
    }
    source = WebDatasetSource(tar(tmp_path / "a.tar", members | {"4.json": b"x" * ((1 << 20) + 1)}))
    assert len(source.scan().items) == 5
    assert locations(source) == {
        "0.txt": "caption not UTF-8",
        "1.json": "damaged JSON",
        "2.json": "damaged JSON",
        "3.json": "damaged JSON",
        "4.json": "caption too long",
    }


# Hostile archives


def hostile_tar(path: Path, jpeg: bytes) -> Path:
    with tarfile.open(path, "w") as archive:

        def add(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", data: bytes = b"") -> None:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, link, len(data)
            archive.addfile(info, io.BytesIO(data))

        add("plain.jpg", data=jpeg)
        add("../climbs.jpg", data=jpeg)
        add("a/../../climbs.jpg", data=jpeg)
        add("/absolute.jpg", data=jpeg)
        add("./a//b/./c.jpg", data=jpeg)
        add("plain.jpg", data=jpeg)
        add("plain.jpg", data=jpeg)
        add("soft.jpg", tarfile.SYMTYPE, "/etc/passwd")
        add("hard.jpg", tarfile.LNKTYPE, "plain.jpg")
        add("dangling.jpg", tarfile.LNKTYPE, "absent.jpg")
        add("pipe.jpg", tarfile.FIFOTYPE)
        add("folder.jpg", tarfile.DIRTYPE)
        add("__MACOSX/plain.jpg", data=jpeg)
        add("._plain.jpg", data=jpeg)
        add("new\nline\x1b.jpg", data=jpeg)
        add("x" * 3000 + ".jpg", data=jpeg)
        add("photo.cr2", data=b"raw")
        add("empty.jpg")
        add("program.exe", data=b"x")
    return path


def test_a_hostile_tar_file_is_accounted_for(tmp_path: Path, jpeg: dict[str, bytes]) -> None:
    source = WebDatasetSource(hostile_tar(tmp_path / "a.tar", jpeg["red"]))
    listing = source.scan()
    expected = [
        "a/b/c.jpg",
        "absolute.jpg",
        "empty.jpg",
        "hard.jpg",
        "new\\x0aline\\x1b.jpg",
        "plain (2).jpg",
        "plain (3).jpg",
        "plain.jpg",
        "x" * 3000 + ".jpg",
    ]
    assert [item.id for item in listing.items] == expected
    assert locations(source) == {
        "../climbs.jpg": "unsafe name",
        "a/../../climbs.jpg": "unsafe name",
        "soft.jpg": "not an image",
        "dangling.jpg": "not an image",
        "pipe.jpg": "not an image",
        "photo.cr2": "unsupported",
    }
    assert listing.ignored == 3
    assert all(source.read(name) == jpeg["red"] for name in expected if name != "empty.jpg")
    report = index(tmp_path / "a.tar", to=tmp_path / "kept")
    assert (report.added, report.failed["empty file"]) == (8, 1)
    assert sorted(tmp_path.iterdir()) == [tmp_path / name for name in ("a.tar", "kept", "painted")]  # nothing unpacked


def test_an_archive_without_pictures_is_an_empty_collection(tmp_path: Path) -> None:
    for place in (tar(tmp_path / "a.tar", {"x.md": b"x"}), packed(tmp_path / "a.zip", {"x.md": b"x"})):
        report = index(place, to=tmp_path / f"kept {place.suffix}")
        assert (report.total, report.ignored) == (0, 1)


@pytest.mark.parametrize("ending", ["tar", "zip"])
@pytest.mark.parametrize("content", [b"", b"not an archive" * 100, b"PK\x03\x04" + bytes(100)])
def test_a_file_that_is_no_archive_is_one_sentence(tmp_path: Path, ending: str, content: bytes) -> None:
    place = tmp_path / f"a.{ending}"
    place.write_bytes(content)
    with pytest.raises(SourceError, match=rf"a\.{ending}") as caught:
        index(place, to=tmp_path / "kept")
    assert "\n" not in str(caught.value)


def test_a_hostile_zip_archive_is_accounted_for(tmp_path: Path, jpeg: dict[str, bytes]) -> None:
    members = {"plain.jpg": jpeg["red"], "../climbs.jpg": b"x", "/absolute.jpg": jpeg["red"], "b\\c.jpg": jpeg["red"]}
    place = packed(tmp_path / "a.zip", members | {"twice.jp~": jpeg["blue"], "raw.nef": b"x", "locked.jpg": b"x"})
    link = zipfile.ZipInfo("soft.jpg")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(place, "a") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr("__MACOSX/._plain.jpg", b"x")
        archive.writestr("folder.jpg/", b"")
    place.write_bytes(place.read_bytes().replace(b"twice.jp~", b"plain.jpg"))
    data = bytearray(place.read_bytes())
    at = data.rindex(b"PK\x01\x02", 0, data.rindex(b"locked.jpg"))
    data[at + 8] |= 1  # encrypted, says the directory
    place.write_bytes(data)
    source = ZipSource(place)
    listing = source.scan()
    assert [item.id for item in listing.items] == ["absolute.jpg", "b\\\\c.jpg", "plain (2).jpg", "plain.jpg"]
    assert locations(source) == {
        "../climbs.jpg": "unsafe name",
        "soft.jpg": "not an image",
        "raw.nef": "unsupported",
        "locked.jpg": "unsupported",
    }
    assert listing.ignored == 1
    assert source.read("plain.jpg") == jpeg["red"] and source.read("plain (2).jpg") == jpeg["blue"]


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jpeg: dict[str, bytes]) -> None:
    place = packed(tmp_path / "a.zip", {"bomb.jpg": bytes(30 << 20), "red.jpg": jpeg["red"]})
    assert place.stat().st_size < 50_000
    for module in ("archives.zip_archive", "file_access"):
        monkeypatch.setattr(f"indexer.sources.{module}.MAX_BYTES", 1 << 20)
    report = index(place, to=tmp_path / "kept")
    assert (report.added, failures(tmp_path / "kept")) == (1, {"bomb.jpg": "too large"})


def test_a_member_that_lies_about_its_size_is_damaged(tmp_path: Path, jpeg: dict[str, bytes]) -> None:
    place = packed(tmp_path / "a.zip", {"bomb.jpg": bytes(30 << 20), "red.jpg": jpeg["red"]})
    data = bytearray(place.read_bytes())
    for mark, field in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):  # the size of the unpacked member
        at = data.index(mark)
        data[at + field : at + field + 4] = (1000).to_bytes(4, "little")
    place.write_bytes(data)
    source = ZipSource(place)
    assert [item.size for item in source.scan().items] == [1000, len(jpeg["red"])]
    with pytest.raises(ImageError) as caught:
        source.read("bomb.jpg")
    assert caught.value.reason == "truncated"
    assert source.read("red.jpg") == jpeg["red"]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_zip_archives_end_in_a_list_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    place = tmp_path_factory.mktemp("z") / "a.zip"
    packed(place, {"a.jpg": b"x" * 500, "b/c.jpg": b"yz" * 300, "t.txt": b"words"})
    content = bytearray(place.read_bytes())
    for _ in range(data.draw(st.integers(1, 10))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    place.write_bytes(content)
    source = ZipSource(place)
    try:
        items = source.scan().items
    except SourceError:
        return
    for item in items:
        with contextlib.suppress(ImageError):
            assert len(source.read(item.id)) <= 1 << 30


def test_texts_and_a_table_of_captions_in_a_zip_archive(tmp_path: Path, jpeg: dict[str, bytes]) -> None:
    members = {"a/red.jpg": jpeg["red"], "a/red.txt": b"from the text", "blue.jpg": jpeg["blue"]}
    place = packed(
        tmp_path / "a.zip", members | {"captions.csv": b"image,caption\nblue.jpg,from the table\nno.jpg,x\n"}
    )
    report = index(place, to=tmp_path / "kept")
    assert (report.added, report.texts, report.unmatched_captions, report.ignored) == (2, 2, 1, 0)
    searcher = clipdex.open(tmp_path / "kept")
    assert searcher.item("blue.jpg").captions == ["from the table"]
    assert searcher.item("a/red.jpg").captions == ["from the text"]


def test_an_archive_that_changes_while_it_is_read_gives_no_wrong_picture(
    tmp_path: Path, jpeg: dict[str, bytes]
) -> None:
    place = tar(tmp_path / "a.tar", {"1.jpg": jpeg["red"], "2.jpg": jpeg["blue"]})
    source = WebDatasetSource(place)
    source.scan()
    tar(place, {"0.jpg": jpeg["white"], "2.jpg": jpeg["blue"]})
    os.utime(place, (5, 5))
    assert source.read("2.jpg") == jpeg["blue"]
    with pytest.raises(ImageError, match=r"not in a\.tar any more"):
        source.read("1.jpg")


# Recognition and patterns


def test_a_folder_of_tar_files_beside_other_things_is_ambiguous(tmp_path: Path, jpeg: dict[str, bytes]) -> None:
    tar(tmp_path / "a" / "b.tar", {"1.jpg": jpeg["red"]})
    paint(tmp_path / "a" / "album" / "x.jpg")
    with pytest.raises(
        SourceError, match=r"tar files \(b.tar\) beside other things \(album\): say --kind webdataset .* --kind folder"
    ):
        index(tmp_path / "a")
    index(tmp_path / "a", kind="folder")
    assert ids(tmp_path / "a") == ["album/x.jpg"]
    index(tmp_path / "a")  # it is remembered
    index(tmp_path / "a", kind="webdataset", to=tmp_path / "kept")
    assert ids(tmp_path / "kept") == ["b.tar/1.jpg"]
    with pytest.raises(SourceError, match="as a source of the kind folder, not webdataset"):
        index(tmp_path / "a", kind="webdataset")


def test_compressed_tar_files_are_told_of(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"x.tar.gz is compressed, .*: unpack it to a .tar file"):
        find_source(str(tmp_path / "x.tar.gz"))


def test_braces_are_expanded_as_by_a_shell() -> None:
    assert expand("d-{08..10}.tar") == ["d-08.tar", "d-09.tar", "d-10.tar"]
    assert expand("{a,b}-{1..2}") == ["a-1", "a-2", "b-1", "b-2"]
    assert expand("plain.tar") == ["plain.tar"]
    for pattern, problem in {
        "x{1..": "do not match",
        "x{9..1}": "ends before it begins",
        "x{a..b}": "neither a range",
        "{1..9999999}": "more than 1,000,000",
        "{0..9999}{0..9999}": "names 100,000,000 files",
    }.items():
        with pytest.raises(SourceError, match=problem):
            expand(pattern)


def test_ids_lead_only_to_members_of_the_named_tar_files(tmp_path: Path, jpeg: dict[str, bytes]) -> None:
    tar(tmp_path / "other.tar", {"1.jpg": jpeg["red"]})
    tar(tmp_path / "s" / "a.tar", {"1.jpg": jpeg["red"]})
    source = make_source("webdataset", tmp_path / "s")
    assert source.read("a.tar/1.jpg") == jpeg["red"]
    for item_id in ("../other.tar/1.jpg", "a.tar/../a.tar/1.jpg", "a.tar/2.jpg", "a.tar", "other.tar/1.jpg"):
        with pytest.raises(ImageError):
            source.read(item_id)


def test_failures_of_members_are_remembered(tmp_path: Path, jpeg: dict[str, bytes]) -> None:
    place = tar(tmp_path / "a.tar", {"good.jpg": jpeg["red"], "bad.jpg": b"no image", "cut.jpg": jpeg["blue"][:300]})
    for _ in range(2):
        report = index(place, to=tmp_path / "kept")
        assert report.failed == {"not an image": 1, "truncated": 1}
    assert "read" not in report.stages
    assert state(tmp_path / "kept")["failures"]["bad.jpg"]["size"] == len(b"no image")
