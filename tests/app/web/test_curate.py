"""Does what people do with selected images reach the collection, and the way back, too?"""

from __future__ import annotations

import io
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest

import clipdex
from app.server import exports
from app.web.components.markdown import as_text
from tests.app.chromium import PATIENCE, expect_count, expect_idle, search
from tests.app.chromium import tiles as found
from tests.app.conftest import Server, paint, serve
from tests.app.web.test_pages import opened, tiles
from tests.gallery import settled


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("curated")
    for colour in ("red", "blue"):
        for number in range(6):
            paint(place / colour / f"{number}.png", colour, number)
    clipdex.index(place, model="toy")
    return place


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A collection that a test may change."""
    return Path(shutil.copytree(made, tmp_path / "pictures"))


@pytest.fixture
def app(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    return opened(folder, monkeypatch)


def select(app: AppTest, count: int) -> list[str]:
    """Tick the first tiles."""
    ids = tiles(app)[:count]
    for item in ids:
        next(box for box in app.checkbox if (box.key or "").startswith(f"select-{item}-")).check()
    app.run()
    return ids


def told(app: AppTest) -> str:
    return " ".join(str(one.value).replace("\\", "") for one in app.toast)


def test_nothing_selected_shows_no_bar(app: AppTest) -> None:
    app.query_params["q"] = "red"
    app.run()
    assert not app.exception and not [one for one in app.button if (one.key or "").startswith("curate-")]


def test_tags_of_one_picture_are_given_and_taken_where_it_is_looked_at(app: AppTest, folder: Path) -> None:
    app.query_params["q"] = "red"
    app.query_params["item"] = "red/2.png"
    app.run()
    app.multiselect("viewer-new").set_value(["warm", "a trip"]).run()
    assert not app.exception and told(app) == "1 image tagged warm, a trip"
    searcher = clipdex.open(folder)
    assert [hit.id for hit in searcher.search(searcher.read('tag:warm tag:"a trip"'))] == ["red/2.png"]
    app.button("viewer-tag-a trip").click().run()
    assert told(app) == "a trip taken from 1 image" and clipdex.open(folder).tags() == {"warm": 1}
    assert "warm" not in app.multiselect("viewer-new").options  # it has that already
    app.multiselect("viewer-new").set_value(['12"']).run()
    assert "quotation mark" in told(app) and clipdex.open(folder).tags() == {"warm": 1}


def test_tags_are_given_and_taken(app: AppTest, folder: Path) -> None:
    app.query_params["q"] = "red"
    app.run()
    ids = select(app, 3)
    assert any(str(one.value) == "**3** selected" for one in app.markdown)
    app.multiselect("curate-new").set_value(["warm", "a trip"]).run()
    assert not app.exception and told(app) == "3 images tagged warm, a trip"
    searcher = clipdex.open(folder)
    assert searcher.tags() == {"a trip": 3, "warm": 3}
    app.button("curate-tag-warm").click().run()
    assert told(app) == "warm taken from 3 images" and clipdex.open(folder).tags() == {"a trip": 3}
    app.multiselect("curate-new").set_value(['12"']).run()
    assert "quotation mark" in told(app)
    app.query_params["q"] = 'tag:"a trip"'
    app.run()
    assert sorted(tiles(app)) == sorted(ids)
    assert [one.label for one in app.button if (one.key or "").startswith("chip-")] == [as_text("tag: a trip")]


def test_excluded_pictures_leave_the_answer_and_come_back(app: AppTest) -> None:
    app.query_params["q"] = "red"
    app.run()
    before = tiles(app)
    ids = select(app, 2)
    app.button("curate-exclude").click().run()
    assert not app.exception and any(str(one.value) == "2 images excluded" for one in app.markdown)
    assert set(tiles(app)) == set(before) - set(ids)
    app.button("curate-back").click().run()
    assert tiles(app) == before and not [one for one in app.button if one.key == "curate-back"]
    assert any(str(one.value) == "**2** selected" for one in app.markdown)


def test_examples_lead_the_search_and_a_concept_is_kept(app: AppTest, folder: Path) -> None:
    app.query_params["q"] = "red"
    app.run()
    ids = select(app, 2)
    app.text_input("curate-name").set_value("my cards")
    app.button("curate-keep").click().run()
    assert not app.exception and 'concept:"my cards"' in told(app)
    (kept,) = clipdex.open(folder).concepts()
    assert sorted(kept.fits) == sorted(ids)
    app.button("curate-add").click().run()
    assert sorted(app.query_params["like"]) == sorted(ids)
    app.button("facet-concept-my cards").click().run()
    assert not app.exception and 'red concept:"my cards"' in app.query_params["q"]
    assert tiles(app)[0].startswith("red/")


def test_a_selection_that_changes_with_the_click_is_the_one_that_counts(app: AppTest, folder: Path) -> None:
    app.query_params["q"] = "red"
    app.run()
    ids = select(app, 3)

    def tick(item: str) -> None:
        box = next(box for box in app.checkbox if (box.key or "").startswith(f"select-{item}-"))
        box.set_value(not box.value)  # sent with the click that follows

    tick(ids[0])
    app.multiselect("curate-new").set_value(["warm"]).run()
    assert told(app) == "2 images tagged warm"
    tick(ids[1])
    app.button("curate-tag-warm").click().run()
    searcher = clipdex.open(folder)
    assert told(app) == "warm taken from 1 image" and searcher.search(searcher.read("tag:warm"))[0].id == ids[1]
    tick(ids[0])
    app.text_input("curate-name").set_value("cards")
    app.button("curate-keep").click().run()
    (kept,) = clipdex.open(folder).concepts()
    assert sorted(kept.fits) == sorted([ids[0], ids[2]])
    tick(ids[0])
    app.button("curate-add").click().run()
    assert app.query_params["like"] == ids[2]
    first = select(app, 1)
    tick(first[0])
    tick(ids[1])
    app.button("curate-exclude").click().run()
    assert not app.exception and any(str(one.value) == "1 image excluded" for one in app.markdown)
    assert ids[1] not in tiles(app) and first[0] in tiles(app)


@pytest.fixture(scope="module")
def running(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = Path(shutil.copytree(made, tmp_path_factory.mktemp("served") / "pictures"))
    yield from serve(place)


def test_a_zip_is_given_out_for_what_was_offered_only(running: Server) -> None:
    status, _, body = running.get("/export/0000")
    assert status == 404 and b"select the images again" in body


def test_only_the_last_offers_are_kept() -> None:
    first = exports.offer("key", ["a", "b"])
    assert exports.offer("key", ["a", "b"]) == first != exports.offer("key", ["ab"])
    for number in range(exports.MOST):
        exports.offer("key", [str(number)])
    assert first.rsplit("/", 1)[-1] not in exports._offered


@pytest.mark.browser
def test_a_selection_is_tagged_found_and_exported(page: Page, running: Server) -> None:
    settled(page, f"{running.url}/?q=red")
    expect_count(page, 12)
    found(page).nth(0).hover()
    found(page).nth(0).locator(".pick").click()
    found(page).nth(3).locator(".look").click(modifiers=["Shift"])
    bar = page.locator(".st-key-curate")
    expect(bar).to_contain_text("4 selected", timeout=PATIENCE)
    expect_idle(page)
    bar.get_by_role("button", name="Tag").click()
    page.get_by_role("combobox", name=re.compile("Tags to give them")).fill("warm")
    page.keyboard.press("Enter")
    expect(page.get_by_text("4 images tagged warm")).to_be_visible(timeout=PATIENCE)
    assert clipdex.open(running.folder).tags() == {"warm": 4}
    expect_idle(page)
    page.keyboard.press("Escape")
    bar.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Table (CSV)").click()
    assert Path(str(download.value.path())).read_text().count("\n") == 5
    link = page.get_by_role("link", name="Files (ZIP)").get_attribute("href")
    status, headers, body = running.get(str(link).removeprefix(running.url))
    assert (status, headers["content-type"]) == (200, "application/zip") and "attachment" in headers[
        "content-disposition"
    ]
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None and len(archive.namelist()) == 4
    page.keyboard.press("Escape")
    search(page, "tag:warm")
    expect_count(page, 4)
    expect(page.get_by_role("button", name="tag: warm")).to_be_visible()
    expect(bar).to_contain_text("4 selected")
    expect_idle(page)
    bar.get_by_role("button", name="Exclude").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    expect_idle(page)
    page.get_by_role("button", name="Undo").click()
    expect_count(page, 4)
    expect(bar).to_contain_text("4 selected", timeout=PATIENCE)  # what was selected is so again


@pytest.mark.browser
def test_a_tag_is_typed_beside_the_large_picture_without_stepping_to_another(page: Page, running: Server) -> None:
    settled(page, f"{running.url}/?q=red&item=red/3.png")
    box = page.get_by_role("combobox", name="Tags to give it")
    box.fill("wary")
    for key in ("ArrowLeft", "ArrowRight", "ArrowLeft", "Delete", "z", "+"):
        page.keyboard.press(key)
    expect(box).to_have_value("warz+")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 image tagged warz+")).to_be_visible(timeout=PATIENCE)
    assert "item=red" in page.url and "3.png" in page.url
    expect(page.locator(".fit")).to_have_text("100 %")
    assert "warz+" in clipdex.open(running.folder).tags()
    expect(box).to_be_focused()
    expect_idle(page)
    page.keyboard.press("Escape")  # closes the list of tags alone
    page.get_by_role("button", name="warz+").click()
    expect(page.get_by_text("warz+ taken from 1 image")).to_be_visible(timeout=PATIENCE)
