"""Do the right words reach the right image?"""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

import clipdex
from core.errors import QueryError, SourceError
from tests.indexer.pictures import index, paint, paint_three, state


def captions(folder: Path) -> dict[str, list[str]]:
    """Image -> its captions, as a search sees them."""
    searcher = clipdex.open(folder)
    found = {item_id: searcher.item(item_id).captions for item_id in state(folder)["images"]}
    return {item_id: texts for item_id, texts in found.items() if texts}


def test_a_csv_gives_several_captions_in_their_order(tmp_path: Path) -> None:
    paint_three(tmp_path)
    (tmp_path / "captions.csv").write_text(
        'image,caption\nred.jpg,second thoughts\nblue.png,"the sea, ""calm"" and\nwide"\nred.jpg,a field\n',
        encoding="utf-8-sig",
    )
    report = index(tmp_path)
    assert captions(tmp_path) == {"red.jpg": ["second thoughts", "a field"], "blue.png": ['the sea, "calm" and wide']}
    assert (report.texts, report.unmatched_captions, report.ignored) == (3, 0, 0)


def test_other_columns_and_their_order_do_not_matter(tmp_path: Path) -> None:
    paint(tmp_path / "a.jpg")
    (tmp_path / "captions.csv").write_text("Caption, number ,Image\r\nhello,1,a.jpg\r\n")
    index(tmp_path)
    assert captions(tmp_path) == {"a.jpg": ["hello"]}


def test_names_match_by_path_then_by_a_file_name_that_is_unique(tmp_path: Path) -> None:
    for name in ["x/one.jpg", "y/one.jpg", "y/two.jpg"]:
        paint(tmp_path / name, seed=len(name))
    (tmp_path / "captions.csv").write_text(
        "image,caption\nx/one.jpg,by path\n./y/one.jpg,by dotted path\ntwo.jpg,by name\nother/two.jpg,by name too\n"
        "one.jpg,ambiguous\nnowhere.jpg,unknown\ny/two.jpg,\n"
    )
    report = index(tmp_path)
    assert captions(tmp_path) == {
        "x/one.jpg": ["by path"],
        "y/one.jpg": ["by dotted path"],
        "y/two.jpg": ["by name", "by name too"],
    }
    assert report.unmatched_captions == 3
    assert "3 caption rows name no image here" in report.summary()


def test_captions_stay_while_their_text_file_cannot_be_read(tmp_path: Path) -> None:
    paint(tmp_path / "photos" / "a.jpg")
    (tmp_path / "disk.txt").write_text("a red field")
    (tmp_path / "photos" / "a.txt").symlink_to(tmp_path / "disk.txt")
    index(tmp_path / "photos")
    (tmp_path / "disk.txt").rename(tmp_path / "unplugged")
    report = index(tmp_path / "photos")
    assert (report.unchanged, report.failed, report.texts) == (1, {"vanished": 1}, 1)
    assert captions(tmp_path / "photos") == {"a.jpg": ["a red field"]}


def test_a_text_file_beside_the_picture_holds_one_caption_a_line(tmp_path: Path) -> None:
    paint_three(tmp_path)
    (tmp_path / "red.txt").write_text("\ufeffone\n\n  two   words \none\n", encoding="utf-8")
    (tmp_path / "green.jpg.txt").write_text("three")
    (tmp_path / "captions.csv").write_text("image,caption\nred.jpg,zero\n")
    report = index(tmp_path)
    assert captions(tmp_path) == {"red.jpg": ["zero", "one", "two words"], "green.jpg": ["three"]}
    assert report.ignored == 0


def test_captions_inside_the_file_count_where_nobody_wrote_others(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "described by the camera"
    Image.new("RGB", (30, 30), "red").save(tmp_path / "a.jpg", exif=exif)
    index(tmp_path)
    assert captions(tmp_path) == {"a.jpg": ["described by the camera"]}
    (tmp_path / "a.txt").write_text("described by hand")
    assert index(tmp_path).updated == 1
    assert captions(tmp_path) == {"a.jpg": ["described by hand"]}
    (tmp_path / "a.txt").unlink()
    report = index(tmp_path)
    assert report.updated == 1
    assert "read" not in report.stages
    assert captions(tmp_path) == {"a.jpg": ["described by the camera"]}


def test_changed_captions_are_taken_without_embedding_the_picture_again(tmp_path: Path) -> None:
    paint_three(tmp_path)
    table = tmp_path / "captions.csv"
    table.write_text("image,caption\nred.jpg,old words\nblue.png,the same\n")
    index(tmp_path)
    before = state(tmp_path)
    table.write_text("image,caption\nred.jpg,new words\nblue.png,the same\n")
    report = index(tmp_path)
    assert (report.updated, report.unchanged, report.texts) == (1, 2, 2)
    assert "decode" not in report.stages
    after = state(tmp_path)
    assert captions(tmp_path) == {"red.jpg": ["new words"], "blue.png": ["the same"]}
    assert sorted(row["text"] for row in after["texts"].values()) == ["new words", "the same"]
    for item_id, row in before["images"].items():
        assert row["vector"] == after["images"][item_id]["vector"]
        assert row["thumbnail"] == after["images"][item_id]["thumbnail"]
    assert index(tmp_path).unchanged == 3


def test_captions_that_are_gone_disappear(tmp_path: Path) -> None:
    paint_three(tmp_path)
    (tmp_path / "captions.csv").write_text("image,caption\nred.jpg,words\n")
    index(tmp_path)
    (tmp_path / "captions.csv").unlink()
    assert index(tmp_path).texts == 0
    assert state(tmp_path)["texts"] == {}


def test_a_caption_file_given_by_name_is_remembered(tmp_path: Path) -> None:
    folder = paint_three(tmp_path / "photos")
    (folder / "captions.csv").write_text("image,caption\nred.jpg,not this one\n")
    table = tmp_path / "words.csv"
    table.write_text("image,caption\nred.jpg,this one\n")
    index(folder, captions=table)
    assert captions(folder) == {"red.jpg": ["this one"]}
    assert index(folder).unchanged == 3
    assert captions(folder) == {"red.jpg": ["this one"]}
    table.unlink()
    with pytest.raises(SourceError, match=r"words\.csv cannot be read"):
        index(folder)
    assert captions(folder) == {"red.jpg": ["this one"]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"file;text\na.jpg;b\n", "must begin with a line that names the columns image,caption"),
        (b"", "must begin with a line"),
        (b"image,caption\na.jpg,caf\xe9\n", "is not UTF-8"),
        (b'image,caption\na.jpg,"never closed\n', "line 2"),
    ],
)
def test_a_bad_caption_file_stops_the_run_with_one_sentence(tmp_path: Path, content: bytes, message: str) -> None:
    paint(tmp_path / "a.jpg")
    (tmp_path / "captions.csv").write_bytes(content)
    with pytest.raises(SourceError, match=message):
        index(tmp_path)


def test_a_bad_text_file_is_a_failure_of_its_own(tmp_path: Path) -> None:
    paint_three(tmp_path)
    (tmp_path / "red.txt").write_bytes(b"caf\xe9")
    report = index(tmp_path)
    assert (report.added, report.failed, report.total) == (3, {"caption not UTF-8": 1}, 4)
    (tmp_path / "red.txt").write_text("café", encoding="utf-8")
    assert index(tmp_path).failed == {}
    assert captions(tmp_path) == {"red.jpg": ["café"]}


def test_describing_needs_captions_and_says_where_they_go(tmp_path: Path) -> None:
    paint_three(tmp_path)
    index(tmp_path)
    with pytest.raises(QueryError, match=r"no captions: put a captions\.csv"):
        clipdex.open(tmp_path).describe(tmp_path / "red.jpg")


def test_captions_are_ranked_for_a_picture_and_each_keeps_its_own(tmp_path: Path) -> None:
    paint_three(tmp_path)
    (tmp_path / "captions.csv").write_text(
        "image,caption\nred.jpg,red\nblue.png,blue\ngreen.jpg,green\nblue.png,red\nred.jpg,nothing special\n"
    )
    index(tmp_path)
    hits = clipdex.open(tmp_path).describe(tmp_path / "red.jpg", limit=3)
    assert [(hit.caption, hit.id, hit.rank) for hit in hits][:2] == [("red", "blue.png", 1), ("red", "red.jpg", 2)]
    assert hits[0].score == hits[1].score > hits[2].score
    assert hits[0].path == tmp_path / "blue.png"
    rest = clipdex.open(tmp_path).describe(tmp_path / "red.jpg", limit=10, offset=2)
    assert [hit.rank for hit in rest] == [3, 4, 5]
    words = clipdex.open(tmp_path).search("something blue", target="texts", limit=1)
    assert (words[0].caption, words[0].id) == ("blue", "blue.png")
