"""Does the command line take every kind of source, with what is said about it?"""

from __future__ import annotations

import zipfile
from pathlib import Path

from clipdex import open as open_collection
from indexer.collection.collection import Collection
from tests.app.cli.test_cli import clipdex, fails
from tests.indexer.pictures import ids, paint, paint_three


def run(*words: str) -> None:
    code, out, err = clipdex(*words)
    assert code == 0, (out, err)


def test_patterns_are_said_once_and_taken_back(tmp_path: Path) -> None:
    folder = paint_three(tmp_path / "a")
    run("index", str(folder), "--model", "toy", "--exclude", "*.png", "--exclude", "green*")
    assert ids(folder) == ["red.jpg"]
    run("index", str(folder), "--quiet")
    assert ids(folder) == ["red.jpg"]
    run("index", str(folder), "--exclude", "", "--include", "*.png", "--allow-removal")
    assert ids(folder) == ["blue.png"]


def test_several_sources_of_several_kinds(tmp_path: Path) -> None:
    folder = paint_three(tmp_path / "a")
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        archive.write(paint(tmp_path / "white.jpg", "white"), "white.jpg")
    run("index", str(folder), str(tmp_path / "more.zip"), "--model", "toy")
    assert ids(folder) == ["blue.png", "green.jpg", "more//white.jpg", "red.jpg"]
    run("index", str(folder), "--remove-source", "more")
    assert ids(folder) == ["blue.png", "green.jpg", "red.jpg"]


def test_an_unknown_kind_lists_the_known_ones(tmp_path: Path) -> None:
    folder = paint_three(tmp_path / "a")
    assert "unknown kind of source 'zipp'; choose one of: zip" in fails("index", str(folder), "--kind", "zipp")


def test_a_file_needs_a_place_for_its_collection(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"")
    assert "Say so with --to DIR" in fails("index", str(tmp_path / "x.zip"), "--model", "toy")


def test_the_columns_of_a_table_are_named_and_remembered(tmp_path: Path) -> None:
    paint_three(tmp_path / "a")
    file, kept = tmp_path / "a" / "list.csv", tmp_path / "kept"
    file.write_text("picture,title,width,stars\nred.jpg,a red thing,5,4\n")
    words = ["index", str(file), "--to", str(kept), "--model", "toy"]
    assert "which column of list.csv holds the images? Say --image-column" in fails(*words)
    assert "clipdex itself keeps of every image: width" in fails(*words, "--image-column", "picture")
    run(*words, "--image-column", "picture", "--caption-column", "title", "--columns", "stars, ")
    run("index", str(file), "--to", str(kept))
    item = open_collection(kept).item("red.jpg")
    assert (item.captions, item.width) == (["a red thing"], 60)
    assert "stars" in Collection.find(kept).table("images").schema.names
