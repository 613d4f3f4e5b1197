"""Is every fault in a collection found, named and repaired?"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import clipdex
from core.errors import CollectionError
from indexer.ann import optimize
from indexer.collection import tags
from indexer.collection.collection import Collection, Space
from indexer.collection.index_files.manifest import Manifest, manifest_file
from indexer.collection.storage import lock, row_reader, tables
from indexer.maintenance import compact, verify
from indexer.maintenance.repair import Kind
from indexer.maintenance.verify import Verification
from tests.indexer.pictures import index, paint, state


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve images, some with captions, one failure."""
    folder = tmp_path_factory.mktemp("whole") / "pictures"
    for number in range(12):
        paint(folder / f"{number:02}.jpg", seed=number)
    lines = [f"{number:02}.jpg,{word} {number}" for number in range(6) for word in ("one", "two", "three")]
    (folder / "captions.csv").write_text("image,caption\n" + "\n".join(lines) + "\n")
    (folder / "bad.jpg").write_text("no image")
    index(folder)
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "pictures"))


def check(folder: Path, *, mend: bool = False) -> Verification:
    return verify.verify(Collection.find(folder), mend=mend)


def found(result: Verification) -> dict[tuple[str, str], int]:
    return {(each.table, each.kind.name): each.count for each in result.findings}


def change(folder: Path, table: str, key: str, **values: Any) -> None:
    """Put other values into one row, as a program with a fault would."""
    opened = Collection.find(folder).table(table)
    key_column = tables.KEYS[table]
    found = tables.read(opened, opened.schema.names, next(tables.conditions(key_column, [key])))
    for name, value in values.items():
        column = found.schema.get_field_index(name)
        found = found.set_column(column, opened.schema.field(name), pa.array([value], opened.schema.field(name).type))
    tables.remove(opened, key_column, [key])
    opened.add(found)


def vector(folder: Path, item_id: str) -> np.ndarray:
    return np.array(state(folder)["images"][item_id]["vector"], np.float32)


def damage_vector(value: float) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        change(folder, "images", "03.jpg", vector=np.full_like(vector(folder, "03.jpg"), value))

    return apply


def rot_a_vector(folder: Path) -> None:
    """LanceDB writes no vector that is no number, but a disk may make it one."""
    stored = vector(folder, "03.jpg").tobytes()
    (file,) = (Collection.find(folder).path / "images.lance" / "data").iterdir()
    content = file.read_bytes()
    assert content.count(stored) == 1
    file.write_bytes(content.replace(stored, stored[:8] + b"\xff" * 4 + stored[12:]))


def remove_a_caption(folder: Path) -> None:
    key = state(folder)["images"]["03.jpg"]["texts_key"]
    tables.remove(Collection.find(folder).table("texts"), "id", [f"{key}-2"])  # the last one: no gap tells of it


def change_a_caption(folder: Path) -> None:
    change(folder, "texts", state(folder)["images"]["03.jpg"]["texts_key"] + "-1", text="a lie")


def damage_a_caption_vector(folder: Path) -> None:
    key = state(folder)["images"]["03.jpg"]["texts_key"]
    change(folder, "texts", f"{key}-0", vector=np.full(vector(folder, "03.jpg").shape, np.inf, np.float32))


def add_an_orphan(folder: Path) -> None:
    texts = Collection.find(folder).table("texts")
    row = {"id": "f00-0", "image_id": "gone.jpg", "key": "f00", "position": 0, "text": "nobody's"}
    tables.upsert(texts, [row | {"vector": vector(folder, "00.jpg")}], "id")


def add_it_twice(folder: Path) -> None:
    images = Collection.find(folder).table("images")
    images.add(tables.read(images, images.schema.names, "id = '09.jpg'"))


def fail_it_too(folder: Path) -> None:
    failures = Collection.find(folder).table("failures")
    (row,) = tables.read_keys(failures, "location", ["bad.jpg"], failures.schema.names)
    tables.upsert(failures, [row | {"location": "03.jpg"}], "location")


# What is done to a collection, and what is found: table and kind -> count.
FAULTS: dict[str, tuple[Callable[[Path], None], dict[tuple[str, str], int]]] = {
    "a vector of zeros": (damage_vector(0.0), {("images", "NOT_UNIT"): 1}),
    "a vector of twos": (damage_vector(2.0), {("images", "NOT_UNIT"): 1}),
    "a vector that is no number": (rot_a_vector, {("images", "NOT_FINITE"): 1}),
    "an endless vector": (damage_vector(np.inf), {("images", "NOT_FINITE"): 1}),
    "an enormous vector": (damage_vector(3e38), {("images", "NOT_UNIT"): 1}),
    "a thumbnail that is none": (
        lambda folder: change(folder, "images", "03.jpg", thumbnail=b"RIFF...."),
        {("images", "THUMBNAIL"): 1},
    ),
    "a caption too few": (remove_a_caption, {("images", "NO_CAPTIONS"): 1, ("texts", "ORPHANS"): 2}),
    "another caption": (change_a_caption, {("images", "NO_CAPTIONS"): 1, ("texts", "ORPHANS"): 3}),
    "a caption with a bad vector": (
        damage_a_caption_vector,
        {("texts", "NOT_FINITE"): 1, ("images", "NO_CAPTIONS"): 1, ("texts", "ORPHANS"): 3},
    ),
    "a caption of nobody": (add_an_orphan, {("texts", "ORPHANS"): 1}),
    "an id twice": (add_it_twice, {("images", "TWICE"): 1}),
    "indexed and failed": (fail_it_too, {("failures", "BOTH"): 1}),
}


def test_a_whole_collection_has_no_faults(whole: Path) -> None:
    result = check(whole)
    assert (result.findings, result.running, result.without_thumbnail) == ([], False, 0)
    assert result.rows == {"images": 12, "texts": 18, "failures": 1}
    assert result.summary().startswith("12 images, 18 captions and 1 failures read in ")
    assert result.summary().endswith("s: nothing is wrong")


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_found_and_after_repair_and_a_run_all_is_as_before(
    whole: Path, folder: Path, fault: str
) -> None:
    damage, expected = FAULTS[fault]
    damage(folder)
    result = check(folder)
    assert found(result) == expected
    assert "with --repair: " in result.summary()
    assert found(check(folder)) == expected  # looking changes nothing
    assert found(check(folder, mend=True)) == expected
    assert check(folder).findings == []
    index(folder)
    assert state(folder) == state(whole)


def damage_file(how: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def apply(file: Path) -> None:
        file.write_bytes(how(file.read_bytes()))

    return apply


FILE_FAULTS: dict[str, Callable[[Path], None]] = {
    "cut short": damage_file(lambda data: data[: len(data) // 2]),
    "its end overwritten": damage_file(lambda data: data[:-60] + bytes(60)),
    "its start overwritten": damage_file(lambda data: bytes(len(data) // 20) + data[len(data) // 20 :]),
    "empty": damage_file(lambda data: b""),
    "gone": lambda file: file.unlink(),
}


@pytest.mark.parametrize("fault", FILE_FAULTS)
@pytest.mark.parametrize("table", ["images", "texts", "failures"])
def test_rows_in_damaged_files_are_found_and_embedded_anew(whole: Path, folder: Path, table: str, fault: str) -> None:
    add_three = [paint(folder / f"new{number}.jpg", seed=100 + number) for number in range(3)]
    (folder / "captions.csv").write_text((folder / "captions.csv").read_text() + "new0.jpg,later\n")
    (folder / "worse.jpg").write_text("no image either")
    index(folder)
    expected = state(folder)
    files = sorted(
        (Collection.find(folder).path / f"{table}.lance" / "data").iterdir(), key=lambda file: file.stat().st_mtime_ns
    )
    FILE_FAULTS[fault](files[-1])
    result = check(folder)
    assert result.findings[0].kind is Kind.UNREADABLE
    assert result.findings[0].table == table
    assert 0 < result.findings[0].count <= result.rows[table]
    if table == "images":
        assert result.findings[0].count == len(add_three)
    check(folder, mend=True)
    assert check(folder).findings == []
    index(folder)
    assert state(folder) == expected


def test_concepts_are_read_and_one_that_is_damaged_goes(folder: Path) -> None:
    searcher = clipdex.open(folder)
    searcher.keep_concept("good", "00.jpg")
    data = Collection.find(folder).path / "concepts.lance" / "data"
    before = set(data.iterdir())
    searcher.keep_concept("bad", "01.jpg")
    assert check(folder).rows["concepts"] == 2 and check(folder).findings == []
    (new,) = set(data.iterdir()) - before
    new.write_bytes(b"damaged")
    assert found(check(folder)) == {("concepts", "UNREADABLE"): 1}
    assert "with --repair: the concept goes; keep it again" in check(folder).summary()
    check(folder, mend=True)
    assert check(folder).findings == []
    assert [one.name for one in clipdex.open(folder).concepts()] == ["good"]


def test_a_thumbnail_is_taken_out_where_the_file_has_changed_or_gone(folder: Path) -> None:
    for name in ("03.jpg", "04.jpg", "05.jpg"):
        change(folder, "images", name, thumbnail=b"no image")
    before = state(folder)["images"]
    (folder / "04.jpg").unlink()
    paint(folder / "05.jpg", "blue")
    check(folder, mend=True)
    after = state(folder)["images"]
    with Image.open(io.BytesIO(after["03.jpg"]["thumbnail"])) as small:
        assert small.size == (60, 40)
    assert (after["04.jpg"]["thumbnail"], after["05.jpg"]["thumbnail"]) == (b"", b"")
    assert [after[name]["vector"] for name in before] == [before[name]["vector"] for name in before]
    result = check(folder)
    assert (result.findings, result.without_thumbnail) == ([], 2)
    assert "2 images have no thumbnail: their files were out of reach" in result.summary()


def test_while_a_run_is_writing_captions_are_not_compared(folder: Path) -> None:
    add_an_orphan(folder)
    with lock.writing(Collection.find(folder).path):
        result = check(folder)
        assert (result.findings, result.running) == ([], True)
        assert "a run is writing" in result.summary()
        with pytest.raises(CollectionError, match="another run"):
            check(folder, mend=True)
    assert found(check(folder)) == {("texts", "ORPHANS"): 1}


def test_a_table_of_another_shape_is_refused(folder: Path) -> None:
    collection = Collection.find(folder)
    info = collection.info
    collection.save(info.model_copy(update={"model": info.model.model_copy(update={"dim": 8})}))
    with pytest.raises(CollectionError, match="lacks vector, or has another type there"):
        check(folder)


def test_progress_counts_all_rows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    verify.verify(Collection.find(folder), progress=lambda done, total: told.append((done, total)))
    assert told == [(12, 31), (30, 31), (31, 31)]


def test_rows_are_read_in_parts_and_only_the_bad_ones_are_missing(folder: Path) -> None:
    images = Collection.find(folder).table("images")
    ids = [part.found["id"].to_pylist() for part in row_reader.parts(images, ["id"], size=5)]
    assert [len(part) for part in ids] == [5, 5, 2]
    assert sorted(name for part in ids for name in part) == sorted(state(folder)["images"])
    assert clipdex.open(folder).status().images == 12


def test_a_damaged_index_is_told_of_and_goes(folder: Path) -> None:
    collection = Collection.find(folder)
    optimize.optimize(collection, kind="hnsw", recall=0.1)
    assert check(folder).well
    status = clipdex.open(folder).status()
    assert [(index.target, index.kind, index.rows, index.missing) for index in status.indexes] == [
        ("images", "hnsw", 12, 0),
        ("texts", "hnsw", 18, 0),
    ]
    paint(folder / "new.jpg", "blue")
    index(folder)
    assert [index.missing for index in clipdex.open(folder).status().indexes] == [1, 0]
    manifest = Manifest.model_validate_json(manifest_file(collection.path, "images").read_bytes())
    built = collection.path / "indexes" / manifest.folder / "keys.npy"
    built.write_bytes(built.read_bytes()[:-8] + bytes(8))
    result = check(folder)
    assert (result.findings, result.well) == ([], False)
    assert len(result.indexes) == 1
    assert result.indexes[0] in result.summary()
    assert check(folder, mend=True).well
    assert check(folder).well
    assert [index.target for index in clipdex.open(folder).status().indexes] == ["texts"]
    assert built.exists()
    compact.compact(collection)
    assert not built.exists()


def test_the_vectors_of_a_model_that_is_kept_are_looked_at_too(folder: Path) -> None:
    collection = Collection.find(folder)
    kept = Space(model=collection.info.model.model_copy(update={"fingerprint": "f" * 64}), tables="models/" + "f" * 16)
    (collection.path / "models").mkdir()
    for name in tables.KEYS:
        shutil.copytree(collection.path / f"{name}.lance", collection.path / kept.tables / f"{name}.lance")
    collection.save(collection.info.model_copy(update={"others": [kept]}))
    damage_vector(2.0)(folder)
    assert [finding.table for finding in check(folder).findings] == ["images"]
    (other,) = collection.views[1:]
    other.table("texts").delete("position = 2")
    assert [finding.table for finding in check(folder).findings] == [
        *("images", f"{kept.tables}/images", f"{kept.tables}/texts"),
    ]
    check(folder, mend=True)
    assert check(folder).well
    compact.compact(collection, keep=timedelta(0))
    assert other.table("images").count_rows() == 12
    collection.save(collection.info.model_copy(update={"others": []}))
    compact.compact(collection)
    assert not (collection.path / "models").exists()


@pytest.mark.parametrize("how", ["repair", "index"])
@pytest.mark.parametrize("table", ["texts", "failures"])
def test_a_missing_table_that_can_be_made_anew_costs_no_tags(whole: Path, folder: Path, table: str, how: str) -> None:
    tags.change(Collection.find(folder), ["03.jpg"], ["holiday"], [])
    shutil.rmtree(folder / ".clipdex" / f"{table}.lance")
    with pytest.raises(CollectionError, match=rf"no table {table}; clipdex verify .*/.clipdex --repair makes it anew"):
        check(folder)
    if how == "repair":
        result = verify.verify(Collection.find(folder, mending=True), mend=True)
        assert (table, "made anew, empty") == (result.findings[0].examples[0], result.findings[0].remedy[:16])
        assert check(folder).findings == []
    index(folder)
    assert check(folder).findings == []
    now, before = state(folder), state(whole)
    assert now["images"]["03.jpg"].pop("tags") == ["holiday"]
    before["images"]["03.jpg"].pop("tags")
    assert (now["texts"], now["images"], set(now["failures"])) == (
        before["texts"],
        before["images"],
        set(before["failures"]),
    )


def test_a_collection_without_its_pictures_cannot_be_mended_and_what_that_costs_is_said(folder: Path) -> None:
    shutil.rmtree(folder / ".clipdex" / "images.lance")
    with pytest.raises(CollectionError, match=r"no table images; bring it back .* tags and concepts go with it"):
        Collection.open(folder / ".clipdex", mending=True)


@pytest.mark.parametrize(
    ("fault", "lost"),
    [
        ("gone", "what tags 12 of them have cannot be read, and is lost"),
        ("its start overwritten", "2 of them have tags or are left out, which is lost"),
    ],
)
def test_rows_that_go_take_tags_along_and_it_is_said(folder: Path, fault: str, lost: str) -> None:
    tags.change(Collection.find(folder), ["03.jpg", "04.jpg"], ["holiday"], [])
    for file in (Collection.find(folder).path / "images.lance" / "data").iterdir():
        FILE_FAULTS[fault](file)
    finding, *others = check(folder).findings
    assert (finding.kind, finding.count, others) == (Kind.UNREADABLE, 12, [])  # and captions are not nobody's
    assert "12 rows that cannot be read in images: their names cannot be read" in check(folder).summary()
    assert finding.remedy.split("; ")[-1] == lost


def test_the_tags_that_go_with_a_damaged_vector_are_counted(folder: Path) -> None:
    tags.change(Collection.find(folder), ["03.jpg", "04.jpg"], ["holiday"], [])
    damage_vector(7.0)(folder)
    (finding,) = check(folder).findings
    assert (finding.examples, finding.remedy.split("; ")[-1]) == (
        ["03.jpg"],
        "1 of them have tags or are left out, which is lost",
    )
