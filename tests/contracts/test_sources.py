"""Does every kind of source keep the promises of `indexer.sources.Source`?  One battery over the registry.

A new kind of source adds one function here that lays out the same images in its way.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.errors import ImageError, SourceError
from core.image.decode import open_image
from core.inference.load import load_encoder
from indexer.collection.collection import Collection
from indexer.ingest.embedding.pipeline import Claims, Embedded, Failed, Pipeline, Same
from indexer.ingest.report import Stopwatch
from indexer.ingest.writing.captions import read_captions
from indexer.sources import SOURCES, Place, Settings, Source, find_source, make_source
from tests.indexer.pictures import index, paint, state

# Four images, two of them in a group; two have the same content, one cannot be read; one text beside an image, and
# one file that is neither.
CONTENTS = {"red.jpg": "red", "album/blue.jpg": "blue", "album/red too.jpg": "red", "bad.jpg": None}
OTHERS = {"red.txt": b"a red thing\n", "notes.md": b"no image"}


def data_of(name: str, place: Path) -> bytes:
    colour = CONTENTS[name]
    return paint(place / "painted.jpg", colour).read_bytes() if colour else b"no image"


def lay_out_folder(place: Path) -> Path:
    for name, data in files(place.with_name("painting")).items():
        (place / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "source" / name).write_bytes(data)
    return place / "source"


def lay_out_tar(place: Path) -> Path:
    with tarfile.open(place / "source.tar", "w") as archive:
        for name, data in files(place).items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return place / "source.tar"


def lay_out_zip(place: Path) -> Path:
    with zipfile.ZipFile(place / "source.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files(place).items():
            archive.writestr(name, data)
    return place / "source.zip"


def files(place: Path) -> dict[str, bytes]:
    return {name: data_of(name, place) for name in CONTENTS} | OTHERS


def lay_out_table(place: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = {name: data_of(name, place) for name in CONTENTS}
    captions = [["a red thing"] if name == "red.jpg" else [] for name in rows]
    table = pa.table({"image": list(rows.values()), "name": list(rows), "captions": captions})
    pq.write_table(table, place / "source.parquet", row_group_size=2)
    return place / "source.parquet"


def lay_out_memory(place: Path) -> str:
    """What fsspec keeps in memory is a store like any other; tests/indexer/sources/test_cloud.py has a real one."""
    import fsspec

    system = fsspec.filesystem("memory")
    for name, data in files(place).items():
        system.pipe_file(f"/{place.name}/source/{name}", data)
    return f"memory://{place.name}/source"


LAY_OUT: dict[str, Callable[[Path], Place]] = {
    "cloud": lay_out_memory,
    "folder": lay_out_folder,
    "table": lay_out_table,
    "webdataset": lay_out_tar,
    "zip": lay_out_zip,
}
SETTINGS = {"table": Settings(id="name")}
IGNORED = {"table": 0}  # a table holds nothing but images


@pytest.fixture(params=sorted(SOURCES))
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    return make_source(request.param, LAY_OUT[request.param](tmp_path), SETTINGS.get(request.param, Settings()))


def again(source: Source) -> Source:
    """The same source, made anew."""
    return make_source(source.kind, source.location, SETTINGS.get(source.kind, Settings()))


def test_it_lists_every_picture_once_sorted_by_id(source: Source) -> None:
    found = [item.id for item in source.scan().items]
    assert found == sorted(CONTENTS)
    assert all(item_id.isprintable() for item_id in found)


def test_two_looks_at_the_same_thing_are_equal(source: Source) -> None:
    assert source.scan() == source.scan()
    assert again(source).scan() == source.scan()


def test_it_accounts_for_what_is_no_picture(source: Source) -> None:
    listing = source.scan()
    assert (listing.ignored, listing.problems, listing.unreadable) == (IGNORED.get(source.kind, 1), [], [])


def test_every_item_can_be_read_and_has_the_size_that_was_listed(source: Source) -> None:
    for item in source.scan().items:
        data = source.read(item.id)
        assert len(data) == item.size
        if CONTENTS[item.id]:
            assert open_image(data).size == (60, 40)


def test_the_path_of_an_item_holds_exactly_its_bytes(source: Source) -> None:
    for item in source.scan().items:
        path = source.path(item.id)
        if path is not None:
            assert path.is_absolute()
            assert path.read_bytes() == source.read(item.id)


def test_the_text_beside_a_picture_is_its_caption(source: Source) -> None:
    words = read_captions(source, source.scan(), None)
    assert (words.by_item, words.problems, words.unmatched) == ({"red.jpg": ["a red thing"]}, [], 0)


def test_it_leaves_out_what_a_person_does_not_want(source: Source) -> None:
    def ids(**patterns: tuple[str, ...]) -> list[str]:
        settings = SETTINGS.get(source.kind, Settings()).model_copy(update=patterns)
        listing = make_source(source.kind, source.location, settings).scan()
        left = IGNORED.get(source.kind, 1) + 4 - len(listing.items)
        assert listing.ignored - left in (0, 1)  # and the text of an image that is left out
        return [item.id for item in listing.items]

    assert ids(include=("album",)) == ["album/blue.jpg", "album/red too.jpg"]
    assert ids(exclude=("*red*", "bad.*")) == ["album/blue.jpg"]
    assert ids(include=("*.JPG",), exclude=("album/blue.jpg",)) == ["album/red too.jpg", "bad.jpg", "red.jpg"]


def test_its_kind_is_recognised(source: Source) -> None:
    assert find_source(str(source.location)) == (source.kind, source.location)


def test_many_threads_may_read_at_once(source: Source) -> None:
    items = source.scan().items * 5
    with ThreadPoolExecutor(8) as pool:
        lengths = list(pool.map(lambda item: len(source.read(item.id)), items))
    assert lengths == [item.size for item in items]


def test_a_picture_is_read_without_a_listing(source: Source) -> None:
    expected = {item.id: source.read(item.id) for item in source.scan().items}
    fresh = again(source)
    assert {item_id: fresh.read(item_id) for item_id in expected} == expected


def test_a_collection_of_it_says_where_its_pictures_are_and_a_second_run_does_nothing(
    source: Source, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    report = index(source.location, to=kept, settings=SETTINGS.get(source.kind, Settings()))
    assert (report.added, report.failed, report.texts) == (3, {"not an image": 1}, 1)
    assert report.ignored == IGNORED.get(source.kind, 1)
    assert sorted(state(kept)["images"]) == ["album/blue.jpg", "album/red too.jpg", "red.jpg"]
    second = index(source.location, to=kept)
    assert (second.unchanged, second.failed) == (3, {"not an image": 1})
    assert not {"read", "decode", "embed"} & set(second.stages)
    info = Collection.find(kept).info.sources[0]
    assert (info.kind, info.location) == (source.kind, str(source.location))


@pytest.mark.parametrize("item_id", ["absent.jpg", "../red.jpg", "/etc/passwd", "", "a\0b", "album", "red.jpg/x"])
def test_an_id_that_is_not_there_is_an_image_error(source: Source, item_id: str) -> None:
    with pytest.raises(ImageError):
        source.read(item_id)


def take_away(source: Source) -> None:
    if isinstance(source.location, str):
        import fsspec

        fsspec.filesystem("memory").rm(source.location.removeprefix("memory:/"), recursive=True)
    else:
        source.location.rename(source.location.with_name("unplugged"))


def test_a_source_that_is_gone_is_an_error_and_not_empty(source: Source) -> None:
    take_away(source)
    with pytest.raises(SourceError, match="source"):
        source.scan()


def test_the_pipeline_gives_each_item_one_outcome(source: Source) -> None:
    pipeline = Pipeline(source.read, load_encoder("toy"), Stopwatch(), batch=2)
    outcomes = {outcome.item.id: outcome for outcome in pipeline.run(source.scan().items, Claims([])) if outcome}
    assert sorted(outcomes) == sorted(CONTENTS)
    assert isinstance(outcomes["bad.jpg"], Failed)
    assert isinstance(outcomes["album/blue.jpg"], Embedded)
    assert {type(outcomes["album/red too.jpg"]), type(outcomes["red.jpg"])} == {Embedded, Same}


def test_an_unknown_kind_of_source_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="unknown kind of source 'foldr'; choose one of: folder, "):
        make_source("foldr", tmp_path)


def test_every_registered_source_is_tested_here() -> None:
    assert sorted(LAY_OUT) == sorted(SOURCES)
