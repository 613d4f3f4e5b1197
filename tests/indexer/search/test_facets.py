"""Are values counted as a search by them would find them?  A folder of images with known columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import clipdex
from indexer.search.facets import Facet, facets, matching, own_columns, without_each
from indexer.search.query_formatter import narrowed, pieces, written
from indexer.search.query_parser import Line, parse_line
from indexer.search.searcher import Searcher

SHOTS = [
    ("trips/2023/a.jpg", "Acme One", "2023:05:01 10:00:00"),
    ("trips/2023/b.jpg", "Acme One", "2023:06:02 10:00:00"),
    ("trips/2024/c.jpg", "Acme Two", "2024:06:03 10:00:00"),
    ("home/d.jpg", "Acme Two", "2024:07:04 10:00:00"),
    ("home/e.jpg", "", ""),
    ("f.jpg", "", ""),
]


@pytest.fixture(scope="module")
def searcher(tmp_path_factory: pytest.TempPathFactory) -> Searcher:
    folder = tmp_path_factory.mktemp("photos")
    for number, (name, camera, taken) in enumerate(SHOTS):
        exif = Image.Exif()
        if camera:
            exif[0x0110] = camera
            exif.get_ifd(0x8769)[0x9003] = taken
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40 + number, 30), (40 * number, 10, 10)).save(folder / name, exif=exif)
    clipdex.index(folder, model="toy")
    return clipdex.open(folder)


@pytest.fixture(scope="module")
def found(searcher: Searcher) -> Callable[[str], dict[str, Facet]]:
    return lambda line: {facet.column: facet for facet in facets(searcher.snapshot(), searcher.read(line))}


def counts(facet: Facet) -> dict[str, int]:
    return {value.text: value.count for value in facet.values}


def test_values_are_counted_over_the_whole_collection(found: Callable[[str], dict[str, Facet]]) -> None:
    all_of_them = found("anything")
    assert counts(all_of_them["folder"]) == {"trips": 3, "home": 2}
    assert list(counts(all_of_them["taken"]).items()) == [("2024", 2), ("2023", 2)]
    assert counts(all_of_them["camera"]) == {"Acme One": 2, "Acme Two": 2}


def test_a_column_counts_what_the_other_conditions_leave(found: Callable[[str], dict[str, Facet]]) -> None:
    some = found('folder:trips camera:"Acme One"')
    assert counts(some["camera"]) == {"Acme One": 2, "Acme Two": 1}  # its own condition does not narrow it
    assert counts(some["folder"]) == {"trips": 2, "trips/2023": 2}  # the chosen one, and those in it
    beside = counts(found("folder:trips")["folder"])
    assert (beside["trips"], beside["home"]) == (3, 2)  # another one can be chosen instead
    assert counts(some["taken"]) == {"2023": 2}
    months = found("taken:2024")["taken"]
    assert list(counts(months).items()) == [("2024", 2), ("2024-07", 1), ("2024-06", 1), ("2023", 2)]


def test_each_count_is_what_a_search_by_it_finds(searcher: Searcher, found: Callable[[str], dict[str, Facet]]) -> None:
    for line in ("", "folder:trips", "camera:'x'"):
        for facet in found(line).values():
            for value in facet.values:
                narrow = narrowed(searcher.read(line), value.condition)
                again = searcher.read(written(narrow))
                assert len(searcher.search(again, limit=100)) == value.count == matching(searcher.snapshot(), narrow)


def test_what_to_leave_out_of_a_line_that_finds_nothing(searcher: Searcher) -> None:
    line = searcher.read('red folder:home camera:"Acme One" taken:2023')
    assert matching(searcher.snapshot(), line) == 0
    ways = without_each(searcher.snapshot(), line)
    assert [(text, count) for text, _, count in ways] == [
        ("folder=home", 2),
        ('camera="Acme One"', 0),
        ("taken=2023", 0),
    ]
    assert written(ways[0][1]) == 'red camera="Acme One" taken=2023'
    asked = searcher.read("red -blue folder:home camera:x")
    assert asked.without == ("blue",)
    assert sorted(text for text, _, _ in without_each(searcher.snapshot(), asked)) == ["camera=x", "folder=home"]


def test_only_columns_that_group_pictures_are_offered(tmp_path: Path) -> None:
    lines = ["image,caption,licence,serial"]
    for number in range(20):
        Image.new("RGB", (30, 20 + number), (9 * number, 0, 0)).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,a card,{'free' if number % 4 else 'sold'},no {number}")
    (tmp_path / "captions.csv").write_text("\n".join(lines))
    clipdex.index(tmp_path, model="toy")
    snapshot = clipdex.open(tmp_path).snapshot()
    named = {facet.column: counts(facet) for facet in facets(snapshot, None)}
    assert set(own_columns(snapshot)) <= set(snapshot.columns)
    assert "serial" not in named
    if "licence" in snapshot.columns:
        assert named["licence"] == {"free": 15, "sold": 5}


COLUMNS = {"folder": None, "camera": None, "taken": None, "width": None}


@pytest.mark.parametrize(
    "line",
    [
        "a red car",
        'red car -snow "parking lot" folder:trips after:2024-01-01',
        '-"no entry" -(two words) camera:"Acme One" width>=100 -folder:home',
        'well-known, -5 degrees: a 12" record -night',
        "“so said” folder=a/b;c",
        "folder!=x",
        "",
    ],
)
def test_a_line_is_written_so_that_it_means_the_same(line: str) -> None:
    meant = parse_line(line, COLUMNS)
    again = parse_line(written(meant), COLUMNS)
    assert again == meant
    assert written(again) == written(meant)


def test_pieces_are_taken_away_one_by_one() -> None:
    line = parse_line('boat -night "red sail" -"blue sail" folder:trips width>10 width>10', COLUMNS)
    said = {text: written(rest) for text, rest in pieces(line)}
    assert list(said) == ['"red sail"', '-"blue sail"', "-night", "folder=trips", "width>10"]
    assert said["-night"] == 'boat "red sail" -"blue sail" folder=trips width>10 width>10'
    assert said["folder=trips"] == 'boat "red sail" -"blue sail" -night width>10 width>10'
    assert Counter(len(rest.where) for _, rest in pieces(line)) == {3: 3, 2: 3}
    assert list(pieces(Line("only words"))) == []
