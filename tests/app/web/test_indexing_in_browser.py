"""Is a folder indexed from the browser: progress, stop, on again, found; the same in two windows?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

import clipdex
from tests.app.chromium import PATIENCE, expect_first, expect_idle, search, tiles
from tests.app.conftest import Server, fill, serve

pytestmark = pytest.mark.browser
COUNT = 600


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Server]:
    """The app without any collection."""
    yield from serve(tmp_path, opens=False)


def test_a_folder_is_indexed_stopped_indexed_again_and_searched(
    empty: Server, page: Page, browser: Browser, tmp_path: Path
) -> None:
    fill(tmp_path / "cards", COUNT)
    page.goto(empty.url)
    expect(page.get_by_role("heading", name="Choose a folder of images")).to_be_visible(timeout=PATIENCE)
    expect_idle(page)
    folder, name = (page.get_by_role("textbox", name=label) for label in ("Folder of images", "Its name or path"))
    folder.fill(str(tmp_path / "cards"))
    folder.press("Enter")
    expect_idle(page)
    page.get_by_role("combobox", name=re.compile("Model")).click()
    page.get_by_role("option", name="Another model …").click()
    expect(name).to_be_visible()
    expect_idle(page)
    name.fill("toy")
    name.press("Enter")
    expect(page.get_by_role("button", name="Index", exact=True)).to_be_enabled()
    expect_idle(page)
    page.get_by_role("button", name="Index", exact=True).click()
    expect(page.get_by_text(re.compile(rf"Indexing · [1-9]\d* of {COUNT}"))).to_be_visible(timeout=PATIENCE)

    other = browser.new_page()  # another window, of another person
    other.set_default_timeout(PATIENCE)
    other.goto(f"{empty.url}/library")
    expect(other.get_by_text(re.compile(rf"\d+ of {COUNT}"))).to_be_visible(timeout=PATIENCE)
    other.reload()
    other.get_by_role("button", name="Stop", exact=True).click(timeout=PATIENCE)
    expect(page.get_by_text(re.compile(r"stopped: \d+ left; the next run goes on from here"))).to_be_visible(
        timeout=PATIENCE
    )
    other.close()

    done = set(clipdex.open(tmp_path / "cards").snapshot().ids)
    assert 0 < len(done) < COUNT
    left = [file for file in sorted((tmp_path / "cards").glob("*/*.png"), reverse=True) if key(file) not in done]
    for file in left[3:]:
        file.unlink()
    page.get_by_role("link", name="Details").click()
    expect(page.get_by_test_id("stMetricValue").first).to_have_text(str(len(done)), timeout=PATIENCE)
    expect_idle(page)
    page.get_by_role("button", name="Index again").click()
    expect(page.get_by_test_id("stMetricValue").first).to_have_text(str(len(done) + 3), timeout=PATIENCE)
    page.get_by_role("link", name="Search it").click()
    expect(tiles(page).first).to_be_visible(timeout=PATIENCE)
    search(page, left[0].parent.name)
    expect_first(page, left[0].parent.name)


def key(file: Path) -> str:
    return f"{file.parent.name}/{file.name}"
