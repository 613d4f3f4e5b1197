"""Do neighbours stay neighbours on the map, and does it stay the same map?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import clipdex
from indexer.map.layout import lay_out, nearest, principal
from indexer.map.projection import FOLDER, cached_map, discard_map, project
from tests.app.conftest import paint
from tests.indexer.dedup.test_duplicates import unit
from tests.indexer.pictures import index


def groups(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors in thirty groups that two directions cannot tell apart -> (n, 48) and the group of each."""
    draw = np.random.default_rng(seed)
    middles, of = draw.normal(size=(30, 48)), draw.integers(30, size=n)
    return unit(middles[of] + 0.55 * draw.normal(size=(n, 48))), of


def kept_neighbours(vectors: np.ndarray, places: np.ndarray, k: int = 10) -> float:
    """Of the k nearest vectors, how many are among the k nearest on the map: the mean part."""
    before, after = nearest(vectors, k)[0], nearest(places, k)[0]
    return float(np.mean([len(np.intersect1d(one, other)) for one, other in zip(before, after, strict=True)])) / k


def test_the_map_keeps_far_more_neighbours_than_the_first_two_directions() -> None:
    vectors, of = groups(600)
    places = lay_out(vectors)
    assert kept_neighbours(vectors, places) > 2.5 * kept_neighbours(vectors, principal(vectors, 2))
    around = of[nearest(places, 10)[0]]
    assert (around == of[:, np.newaxis]).mean() > 0.97, "groups lie apart"


def test_the_same_vectors_and_seed_give_the_same_map_and_fill_the_frame() -> None:
    vectors, _ = groups(300)
    places = lay_out(vectors)
    assert np.array_equal(places, lay_out(vectors))
    assert not np.array_equal(places, lay_out(vectors, seed=1))
    low, high = places.min(axis=0), places.max(axis=0)
    assert max(high - low) == pytest.approx(0.98, abs=1e-5)
    assert (low + high) / 2 == pytest.approx([0.5, 0.5], abs=1e-5)


@pytest.mark.parametrize("n", [0, 1, 3, 4, 17])
def test_few_or_equal_vectors_have_places_too(n: int) -> None:
    vectors, _ = groups(max(n, 1))
    assert np.isfinite(lay_out(vectors[:n])).all()
    assert np.isfinite(lay_out(np.repeat(vectors[:1], 20, axis=0))).all()


def test_the_work_tells_how_far_it_is() -> None:
    told: list[tuple[str, int, int]] = []
    lay_out(groups(50)[0], progress=lambda *one: told.append(one))
    assert list(dict.fromkeys(stage for stage, _, _ in told)) == ["main directions", "nearest images", "layout"]
    assert all(0 <= done <= of for _, done, of in told)


def test_a_kept_map_is_read_again_and_a_damaged_one_is_none(cards: Path) -> None:
    snapshot = clipdex.open(cards).snapshot()
    discard_map(snapshot)
    assert cached_map(snapshot) is None
    made = project(snapshot)
    again = cached_map(snapshot)
    assert again is not None
    assert np.array_equal(again.places, made.places)
    assert (again.new, again.stale) == (0, False)
    (file,) = (snapshot.collection.path / FOLDER).iterdir()
    whole = file.read_bytes()
    for damaged in (b"", whole[:-1], whole[:60] + bytes([whole[60] ^ 1]) + whole[61:], b"x" + whole[1:]):
        file.write_bytes(damaged)
        assert cached_map(snapshot) is None
    assert np.array_equal(project(snapshot).places, made.places)


def test_a_new_picture_lies_beside_its_nearest_and_a_renamed_one_stays(cards: Path) -> None:
    first = clipdex.open(cards).snapshot()
    project(first)
    before = cached_map(first)
    paint(cards / "blue" / "new.png", "blue", 7)
    (cards / "red" / "red-0.png").rename(cards / "red" / "renamed.png")
    index(cards)
    snapshot = clipdex.open(cards).snapshot()
    now = cached_map(snapshot)
    assert before is not None
    assert now is not None
    assert (now.new, now.stale) == (1, False)
    assert np.array_equal(now.places[snapshot.rows["red/renamed.png"]], before.places[first.rows["red/red-0.png"]])
    new = snapshot.rows["blue/new.png"]
    nearest_ones = np.argsort(np.linalg.norm(now.places - now.places[new], axis=1))[1:6]
    assert {snapshot.ids[row].split("/")[0] for row in nearest_ones} == {"blue"}


def test_a_map_of_other_pictures_is_none_and_one_of_few_is_worth_making_anew(cards: Path) -> None:
    project(clipdex.open(cards).snapshot())
    for number in range(20):
        paint(cards / "green" / f"more-{number}.png", "green", 40 + number)
    index(cards)
    snapshot = clipdex.open(cards).snapshot()
    now = cached_map(snapshot)
    assert now is not None
    assert now.stale
    assert np.isfinite(now.places).all()
    for path in cards.rglob("*.png"):
        path.unlink()
    for number in range(5):
        Image.new("RGB", (30, 30), (number * 50, 0, 200)).save(cards / f"other-{number}.png")
    index(cards, allow_removal=True)
    assert cached_map(clipdex.open(cards).snapshot()) is None


@pytest.fixture
def cards(tmp_path: Path) -> Path:
    """Sixteen images in each of three colours."""
    for colour in ("red", "green", "blue"):
        for number in range(16):
            paint(tmp_path / colour / f"{colour}-{number}.png", colour, number)
    index(tmp_path)
    return tmp_path
