"""Do `clipdex tag`, `clipdex concept` and `--save` do what they say?"""

from __future__ import annotations

import io
import json
import os
import shutil
from pathlib import Path

import pytest

from tests.app.cli.test_cli import clipdex as command
from tests.indexer.pictures import index, paint, paint_three


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    paint_three(tmp_path / "photos")
    paint(tmp_path / "photos" / "trips" / "r.jpg", "red", seed=3)
    index(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "photos"


def test_ids_and_paths_and_what_a_search_printed_are_tagged(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert command("tag", "photos")[1:] == ("", "note: no image has a tag yet: clipdex tag FOLDER ID --add NAME\n")
    code, out, err = command("tag", "photos", "red.jpg", "photos/blue.png", "--add", "a b", "--add", "x")
    assert (code, out, err) == (0, "2 of 2 images changed\n", "")
    found = command("search", "red", "photos", "--limit", "2")[1]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(found.encode())))
    assert command("tag", "photos", "-", "--add", "x")[1] == "1 of 2 images changed\n"
    assert command("tag", "photos")[1] == "3\tx\n2\ta b\n"
    assert json.loads(command("tag", "photos", "--json")[1]) == {"tags": {"x": 3, "a b": 2}}
    assert command("tag", "photos", "--query", "tag:x", "--exclude")[1] == "3 of 3 images changed\n"
    assert command("search", "red", "photos")[1].split("\t")[1] == "photos/green.jpg\n"
    status = json.loads(command("status", "photos", "--json")[1])
    assert (status["excluded"], status["tags"]) == (3, {"x": 3, "a b": 2})
    assert command("tag", "photos", "--query", "excluded:yes", "--include", "--remove", "x", "--dry-run")[
        1
    ].split() == [
        "blue.png",
        "red.jpg",
        "trips/r.jpg",
    ]
    assert command("tag", "photos", "--query", "excluded:yes", "--include", "--remove", "x")[0] == 0
    assert command("tag", "photos")[1] == "2\ta b\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["red.jpg"], "say what to do"),
        (["--add", "x"], "say which images"),
        (["nope.jpg", "--add", "x"], "no image 'nope.jpg' is indexed here"),
        (["red.jpg", "--exclude", "--include"], "choose one of"),
        (["red.jpg", "--query", "red", "--add", "x"], "not by both"),
        (["red.jpg", "--add", " "], "the tag is empty"),
        (["--query", "tag:none", "--add", "x"], "nothing meets"),
    ],
)
def test_what_makes_no_sense_is_one_line(folder: Path, words: list[str], told: str) -> None:
    code, out, err = command("tag", "photos", *words)
    assert (code, out, err.count("\n")) == (2, "", 1) and told in err


def test_concepts_are_kept_listed_searched_and_forgotten(folder: Path) -> None:
    code, out, err = command("concept", "add", "photos", "my red", "--like", "red.jpg", "--unlike", "photos/blue.png")
    assert (code, out, err) == (0, 'kept; search for it with concept:"my red"\n', "")
    assert command("concept", "list", "photos")[1] == "my red\t1\t1\n"
    again = command("concept", "add", "photos", " my red", "--like", "red.jpg", "--unlike", "blue.png")
    assert again == (0, 'replaced; search for it with concept:"my red"\n', "")
    found = command("search", 'concept:"my red"', "photos", "--limit", "1")[1]
    assert found.split("\t")[1] in ("photos/red.jpg\n", "photos/trips/r.jpg\n")
    code, out, err = command("search", "concept:mine", "photos")
    assert code == 2 and "unknown concept 'mine'" in err
    assert command("concept", "remove", "photos", "my red")[0] == 0
    assert command("concept", "list", "photos")[1] == ""


def test_hits_are_saved_to_a_file(folder: Path, tmp_path: Path) -> None:
    code, out, err = command("search", "red", "photos", "--limit", "2", "--save", "hits.csv")
    assert (code, out, err) == (0, "2 images in hits.csv\n", "")
    assert (tmp_path / "hits.csv").read_text().count("\n") == 3
    code, out, err = command("search", "red", "photos", "--limit", "3", "--save", "hits.csv")
    assert (code, out) == (2, "") and err.startswith("error: hits.csv already exists: choose another name")
    assert (tmp_path / "hits.csv").read_text().count("\n") == 3
    again = command("search", "red", "photos", "--limit", "3", "--save", "hits.csv", "--force")
    assert again == (0, "3 images in hits.csv\n", "")
    code, out, err = command("search", "red", "photos", "--save", "hits.doc")
    assert code == 2 and "csv, parquet, txt, zip" in err


def test_any_name_comes_in_by_stdin(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [b"a\xff.jpg", "b\u2028c.jpg".encode()]
    for name in names:
        shutil.copyfile(folder / "red.jpg", folder / os.fsdecode(name))
    index(folder)
    lines = b"\n".join(b"photos/" + name for name in names)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines)))
    assert command("tag", "photos", "-", "--add", "x")[1] == "2 of 2 images changed\n"


def test_what_a_search_prints_names_the_same_pictures_whatever_they_are_called(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["tab\tname.jpg", "new\nline.jpg", "\x1b[31mred.jpg", "no\u200bwidth.jpg", "back\\x1b.jpg", "two\\\\.jpg"]
    for name in [*names, os.fsdecode(b"\xe9.jpg")]:
        shutil.copyfile(folder / "red.jpg", folder / name)
    index(folder)
    found = command("search", "--where", "width>0", "photos", "--limit", "40")[1]
    lines = [line.split("\t")[-1] for line in found.splitlines()]
    assert len(lines) == 11 and {"photos/tab\\x09name.jpg", "photos/new\\x0aline.jpg"} < set(lines)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(os.fsencode(found))))
    assert command("tag", "photos", "-", "--add", "all") == (0, "11 of 11 images changed\n", "")
    for line in lines:
        like = command("search", "--like", line, "photos", "--json")
        assert like[0] == 0, like
    code, _, err = command("concept", "add", "photos", "c", *(word for line in lines for word in ("--like", line)))
    assert (code, err) == (0, "")
    weighted = json.loads(command("search", "--like", "photos/red.jpg:0.5", "photos", "--json")[1])
    assert weighted["parts"] == [{"label": "like red.jpg", "weight": 0.5}]


def test_lines_that_name_nothing_are_named_and_nothing_is_done(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "photos/red.jpg\nphotos/none.jpg\nblue.png\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
    code, out, err = command("tag", "photos", "-", "--add", "x")
    assert (code, out) == (2, "")
    assert err == "error: 1 of these 3 is not an image that is indexed here, so nothing was done: 'photos/none.jpg'\n"
    assert command("tag", "photos")[1] == ""


@pytest.mark.parametrize(
    ("option", "told"), [("--like", "red.jpg:nan"), ("--with", "x:1e999"), ("--like", "red.jpg:0.0")]
)
def test_a_weight_that_is_none_is_told(folder: Path, option: str, told: str) -> None:
    code, out, err = command("search", option, told, "photos")
    assert (code, out) == (2, "") and "a weight must be a finite number other than 0" in err
