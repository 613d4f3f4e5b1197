"""Do near-duplicates stand behind the better hit, and all others for themselves?"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import clipdex
from core.errors import QueryError
from indexer.dedup.collapse import Grouping
from indexer.dedup.duplicate_rule import Copies, Kind


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three images of noise in large cells; of the first an equal file, a smaller one and a darker one."""
    place = tmp_path_factory.mktemp("twins")
    draw = np.random.default_rng(3)
    for name in "abc":
        cells = draw.integers(0, 256, (9, 12, 3), np.uint8)
        Image.fromarray(cells).resize((360, 270), Image.Resampling.BICUBIC).save(place / f"{name}.png")
    shutil.copy(place / "a.png", place / "a-equal.png")
    with Image.open(place / "a.png") as image:
        image.resize((200, 150)).save(place / "a-small.jpg", quality=80)
        image.point(lambda value: value * 0.8).save(place / "a-dark.png")
    clipdex.index(place, model="toy")
    return place


def grouped(folder: Path, kind: Kind, ids: list[str]) -> list[list[str]]:
    return [[ids[place] for place in group] for group in Grouping(clipdex.open(folder).snapshot(), kind).of(ids)]


def test_each_kind_groups_what_it_says_behind_the_better_hit(folder: Path) -> None:
    ids = ["b.png", "a-small.jpg", "a.png", "c.png", "a-equal.png", "a-dark.png"]
    assert grouped(folder, "bytes", ids) == [
        ["b.png"],
        ["a-small.jpg"],
        ["a.png", "a-equal.png"],
        ["c.png"],
        ["a-dark.png"],
    ]
    assert grouped(folder, "picture", ids) == [
        ["b.png"],
        ["a-small.jpg", "a.png", "a-equal.png", "a-dark.png"],
        ["c.png"],
    ]


def test_only_so_many_comparisons_are_remembered(folder: Path) -> None:
    snapshot = clipdex.open(folder).snapshot()
    rows = [snapshot.rows[one] for one in ("b.png", "a-small.jpg", "a.png", "c.png", "a-dark.png")]
    few, many = Copies(snapshot, "picture", most_pairs=1), Copies(snapshot, "picture")
    for copies in (few, many, few):
        assert [copies.original(row, rows[:place]) for place, row in enumerate(rows)] == [None, None, 1, None, 2]
    assert few.remembered == 1 < many.remembered


def test_the_groups_of_fewer_hits_are_the_beginning_of_those_of_more(folder: Path) -> None:
    ids = [hit.id for hit in clipdex.open(folder).search(like="a.png", limit=6)]
    every = grouped(folder, "picture", ids)
    for count in range(len(ids) + 1):
        some = grouped(folder, "picture", ids[:count])
        assert [group[0] for group in some] == [group[0] for group in every][: len(some)]
        assert all(group == every[place][: len(group)] for place, group in enumerate(some))


def test_an_unknown_hit_is_an_error(folder: Path) -> None:
    with pytest.raises(QueryError, match=r"no image 'none.png' is indexed here"):
        grouped(folder, "bytes", ["none.png"])
