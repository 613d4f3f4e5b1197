"""Is a query of several parts what its parts and weights say?"""

from __future__ import annotations

import copy
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import clipdex
from core.errors import ConfigError, QueryError
from core.inference.load import load_encoder
from core.text import zeroshot
from indexer.search.query import Like, Picture, Query, Text, Vector
from indexer.search.searcher import Searcher
from tests.indexer.pictures import COLOURS, index, paint


@pytest.fixture(scope="module")
def coloured(tmp_path_factory: pytest.TempPathFactory) -> Searcher:
    """Twelve images of four colours, each a little different, with captions."""
    folder = tmp_path_factory.mktemp("coloured")
    for number in range(12):
        paint(folder / f"{list(COLOURS)[number % 4]}-{number:02}.png", list(COLOURS)[number % 4], seed=number)
    rows = "".join(f"{file.name},{file.stem.split('-')[0]} image\n" for file in sorted(folder.glob("*.png")))
    (folder / "captions.csv").write_text("image,caption\n" + rows)
    index(folder)
    return clipdex.open(folder)


def vectors(searcher: Searcher) -> dict[str, np.ndarray]:
    snapshot = searcher.snapshot()
    return dict(zip(snapshot.ids, snapshot.vectors.astype(np.float64), strict=True))


def ranked(stored: dict[str, np.ndarray], wanted: np.ndarray) -> dict[str, float]:
    wanted = wanted / np.linalg.norm(wanted)
    scores = {name: float(vector @ wanted) for name, vector in stored.items()}
    return dict(sorted(scores.items(), key=lambda item: (-item[1], item[0])))


def test_the_score_is_the_cosine_with_the_weighted_sum_of_unit_vectors(coloured: Searcher) -> None:
    stored = vectors(coloured)
    red, blue = load_encoder("toy").encode_texts(["red", "blue"]).astype(np.float64)
    wanted = red + 0.5 * stored["green-01.png"] + 2 * np.eye(64)[3] - 0.25 * blue
    hits = coloured.search(
        "red", like=Like("green-01.png", 0.5), vector=Vector(7 * np.eye(64)[3], 2), without=Text("blue", 0.25), limit=12
    )
    expected = ranked(stored, wanted)
    assert [hit.id for hit in hits] == list(expected)
    assert [hit.score for hit in hits] == pytest.approx(list(expected.values()), abs=1e-6)
    for hit in hits:
        assert hit.parts == {
            "red": pytest.approx(float(stored[hit.id] @ red), abs=1e-6),
            "like green-01.png": pytest.approx(float(stored[hit.id] @ stored["green-01.png"]), abs=1e-6),
            "vector": pytest.approx(float(stored[hit.id][3]), abs=1e-6),
            "-blue": pytest.approx(float(stored[hit.id] @ blue), abs=1e-6),
        }


def test_one_part_alone_is_its_own_score_whatever_its_weight(coloured: Searcher) -> None:
    plain = coloured.search("red", limit=12)
    assert [hit.parts for hit in plain] == [{"red": hit.score} for hit in plain]
    assert coloured.search(Text("red", 3), limit=12) == plain


def test_leading_away_turns_the_order_round(coloured: Searcher) -> None:
    towards, away = coloured.search("red", limit=12), coloured.search(without="red", limit=12)
    assert [hit.score for hit in away] == pytest.approx([-hit.score for hit in reversed(towards)], abs=1e-6)
    assert away[0].parts == {"-red": pytest.approx(-away[0].score, abs=1e-6)}
    mixed = coloured.search(["red", "blue"], without=Text("red"), limit=12)
    assert [hit.id for hit in mixed] == [hit.id for hit in coloured.search("blue", limit=12)]


def test_words_to_lead_away_from_weigh_half_unless_told(coloured: Searcher) -> None:
    half = coloured.search("blue", without="green", limit=12)
    assert half == coloured.search("blue", without=Text("green", 0.5), limit=12)
    assert half == coloured.search(coloured.read("blue -green"), limit=12)
    assert half != coloured.search("blue", without=Text("green"), limit=12)


def test_captions_are_ranked_by_several_parts_too(coloured: Searcher) -> None:
    hits = coloured.search("blue", without="green", target="texts", limit=100)
    assert {hit.caption for hit in hits[:3]} == {"blue image"}
    assert {hit.caption for hit in hits[-3:]} == {"green image"}
    assert set(hits[0].parts) == {"blue", "-green"}


def test_a_region_is_searched_as_the_picture_of_it_would_be(coloured: Searcher, tmp_path: Path) -> None:
    pixels = np.zeros((40, 100, 3), np.uint8)
    pixels[:, :50], pixels[:, 50:] = COLOURS["red"], COLOURS["blue"]
    Image.fromarray(pixels).save(tmp_path / "both.png")
    for box, colour in [((0, 0, 0.5, 1), "red"), ((0.5, 0, 1, 1), "blue"), ((0.995, 0.99, 1, 1), "blue")]:
        hits = coloured.search(image=Picture(tmp_path / "both.png", box=box))
        alone = coloured.search(image=Image.fromarray(pixels[:, :50] if colour == "red" else pixels[:, 50:]))
        assert hits[0].id.startswith(colour)
        assert [hit.id for hit in hits] == [hit.id for hit in alone]
        assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in alone], abs=1e-6)


def test_templates_make_the_mean_of_their_prompts(coloured: Searcher, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("a {} thing\n{} indoors\n")
    expected = zeroshot.classifier(load_encoder("toy"), ["red"], ["a {} thing", "{} indoors"])[0]
    hits = coloured.search("red", templates=tmp_path / "prompts.txt", limit=12)
    assert {hit.id: hit.score for hit in hits} == {
        name: pytest.approx(float(vector @ expected), abs=1e-6) for name, vector in vectors(coloured).items()
    }
    with pytest.raises(ConfigError, match="unknown templates '81'; choose one of: 1"):
        coloured.search("red", templates="81")


def test_two_parts_of_one_name_keep_their_scores_apart() -> None:
    query = Query((Text("red"), Text("red", 2), Text("red", -1), Picture("a/b.jpg"), Picture(b""), Like("x")))
    assert query.labels() == ["red", "red (2)", "-red", "image b.jpg", "image", "like x"]
    assert query.kind == "mixed"
    assert Query((Text("red"), Text("blue", -1))).kind == "text"
    assert Query((Like("x"), Vector([1.0]))).kind == "image"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"text": "red", "without": Text("red")}, "the query parts sum to zero"),
        ({"text": ["red"] * 101}, "the query has 101 parts, at most 100"),
        ({"text": "red", "without": ""}, "the query is empty"),
        ({"vector": [0.0] * 64}, "all its numbers are 0"),
        ({"vector": [float("nan")] + [1.0] * 63}, "the vector has no direction: not finite"),
        ({"vector": [float("inf")] + [1.0] * 63}, "the vector has no direction: not finite"),
        ({"vector": [1.0] * 63}, "the vector has the shape (63,), and this collection has vectors of 64 numbers"),
        ({"vector": [[1.0] * 64]}, "the shape (1, 64)"),
        ({"vector": ["a"] * 64}, "the vector is not 64 real numbers"),
        ({"vector": [[1.0], 2.0]}, "the vector is not 64 real numbers"),
    ],
)
def test_parts_that_make_no_sense_get_a_sentence(coloured: Searcher, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(QueryError, match=re.escape(message)):
        coloured.search(**asked)


@pytest.mark.parametrize("weight", [0, 0.0, float("nan"), float("inf"), -float("inf")])
def test_a_weight_is_a_number_other_than_0(weight: float) -> None:
    for part in (lambda: Text("a", weight), lambda: Like("a", weight), lambda: Vector([1.0], weight)):
        with pytest.raises(QueryError, match="a weight must be a finite number other than 0"):
            part()


@pytest.mark.parametrize(
    "box", [(0, 0, 0, 1), (0.5, 0, 0.4, 1), (-0.1, 0, 1, 1), (0, 0, 1, 1.1), (0, 0, float("nan"), 1)]
)
def test_a_region_is_four_fractions(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(QueryError, match="is not left, top, right, bottom as fractions"):
        Picture(b"", box=box)


def test_hits_are_copied_and_pickled_as_a_list_and_a_part_of_them_is_shown_as_they_are(tmp_path: Path) -> None:
    paint(tmp_path / "<red>.png", "red")
    paint(tmp_path / "blue.png", "blue")
    index(tmp_path)
    hits = clipdex.open(tmp_path).search("red")
    assert pickle.loads(pickle.dumps(hits)) == copy.deepcopy(hits) == list(hits) == hits
    shown = hits[:1]._repr_html_()
    assert "&lt;red&gt;.png" in shown and "<red>" not in shown and "data:image/jpeg;base64," in shown
    assert hits[0].id == "<red>.png" and "blue" in hits._repr_html_()


def test_an_unknown_option_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(QueryError, match=r"limt.*limit"):
        Query.of("red", limt=3)  # type: ignore[call-arg]
