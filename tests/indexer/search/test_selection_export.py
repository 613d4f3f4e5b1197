"""Do chosen images leave the collection whole, with everything that could not be had told?"""

from __future__ import annotations

import csv
import io
import os
import tracemalloc
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import clipdex
from core.errors import ConfigError, DataError, QueryError
from indexer.search.selection_export import _Names, stream_zip
from tests.indexer.pictures import index, paint, paint_three


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = paint_three(tmp_path / "photos")
    paint(place / "trips" / "2024" / "red.jpg", "red", seed=3)
    (place / "captions.csv").write_text('image,caption\nred.jpg,"a, ""red"" thing"\n')
    index(place)
    return place


def test_hits_as_csv_and_parquet(folder: Path, tmp_path: Path) -> None:
    searcher = clipdex.open(folder)
    searcher.tag("red.jpg", add=["warm", "a b"])
    hits = searcher.search("red", limit=3)
    saved = searcher.export(hits, tmp_path / "hits.csv")
    assert (saved.kind, saved.pictures, saved.missing) == ("csv", 3, [])
    with (tmp_path / "hits.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [hit.id for hit in hits]
    assert [float(row["score"]) for row in rows] == [hit.score for hit in hits]
    (red,) = [row for row in rows if row["id"] == "red.jpg"]
    assert (red["caption"], red["tags"], red["width"]) == ('a, "red" thing', "a b; warm", "60")
    assert red["path"] == str(folder / "red.jpg") and red["excluded"] == "no"
    searcher.export(hits, tmp_path / "hits.parquet")
    table = pq.read_table(tmp_path / "hits.parquet").to_pylist()
    assert [row["id"] for row in table] == [hit.id for hit in hits]
    assert {row["id"]: row["tags"] for row in table}["red.jpg"] == ["a b", "warm"]
    searcher.export(["blue.png", "green.jpg"], tmp_path / "some", kind="csv")
    with (tmp_path / "some").open(newline="") as file:
        assert [(row["id"], "score" in row) for row in csv.DictReader(file)] == [
            ("blue.png", False),
            ("green.jpg", False),
        ]


def test_columns_of_a_source_that_are_named_as_what_is_told_are_told_too(folder: Path, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures.csv"
    lines = ["image,rank,score,source_rank,modified"] + [
        f"{folder}/{name}.jpg,9,{name},s,old" for name in ("red", "green")
    ]
    pictures.write_text("\n".join(lines) + "\n")
    index(pictures, to=tmp_path / "kept")
    searcher = clipdex.open(tmp_path / "kept")
    hits = searcher.search("red", limit=1)
    searcher.export(hits, tmp_path / "hits.parquet")
    (row,) = pq.read_table(tmp_path / "hits.parquet").to_pylist()
    assert (row["rank"], row["score"], row["source_rank"]) == (1, hits[0].score, "s")
    assert (row["source_source_rank"], row["source_score"], row["modified"]) == (9, "red", "old")
    searcher.export([hits[0].id], tmp_path / "plain.parquet")
    (row,) = pq.read_table(tmp_path / "plain.parquet").to_pylist()
    assert (row["rank"], row["score"]) == (9, "red")


def test_captions_that_were_found_are_told_and_their_picture_once(folder: Path, tmp_path: Path) -> None:
    (folder / "captions.csv").write_text("image,caption\nred.jpg,a red thing\nred.jpg,something blue\n")
    index(folder)
    searcher = clipdex.open(folder)
    hits = searcher.search("blue", target="texts")
    assert [hit.caption for hit in hits] == ["something blue", "a red thing"]
    assert searcher.export(hits, tmp_path / "hits.csv").pictures == 1
    with (tmp_path / "hits.csv").open(newline="") as file:
        assert [row["caption"] for row in csv.DictReader(file)] == ["something blue", "a red thing"]
    assert searcher.export(hits, tmp_path / "hits.txt").pictures == 1
    assert (tmp_path / "hits.txt").read_text() == f"{folder / 'red.jpg'}\n"


def test_paths_are_byte_for_byte_those_of_the_disk(folder: Path, tmp_path: Path) -> None:
    odd = os.fsencode(folder) + b"/\xff\xfe.jpg"
    Path(os.fsdecode(odd)).write_bytes((folder / "red.jpg").read_bytes() + b"x")
    paint(folder / "a\nb.jpg", "blue", seed=9)
    index(folder)
    searcher = clipdex.open(folder)
    ids = [hit.id for hit in searcher.search(where="width>1")]
    saved = searcher.export(ids, tmp_path / "list.txt")
    assert len(saved.missing) == 1 and "b.jpg" in saved.missing[0]
    lines = (tmp_path / "list.txt").read_bytes().split(b"\n")
    assert odd in lines and lines[-1] == b"" and len(lines) == len(ids)


def test_a_zip_has_the_files_as_they_are_and_names_what_could_not_be_had(folder: Path, tmp_path: Path) -> None:
    searcher = clipdex.open(folder)
    (folder / "green.jpg").unlink()
    ids = ["red.jpg", "green.jpg", "trips/2024/red.jpg", "red.jpg"]
    done: list[tuple[int, int]] = []
    saved = searcher.export(ids, tmp_path / "out.zip", progress=lambda *told: done.append(told))
    assert saved.missing == ["green.jpg"] and "green.jpg" in saved.summary() and done[-1] == (3, 3)
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["red.jpg", "trips/2024/red.jpg", "missing.txt"]
        assert archive.read("red.jpg") == (folder / "red.jpg").read_bytes()
        assert archive.read("missing.txt").decode().startswith("green.jpg\t")
    assert list(tmp_path.glob(".*.part")) == []
    parts = list(stream_zip(searcher.snapshot(), ids))
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as archive:
        assert archive.testzip() is None and archive.namelist() == ["red.jpg", "trips/2024/red.jpg", "missing.txt"]
        assert archive.read("red.jpg") == (folder / "red.jpg").read_bytes()


def test_pictures_in_archives_and_of_several_sources_go_into_a_zip(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        archive.write(folder / "red.jpg", "red.jpg")
    index([folder, tmp_path / "more.zip"], to=tmp_path / "kept")
    searcher = clipdex.open(tmp_path / "kept")
    ids = [hit.id for hit in searcher.search(where="width>1")]
    assert searcher.export(ids, tmp_path / "out.zip").missing == []
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        names = archive.namelist()
        assert len(names) == len(ids) == 5 and not any(name.startswith("/") or "//" in name for name in names)
    searcher.export(ids, tmp_path / "list.txt")
    assert len((tmp_path / "list.txt").read_text().splitlines()) == 5


def test_names_in_a_zip_are_safe_and_differ() -> None:
    names = _Names()
    given = ["../../etc/passwd", "/a/b.jpg", "A/B.JPG", "a\\b.jpg", "C:\\x.jpg", "..", "a/b.jpg", "x. /y", "no.end/z"]
    found = [names.of(one) for one in given]
    assert found == [
        "etc/passwd",
        "a/b.jpg",
        "A/B (2).JPG",
        "a_b.jpg",
        "C__x.jpg",
        "picture",
        "a/b (3).jpg",
        "x/y",
        "no.end/z",
    ]
    assert names.of("etc/passwd") == "etc/passwd (2)"
    for item_id, name in (
        ("new\\x0aline.jpg", "new_line.jpg"),
        ("caf\\xe9.jpg", "caf_.jpg"),
        ("back\\\\slash.jpg", "back_slash.jpg"),
        ("é.jpg", "é.jpg"),
        ("e\u0301.jpg", "e\u0301 (2).jpg"),
        ("con/CON.jpg", "_con/_CON.jpg"),
        ("a\\x2fb.jpg", "a/b (4).jpg"),
        ("..\\x2f..\\x2fup.jpg", "up.jpg"),
        ("contents.jpg", "contents.jpg"),
    ):
        assert names.of(item_id) == name


def test_a_large_zip_needs_the_memory_of_one_picture(tmp_path: Path) -> None:
    place = tmp_path / "photos"
    place.mkdir()
    paint(place / "0.jpg")
    picture = (place / "0.jpg").read_bytes()
    for number in range(40):
        (place / f"{number}.jpg").write_bytes(picture + os.urandom(500_000))
    index(place)
    searcher = clipdex.open(place)
    ids = list(searcher.snapshot().ids)
    tracemalloc.start()
    searcher.export(ids, tmp_path / "out.zip")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "out.zip").stat().st_size > 20_000_000 and peak < 5_000_000


def test_what_cannot_be_written_is_one_sentence_and_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    searcher = clipdex.open(folder)
    with pytest.raises(ConfigError, match="csv, parquet, txt, zip"):
        searcher.export("red.jpg", tmp_path / "x.doc")
    with pytest.raises(ConfigError, match="end of the file's name"):
        searcher.export("red.jpg", tmp_path / "x")
    with pytest.raises(DataError, match="cannot be written"):
        searcher.export("red.jpg", tmp_path / "no" / "x.csv")
    with pytest.raises(QueryError, match="nothing to export"):
        searcher.export([], tmp_path / "x.csv")
    with pytest.raises(QueryError, match=r"no.jpg"):
        searcher.export(["no.jpg"], tmp_path / "x.csv")
    assert not list(tmp_path.glob("*x*"))
