"""Does the app work in a real browser?  Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

import clipdex
from tests.app.chromium import (
    PATIENCE,
    eventually,
    expect_count,
    expect_first,
    expect_idle,
    expect_listening,
    expect_url,
    search,
    tiles,
)
from tests.app.conftest import EACH, EVIL, Server, paint, serve

pytestmark = pytest.mark.browser


def first_ids(page: Page, count: int) -> list[str]:
    ids: list[str] = tiles(page).evaluate_all("all => all.map(tile => tile.dataset.id)")
    return ids[:count]


def test_typing_finds_pictures_and_the_url_remembers(page: Page, server: Server) -> None:
    page.goto(server.url)
    expect(page.get_by_role("heading", name="What are you looking for?")).to_be_visible(timeout=PATIENCE)
    search(page, "blue")
    expect_first(page, "blue")
    expect(tiles(page).nth(EACH - 1)).to_be_attached()
    assert [item.split("/")[0] for item in first_ids(page, EACH)] == ["blue"] * EACH
    picture = tiles(page).first.locator("img.ready")
    eventually(page, lambda: picture.evaluate("image => image.naturalWidth"), lambda width: width > 60)
    expect(page).to_have_url(re.compile(r"/\?q=blue$"))
    page.reload()
    expect_first(page, "blue")
    expect(page.get_by_placeholder("Describe an image")).to_have_value("blue")
    page.go_back()
    expect(page.get_by_role("heading", name="What are you looking for?")).to_be_visible(timeout=PATIENCE)


def test_tiles_say_rank_and_score_and_are_named_for_screen_readers(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/?q=green")
    expect_first(page, "green")
    expect(tiles(page).nth(1).locator(".tag")).to_have_text(re.compile("^2"))
    named = tiles(page).nth(1).locator(".look")
    whole = re.compile(r"^a green card with a disc at place .*\. Rank 2, score 0\.")
    expect(named).to_have_attribute("aria-label", whole)
    said = str(named.get_attribute("aria-label")).partition(". Rank")[0]
    expect(tiles(page).nth(1).locator("img")).to_have_attribute("alt", said)


def test_a_click_shows_the_picture_large_and_the_keyboard_walks_on(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/?q=red")
    expect_first(page, "red")
    expect(tiles(page).nth(2)).to_be_attached()
    second, third = first_ids(page, 3)[1:]
    tiles(page).nth(1).locator(".look").click()
    large = page.locator("img.large")
    expect(large).to_be_visible(timeout=PATIENCE)
    eventually(page, lambda: large.evaluate("image => image.complete && image.naturalWidth"), lambda width: width > 100)
    expect_url(page, f"item={second}")
    expect(page.get_by_text("rank 2 · score")).to_be_visible()
    expect_idle(page)
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("rank 3 · score")).to_be_visible(timeout=PATIENCE)
    expect_url(page, f"item={third}")
    page.reload()
    expect(page.get_by_text("rank 3 · score")).to_be_visible(timeout=PATIENCE)
    expect_idle(page)
    page.keyboard.press("Escape")
    expect(large).to_have_count(0, timeout=PATIENCE)
    page.wait_for_url(lambda url: "item=" not in url)


def test_the_grid_is_walked_by_arrow_keys_and_enter_opens(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/?q=yellow")
    expect_first(page, "yellow")
    tiles(page).first.locator(".look").focus()
    for key, place in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1)):
        page.keyboard.press(key)
        expect(tiles(page).nth(place).locator(".look")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("rank 2 · score")).to_be_visible(timeout=PATIENCE)


def test_find_similar_and_back(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/?q=red")
    expect_first(page, "red")
    expect(tiles(page).nth(4)).to_be_attached()
    wanted = first_ids(page, 5)[4]
    tiles(page).nth(4).hover()
    tiles(page).nth(4).locator(".similar").click()
    expect(page.get_by_role("heading", name="Similar to")).to_be_visible(timeout=PATIENCE)
    expect(tiles(page).first).to_have_attribute("data-id", wanted, timeout=PATIENCE)
    page.go_back()
    expect(page.get_by_role("heading", name="red", exact=True)).to_be_visible(timeout=PATIENCE)


def test_an_uploaded_picture_finds_itself(page: Page, server: Server) -> None:
    page.goto(server.url)
    page.locator("input[type=file]").set_input_files(server.folder / "green" / "green-11.png")
    expect(page.get_by_role("heading", name="Similar to green-11.png")).to_be_visible(timeout=PATIENCE)
    expect(tiles(page).first).to_have_attribute("data-id", "green/green-11.png", timeout=PATIENCE)
    expect_idle(page)
    page.get_by_role("button", name="image green-11.png").click()
    expect(page.get_by_role("heading", name="What are you looking for?")).to_be_visible(timeout=PATIENCE)


def test_more_results_come_below_by_scrolling_and_leave_the_others_in_place(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/?q=width>1")  # conditions only: all of them, without a line
    expect_count(page, 60)
    tiles(page).nth(59).scroll_into_view_if_needed()
    expect_count(page, 4 * EACH + 1)
    page.goto(f"{server.url}/?q=red")
    expect_first(page, "red")
    expect(tiles(page)).to_have_count(60, timeout=PATIENCE)
    before = first_ids(page, 60)
    last = page.locator(f'.tile[data-id="{before[59]}"]')
    last.evaluate("tile => { tile.marked = true }")
    expect(page.locator(".line")).to_have_count(0)  # all of them match clearly
    tiles(page).nth(59).scroll_into_view_if_needed()
    expect_count(page, 4 * EACH + 1)
    assert last.evaluate("tile => tile.marked") is True  # not made anew
    page.locator("[data-testid=stMain]").evaluate("main => main.scrollTo(0, 0)")
    eventually(page, lambda: first_ids(page, 60), lambda ids: ids == before)
    assert "n=" not in page.url  # scrolling is not a step for the back button


def test_tiles_are_selected_by_click_shift_and_keyboard(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/?q=red")
    expect_first(page, "red")
    expect(tiles(page).nth(7)).to_be_attached()
    ids = first_ids(page, 8)
    chosen = page.locator(".chosen")
    tiles(page).nth(1).hover()
    tiles(page).nth(1).locator(".pick").click()
    expect(chosen).to_contain_text("1 selected")
    tiles(page).nth(4).locator(".look").click(modifiers=["Shift"])
    expect(chosen).to_contain_text("4 selected")
    tiles(page).nth(2).locator(".look").click()  # while some are selected, a click selects and opens nothing
    expect(chosen).to_contain_text("3 selected")
    page.keyboard.press("Escape")
    expect(chosen).to_be_hidden()
    tiles(page).nth(0).locator(".look").focus()
    expect_idle(page)
    page.keyboard.press(" ")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    expect(chosen).to_contain_text("3 selected")
    page.get_by_role("button", name="More like these").click()
    for one in ids[:3]:
        expect_url(page, f"like={one}")
    assert page.url.count("like=") == 3
    expect(page.get_by_role("button", name=re.compile(r"\+ red-"))).to_have_count(3, timeout=PATIENCE)


def test_the_keyboard_finds_leads_away_and_copies(page: Page, server: Server) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{server.url}/?q=yellow")
    expect_first(page, "yellow")
    (first,) = first_ids(page, 1)
    tiles(page).first.locator(".look").focus()
    page.keyboard.press("c")
    expect(page.locator(".status")).to_have_text("Path copied")
    copied = "navigator.clipboard.readText()"
    eventually(page, lambda: page.evaluate(copied), lambda text: text == str(server.folder / first))
    expect_idle(page)
    page.keyboard.press("-")
    expect_url(page, f"not={first}")
    expect(page.get_by_role("button", name=re.compile(r"− yellow-"))).to_be_visible(timeout=PATIENCE)
    expect_listening(page)
    page.keyboard.press("/")
    expect(page.get_by_placeholder("Describe an image")).to_be_focused()
    tiles(page).first.locator(".look").focus()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()


def test_chips_are_taken_away_and_back_brings_them_again(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/?q=card folder:blue")
    expect(tiles(page)).to_have_count(EACH, timeout=PATIENCE)
    expect_idle(page)
    page.get_by_role("button", name="folder: blue").click()
    expect(page.get_by_placeholder("Describe an image")).to_have_value("card", timeout=PATIENCE)
    page.go_back()
    expect(page.get_by_placeholder("Describe an image")).to_have_value("card folder:blue", timeout=PATIENCE)
    expect(page.get_by_role("button", name="folder: blue")).to_be_visible(timeout=PATIENCE)
    page.go_forward()
    expect(page.get_by_role("button", name="folder: blue")).to_have_count(0, timeout=PATIENCE)


GIVE = """([kind, bytes]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], "given.png", { type: "image/png" }));
  const event = kind === "paste" ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true })
    : new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
  document.querySelector("h1, .grid").dispatchEvent(event);
}"""


@pytest.mark.parametrize("kind", ["paste", "drop"])
def test_a_picture_is_pasted_or_dropped_anywhere(page: Page, server: Server, kind: str) -> None:
    page.goto(server.url)
    expect(page.get_by_text("or drop an image here").or_(page.locator("input[type=file]")).first).to_be_attached()
    expect(tiles(page).first).to_be_visible(timeout=PATIENCE)
    expect_listening(page)
    content = (server.folder / "green" / "green-11.png").read_bytes()
    page.evaluate(GIVE, [kind, list(content)])
    expect(page.get_by_role("heading", name="Similar to given.png")).to_be_visible(timeout=PATIENCE)
    expect(tiles(page).first).to_have_attribute("data-id", "green/green-11.png", timeout=PATIENCE)


def test_recent_searches_are_offered_and_forgotten(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/?q=green card")
    expect_first(page, "green")
    page.goto(server.url)
    again = page.locator(".recent").get_by_role("button", name="green card")
    expect_idle(page)
    again.click()
    expect_url(page, "q=green")
    page.go_back()
    page.get_by_role("button", name="Forget recent searches").click()
    expect(page.locator(".recent")).to_be_hidden()


def test_two_windows_do_not_disturb_each_other(browser: Browser, server: Server) -> None:
    first, second = (browser.new_context().new_page() for _ in range(2))
    for window in (first, second):
        window.set_default_timeout(PATIENCE)
    first.goto(f"{server.url}/?q=red")
    second.goto(f"{server.url}/?q=blue")
    expect_first(first, "red")
    expect_first(second, "blue")
    search(second, "green")
    expect_first(second, "green")
    expect_first(first, "red")
    tiles(first).first.locator(".look").click()
    expect(first.get_by_text("rank 1 · score")).to_be_visible(timeout=PATIENCE)
    expect(second.get_by_role("dialog")).to_have_count(0)
    for window in (first, second):
        window.context.close()


def test_layout_and_size_are_chosen_and_remembered(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/?q=red")
    expect_first(page, "red")
    height = "tile => tile.getBoundingClientRect().height"
    before = tiles(page).first.evaluate(height)
    page.locator(".size").fill("5")
    eventually(page, lambda: tiles(page).first.evaluate(height), lambda now: now > before * 1.3)
    page.get_by_role("button", name="Square tiles").click()
    shape = "tile => { const box = tile.getBoundingClientRect(); return box.width / box.height }"
    eventually(page, lambda: tiles(page).first.evaluate(shape), lambda now: abs(now - 1) < 0.05)
    page.reload()
    expect_first(page, "red")
    eventually(page, lambda: tiles(page).first.evaluate(shape), lambda now: abs(now - 1) < 0.05)


def test_a_file_that_has_gone_is_said_on_its_tile(page: Page, tmp_path: Path) -> None:
    for number in range(3):
        paint(tmp_path / f"{number}.png", "red", number)
    clipdex.index(tmp_path, model="toy")
    (tmp_path / "1.png").unlink()
    for server in serve(tmp_path):
        page.goto(f"{server.url}/?q=red")
        gone = page.locator('.tile[data-id="1.png"]')
        expect(gone.get_by_text("The file is no longer there")).to_be_visible(timeout=PATIENCE)
        expect(page.locator(".gone")).to_have_count(1)


def test_html_in_captions_and_names_is_text(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/?like=red/red-00.png&item=red/red %26 <b>odd</b>.png")
    expect(page.get_by_role("dialog").get_by_text(EVIL[:20])).to_be_visible(timeout=PATIENCE)
    page.keyboard.press("Escape")
    tile = page.locator('.tile[data-id*="odd"]')
    expect(tile).to_have_count(1, timeout=PATIENCE)
    tile.hover()
    expect(tile.locator(".foot")).to_have_text(EVIL)
    expect(tile.locator("img")).to_have_count(1)
    assert "pwned" not in page.title()


def test_a_picture_that_cannot_be_shown_says_so(browser: Browser, server: Server) -> None:
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.route("**/thumbs/**", lambda route: route.abort())
    page.goto(f"{server.url}/?q=red")
    expect(tiles(page).first.get_by_text("This image cannot be shown")).to_be_visible(timeout=PATIENCE)
    page.close()


@pytest.mark.parametrize("width", [400, 768, 1400, 2500])
def test_every_width_is_used_and_nothing_sticks_out(page: Page, server: Server, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{server.url}/?q=red")
    expect_first(page, "red")
    expect(tiles(page).nth(19)).to_be_attached()

    def is_used() -> bool:
        boxes = [box for box in (tile.bounding_box() for tile in tiles(page).all()[:20]) if box]
        return (
            min(box["x"] for box in boxes) < width * 0.1
            and max(box["x"] + box["width"] for box in boxes) > width * 0.9
            and all(box["width"] >= 72 for box in boxes)
        )

    eventually(page, is_used, bool)
    eventually(page, lambda: page.evaluate("document.documentElement.scrollWidth"), lambda wide: wide <= width)


def test_the_other_pages_open_from_the_navigation(page: Page, server: Server) -> None:
    page.goto(server.url)
    page.get_by_role("link", name="Collection").click()
    expect(page.get_by_text("1 not an image")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("link", name="Describe").click()
    expect(page.get_by_role("heading", name="Describe an image")).to_be_visible(timeout=PATIENCE)
    page.locator("input[type=file]").set_input_files(server.folder / "blue" / "blue-01.png")
    expect(page.get_by_text("a blue card").first).to_be_visible(timeout=PATIENCE)


def test_a_picture_that_was_changed_and_indexed_again_is_shown_as_it_is_now(page: Page, tmp_path: Path) -> None:
    paint(tmp_path / "a.png", "red", 0)
    clipdex.index(tmp_path, model="toy")
    for server in serve(tmp_path):
        page.goto(f"{server.url}/?q=red")
        picture = tiles(page).locator("img.ready")
        expect(picture).to_be_visible(timeout=PATIENCE)
        expect(picture).to_have_js_property("naturalWidth", 120)
        paint(tmp_path / "a.png", "red", 4)
        clipdex.index(tmp_path)
        search(page, "something red")
        expect(picture).to_have_js_property("naturalWidth", 152, timeout=PATIENCE)
