"""Does every kind of source keep the promises of `indexer.sources.Source`?  One battery over the registry.

A new kind of source adds one function here that lays out the same pictures in its way.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.encoder import load_encoder
from core.errors import ImageError, SourceError
from core.images import open_image
from indexer.pipeline import Claims, Embedded, Failed, Pipeline, Same
from indexer.report import Stopwatch
from indexer.sources import SOURCES, Source, make_source
from tests.indexer.pictures import paint

# Three pictures, one of them in a group; two have the same content, one cannot be read; one text beside a picture.
CONTENTS = {"red.jpg": "red", "album/blue.jpg": "blue", "album/red too.jpg": "red", "bad.jpg": None}


def lay_out_folder(place: Path) -> None:
    for name, colour in CONTENTS.items():
        if colour:
            paint(place / name, colour)
        else:
            (place / name).write_text("no picture")
    (place / "red.txt").write_text("a red thing\n")
    (place / "notes.md").write_text("no picture")


LAY_OUT: dict[str, Callable[[Path], None]] = {"folder": lay_out_folder}


@pytest.fixture(params=sorted(SOURCES))
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    place = tmp_path / "source"
    place.mkdir()
    LAY_OUT[request.param](place)
    return make_source(request.param, place)


def test_it_lists_every_picture_once_sorted_by_id(source: Source) -> None:
    found = [item.id for item in source.scan().items]
    assert found == sorted(CONTENTS)
    assert all(item_id.isprintable() for item_id in found)


def test_two_looks_at_the_same_thing_are_equal(source: Source) -> None:
    assert source.scan() == source.scan()
    assert make_source(source.kind, source.location).scan() == source.scan()


def test_it_accounts_for_what_is_no_picture(source: Source) -> None:
    listing = source.scan()
    assert (listing.ignored, listing.problems, listing.unreadable) == (1, [], [])


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


def test_the_text_beside_a_picture_is_named_and_can_be_read(source: Source) -> None:
    sidecars = source.scan().sidecars
    assert list(sidecars) == ["red.jpg"]
    assert source.read(sidecars["red.jpg"]) == b"a red thing\n"


@pytest.mark.parametrize("item_id", ["absent.jpg", "../red.jpg", "/etc/passwd", "", "a\0b", "album"])
def test_an_id_that_is_not_there_is_an_image_error(source: Source, item_id: str) -> None:
    with pytest.raises(ImageError):
        source.read(item_id)


def test_a_source_that_is_gone_is_an_error_and_not_empty(source: Source) -> None:
    Path(source.location).rename(Path(source.location).with_name("unplugged"))
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
    with pytest.raises(SourceError, match="unknown kind of source 'foldr'; choose one of: folder"):
        make_source("foldr", tmp_path)


def test_every_registered_source_is_tested_here() -> None:
    assert sorted(LAY_OUT) == sorted(SOURCES)
