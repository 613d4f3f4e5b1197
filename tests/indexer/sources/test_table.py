"""Are tables of images read as people mean them, with every row accounted for?"""

from __future__ import annotations

import json
import random
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import clipdex
from core.errors import QueryError, SourceError
from indexer.collection.collection import Collection
from indexer.sources import Settings
from indexer.sources.tables.table import TableSource
from tests.indexer.ingest.test_sync import counts
from tests.indexer.pictures import failures, ids, index, paint, paint_three, state


def table(folder: Path, text: str | bytes, name: str = "list.csv") -> Path:
    """A table beside red.jpg, green.jpg and blue.png."""
    paint_three(folder)
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder / name


def own(folder: Path, *names: str) -> dict[str, tuple[Any, ...]]:
    return {item_id: tuple(row[name] for name in names) for item_id, row in rows(folder).items()}


def rows(folder: Path) -> dict[str, dict[str, Any]]:
    """The rows of `images` with the columns that the source brought along."""
    from indexer.collection.collection import Collection
    from indexer.collection.storage import tables

    found = Collection.find(folder).table("images")
    return {row["id"]: row for row in tables.read(found, found.schema.names).to_pylist()}


def test_a_csv_file_with_captions_and_typed_columns(tmp_path: Path) -> None:
    file = table(
        tmp_path / "a",
        "image,caption,year,stars,seen,place,on\n"
        "red.jpg,a red thing,2019,4.5,true,Rome,2024-05-01 10:00:00\n"
        'green.jpg,"green, with a comma\nand a line",2020,,false,,2024-05-02 10:00:00\n'
        "red.jpg,another caption,1999,1,false,Oslo,2000-01-01 00:00:00\n"
        "blue.png,,,3,,Oslo,\n",
    )
    report = index(file, to=tmp_path / "kept")
    assert counts(report) == {"added": 3}
    assert own(tmp_path / "kept", "year", "stars", "seen", "place", "on") == {
        "red.jpg": (2019, 4.5, True, "Rome", datetime(2024, 5, 1, 10)),
        "green.jpg": (2020, None, False, "", datetime(2024, 5, 2, 10)),
        "blue.png": (None, 3.0, None, "Oslo", None),
    }
    searcher = clipdex.open(tmp_path / "kept")
    assert searcher.item("red.jpg").captions == ["a red thing", "another caption"]
    assert searcher.item("green.jpg").captions == ["green, with a comma and a line"]
    assert searcher.item("red.jpg").path == tmp_path / "a" / "red.jpg"


def test_only_what_a_table_names_is_indexed_and_a_changed_row_is_not_embedded_again(tmp_path: Path) -> None:
    file = table(tmp_path / "a", "image,caption,year\nred.jpg,one,2019\n")
    kept = tmp_path / "kept"
    assert counts(index(file, to=kept)) == {"added": 1}
    assert counts(index(file, to=kept)) == {"unchanged": 1}
    file.write_text("image,caption,year\nred.jpg,one,2020\n")
    report = index(file, to=kept)
    assert counts(report) == {"updated": 1}
    assert "decode" not in report.stages
    assert own(kept, "year") == {"red.jpg": (2020,)}
    file.write_text("image,caption,year\nred.jpg,two,2020\ngreen.jpg,x,2021\n")
    assert counts(index(file, to=kept)) == {"updated": 1, "added": 1}
    file.write_text("image,caption,year\ngreen.jpg,x,2021\n")
    assert counts(index(file, to=kept)) == {"unchanged": 1, "removed": 1}


def test_a_column_that_takes_another_type_becomes_wide_enough(tmp_path: Path) -> None:
    file = table(tmp_path / "a", "image,size in m\nred.jpg,1\ngreen.jpg,2\n")
    kept = tmp_path / "kept"
    index(file, to=kept)
    before = rows(kept)
    assert own(kept, "size in m") == {"red.jpg": (1,), "green.jpg": (2,)}
    for text, expected in [("2.5", (1.0, 2.5)), ("large", ("1", "large")), ("7", ("1", "7"))]:
        file.write_text(f"image,size in m\nred.jpg,1\ngreen.jpg,{text}\n")
        index(file, to=kept)
        found = own(kept, "size in m")
        values = (found["red.jpg"][0], found["green.jpg"][0])
        assert values == expected or (values[0] in ("1", "1.0") and values[1] == expected[1])
        assert type(values[0]) is type(values[1])
    assert {key: row["vector"] for key, row in rows(kept).items()} == {
        key: row["vector"] for key, row in before.items()
    }
    assert counts(index(file, to=kept)) == {"unchanged": 2}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.tsv", "path\tcaption\tn\nred.jpg\tone, two\t1\n"),
        ("list.jsonl", '{"file_name": "red.jpg", "captions": ["one, two"], "n": 1}\n\n'),
        ("list.csv", b'\xef\xbb\xbfimage,caption,n\r\nred.jpg,"one, two",1\r\n'),
        ("list.csv", 'image,caption,n\nred.jpg,"one, two",1\n'.encode("utf-16")),
        ("list.csv", ',image,caption,n\n0,./red.jpg,"one, two",1\n'),
    ],
)
def test_kinds_and_encodings_of_tables(tmp_path: Path, name: str, text: str | bytes) -> None:
    kept = tmp_path / "kept"
    assert counts(index(table(tmp_path / "a", text, name), to=kept)) == {"added": 1}
    assert own(kept, "n") == {"red.jpg": (1,)}
    assert clipdex.open(kept).item("red.jpg").captions == ["one, two"]


def test_paths_and_captions_are_text_whatever_they_look_like(tmp_path: Path) -> None:
    file = table(tmp_path / "a", "image,caption,n\n2024,12,007\n")
    paint(tmp_path / "p.jpg").rename(tmp_path / "a" / "2024")
    index(file, to=tmp_path / "kept")
    assert own(tmp_path / "kept", "n") == {"2024": (7,)}
    assert clipdex.open(tmp_path / "kept").item("2024").captions == ["12"]


def test_every_row_is_accounted_for(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    file = table(
        tmp_path / "a",
        "image,caption\nred.jpg,x\n,no name\ngone.jpg,x\ngreen.jpg,too,many,cells\nhttps://e.org/a.jpg,web\nsub,folder\n"
        "blue.png,good\n",
    )
    (tmp_path / "a" / "sub").mkdir()
    report = index(file, to=kept)
    assert (report.added, report.total) == (2, 7)
    assert failures(kept) == {
        "row 2": "no image named",
        "gone.jpg": "vanished",
        "row 4": "damaged row",
        "https:/e.org/a.jpg": "unsupported",
        "sub": "not an image",
    }
    assert "img2dataset" in state(kept)["failures"]["https:/e.org/a.jpg"]["message"]
    assert "has 4 cells and the table 2 columns" in state(kept)["failures"]["row 4"]["message"]
    assert clipdex.open(kept).item("blue.png").captions == ["good"]  # rows after a damaged one keep their own words


def test_a_picture_whose_file_is_gone_stays_while_the_table_names_it(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    file = table(tmp_path / "a", "image\nred.jpg\n../disk/white.jpg\n")
    paint(tmp_path / "disk" / "white.jpg", "white")
    assert counts(index(file, to=kept)) == {"added": 2}
    (tmp_path / "disk").rename(tmp_path / "unplugged")
    report = index(file, to=kept)
    assert (report.unchanged, report.kept, report.removed) == (1, 1, 0)
    assert ids(kept) == ["../disk/white.jpg", "red.jpg"]
    (tmp_path / "unplugged").rename(tmp_path / "disk")
    assert counts(index(file, to=kept)) == {"unchanged": 2}


WRONG = {
    "no image column": ("a,b\n1,2\n", {}, r"which column of list.csv holds the images\? Say --image-column .*: a, b"),
    "two image columns": ("path,file\n1,2\n", {}, r"holds the images\? Say --image-column with one of: path, file"),
    "missing columns": (
        "image,b\n1,2\n",
        {"captions": ("words",), "columns": ("b", "c")},
        "has no column words, c; its columns are: image, b",
    ),
    "own names": (
        "image,vector,width\n1,2,3\n",
        {},
        "columns that clipdex itself keeps .*: vector, width; rename them",
    ),
    "odd names": ("image,a.b\n1,2\n", {}, "whose names cannot be kept: 'a.b'"),
    "twice": ("image,a,a\n1,2,3\n", {}, "columns of the same name: a"),
    "empty": ("", {}, "list.csv is empty: its first line must name the columns"),
    "semicolons": ("image;caption\na.jpg;x\n", {}, "does ';' stand between cells"),
    "latin": (b"image,caption\nred.jpg,caf\xe9\n", {}, "is not UTF-8 .byte 25.; save it as UTF-8"),
    "quotes": ('image,caption\nred.jpg,"open\n', {}, "list.csv, line 2: unexpected end of data"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_such_table_is_one_sentence(tmp_path: Path, kind: str) -> None:
    text, settings, message = WRONG[kind]
    with pytest.raises(SourceError, match=message) as caught:
        index(table(tmp_path / "a", text), to=tmp_path / "kept", settings=Settings(**settings))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "kept" / "collection.json").exists()


def test_a_column_that_is_no_longer_kept_goes_and_no_search_finds_it(tmp_path: Path) -> None:
    paint_three(tmp_path / "photos")
    names = sorted(file.name for file in (tmp_path / "photos").iterdir())
    file = table(tmp_path, "image,label,n\n" + "".join(f"photos/{name},3,1\n" for name in names))
    kept = tmp_path / "kept"
    index(file, to=kept)
    assert counts(index(file, to=kept, settings=Settings(columns=("n",)))) == {"updated": 3}
    assert Collection.open(kept).table("images").schema.names[-1:] == ["n"]
    with pytest.raises(QueryError, match="unknown column 'label'"):
        clipdex.open(kept).search("red", where=["label>2"])
    index(file, to=kept, settings=Settings(columns=()))
    assert "n" not in Collection.open(kept).table("images").schema.names
    index(file, to=kept, settings=Settings(columns=None))
    assert len(clipdex.open(kept).search("red", where=["label>2"])) == 3


def test_columns_can_be_chosen(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    file = table(tmp_path / "a", "img,width,title,text,n\nred.jpg,5,a title,a text,1\n")
    index(file, to=kept, settings=Settings(captions=("title", "text"), columns=("n",)))
    assert own(kept, "n", "width") == {"red.jpg": (1, 60)}
    assert clipdex.open(kept).item("red.jpg").captions == ["a title", "a text"]
    assert counts(index(file, to=kept)) == {"unchanged": 1}  # it is remembered
    assert counts(index(file, to=kept, settings=Settings(captions=()))) == {"updated": 1}
    assert clipdex.open(kept).item("red.jpg").captions == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "damaged row"),
        ("[1]", "damaged row"),
        ('{"n": 5}', "no image named"),
        ("[" * 100_000, "damaged row"),
    ],
)
def test_a_damaged_line_of_json_costs_no_other(tmp_path: Path, line: str, reason: str) -> None:
    kept = tmp_path / "kept"
    good = json.dumps({"image": "red.jpg", "n": 1, "text": "ü\u2028x"}, ensure_ascii=False)
    report = index(table(tmp_path / "a", f'{good}\n{line}\n{{"image": "green.jpg"}}\n', "list.jsonl"), to=kept)
    assert (report.added, failures(kept)) == (2, {"row 2": reason})
    assert own(kept, "n") == {"red.jpg": (1,), "green.jpg": (None,)}


def test_json_values_of_any_kind_find_a_column(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    lines = [
        {
            "image": "red.jpg",
            "a": 1,
            "b": 1,
            "c": {"x": [1]},
            "d": ["u", "v"],
            "e": True,
            "f": 2**80,
            "g": None,
            "h": "\udc80",
        },
        {"image": "green.jpg", "a": 1.5, "b": "one", "c": None, "d": None, "e": None, "f": 1, "g": None, "h": "x"},
    ]
    index(table(tmp_path / "a", "\n".join(map(json.dumps, lines)), "list.jsonl"), to=kept)
    assert own(kept, *"abcdefh") == {
        "red.jpg": (1.0, "1", '{"x": [1]}', ["u", "v"], True, str(2**80), "?"),
        "green.jpg": (1.5, "one", None, None, None, "1", "x"),
    }
    assert "g" not in rows(kept)["red.jpg"]


def parquet(folder: Path, columns: dict[str, Any], **options: Any) -> Path:
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), folder / "list.parquet", **options)
    return folder / "list.parquet"


def test_a_data_set_with_pictures_in_it(tmp_path: Path) -> None:
    paint_three(tmp_path / "a")
    names = ["red.jpg", "green.jpg", "blue.png"]
    pictures = [{"bytes": (tmp_path / "a" / name).read_bytes(), "path": name} for name in names]
    file = parquet(
        tmp_path,
        {
            "image": [*pictures, {"bytes": None, "path": "none.jpg"}, {"bytes": b"x", "path": None}],
            "label": [0, 1, 2, 3, 4],
            "tags": [["a"], [], None, [], []],
            "embedding": [[0.5, 0.5]] * 5,
            "when": pa.array([datetime(2024, 1, 1)] * 5, pa.timestamp("ns")),
        },
        row_group_size=2,
    )
    report = index(file, to=tmp_path / "kept")
    assert (report.added, report.failed) == (3, {"empty file": 1, "not an image": 1})
    assert failures(tmp_path / "kept") == {"none.jpg": "empty file", "00000004": "not an image"}
    assert own(tmp_path / "kept", "label", "source_tags", "when")["green.jpg"] == (1, [], datetime(2024, 1, 1))
    assert "embedding" not in rows(tmp_path / "kept")["red.jpg"]
    assert counts(index(file, to=tmp_path / "kept"))["unchanged"] == 3


def test_rows_without_names_have_numbers_and_a_new_row_embeds_only_itself(tmp_path: Path) -> None:
    paint_three(tmp_path / "a")
    red, green, blue = ((tmp_path / "a" / name).read_bytes() for name in ("red.jpg", "green.jpg", "blue.png"))
    kept = tmp_path / "kept"
    index(parquet(tmp_path, {"image": [red, green]}), to=kept)
    assert ids(kept) == ["00000000", "00000001"]
    report = index(parquet(tmp_path, {"image": [red, green, blue]}), to=kept)
    assert counts(report) == {"added": 1, "unchanged": 2}
    report = index(parquet(tmp_path, {"image": [blue, red, green]}), to=kept)
    assert counts(report) == {"updated": 3}  # other images under the numbers, and none is embedded
    assert report.stages["embed"] < 0.05


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"x" * 500 + b"PAR1", b"not parquet at all"])
def test_a_damaged_parquet_file_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "list.parquet").write_bytes(content)
    with pytest.raises(SourceError, match=r"list\.parquet") as caught:
        TableSource(tmp_path / "list.parquet").scan()
    assert "\n" not in str(caught.value)


def test_a_parquet_file_of_paths(tmp_path: Path) -> None:
    paint_three(tmp_path)
    file = parquet(tmp_path, {"image": ["red.jpg", None], "caption": ["x", "y"], "image_count": [1, 2]})
    report = index(file, to=tmp_path / "kept")
    assert (report.added, report.failed) == (1, {"no image named": 1})
    assert own(tmp_path / "kept", "image_count") == {"red.jpg": (1,)}


@pytest.mark.parametrize("killed_after", ["adding", "dropping"])
def test_a_run_that_was_killed_while_a_column_changed_its_type_is_finished_by_the_next(
    tmp_path: Path, killed_after: str
) -> None:
    from indexer.collection.collection import Collection

    file = table(tmp_path / "a", "image,n\nred.jpg,1\ngreen.jpg,2\n")
    kept = tmp_path / "kept"
    index(file, to=kept)
    images = Collection.find(kept).table("images")
    images.add_columns({"new~n": "cast(`n` as string)"})
    if killed_after == "dropping":
        images.drop_columns(["n"])
    file.write_text("image,n\nred.jpg,1\ngreen.jpg,two\n")
    index(file, to=kept)
    assert own(kept, "n") == {"red.jpg": ("1",), "green.jpg": ("two",)}
    assert "new~n" not in Collection.find(kept).table("images").schema.names
    assert counts(index(file, to=kept)) == {"unchanged": 2}


def test_the_columns_go_along_to_another_model(tmp_path: Path) -> None:
    file = table(tmp_path / "a", "image,caption,n\nred.jpg,a red thing,1\ngreen.jpg,,2\n")
    kept = tmp_path / "kept"
    index(file, to=kept)
    before = own(kept, "n", "columns_key")
    assert clipdex.index(file, to=kept, model="tiny").replaced_model == "toy"
    assert own(kept, "n", "columns_key") == before
    assert clipdex.open(kept).status().model == "tiny"


@pytest.mark.parametrize("kept", [1, 3_000, 50_000, 10**9])
def test_pictures_of_large_row_groups_are_read_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    from indexer.sources.tables import parquet_images

    generator = random.Random(1)
    pictures = [generator.randbytes(generator.randrange(1, 90)) for _ in range(1000)]
    file = parquet(tmp_path, {"image": pa.array(pictures, pa.binary())}, row_group_size=700)
    monkeypatch.setattr(parquet_images, "KEPT_BYTES", kept)
    source = TableSource(file)
    items = source.scan().items
    assert [source.read(item.id) for item in items] == pictures
    order = list(range(1000))
    generator.shuffle(order)
    assert all(source.read(f"{row:08}") == pictures[row] for row in order[:60])
