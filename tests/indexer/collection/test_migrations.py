"""Does a collection that an older clipdex made go on without embedding anything again?

`tests/golden/collections/version-N.zip` are folders that were indexed by the program that wrote format N, with the
model "toy"; every file but those of the collection has the time below.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import clipdex
from core.errors import CollectionError
from indexer.collection.collection import Collection
from indexer.collection.storage import migrations, tables
from indexer.maintenance import verify
from tests.indexer.pictures import index, paint, state
from tests.shared import ROOT

WHEN = 1_700_000_000 * 10**9


def unpacked(name: str, place: Path) -> Path:
    with zipfile.ZipFile(ROOT / "tests" / "golden" / "collections" / name) as archive:
        archive.extractall(place)
    for file in place.rglob("*"):
        if ".clipdex" not in file.parts:
            os.utime(file, ns=(WHEN, WHEN))
    return place


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return unpacked("version-1.zip", tmp_path)


def version(folder: Path) -> int:
    found: int = json.loads((folder / ".clipdex" / "collection.json").read_text())["format_version"]
    return found


def test_there_is_a_step_from_every_older_version() -> None:
    assert sorted(migrations.STEPS) == list(range(1, migrations.FORMAT_VERSION))


def test_an_old_collection_is_searched_as_it_is(folder: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in (folder / ".clipdex").rglob("*")}
    searcher = clipdex.open(folder)
    assert [hit.id for hit in searcher.search("red")] == ["red.jpg", "trips/2024/blue.png"]
    assert searcher.search("a red thing", target="texts")[0].caption == "a red thing"
    assert [failure.location for failure in searcher.failures()] == ["bad.jpg"]
    assert [hit.id for hit in searcher.search("red", where="folder = trips/2024")] == ["trips/2024/blue.png"]
    assert searcher.search("red", where="camera = Canon") == []  # not known yet
    assert version(folder) == 1  # a search writes nothing
    assert {file: file.stat().st_mtime_ns for file in (folder / ".clipdex").rglob("*")} == before


def test_the_next_run_brings_it_up_to_date_without_embedding(folder: Path) -> None:
    old = {row["id"]: row for row in tables.read(Collection.find(folder).table("images"), ["id", "vector"]).to_pylist()}
    report = index(folder)
    assert (report.unchanged, report.failed, report.added, report.updated) == (2, {"not an image": 1}, 0, 0)
    assert not {"read", "decode", "embed"} & set(report.stages)
    assert version(folder) == migrations.FORMAT_VERSION
    rows = state(folder)["images"]
    assert {item_id: row["vector"] for item_id, row in rows.items()} == {key: row["vector"] for key, row in old.items()}
    assert rows["red.jpg"]["folder"] == "" and rows["trips/2024/blue.png"]["folder"] == "trips/2024"
    assert all(rows["red.jpg"][name] is None for name in (*tables.PHOTO, "columns_key"))


def test_new_and_changed_pictures_have_the_new_columns(folder: Path) -> None:
    paint(folder / "green.png", "green")
    shutil.copyfile(folder / "trips" / "2024" / "blue.png", folder / "copy.png")
    report = index(folder)
    assert (report.added, report.unchanged) == (2, 2)
    rows = state(folder)["images"]
    assert (rows["green.png"]["format"], rows["green.png"]["folder"]) == ("PNG", "")
    assert rows["copy.png"]["format"] is None  # a copy knows what its original is known to be


def test_a_run_that_was_killed_between_two_columns_is_finished_by_the_next(folder: Path) -> None:
    table = Collection.find(folder).table("images")
    schema = tables.schemas(Collection.find(folder).info.model.dim)["images"]
    tables.add_columns(table, [schema.field("taken"), schema.field("folder")])
    assert version(folder) == 1
    assert index(folder).unchanged == 2
    assert set(Collection.find(folder).table("images").schema.names) == set(schema.names)


def test_a_new_collection_and_an_upgraded_one_have_the_same_columns(folder: Path) -> None:
    index(folder)
    index(folder, to=folder.with_name("new"))
    upgraded, new = (Collection.find(place).table("images").schema for place in (folder, folder.with_name("new")))
    assert {field.name: (field.type, field.nullable) for field in upgraded} == {
        field.name: (field.type, field.nullable) for field in new
    }


def test_a_version_from_the_future_is_refused(folder: Path) -> None:
    file = folder / ".clipdex" / "collection.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format_version": migrations.FORMAT_VERSION + 1}))
    with pytest.raises(CollectionError, match="update clipdex to open it"):
        clipdex.open(folder)


@pytest.mark.parametrize("name", ["version-1.zip", "version-2.zip", "version-2-tags.zip"])
def test_an_old_collection_is_well_before_the_next_run_brings_it_up_to_date(name: str, tmp_path: Path) -> None:
    found = verify.verify(Collection.find(unpacked(name, tmp_path)))
    assert found.well, found.summary()


def test_version_2_gets_the_columns_that_people_write_without_embedding(tmp_path: Path) -> None:
    folder = unpacked("version-2.zip", tmp_path)
    assert clipdex.open(folder).search("red", where="excluded=no", limit=1)[0].id == "red.jpg"  # as it is on disk
    old = {row["id"]: row["vector"] for row in rows(folder, "id", "vector")}
    report = index(folder)
    assert (report.unchanged, report.failed) == (2, {"not an image": 1})
    assert not {"read", "decode", "embed"} & set(report.stages)
    assert version(folder) == migrations.FORMAT_VERSION
    assert {row["id"]: row["vector"] for row in rows(folder, "id", "vector")} == old
    assert [(row["tags"], row["excluded"]) for row in rows(folder, "tags", "excluded")] == [(None, None)] * 2


def test_columns_of_a_source_that_have_the_names_of_ours_now_go_on_under_others(tmp_path: Path) -> None:
    folder = unpacked("version-2-tags.zip", tmp_path)
    theirs = [
        {"source_tags": "warm", "source_excluded": "no"},
        {"source_tags": "cold", "source_excluded": "yes"},
    ]
    searcher = clipdex.open(folder)
    assert [hit.id for hit in searcher.search(where="source_tags=warm")] == ["red.jpg"]
    assert [hit.id for hit in searcher.search("blue", limit=1)] == ["trips/2024/blue.png"]  # its "excluded" is theirs
    Collection.find(folder).upgrade()
    Collection.find(folder).upgrade()
    assert rows(folder, *theirs[0]) == theirs
    report = index(folder / "list.csv", to=folder / ".clipdex")
    assert not {"read", "decode"} & set(report.stages) and report.failed == {}  # nothing was opened
    assert rows(folder, *theirs[0]) == theirs
    assert rows(folder, "tags", "excluded") == [{"tags": None, "excluded": None}] * 2


def test_an_upgrade_that_was_killed_anywhere_is_finished_by_the_next(tmp_path: Path) -> None:
    steps: list[Callable[[Any], object]] = [
        lambda images: images.alter_columns({"path": "tags", "rename": "source_tags"}),
        lambda images: images.alter_columns({"path": "excluded", "rename": "source_excluded"}),
        lambda images: images.add_columns([tables.schemas(1)["images"].field("tags")]),
    ]
    for done in range(4):
        folder = unpacked("version-2-tags.zip", tmp_path / str(done))
        images = Collection.find(folder).table("images")
        for step in steps[:done]:
            step(images)
        assert version(folder) == 2
        assert [hit.id for hit in clipdex.open(folder).search(where="source_tags=cold")] == ["trips/2024/blue.png"]
        Collection.find(folder).upgrade()
        assert version(folder) == migrations.FORMAT_VERSION
        assert rows(folder, "id", "source_tags", "source_excluded", "tags", "excluded")[0] == {
            "id": "red.jpg",
            "source_tags": "warm",
            "source_excluded": "no",
            "tags": None,
            "excluded": None,
        }


def rows(folder: Path, *columns: str) -> list[dict[str, Any]]:
    found = tables.read(Collection.find(folder).table("images"), list({"id", *columns})).sort_by("id")
    return list(found.select(list(columns)).to_pylist())
