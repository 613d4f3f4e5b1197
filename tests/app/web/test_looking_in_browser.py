"""Can one look closely in a real browser?  Zoom, parts, groups, many results, and files that are no images."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

import clipdex
from app.settings import LARGEST_UPLOAD
from tests.app.chromium import (
    PATIENCE,
    at_rest,
    eventually,
    expect_count,
    expect_idle,
    expect_listening,
    expect_url,
    tiles,
)
from tests.app.conftest import COLOURS, EVIL, Server, paint, serve
from tests.app.web.test_browser import GIVE

pytestmark = pytest.mark.browser
MANY = 240
ALL = MANY + 5
LONG = "a square on white paper, " * 23 + "painted by hand in red ink"  # a caption of 600 characters

TOUCH = """(stage, [kind, fingers]) => {
  const box = stage.getBoundingClientRect();
  for (const [id, x, y] of fingers) {
    const event = new PointerEvent(kind, {
      pointerId: id, pointerType: "touch", button: 0, bubbles: true, cancelable: true, composed: true,
      clientX: box.left + x * box.width, clientY: box.top + y * box.height,
    });
    stage.dispatchEvent(event);
  }
}"""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A collection of many images, one of which is there four times, whose parts are known, too."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(MANY):
        paint(folder / f"{number:03}.png", list(COLOURS)[number % 4], number)
    striped = Image.new("RGB", (320, 240), COLOURS["red"])
    for left in range(0, 320, 40):
        striped.paste(COLOURS["yellow"], (left, left // 2, left + 17, 200))
    striped.save(folder / "striped.png")
    for number in range(3):
        shutil.copy(folder / "striped.png", folder / f"striped-{number}.png")
    small = Image.new("RGB", (400, 400), (250, 250, 250))
    small.paste(COLOURS["red"], (0, 0, 190, 190))
    small.save(folder / "small.png")
    (folder / "small.txt").write_text(LONG)
    clipdex.index(folder, model="toy", tiles=True)
    yield from serve(folder)


def opened(page: Page, url: str) -> None:
    """Open an image large and wait for it."""
    page.goto(url)
    # An <img> without an address is complete, too; and the dialog moves while it opens.
    expect(page.locator("img.large[src]")).to_have_js_property("complete", True, timeout=PATIENCE)
    page.locator(".stage").hover()
    expect_listening(page)


def test_the_large_picture_is_zoomed_and_moved_with_wheel_keys_buttons_and_fingers(page: Page, server: Server) -> None:
    opened(page, f"{server.url}/?q=red&item=red/red-03.png")
    stage, told, sheet = page.locator(".stage"), page.locator(".fit"), page.locator(".sheet")
    place = "one => new DOMMatrix(getComputedStyle(one).transform).e"
    stage.hover()
    page.mouse.wheel(0, -400)
    expect(told).to_have_text("272 %")
    page.keyboard.press("0")
    expect(told).to_have_text("100 %")
    stage.dblclick(position={"x": 10, "y": 10})
    expect(told).to_have_text("250 %")
    # What was clicked stays where it was: the corner.
    before = eventually(page, lambda: sheet.evaluate(place), lambda left: abs(left) < 40)
    page.keyboard.press("Shift+ArrowRight")
    eventually(page, lambda: sheet.evaluate(place), lambda left: left < before)
    page.keyboard.press("z")
    expect(told).to_have_text("100 %")
    page.keyboard.press("+")
    expect(told).to_have_text("150 %")
    page.keyboard.press("-")
    expect(told).to_have_text("100 %")
    page.get_by_role("button", name="Larger").click()
    expect(told).to_have_text("150 %")
    page.get_by_role("button", name="Smaller").click()
    expect(told).to_have_text("100 %")
    stage.evaluate(TOUCH, ["pointerdown", [[1, 0.4, 0.5], [2, 0.6, 0.5]]])
    stage.evaluate(TOUCH, ["pointermove", [[1, 0.3, 0.5], [2, 0.7, 0.5]]])
    stage.evaluate(TOUCH, ["pointermove", [[1, 0.2, 0.5], [2, 0.8, 0.5]]])
    stage.evaluate(TOUCH, ["pointerup", [[1, 0.2, 0.5], [2, 0.8, 0.5]]])
    eventually(page, told.inner_text, lambda text: int(text.split()[0]) > 150)
    page.keyboard.press("0")
    expect(told).to_have_text("100 %")
    first = page.url
    stage.evaluate(TOUCH, ["pointerdown", [[1, 0.8, 0.5]]])
    stage.evaluate(TOUCH, ["pointermove", [[1, 0.3, 0.5]]])
    stage.evaluate(TOUCH, ["pointerup", [[1, 0.3, 0.5]]])  # a swipe is a step
    page.wait_for_url(lambda url: url != first and "item=" in url)


def test_a_part_of_the_large_picture_is_searched_with_by_dragging_a_box(page: Page, server: Server) -> None:
    opened(page, f"{server.url}/?q=blue&item=blue/blue-03.png")
    mark, stage = page.get_by_role("button", name="Search with a part"), page.locator(".stage")
    mark.click()
    expect(mark).to_have_attribute("aria-pressed", "true", timeout=PATIENCE)
    expect(page.get_by_text("Drag a box over the part")).to_be_visible(timeout=PATIENCE)
    box = at_rest(page, stage)
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.8 * box["height"], steps=4)
    expect(page.locator(".marked")).to_be_visible(timeout=PATIENCE)
    page.mouse.up()
    expect_url(page, "part=")
    expect(page.get_by_role("heading", name="Similar to a part of blue-03.png")).to_be_visible(timeout=PATIENCE)
    assert part(page) == pytest.approx((0.25, 0.5, 0.5, 0.8), abs=0.02)
    page.go_back()
    expect(page.locator("img.large")).to_be_visible(timeout=PATIENCE)


def part(page: Page) -> tuple[float, ...]:
    """The sides of the part in the address."""
    (told,) = parse_qs(urlsplit(page.url).query)["part"]
    return tuple(float(side) for side in told.split(",")[:4])


def test_a_part_is_marked_moved_sized_and_searched_with_by_keys(page: Page, server: Server) -> None:
    opened(page, f"{server.url}/?q=blue&item=blue/blue-03.png")
    marked, stage, first = page.locator(".marked"), page.locator(".stage"), page.url
    page.keyboard.press("z")
    expect(page.locator(".fit")).to_have_text("250 %")
    page.keyboard.press("r")
    expect(page.get_by_role("status").filter(has_text="Arrows move the box")).to_be_visible(timeout=PATIENCE)
    for _ in range(20):
        page.keyboard.press("ArrowRight")

    def is_at_the_edge() -> bool:
        box, around = marked.bounding_box(), stage.bounding_box()
        assert box is not None and around is not None
        side = box["x"] + box["width"] == pytest.approx(around["x"] + around["width"], abs=1)  # the close-up goes along
        size = (box["width"], box["height"]) == pytest.approx((0.4 * around["width"], 0.4 * around["height"]), abs=1)
        return side and size

    eventually(page, is_at_the_edge, bool)
    page.keyboard.press("Escape")
    expect(marked).to_be_hidden()
    page.keyboard.press("0")
    page.keyboard.press("r")
    for key in ("ArrowLeft", "ArrowLeft", "ArrowUp", "Shift+ArrowRight", "Shift+ArrowUp"):
        page.keyboard.press(key)
    expect(marked).to_be_visible()
    assert page.url == first  # no key has stepped on or closed the image
    page.keyboard.press("Enter")
    expect_url(page, "part=")
    assert part(page) == pytest.approx((0.22, 0.26, 0.66, 0.62), abs=0.001)
    expect(page.get_by_role("heading", name="Similar to a part of blue-03.png")).to_be_visible(timeout=PATIENCE)


def test_a_long_caption_is_cut_short_and_opened_with_the_keyboard(page: Page, many: Server) -> None:
    opened(page, f"{many.url}/?q=width=400&item=small.png")
    long, begin = page.locator("details.clipdex-long"), page.locator(".clipdex-long .begin")
    cut = "one => one.scrollHeight - one.clientHeight"
    expect(begin).to_have_text(LONG)
    eventually(page, lambda: begin.evaluate(cut), lambda hidden: hidden > 20)
    page.get_by_role("button", name="Copy path").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(long).to_have_attribute("open", "", timeout=PATIENCE)
    eventually(page, lambda: begin.evaluate(cut), lambda hidden: hidden == 0)
    page.keyboard.press("Enter")
    expect(long).not_to_have_attribute("open", "", timeout=PATIENCE)
    eventually(page, lambda: begin.evaluate(cut), lambda hidden: hidden > 20)


def test_near_duplicates_stand_behind_a_count_and_back_hides_them_again(page: Page, many: Server) -> None:
    page.goto(f"{many.url}/?like=striped.png&group=bytes")
    count = page.locator('.tile[data-id="striped-0.png"] .count')
    expect(count).to_have_text("+3", timeout=PATIENCE)
    expect(count).to_have_attribute("aria-expanded", "false")
    expect(tiles(page).nth(1)).not_to_have_attribute("data-id", re.compile("^striped"))
    expect_idle(page)
    count.click()
    expect(page.locator(".tile.copy")).to_have_count(3, timeout=PATIENCE)
    expect(count).to_have_attribute("aria-expanded", "true")
    expect_url(page, "open=striped")
    page.go_back()
    expect(page.locator(".tile.copy")).to_have_count(0, timeout=PATIENCE)
    expect_idle(page)
    page.get_by_role("button", name="Group").click()
    page.get_by_text("Nothing", exact=True).click()
    expect(count).to_have_count(0, timeout=PATIENCE)
    page.wait_for_url(lambda url: "group" not in url)


def test_of_many_results_only_those_near_the_window_exist(page: Page, many: Server) -> None:
    page.goto(f"{many.url}/?q=width>1")
    expect(tiles(page).first.locator("img.ready")).to_be_visible(timeout=PATIENCE)
    main = page.locator("[data-testid=stMain]")

    def all_are_there() -> bool:
        main.evaluate("main => main.scrollTo(0, main.scrollHeight)")
        return page.locator(".grid").get_attribute("data-count") == str(ALL)

    eventually(page, all_are_there, bool)
    main.evaluate("main => main.scrollTo(0, main.scrollHeight)")
    last = page.locator('.tile[data-id="striped.png"]')
    expect(last.locator("img.ready")).to_be_visible(timeout=PATIENCE)
    assert tiles(page).count() < ALL - 80
    expect(last).to_have_attribute("aria-posinset", str(ALL))
    last.locator(".look").focus()
    page.keyboard.press("Home")
    expect(page.locator('.tile[data-id="000.png"] .look')).to_be_focused()
    page.keyboard.press("Control+a")
    expect(page.locator(".chosen")).to_contain_text(f"{ALL} selected")


def test_keys_and_fingers_step_on_behind_the_last_hit_that_is_shown(page: Page, many: Server) -> None:
    opened(page, f"{many.url}/?q=width>1&item=059.png")
    large = page.locator("img.large")
    page.keyboard.press("ArrowRight")
    expect(large).to_have_attribute("alt", "060.png", timeout=PATIENCE)
    expect_count(page, 240)
    expect_idle(page)
    page.keyboard.press("ArrowRight")
    expect(large).to_have_attribute("alt", "061.png", timeout=PATIENCE)
    expect_idle(page)
    page.go_back()
    expect(large).to_have_attribute("alt", "060.png", timeout=PATIENCE)
    opened(page, f"{many.url}/?q=width>1&n=61&item=060.png")
    for kind, at in (("pointerdown", 0.8), ("pointermove", 0.3), ("pointerup", 0.3)):
        page.locator(".stage").evaluate(TOUCH, [kind, [[1, at, 0.5]]])
    expect(large).to_have_attribute("alt", "061.png", timeout=PATIENCE)


def test_the_part_that_matched_is_marked(page: Page, many: Server) -> None:
    opened(page, f"{many.url}/?q=red width=400&tiles=1&item=small.png")
    expect(page.get_by_role("img", name="The part that matched")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect(page.locator("img.large")).to_have_count(0)
    expect_idle(page)
    page.get_by_text("Small things").click()
    page.wait_for_url(lambda url: "tiles" not in url)


def test_files_that_are_no_pictures_or_too_large_are_refused_in_a_line(
    page: Page, server: Server, tmp_path: Path
) -> None:
    page.goto(server.url)
    expect(tiles(page).first).to_be_visible(timeout=PATIENCE)
    expect_listening(page)
    drop = """([name, type, size]) => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(size)], name, { type }));
      const how = { dataTransfer: data, bubbles: true, cancelable: true };
      document.querySelector("h1").dispatchEvent(new DragEvent("drop", how));
    }"""
    said = page.get_by_role("alert").filter(has_not_text="Streamlit")
    page.evaluate(drop, ["<b>notes</b>.txt", "text/plain", 10])
    expect(said.get_by_text("<b>notes</b>.txt is not an image.")).to_be_visible()
    page.evaluate(drop, ["huge.png", "image/png", (LARGEST_UPLOAD + 1) * 2**20])
    limit = f"huge.png has {LARGEST_UPLOAD + 1} MB; at most {LARGEST_UPLOAD} MB can be searched with."
    expect(page.get_by_text(limit)).to_be_visible()
    large = tmp_path / "large.png"
    with large.open("wb") as file:
        file.truncate((LARGEST_UPLOAD + 1) * 2**20)
    page.locator("input[type=file]").set_input_files(large)
    expect(page.get_by_text(re.compile(f"{LARGEST_UPLOAD}.*MB"))).not_to_have_count(0, timeout=PATIENCE)
    page.evaluate(drop, ["fake.png", "image/png", 1000])
    expect(page.get_by_text(re.compile("not an image|not an image|no image")).last).to_be_visible(timeout=PATIENCE)


def test_a_picture_is_pasted_on_the_describe_page_and_labels_are_text(page: Page, server: Server) -> None:
    page.goto(server.url)
    page.get_by_role("link", name="Describe").click()
    expect(page.get_by_role("heading", name="Describe an image")).to_be_visible(timeout=PATIENCE)
    expect_listening(page)
    page.evaluate(GIVE, ["paste", list((server.folder / "green" / "green-11.png").read_bytes())])
    ranked = page.locator(".clipdex-ranking")
    expect(ranked.first).to_contain_text("a green card", timeout=PATIENCE)
    expect_idle(page)
    page.get_by_label("Labels, with commas between them").fill(f"green, {EVIL.partition(',')[0]}")
    page.keyboard.press("Enter")
    expect(ranked.nth(1)).to_contain_text(EVIL, timeout=PATIENCE)
    expect(ranked.locator("img, a, strong")).to_have_count(0)
    assert "pwned" not in page.title()


def test_the_pages_are_reached_in_a_narrow_window(page: Page, server: Server) -> None:
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto(server.url)
    expect(tiles(page).first).to_be_visible(timeout=PATIENCE)
    page.get_by_role("link", name="Duplicates").click()
    expect_url(page, "duplicates")


def test_the_help_sheet_names_every_key(page: Page, server: Server) -> None:
    page.goto(server.url)
    expect(tiles(page).first).to_be_visible(timeout=PATIENCE)
    expect_listening(page)
    tiles(page).first.locator(".look").focus()
    page.keyboard.press("?")
    listed = page.get_by_role("dialog", name="Keys").locator("dt")
    expect(listed.last).to_be_visible()
    keys = listed.all_inner_texts()
    folder = Path(clipdex.__file__).parent / "app" / "web" / "components"
    grid, picture = ((folder / name).read_text("utf-8") for name in ("grid.js", "picture.js"))
    used = set(re.findall(r'\["\w+", "[^"]+", "(.)"\]', grid)) | set(
        re.findall(r'event\.key === "(\w)"', grid + picture)
    )
    assert used >= {"s", "+", "-", "c", "g", "z", "0", "r"}
    told = {key for entry in keys for key in re.split(r"[ ,]+", entry)}
    assert told >= used | {"/", "?", "space", "esc", "enter", "home", "end", "tab"}
