"""Do tags and exclusions stay with their images, whatever runs and other people do meanwhile?"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import clipdex
from core.errors import QueryError
from indexer.collection import tags
from indexer.collection.collection import Collection
from indexer.collection.storage import lock, tables
from indexer.dedup import duplicates
from indexer.maintenance import verify
from indexer.maintenance.compact import compact
from indexer.search import facets
from indexer.search.searcher import Searcher
from tests.indexer.pictures import Half, index, paint, paint_three


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    paint_three(tmp_path / "photos")
    index(tmp_path / "photos")
    return tmp_path / "photos"


def marks(folder: Path) -> dict[str, Any]:
    """Id -> its tags, with a minus in front where it is excluded; of images that have any."""
    found = tables.read(Collection.find(folder).table("images"), ["id", "tags", "excluded"]).to_pylist()
    told = {row["id"]: ["-"] * bool(row["excluded"]) + (row["tags"] or []) for row in found}
    return {item_id: each for item_id, each in told.items() if each}


def ids(searcher: Searcher, *where: str) -> list[str]:
    return [hit.id for hit in searcher.search(where=list(where))]


def test_tags_are_added_and_removed_and_found(folder: Path) -> None:
    searcher = clipdex.open(folder)
    assert searcher.tag(["red.jpg", "blue.png"], add=["warm", "a trip"]) == 2
    assert searcher.tag(searcher.search("red", limit=1), add="warm") == 0  # it is there
    assert searcher.tag("blue.png", add="cold", remove="warm") == 1
    assert marks(folder) == {"red.jpg": ["a trip", "warm"], "blue.png": ["a trip", "cold"]}
    assert searcher.tags() == {"a trip": 2, "cold": 1, "warm": 1}
    assert ids(searcher, "tag:warm") == ids(searcher, "tags=WARM") == ["red.jpg"]
    assert ids(searcher, "tag!=warm") == ["blue.png", "green.jpg"]
    assert ids(searcher, "tag:war") == []
    line = searcher.read('red tag:"a trip" -tag:cold')
    assert [hit.id for hit in searcher.search(line)] == ["red.jpg"]
    assert searcher.tag(["red.jpg", "blue.png"], remove=["a trip", "warm", "cold"]) == 2
    assert marks(folder) == {} and ids(searcher, "tag=") == ["blue.png", "green.jpg", "red.jpg"]


def test_any_line_of_text_is_a_tag_and_sql_in_it_is_text(folder: Path) -> None:
    searcher = clipdex.open(folder)
    odd = ["'; DROP TABLE images; --", "été", "👩‍👩‍👧", "a\\b", "make_array('x')", "*", "日本", "x" * 100]
    assert searcher.tag("red.jpg", add=[f"  {tag} " for tag in odd]) == 1
    assert marks(folder) == {"red.jpg": sorted(odd)}
    assert ids(searcher, "tag='; DROP TABLE images; --") == ["red.jpg"]
    searcher.tag("red.jpg", remove=odd)
    assert marks(folder) == {}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "empty"),
        (" \t", "empty"),
        ("a\nb", "one line"),
        ("a\0b", "one line"),
        ("\ud800", "one line"),
        ('12" vinyl', "quotation mark"),
        ("x" * 101, "at most 100"),
    ],
)
def test_what_is_no_tag_is_told(folder: Path, name: str, told: str) -> None:
    with pytest.raises(QueryError, match=told):
        clipdex.open(folder).tag("red.jpg", add=name)


def test_a_change_that_makes_no_sense_changes_nothing(folder: Path) -> None:
    searcher = clipdex.open(folder)
    with pytest.raises(QueryError, match=r"no.jpg"):
        searcher.tag(["red.jpg", "no.jpg"], add="x")
    with pytest.raises(QueryError, match="only one of them"):
        searcher.tag("red.jpg", add="x", remove="x")
    with pytest.raises(QueryError, match="name a tag"):
        searcher.tag("red.jpg")
    assert marks(folder) == {}


def test_excluded_pictures_are_in_no_answer_until_they_are_asked_for(folder: Path) -> None:
    shutil.copyfile(folder / "red.jpg", folder / "copy.jpg")
    (folder / "captions.csv").write_text("image,caption\nred.jpg,a red thing\ngreen.jpg,a green thing\n")
    index(folder)
    searcher = clipdex.open(folder)
    assert searcher.exclude(["red.jpg", "copy.jpg"]) == 2 and searcher.exclude("red.jpg") == 0
    assert sorted(hit.id for hit in searcher.search("red")) == ["blue.png", "green.jpg"]
    assert [hit.id for hit in searcher.search("red", target="texts")] == ["green.jpg"]
    assert sorted(found[0] for found in searcher.search_many(["red"])[0]) == ["blue.png", "green.jpg"]
    assert ids(searcher, "width>1") == ["blue.png", "green.jpg"]
    assert ids(searcher, "excluded:yes") == ["copy.jpg", "red.jpg"]
    assert ids(searcher, "excluded:no") == ["blue.png", "green.jpg"]
    assert [hit.id for hit in searcher.search(like="red.jpg", limit=1)] == ["blue.png"]
    assert duplicates.duplicates(searcher.snapshot()) == []
    assert {one.column: [value.count for value in one.values] for one in facets.facets(searcher.snapshot(), None)}[
        "format"
    ] == [1, 1]
    status = searcher.status()
    assert (status.images, status.excluded) == (4, 2)
    assert searcher.include(["red.jpg", "copy.jpg"]) == 2
    assert len(searcher.search("red")) == 4 and len(duplicates.duplicates(searcher.snapshot())) == 1


def test_tags_are_a_facet_that_narrows_further(folder: Path) -> None:
    searcher = clipdex.open(folder)
    searcher.tag(["red.jpg", "green.jpg"], add=["outside", "warm"])
    searcher.tag(["green.jpg"], add=["a, b"])
    (facet,) = [one for one in facets.facets(searcher.snapshot(), None) if one.column == "tags"]
    assert [(value.text, value.count) for value in facet.values] == [("outside", 2), ("warm", 2), ("a, b", 1)]
    line = searcher.read("tag:outside")
    (facet,) = [one for one in facets.facets(searcher.snapshot(), line) if one.column == "tags"]
    assert [(value.text, value.count) for value in facet.values] == [("warm", 2), ("a, b", 1)]


def test_an_index_stays_current_through_tags(folder: Path) -> None:
    from indexer.ann.optimize import optimize

    collection = Collection.find(folder)
    optimize(collection, kind="hnsw")
    searcher = clipdex.open(folder)
    searcher.tag(["red.jpg", "green.jpg"], add="x")
    searcher.exclude("red.jpg")
    snapshot = searcher.snapshot()
    assert snapshot.mapped_vectors("images") is not None
    assert sorted(hit.id for hit in searcher.search("red")) == ["blue.png", "green.jpg"]
    compact(collection)  # writes a version of its own
    searcher.tag(["blue.png"], add="x")
    assert searcher.snapshot().mapped_vectors("images") is not None
    assert ids(searcher, "tag:x") == ["blue.png", "green.jpg"]
    paint(folder / "red.jpg", "white")
    index(folder)
    searcher.tag(["blue.png"], add="y")
    assert searcher.snapshot().mapped_vectors("images") is None
    assert ids(searcher, "tag:y") == ["blue.png"]


def test_an_index_stays_current_through_people_who_tag_at_once_and_follow_in_another_order(folder: Path) -> None:
    from indexer.ann.optimize import optimize
    from indexer.collection.index_files.follow import follow

    collection = Collection.find(folder)
    optimize(collection, kind="hnsw")
    images = collection.table("images")
    first = images.version
    versions = [images.update(where="id = 'red.jpg'", values_sql={"tags": f"make_array('{n}')"}).version for n in "abc"]
    assert versions == [first + 1, first + 2, first + 3]
    follow(collection, [first + 1, first + 3])  # another commit between those of one person
    follow(collection, [first, first + 1])
    assert clipdex.open(folder).snapshot().mapped_vectors("images") is not None
    tags.change(collection, ["blue.png"], ["x"], [])
    assert clipdex.open(folder).snapshot().mapped_vectors("images") is not None


def test_what_a_run_does_to_a_picture_leaves_its_tags(folder: Path) -> None:
    searcher = clipdex.open(folder)
    searcher.tag(["red.jpg", "green.jpg", "blue.png"], add="x")
    searcher.exclude("green.jpg")
    paint(folder / "red.jpg", "white")  # another image
    os.utime(folder / "green.jpg")  # only touched
    (folder / "blue.txt").write_text("blue")  # other words
    report = index(folder)
    assert (report.updated, report.unchanged) == (2, 1)
    assert marks(folder) == {"red.jpg": ["x"], "green.jpg": ["-", "x"], "blue.png": ["x"]}


def test_a_picture_that_moves_takes_its_tags_along_and_copies_do_not_inherit(folder: Path) -> None:
    searcher = clipdex.open(folder)
    searcher.tag(["red.jpg"], add="x")
    searcher.tag(["green.jpg"], add="y")
    searcher.exclude("red.jpg")
    shutil.copyfile(folder / "red.jpg", folder / "a copy.jpg")
    index(folder)
    assert marks(folder) == {"red.jpg": ["-", "x"], "green.jpg": ["y"]}
    (folder / "2024").mkdir()
    (folder / "red.jpg").rename(folder / "2024" / "red.jpg")
    (folder / "green.jpg").rename(folder / "2024" / "a.jpg")
    shutil.copyfile(folder / "2024" / "a.jpg", folder / "2024" / "b.jpg")
    report = index(folder)
    assert (report.moved, report.added, report.removed) == (2, 1, 0)
    assert marks(folder) == {"2024/red.jpg": ["-", "x"], "2024/a.jpg": ["y"]}


def test_what_is_written_on_a_picture_while_it_moves_is_kept(folder: Path) -> None:
    searcher = clipdex.open(folder)
    searcher.tag(["red.jpg"], add=["x", "old"])
    (folder / "red.jpg").rename(folder / "new.jpg")
    seen: list[str] = []

    def progress(told: Any) -> None:
        if told.stage == "finish" and not seen:  # the new row is there, the old one not yet gone
            seen.append(told.stage)
            tags.change(Collection.find(folder), ["red.jpg"], ["late"], ["old"])
            tags.change(Collection.find(folder), ["new.jpg"], ["mine"], [])
            tags.exclude(Collection.find(folder), ["red.jpg"], True)

    index(folder, progress=progress)
    assert seen and marks(folder) == {"new.jpg": ["-", "late", "mine", "x"]}


def test_a_picture_that_cannot_be_read_for_a_while_gets_its_tags_back(folder: Path) -> None:
    searcher = clipdex.open(folder)
    searcher.tag(["red.jpg"], add="x")
    searcher.exclude("red.jpg")
    whole = (folder / "red.jpg").read_bytes()
    for part in (2, 3, 0):  # half-written, twice in other ways, and empty
        (folder / "red.jpg").write_bytes(whole[: len(whole) // part] if part else b"")
        assert sum(index(folder).failed.values()) == 1
        assert index(folder).total == 3 and marks(folder) == {}
        compact(Collection.find(folder))
        assert verify.verify(Collection.find(folder)).well
    (folder / "red.jpg").write_bytes(whole)
    shutil.copyfile(folder / "red.jpg", folder / "a copy.jpg")
    report = index(folder)
    assert (report.added, report.failed) == (2, {})
    assert marks(folder) == {"red.jpg": ["-", "x"]}
    searcher.tag(["red.jpg"], remove="x")
    searcher.include("red.jpg")
    (folder / "red.jpg").write_bytes(b"")
    index(folder)
    (folder / "red.jpg").write_bytes(whole)
    index(folder)
    assert marks(folder) == {}


def test_a_picture_that_fails_while_another_model_takes_over_gets_its_tags_back(folder: Path) -> None:
    from tests.indexer.pictures import go_over

    searcher = clipdex.open(folder)
    searcher.tag(["red.jpg", "green.jpg"], add="x")
    whole = {name: (folder / name).read_bytes() for name in ("red.jpg", "green.jpg")}
    (folder / "green.jpg").write_bytes(b"")
    index(folder)
    (folder / "red.jpg").write_bytes(b"")
    assert go_over(folder).failed == {"empty file": 2}
    for name, content in whole.items():
        (folder / name).write_bytes(content)
    assert go_over(folder).added == 2
    assert marks(folder) == {"red.jpg": ["x"], "green.jpg": ["x"]}


class Killed(BaseException):
    """The run stops dead here."""


def _kill(told: Any) -> None:
    if told.stage == "finish":  # what is new is committed, what is gone not yet removed
        raise Killed


def test_a_copy_made_after_a_run_was_killed_inherits_nothing(folder: Path) -> None:
    clipdex.open(folder).tag(["red.jpg"], add="x")
    (folder / "red.jpg").rename(folder / "moved.jpg")
    with pytest.raises(Killed):
        index(folder, progress=_kill)
    assert marks(folder) == {"red.jpg": ["x"], "moved.jpg": ["x"]}
    shutil.copyfile(folder / "moved.jpg", folder / "a copy.jpg")
    report = index(folder)
    assert (report.added, report.moved, report.removed) == (1, 0, 1)
    assert marks(folder) == {"moved.jpg": ["x"]}


def test_a_picture_that_moves_back_after_a_run_was_killed_has_its_tags(folder: Path) -> None:
    clipdex.open(folder).tag(["red.jpg"], add="x")
    (folder / "red.jpg").rename(folder / "moved.jpg")
    with pytest.raises(Killed):
        index(folder, progress=_kill)
    (folder / "moved.jpg").rename(folder / "red.jpg")
    index(folder)
    assert marks(folder) == {"red.jpg": ["x"]}
    rows = tables.read(Collection.find(folder).table("images"), ["id", "hash"]).to_pylist()
    assert len(rows) == 3 and all(len(row["hash"]) == 64 for row in rows)


def test_tags_of_a_script_that_never_pauses_are_not_lost_when_a_model_takes_over(folder: Path) -> None:
    from core.errors import CollectionError
    from indexer.ingest import model_migration

    present = Collection.find(folder)
    future = model_migration.begin(present, Half(), None)
    fields = tables.read(present.table("images"), present.table("images").schema.names).to_pylist()
    tables.append(future.table("images"), [row | {"vector": np.eye(Half.dim)[0]} for row in fields])

    class Busy:  # a collection that somebody tags whenever it is looked at
        info, place = present.info, present.place
        looked = 0

        def __init__(self, rounds: int) -> None:
            self.rounds = rounds

        def table(self, name: str) -> Any:
            if name == "images" and self.looked < self.rounds:
                self.looked += 1
                where, values = "id = 'red.jpg'", {"tags": f"make_array('{self.rounds}-{self.looked}')"}
                present.table("images").update(where=where, values_sql=values)
            return present.table(name)

    busy: Any = Busy(9)
    tags.hand_over(busy, future)
    found = tables.read(future.table("images"), ["id", "tags"], "tags IS NOT NULL").to_pylist()
    assert found == [{"id": "red.jpg", "tags": ["9-9"]}]
    busy = Busy(1000)
    with pytest.raises(CollectionError, match="tagged without pause, so half cannot take over"):
        tags.hand_over(busy, future)


def test_a_tag_beside_a_compaction_that_keeps_nothing_is_written(folder: Path) -> None:
    from datetime import timedelta

    collection = Collection.find(folder)
    images = collection.table("images")
    for name in ("a", "b"):
        tags.change(collection, ["red.jpg"], [name], [])
    compact(Collection.find(folder), keep=timedelta(0))
    with pytest.raises(RuntimeError, match="Not found"):  # the files of the version that this handle reads have gone
        images.count_rows("id = 'red.jpg'")
    values = {"tags": "array_append(tags, 'late')"}
    assert tags._set(images, ["red.jpg"], values, "tags IS NOT NULL")[1] == 1
    assert marks(folder) == {"red.jpg": ["a", "b", "late"]}


def test_another_model_knows_the_tags_also_of_what_moved_meanwhile(folder: Path) -> None:
    searcher = clipdex.open(folder)
    searcher.tag(["red.jpg", "green.jpg"], add="x")
    searcher.exclude("green.jpg")
    (folder / "red.jpg").rename(folder / "moved.jpg")
    from indexer.ingest.options import Options
    from indexer.ingest.sync import index as sync

    sync(folder, encoder=Half(), options=Options(change_model=True, keep_old=True))
    assert marks(folder) == {"moved.jpg": ["x"], "green.jpg": ["-", "x"]}
    collection = Collection.find(folder)
    assert len(collection.views) == 2
    tags.change(collection, ["blue.png"], ["y"], [])
    for view in collection.views:
        found = tables.read(view.table("images"), ["id", "tags"], "id = 'blue.png'").to_pylist()
        assert found == [{"id": "blue.png", "tags": ["y"]}]


def test_tags_go_to_the_model_that_took_over_while_a_searcher_was_open(folder: Path) -> None:
    from indexer.ingest.options import Options
    from indexer.ingest.sync import index as sync

    searcher = clipdex.open(folder)
    searcher.look_again = 1000.0
    assert len(searcher.search("red")) == 3
    sync(folder, encoder=Half(), options=Options(change_model=True))
    assert searcher.tag("red.jpg", add="x") == 1
    assert searcher.exclude("blue.png") == 1
    assert marks(folder) == {"red.jpg": ["x"], "blue.png": ["-"]}


def test_housekeeping_and_exchange_know_tags(folder: Path, tmp_path: Path) -> None:
    from indexer.exchange.export_vectors import export_vectors

    searcher = clipdex.open(folder)
    searcher.tag(["red.jpg"], add="x")
    searcher.exclude("red.jpg")
    collection = Collection.find(folder)
    assert verify.verify(collection).well
    compact(collection)
    assert marks(folder) == {"red.jpg": ["-", "x"]}
    export_vectors(collection, tmp_path / "out", layout="npy")
    import pyarrow.parquet as pq

    rows = {row["clipdex_id"]: row for row in pq.read_table(tmp_path / "out" / "images.parquet").to_pylist()}
    assert len(rows) == 3 and (rows["red.jpg"]["tags"], rows["red.jpg"]["excluded"]) == (["x"], True)


def test_tags_and_concepts_are_kept_in_an_object_store(folder: Path, tmp_path: Path) -> None:
    place = f"file://{tmp_path}/store/kept"
    (tmp_path / "store").mkdir()
    index(folder, to=place)
    searcher = clipdex.open(place)
    searcher.tag("red.jpg", add="x")
    searcher.look_again = 1000.0
    assert ids(searcher, "tag:x") == ["red.jpg"] and searcher.tag("blue.png", add="y") == 1
    assert ids(searcher, "tag:y") == ["blue.png"]  # one's own writing is seen at once
    searcher.keep_concept("c", "red.jpg")
    (folder / "red.jpg").rename(folder / "new.jpg")
    index(folder, to=place)
    again = clipdex.open(place)
    assert ids(again, "tag:x") == ["new.jpg"] and [one.name for one in again.concepts()] == ["c"]
    assert [hit.id for hit in again.search(again.read("concept:c"), limit=1)] == ["new.jpg"]


def _tagger(folder: Path, name: str, count: int) -> None:
    collection = Collection.find(folder)
    for number in range(count):
        tags.change(collection, ["red.jpg", f"{number:02}.png"], [f"{name}{number}"], [])


def test_people_and_a_run_that_write_at_once_lose_nothing(folder: Path) -> None:
    for number in range(6):
        paint(folder / f"{number:02}.png", "white", seed=number)
    index(folder)
    people = [multiprocessing.get_context("spawn").Process(target=_tagger, args=(folder, "p", 6))]
    for one in people:
        one.start()
    thread = threading.Thread(target=_tagger, args=(folder, "t", 6))
    thread.start()
    while thread.is_alive() or any(one.is_alive() for one in people):
        for number in range(6):
            paint(folder / f"{number:02}.png", "red", seed=number + 10)
            os.utime(folder / "red.jpg")
        index(folder)
        with lock.writing(folder / ".clipdex"):
            tables.trim(Collection.find(folder).table("images"))
    thread.join()
    assert all(one.exitcode == 0 for one in people)
    expected = {f"{number:02}.png": [f"p{number}", f"t{number}"] for number in range(6)}
    every = sorted(name for names in expected.values() for name in names)
    assert marks(folder) == {"red.jpg": every, **expected}
