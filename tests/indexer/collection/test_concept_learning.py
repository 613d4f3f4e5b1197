"""Do a few examples find the rest of their kind?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import clipdex
from core.errors import QueryError
from indexer.collection.concept_learning import learn_concept
from indexer.search.searcher import Searcher
from tests.indexer.pictures import index


@pytest.fixture(scope="module")
def searcher(tmp_path_factory: pytest.TempPathFactory) -> Searcher:
    """60 images in four colours with noise; ten of them have a bright stripe at the top, whatever their colour."""
    folder = tmp_path_factory.mktemp("concepts")
    draw = np.random.default_rng(0)
    colours = [(200, 30, 30), (30, 160, 40), (30, 40, 200), (120, 120, 120)]
    for number in range(60):
        pixels = np.full((40, 40, 3), colours[number % 4], np.float64) + draw.normal(0, 25, (40, 40, 3))
        if number % 6 == 0:
            pixels[:10] = 245
        name = f"{number:02}-{'stripe' if number % 6 == 0 else 'plain'}.png"
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / name)
    index(folder)
    return clipdex.open(folder)


def test_two_examples_of_different_colour_find_what_they_share(searcher: Searcher) -> None:
    concept = learn_concept(searcher.snapshot(), ["00-stripe.png", "06-stripe.png"], ["04-plain.png", "02-plain.png"])
    assert np.linalg.norm(concept) == pytest.approx(1, abs=1e-5)
    found = [hit.id for hit in searcher.search(vector=concept, limit=10)]
    alike = [hit.id for hit in searcher.search(like="00-stripe.png", limit=10)]
    assert sum("stripe" in item for item in found) >= 9
    assert sum("stripe" in item for item in found) > sum("stripe" in item for item in alike)


def test_what_does_not_fit_goes_back(searcher: Searcher) -> None:
    def rank(concept: np.ndarray) -> int:
        return [hit.id for hit in searcher.search(vector=concept, limit=60)].index("01-plain.png")

    snapshot = searcher.snapshot()
    assert rank(learn_concept(snapshot, ["05-plain.png"], ["01-plain.png"])) > rank(
        learn_concept(snapshot, ["05-plain.png"])
    )


@pytest.mark.parametrize(
    ("fits", "does_not", "message"),
    [
        ([], ["01-plain.png"], "at least one example"),
        (["01-plain.png"], ["01-plain.png"], "01-plain.png is an example that fits and one that does not"),
        (["01-plan.png"], [], "no image '01-plan.png' is indexed here; nearest: 01-plain.png"),
    ],
)
def test_examples_that_make_no_sense_are_refused(
    searcher: Searcher, fits: list[str], does_not: list[str], message: str
) -> None:
    with pytest.raises(QueryError, match=message):
        learn_concept(searcher.snapshot(), fits, does_not)


def test_a_collection_of_one_picture_has_no_concepts(tmp_path: Path) -> None:
    Image.new("RGB", (20, 20), "red").save(tmp_path / "a.png")
    index(tmp_path)
    with pytest.raises(QueryError, match="do not differ from the rest"):
        learn_concept(clipdex.open(tmp_path).snapshot(), ["a.png"])
