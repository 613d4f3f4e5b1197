"""Does the page show what is there more than once, and leave everything where it is?"""

from __future__ import annotations

import csv
import io
import os
import shutil
import time
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

import clipdex
from app.web.pages import duplicates as page
from indexer.dedup.duplicates import Group, best_of
from tests.app.conftest import paint
from tests.app.web.test_map_page import settled
from tests.app.web.test_pages import component, opened, shown
from train.scenes import paint as paint_scene

OLD = time.mktime((2019, 5, 3, 12, 0, 0, 0, 0, -1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six scenes; one is there twice as the same file, another also smaller."""
    made = tmp_path_factory.mktemp("twice")
    for seed in range(6):
        paint_scene(seed, size=160).image.save(made / f"{seed}.png")
    shutil.copyfile(made / "2.png", made / "2 again.png")
    os.utime(made / "2.png", (OLD, OLD))
    paint_scene(4, size=160).image.resize((80, 80)).save(made / "4-small.jpg", quality=60)
    clipdex.index(made, model="toy")
    return made


def duplicates_page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    app = opened(folder, monkeypatch)
    app.switch_page("app/web/pages/duplicates.py")
    return app


def press(app: AppTest, key: str) -> None:
    next(one for one in app.button if one.key == key).click()
    settled(app)


def test_each_kind_is_for_itself_and_the_one_to_keep_is_named_with_a_reason(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = settled(duplicates_page(folder, monkeypatch))
    assert "Nothing is ever deleted" in shown(app)
    assert "The files are equal, byte for byte" in shown(app)
    assert "oldest file: 3 May 2019" in shown(app).replace("\\", "")
    assert {one.key for one in app.button if (one.key or "").startswith("keep-")} == {"keep-0-2 again.png"}
    assert [metric.value for metric in app.metric][:2] == ["1", "1"]
    app.query_params["kind"] = "picture"
    settled(app)
    assert "largest: 160 × 160" in shown(app).replace("\\", "")
    assert {one.key for one in app.button if (one.key or "").startswith("keep-")} == {"keep-0-4-small.jpg"}


def test_another_one_can_be_kept_and_the_lists_follow(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = settled(duplicates_page(folder, monkeypatch))
    press(app, "keep-0-2 again.png")
    assert "kept by your choice; suggested was 2\\.png" in shown(app)
    assert {one.key for one in app.button if (one.key or "").startswith("keep-")} == {"keep-0-2.png"}


def test_the_list_of_the_others_names_each_with_the_one_to_keep(folder: Path) -> None:
    searcher = clipdex.open(folder)
    groups = [Group("bytes", ["2.png", "2 again.png"])]
    found = page.Found(groups, best_of(searcher.snapshot(), groups))
    (row,) = csv.DictReader(io.StringIO(page._table(searcher, found, {0: "2.png"}).decode()))
    assert (row["group"], row["image"], row["keep"]) == ("1", "2 again.png", "2.png")
    assert row["path"] == str(folder / "2 again.png")


def test_excluded_ones_are_gone_from_the_page_and_come_back_and_stay_on_the_disk(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = sorted(path.name for path in folder.glob("*.*"))
    app = settled(duplicates_page(folder, monkeypatch))
    press(app, "exclude")
    assert "1 image is excluded" in shown(app)
    assert clipdex.open(folder).snapshot().excluded is not None
    assert "oldest file" not in shown(app)
    press(app, "include")
    assert clipdex.open(folder).snapshot().excluded is None
    assert "oldest file" in shown(app)
    assert sorted(path.name for path in folder.glob("*.*")) == files


def test_the_component_shows_the_copies_side_by_side(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = duplicates_page(folder, monkeypatch)
    del app.query_params["plain"]
    settled(app)
    (group,) = component(app, "clipdex_duplicate_groups")["groups"]
    assert group["keep"] == "2.png"
    assert [copy["name"] for copy in group["copies"]] == ["2.png", "2 again.png"]
    assert "160 × 160" in group["copies"][0]["facts"]


def test_a_collection_without_duplicates_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (40, 30), "red").save(tmp_path / "red.png")
    paint(tmp_path / "blue.png", "blue", 3)
    clipdex.index(tmp_path, model="toy")
    app = settled(duplicates_page(tmp_path, monkeypatch))
    assert [one.value for one in app.success] == ["No image is here more than once."]
