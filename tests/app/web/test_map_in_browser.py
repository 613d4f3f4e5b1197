"""Does the map work in a real browser: drawing, moving, and drawing around images to select them?"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.app.chromium import PATIENCE, at_rest, expect_idle, expect_url, tiles
from tests.app.conftest import Server
from tests.app.web.test_pages import COUNT

pytestmark = pytest.mark.browser


def go_to(page: Page, server: Server, name: str) -> None:
    """By the link at the top: Streamlit asks for files that are not there when a page is opened by its address."""
    page.goto(server.url)
    page.get_by_role("link", name=name).first.click(timeout=PATIENCE)


def drawn(page: Page) -> Locator:
    """The map, when all its images have been painted."""
    dots = page.locator("canvas.dots")
    expect(dots).to_have_attribute("data-seen", str(COUNT), timeout=PATIENCE)
    return dots


def drag(page: Page, dots: Locator, *corners: tuple[float, float]) -> None:
    """Press, move over the corners (parts of the map's width and height), release."""
    box = at_rest(page, dots)
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=4)
    page.mouse.up()


def test_a_lasso_selects_into_the_grid_and_the_url_keeps_it(page: Page, server: Server) -> None:
    go_to(page, server, "Map")
    dots = drawn(page)
    expect(page.locator(".legend button")).to_have_count(4, timeout=PATIENCE)
    expect_idle(page)
    page.get_by_role("button", name="Draw around images").click()
    drag(page, dots, (0.5, 0.02), (0.98, 0.02), (0.98, 0.99), (0.02, 0.99), (0.02, 0.02))
    expect(page.get_by_role("heading", name=f"{COUNT} images selected")).to_be_visible(timeout=PATIENCE)
    expect(tiles(page).first).to_be_visible(timeout=PATIENCE)
    expect_url(page, "area=")
    expect_idle(page)
    clear = page.get_by_role("button", name=f"{COUNT} selected: clear the selection")
    clear.click()
    expect(clear).to_be_hidden(timeout=PATIENCE)
    expect(tiles(page)).to_have_count(0, timeout=PATIENCE)
    page.go_back()
    expect(page.get_by_role("heading", name=f"{COUNT} images selected")).to_be_visible(timeout=PATIENCE)


def test_the_map_is_moved_and_zoomed_by_keys_and_wheel_and_selects_what_is_in_view(page: Page, server: Server) -> None:
    go_to(page, server, "Map")
    dots = drawn(page)
    expect_idle(page)
    dots.focus()
    for _ in range(4):
        page.keyboard.press("+")
    expect(dots).not_to_have_attribute("data-seen", str(COUNT), timeout=PATIENCE)
    page.keyboard.press("0")
    drawn(page)
    box = at_rest(page, dots)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -900)
    expect(dots).not_to_have_attribute("data-seen", str(COUNT), timeout=PATIENCE)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=re.compile(r"\d+ images? selected"))).to_be_visible(timeout=PATIENCE)
    expect_idle(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name=re.compile("selected"))).to_have_count(0, timeout=PATIENCE)


def test_a_click_on_a_dot_shows_the_picture_large(page: Page, server: Server) -> None:
    go_to(page, server, "Map")
    drawn(page)
    shown = page.locator(".pictures img").first
    expect(shown).to_be_attached(timeout=PATIENCE)
    expect_idle(page)
    box = at_rest(page, shown)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator(".tip")).to_be_visible(timeout=PATIENCE)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator("img.large")).to_be_visible(timeout=PATIENCE)


def test_duplicates_are_looked_for_and_shown_side_by_side(page: Page, server: Server) -> None:
    go_to(page, server, "Duplicates")
    expect(page.get_by_text("Nothing is ever deleted from the disk")).to_be_visible(timeout=PATIENCE)
    copy = page.locator(".copy").first
    expect(copy).to_be_visible(timeout=PATIENCE)
    expect(page.locator(".copy.kept .badge").first).to_have_text("Keep")
    expect_idle(page)
    page.get_by_role("button", name=re.compile("^Keep this one: ")).first.click()
    expect(page.get_by_text("kept by your choice").first).to_be_visible(timeout=PATIENCE)
    expect_idle(page)
    copy.locator(".look").click()
    expect(page.locator("img.large")).to_be_visible(timeout=PATIENCE)
