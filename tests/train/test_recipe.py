"""A recipe says everything, and a mistake in it is one line that names the file and the field."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import ConfigError
from tests.shared import ROOT
from train.recipe import read_recipe

RECIPES = sorted((ROOT / "train/recipes").glob("*.toml"))
SMALL = (ROOT / "tests/train/small.toml").read_text("utf-8")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_committed_recipe_is_whole(path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe.name == path.stem


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("seed = 3", "sede = 3"), "sede: Extra inputs are not permitted"),
        (("steps = 6", "steps = 0"), "schedule.steps: Input should be greater than 0"),
        (("warmup_steps = 2", "warmup_steps = 6"), "warmup_steps 6 leaves nothing of 6 steps"),
        (("image_size = 32 # preprocess", "image_size = 64"), "is not model.vision.image_size 32"),
        (('activation = "gelu"', 'activation = "swish"'), "activation: Input should be 'gelu' or 'quick_gelu'"),
        (('kind = "scenes"', 'kind = "scene"'), "scenes"),
        (("width = 16 # text", "width = 16\nvocab_size = 9"), "text.vocab_size comes from the tokenizer"),
        (("[schedule]", "[schedule"), "cannot be read as TOML"),
    ],
)
def test_a_mistake_is_named(change: tuple[str, str], complaint: str, tmp_path: Path) -> None:
    assert change[0] in SMALL
    path = tmp_path / "wrong.toml"
    path.write_text(SMALL.replace(*change), "utf-8")
    with pytest.raises(ConfigError) as caught:
        read_recipe(path)
    assert complaint in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_recipe_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such recipe"):
        read_recipe(tmp_path / "none.toml")


def test_phases_change_sizes_and_shares_and_no_picture_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "phases.toml"
    phases = "[[phases]]\nbefore = 2\nsize = 16\nshares = [1, 2, 3]\n"
    phases += "[[phases]]\nbefore = 4\nsize = 24\nmin_area = 0.75\nclassify = false\n"
    resnet = SMALL.replace('kind = "resnet"', 'kind = "small_resnet"').replace("width = 4\nheads = 2", "width = 4", 1)
    path.write_text(resnet.replace("[augment]", phases + "[augment]"), "utf-8")
    recipe = read_recipe(path)
    assert [recipe.image_size(step) for step in range(6)] == [16, 16, 24, 24, 32, 32]
    assert [recipe.shares(step) for step in (0, 1, 2, 5)] == [(1, 2, 3), (1, 2, 3), (6, 5, 5), (6, 5, 5)]
    assert [recipe.classifies(step) for step in range(6)] == [True, True, False, False, True, True]
    assert [recipe.min_areas(step) for step in (1, 3, 5)] == [(0.4,) * 3, (0.75,) * 3, (0.4,) * 3]
    totals: tuple[int, ...] = (0, 0, 0)
    for step in range(6):
        assert recipe.visited(step) == totals
        totals = tuple(total + share for total, share in zip(totals, recipe.shares(step), strict=True))
    path.write_text(resnet.replace("[augment]", "[[phases]]\nbefore = 2\nshares = [1]\n[augment]"), "utf-8")
    with pytest.raises(ConfigError, match=r"phases\.shares needs 3 numbers"):
        read_recipe(path)
