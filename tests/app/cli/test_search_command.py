"""Does `clipdex search` understand lines, weights, conditions and formats?"""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.cli.search_options import weighted
from core.inference.load import load_encoder
from tests.app.cli.test_cli import clipdex, fails
from tests.app.conftest import paint
from tests.shared import ROOT


def hits(*words: str | Path) -> list[dict[str, Any]]:
    code, out, _ = clipdex("search", *words, "--json")
    assert code == 0, out
    found: list[dict[str, Any]] = json.loads(out)["hits"]
    return found


def test_a_line_with_signs_means_what_the_options_mean(collection: Path) -> None:
    by_line = hits('card -blue "place 3" folder:red', collection)
    by_options = hits("card", collection, "--without", "blue", "--where", "folder=red", "--limit", "90")
    assert [hit["id"] for hit in by_line] == ["red/red-03.png"]
    (same,) = [hit for hit in by_options if hit["id"] == "red/red-03.png"]
    assert {**same, "rank": 1, "relevance": by_line[0]["relevance"]} == by_line[0]  # another number was searched
    assert set(by_line[0]["parts"]) == {"card", "-blue"}


def test_plain_switches_the_signs_off(collection: Path) -> None:
    assert set(hits("card -blue", collection, "--plain")[0]["parts"]) == {"card -blue"}
    assert len(hits("folder:red", collection, "--plain", "-n", "90")) == 81
    assert len(hits("folder:red", collection, "-n", "90")) == 21


def test_everything_can_be_weighed_and_repeated(collection: Path) -> None:
    code, out, err = clipdex(
        *("search", "red", collection, "--json", "--like", "blue/blue-03.png:0.5", "--like", "green/green-01.png"),
        *("--without", "yellow:0.25", "--without", "at 12:30", "--with", "card:2.0", "--image"),
        f"{collection / 'red' / 'red-01.png'}:3",
    )
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert {part["label"]: part["weight"] for part in told["parts"]} == {
        "red": 1.0,
        "card": 2.0,
        "image red-01.png": 3.0,
        "like blue/blue-03.png": 0.5,
        "like green/green-01.png": 1.0,
        "-yellow": -0.25,
        "-at 12:30": -0.5,
    }
    assert told["hits"][0]["id"] == "red/red-01.png"


@pytest.mark.parametrize(
    ("given", "whole", "expected"),
    [
        ("a.jpg", (), ("a.jpg", 1.0)),
        ("a.jpg:2", (), ("a.jpg", 2.0)),
        ("a.jpg:2", ("a.jpg:2",), ("a.jpg:2", 1.0)),
        ("a:1:.5", (), ("a:1", 0.5)),
        ("a.jpg:", (), ("a.jpg:", 1.0)),
        ("a.jpg:-1", (), ("a.jpg:-1", 1.0)),
        ("at 12:30", None, ("at 12:30", 1.0)),
        ("snow:0.5", None, ("snow", 0.5)),
        (":0.5", None, (":0.5", 1.0)),
    ],
)
def test_a_weight_stands_behind_a_colon(given: str, whole: tuple[str, ...] | None, expected: tuple[str, float]) -> None:
    assert weighted(given, None if whole is None else whole.__contains__) == expected


def test_conditions_are_all_met(collection: Path) -> None:
    found = hits("red", collection, "--where", "folder=blue", "--where", "width>130", "-n", "90")
    assert {hit["id"].split("/")[0] for hit in found} == {"blue"}
    assert {hit["width"] for hit in found} == {136, 144, 152}
    listed = hits(collection, "--where", "id=*-07.png")  # no QUERY: the one word is the folder
    assert [hit["id"] for hit in listed] == [
        f"{colour}/{colour}-07.png" for colour in ("blue", "green", "red", "yellow")
    ]


def test_with_an_example_one_word_is_a_folder_only_if_there_is_one(collection: Path) -> None:
    assert hits(collection, "--like", "red/red-01.png")[0]["parts"] == {"like red/red-01.png": pytest.approx(1)}
    assert set(hits("blue", collection, "--like", "red/red-01.png")[0]["parts"]) == {"blue", "like red/red-01.png"}


def test_a_region_of_the_picture_can_be_looked_for(collection: Path, tmp_path: Path) -> None:
    from PIL import Image

    both = Image.new("RGB", (100, 50), (214, 24, 24))
    both.paste((24, 48, 214), (50, 0, 100, 50))
    both.save(tmp_path / "both.png")
    for region, colour in (("0,0,0.5,1", "red"), ("0.5,0,1,1", "blue")):
        found = hits(collection, "--image", tmp_path / "both.png", "--region", region)
        assert found[0]["id"].startswith(colour)


def test_hybrid_shows_both_rankings(collection: Path) -> None:
    found = hits("red disc place 7", collection, "--hybrid", "-n", "90")
    assert max(found, key=lambda hit: float(hit["parts"]["full text"]))["id"] == "red/red-07.png"
    assert set(found[0]["parts"]) == {"red disc place 7", "full text", "fused"}


def test_what_does_not_match_is_shown_and_said(collection: Path) -> None:
    code, out, err = clipdex("search", "an invoice", collection, "-n", "3")
    assert (code, len(out.splitlines())) == (0, 3)
    assert err == "note: nothing here clearly matches; these are the best guesses\n"
    assert clipdex("search", "red", collection)[2] == ""
    answers = [json.loads(clipdex("search", words, collection, "--json")[1]) for words in ("an invoice", "red")]
    assert [answer["nothing_matches"] for answer in answers] == [True, False]
    assert answers[0]["hits"][0]["relevance"] < 0.5 <= answers[1]["hits"][0]["relevance"]
    assert clipdex("search", "an invoice", collection, "--texts")[2] == ""


def test_csv_is_a_table_with_the_parts_last(collection: Path) -> None:
    code, out, _ = clipdex("search", "red -blue", collection, "--csv", "-n", "90")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert len(rows) == 81
    assert list(rows[0]) == ["rank", "score", "id", "path", "caption", "width", "height", "red", "-blue"]
    assert [row["rank"] for row in rows] == [str(rank) for rank in range(1, 82)]
    (hostile,) = [row for row in rows if "<img" in row["caption"]]
    assert "pwned" in hostile["caption"]
    assert clipdex("search", "width>9999", collection, "--csv")[1].startswith("rank,score,id,path")


def test_what_was_not_meant_is_told_beside_the_answer(collection: Path) -> None:
    assert clipdex("search", "foldr:red", collection)[2].startswith(
        "note: 'foldr:red' was searched as words; the columns"
    )
    code, out, err = clipdex("search", 'red "no such words" width>5', collection)
    assert (code, out) == (0, "")
    assert err == 'note: nothing meets width>5 and "no such words"; --plain takes signs as words\n'


def test_a_list_by_conditions_has_no_scores(collection: Path) -> None:
    code, out, err = clipdex("search", collection, "--where", "id=*-07.png", "-n", "2")
    assert (code, err) == (0, "")
    assert [line.split("\t") for line in out.splitlines()] == [
        ["", str(collection / colour / f"{colour}-07.png")] for colour in ("blue", "green")
    ]
    assert [hit["score"] for hit in hits(collection, "--where", "id=*-07.png")] == [None] * 4
    rows = list(csv.DictReader(io.StringIO(clipdex("search", "id=*-07.png", collection, "--csv")[1])))
    assert [row["score"] for row in rows] == [""] * 4
    assert all(hit["score"] is not None for hit in hits('"place 7"', collection))


def test_phrases_in_a_collection_without_captions_are_looked_for_in_names(tmp_path: Path) -> None:
    paint(tmp_path / "a.png", "red", 1)
    assert clipdex("index", tmp_path, "--model", "toy", "-q")[0] == 0
    assert clipdex("search", '"knife"', tmp_path) == (
        0,
        "",
        'note: nothing meets "knife"; the collection has no captions, so only the names of files were looked at; '
        "--plain takes signs as words\n",
    )
    assert "no captions" not in clipdex("search", "red width>9999", tmp_path)[2]


def test_a_page_past_the_end_says_how_many_hits_there_are(collection: Path) -> None:
    assert clipdex("search", "red", collection, "--offset", "1000") == (0, "", "note: there are only 81 hits\n")
    assert clipdex("search", "folder:red", collection, "--offset", "21")[2] == "note: there are only 21 hits\n"
    assert clipdex("search", '"place 3" folder:red', collection, "--offset", "7")[2] == "note: there is only 1 hit\n"


def test_words_that_begin_with_a_minus_are_told_where_to_stand(collection: Path) -> None:
    for words in ("-snow", "-snow red", "-night", '-"parking lot"', "-(a red car)"):
        said = fails("search", words, collection)
        assert said.startswith(
            f"{words!r} looks like an option: put words that begin with a minus behind --, after all"
        )
        assert ("or write --without snow" in said) == (words == "-snow")
    assert "--without" not in fails("search", "-concept:c3 red", collection)
    assert fails("search", "-mountain", collection).startswith("'-mountain' was taken for the option -m with the model")
    assert fails("search", "-5 degrees", collection).startswith("'-5 degrees' looks like an option")
    assert "clipdex search --limit 5 -- -mountain FOLDER" in fails("search", "-mountain", "red", collection)
    assert "was taken for" not in fails("search", "red", collection, "-m", "ountain")
    assert "looks like" not in fails("search", "--snow", collection)
    assert "looks like" not in fails("search", "red", collection, "-mtoy", "--limit", "abc")
    assert clipdex("search", "-n", "3", "--", "-blue red", collection)[0] == 0


def test_a_folder_alone_is_told_apart_from_words(collection: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my photos").mkdir()
    said = fails("search", "my photos")
    assert said == "'my photos' is a folder; say what to find, as in: clipdex search \"a red car\" 'my photos'"
    assert f"{collection} is a folder; say what to find" in fails("search", collection)
    assert "no collection in" in fails("search", "photos")
    monkeypatch.chdir(collection)
    assert set(hits("red")[0]["parts"]) == {"red"}  # inside a collection it is a word like any other


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["red", "--where", "widht>5"], "unknown column 'widht', nearest: width; the columns are: camera (text)"),
        (["red", "--where", "width>wide"], "width is a number, and 'wide' is none"),
        (["width:wide"], "width is a number, and 'wide' is none"),
        (["red", "--where", "'; DROP TABLE images"], "is not a condition"),
        (["red -(blue"], "the parenthesis in '-(blue' is not closed"),
        (["red", "--without", "red:1.0"], "the query parts sum to zero"),
        (["red", "--json", "--csv"], "choose one of --json and --csv"),
        (["red", "--image", "https://x.org/a.jpg"], "addresses (https) are not read here: download the image"),
        (["red", "--json", "--save", "hits.zip"], "choose one of --json and --save"),
        (["red", "--csv", "--save", "hits.csv"], "choose one of --csv and --save"),
        (["red", "--region", "0,0,1,1"], "--region is a part of the one image that --image or --like names; there"),
        (["red", "--like", "red/red-01.png", "--region", "0.5,0,0.2,1"], "is not left, top, right, bottom"),
        (["red", "--tiles"], "has no tiles, the parts of images that --tiles looks at"),
        (["red", "--tiles", "--texts"], "only images have tiles, not captions"),
        (["red", "--vector", "gone.npy"], "gone.npy cannot be read: No such file or directory"),
        (["red", "--templates", "9"], "unknown templates '9'"),
        (["red", "--like", "'; DROP TABLE images"], "is indexed here"),
        (["red", "--like", "red/red-01.png:0"], "a weight must be a finite number other than 0, not 0.0"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(collection: Path, words: list[str], message: str) -> None:
    query, *options = words
    assert message in fails("search", query, collection, *options)


def test_a_region_must_be_four_numbers(collection: Path) -> None:
    file = collection / "red" / "red-01.png"
    for region in ("0,0,1", "a,b,c,d", "0,0,2,2"):
        assert "left,top,right,bottom" in fails("search", collection, "--image", file, "--region", region).replace(
            ", ", ","
        )


LARGE = ("torch", "lancedb", "pandas", "ftfy", "rich", "huggingface_hub")  # packages: each takes longer than a search


def test_a_search_by_words_imports_no_large_package_and_finds_the_same(tmp_path: Path) -> None:
    for number, colour in enumerate(("red", "blue", "green")):
        paint(tmp_path / f"{colour}.png", colour, number)
    assert clipdex("index", tmp_path, "--model", "tiny", "-q") == (0, "", "")
    code = (
        "import sys\nfrom app.cli import main\ntry:\n    main(['search', 'a Red card', sys.argv[1], '--json'])\n"
        f"finally:\n    print(*sorted(set({LARGE}) & set(sys.modules)), file=sys.stderr)"
    )
    expected = hits("a Red card", tmp_path)  # keeps what is the same for all queries of a model: its everyday phrases
    command = [sys.executable, "-W", "error", "-c", code, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr.split()) == (0, [])
    found = json.loads(done.stdout)["hits"]
    assert [hit["id"] for hit in found] == [hit["id"] for hit in expected]
    assert [hit["score"] for hit in found] == pytest.approx([hit["score"] for hit in expected], abs=2e-3)


def test_a_vector_comes_from_a_file_or_from_another_program(collection: Path, tmp_path: Path) -> None:
    vector = np.load(_saved(tmp_path / "red.npy", load_encoder("toy").encode_texts(["red"])[0]))
    best = hits("red", collection, "-n", "3")
    assert [hit["id"] for hit in hits(collection, "--vector", tmp_path / "red.npy", "-n", "3")] == [
        hit["id"] for hit in best
    ]
    _saved(tmp_path / "row.npy", vector[np.newaxis].astype(np.float16))
    (tmp_path / "red.json").write_text(json.dumps(vector.tolist()))
    for file in ("row.npy", "red.json"):
        found = hits(collection, "--vector", tmp_path / file, "-n", "3")
        assert [hit["score"] for hit in found] == pytest.approx([hit["score"] for hit in best], abs=1e-3)
    command = [sys.executable, "-m", "app.cli", "search", str(collection), "--vector", "-", "--json", "-n", "3"]
    piped = subprocess.run(command, input=(tmp_path / "red.json").read_bytes(), capture_output=True, cwd=ROOT)
    assert [hit["id"] for hit in json.loads(piped.stdout)["hits"]] == [hit["id"] for hit in best], piped.stderr
    (tmp_path / "long.json").write_text(json.dumps((vector * 3).tolist()))
    code, _, err = clipdex("search", collection, "--vector", tmp_path / "long.json")
    assert (code, err) == (0, "note: the vector has length 3, not 1; only its direction counts\n")


def _saved(file: Path, array: Any) -> Path:
    np.save(file, array)
    return file


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, 2.0], "the vector has the shape (2,), and this collection has vectors of 64 numbers"),
        ([float("nan")] * 64, "the vector has no direction: not finite"),
        ([0.0] * 64, "the vector has no direction: all its numbers are 0"),
        ([[1.0] * 64, [2.0] * 64], "does not hold a plain list of numbers"),
        ([True] * 64, "does not hold a plain list of numbers"),
        ([10**400] * 64, "holds a number too large to compute with"),
        ({"vector": [1]}, "does not hold a plain list of numbers"),
        (np.zeros((2, 64)), "holds an array of shape (2, 64); a search takes one vector, a row of numbers"),
        (np.array(["red"]), "holds str"),
        (b"\x93NUMPY\x01\x00\xff", "is not an .npy file that can be read"),
        (b"red", "is neither an .npy file nor JSON"),
        (b"", "is empty; a vector is an .npy file or a JSON list of numbers"),
        (b"[" * 100_000, "is neither an .npy file nor JSON"),
    ],
)
def test_a_vector_that_is_none_is_refused_in_one_line(
    collection: Path, tmp_path: Path, values: Any, message: str
) -> None:
    file = tmp_path / "given"
    if isinstance(values, np.ndarray):
        with file.open("wb") as out:
            np.save(out, values)
    else:
        file.write_bytes(values if isinstance(values, bytes) else json.dumps(values).encode())
    assert message in fails("search", collection, "--vector", file)


def test_a_region_of_a_picture_of_the_collection_is_looked_for(tmp_path: Path) -> None:
    halves = Image.new("RGB", (80, 40), (220, 20, 20))
    halves.paste((20, 40, 220), (40, 0, 80, 40))
    halves.save(tmp_path / "halves.png")
    for name, colour in (("red", (220, 20, 20)), ("blue", (20, 40, 220))):
        Image.new("RGB", (40, 40), colour).save(tmp_path / f"{name}.png")
    assert clipdex("index", tmp_path, "--model", "toy")[0] == 0
    assert hits(tmp_path, "--like", "halves.png", "--region", "0,0,0.5,1")[0]["id"] == "red.png"
    best = hits(tmp_path, "--like", "halves.png:0.5", "--region", "0.5,0,1,1")[0]
    assert (best["id"], best["score"]) == ("blue.png", 1.0)
    (tmp_path / "halves.png").unlink()
    assert hits(tmp_path, "--like", "halves.png")[0]["id"] == "halves.png"
    said = fails("search", tmp_path, "--like", "halves.png", "--region", "0,0,0.5,1")
    assert "a region of halves.png needs its file, and that" in said


def test_tiles_are_asked_for_and_shown(tmp_path: Path) -> None:
    image = Image.new("RGB", (300, 200), (20, 160, 30))
    image.paste((220, 20, 20), (250, 150, 280, 180))
    image.save(tmp_path / "meadow.png")
    assert clipdex("index", tmp_path, "--model", "toy", "--tiles")[0] == 0
    assert hits("red", tmp_path)[0]["box"] is None
    left, top, right, bottom = hits("red", tmp_path, "--tiles")[0]["box"]
    assert left <= 250 / 300 and top <= 0.75 and right == bottom == 1
    assert json.loads(clipdex("status", tmp_path, "--json")[1])["tiles"] == 28
    assert "tiles" in clipdex("status", tmp_path)[1]


def test_a_collection_in_an_object_store_is_named_by_its_url(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    url = f"file://{tmp_path}/far"
    code, _, err = clipdex("index", collection, "--model", "toy", "--to", url)
    assert (code, err) == (0, "")
    here = [hit["id"] for hit in hits("red", collection, "-n", "5")]
    assert [hit["id"] for hit in hits("red", url, "-n", "5")] == here
    picture = collection / "red" / "red-01.png"
    assert hits(url, "--image", picture)[0]["id"] == "red/red-01.png"
    code, out, _ = clipdex("status", url)
    assert code == 0 and url in out and "cache" not in out
