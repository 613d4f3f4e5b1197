"""What is it like to use the app?  `python -m tests.tour` (`make tour`) drives it for a minute into docs/tour.webp.

Over the painted collection of `tests/gallery.py`, in headless Chromium. Time is that of the film, not of the machine: a
step says how long it is seen, however long the machine took for it.
"""

from __future__ import annotations

import io
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests.app.chromium import CHROMIUM, OPTIONS, PATIENCE
from tests.gallery import ROOT, collections, served, settled

TARGET = ROOT / "docs" / "tour.webp"
MOST_BYTES = 3_000_000
QUALITIES = (84, 76, 70, 62, 54, 46, 38, 30, 24)
VIEW, WIDTH = {"width": 1180, "height": 740}, 900
FRAME = 120  # milliseconds
READING = 1.3  # how much longer than thought at first people want to see something that stands still
# The arrow that people see moving, and a line that says what is going on.
STAGE = """() => {
  if (document.getElementById("tour")) return;
  const stage = document.createElement("div");
  stage.id = "tour";
  stage.style.cssText = "position:fixed;inset:0;z-index:2147483647;pointer-events:none";
  stage.innerHTML = `<svg width="26" height="26" viewBox="0 0 24 24" style="position:absolute;left:-40px;top:-40px">
    <path d="M4 2l15 11-7 1 4 7-3 1.500-4-7-5 5z" fill="#111" stroke="#fff" stroke-width="1.500"/></svg>
    <p style="position:absolute;left:50%;bottom:78px;transform:translateX(-50%);margin:0;padding:9px 22px;
    border-radius:99px;background:rgb(20 18 15/.88);color:#fff;font:600 19px/1.3 system-ui,sans-serif;
    white-space:nowrap"></p>`;
  document.documentElement.append(stage);
  const arrow = stage.querySelector("svg");
  document.addEventListener("mousemove", (event) => {
    arrow.style.left = `${event.clientX - 3}px`; arrow.style.top = `${event.clientY - 2}px`;
  }, true);
}"""
SAY = "text => { document.querySelector('#tour p').textContent = text }"


@dataclass
class Film:
    """Frames that differ, and how long each is seen."""

    page: Page
    frames: list[Image.Image] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    at: tuple[float, float] = (VIEW["width"] / 2, VIEW["height"] / 2)

    def hold(self, seconds: float) -> None:
        """What is on the screen now is seen for a while."""
        seconds *= READING if seconds >= 1 else 1
        taken = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        taken = taken.resize((WIDTH, round(WIDTH * taken.height / taken.width)), Image.Resampling.LANCZOS)
        if self.frames and taken.tobytes() == self.frames[-1].tobytes():
            self.lengths[-1] += round(1000 * seconds)
            return
        self.frames.append(taken)
        self.lengths.append(round(1000 * seconds))

    def say(self, text: str) -> None:
        sys.stderr.write(f"{sum(self.lengths) / 1000:5.1f} s  {text}\n")
        self.page.evaluate(STAGE)
        self.page.evaluate(SAY, text)

    def move(self, x: float, y: float, steps: int = 4) -> None:
        """The arrow goes there."""
        from_x, from_y = self.at
        for step in range(1, steps + 1):
            part = step / steps
            part = part * part * (3 - 2 * part)
            self.page.mouse.move(from_x + part * (x - from_x), from_y + part * (y - from_y))
            self.hold(FRAME / 1000)
        self.at = (x, y)

    def go(self, to: Locator, steps: int = 4) -> None:
        """The arrow goes to the middle of something."""
        to.scroll_into_view_if_needed()
        box = to.bounding_box()
        assert box is not None
        self.move(box["x"] + box["width"] / 2, box["y"] + min(box["height"] / 2, 300), steps)

    def click(self, what: Locator) -> None:
        self.go(what)
        self.page.mouse.down()
        self.page.mouse.up()

    def type(self, box: Locator, text: str) -> None:
        self.click(box)
        box.fill("")
        for end in range(3, len(text) + 3, 3):
            self.page.keyboard.type(text[end - 3 : end])
            self.hold(FRAME / 1000)
        self.page.keyboard.press("Enter")

    def drag(self, start: tuple[float, float], *points: tuple[float, float]) -> None:
        self.move(*start)
        self.page.mouse.down()
        for point in points:
            self.move(*point, steps=3)
        self.page.mouse.up()

    def wait(self) -> None:
        settled(self.page)
        self.page.wait_for_timeout(500)


def filmed(film: Film, url: str, pictures: Path) -> None:
    """The tour: about a minute."""
    page = film.page
    tiles, box = page.locator(".tile"), page.get_by_placeholder("Describe an image")
    settled(page, url)
    page.mouse.move(*film.at)
    film.say("Say what is in the image")
    film.hold(1.4)
    film.type(box, "the sea")
    film.wait()
    film.hold(2.4)
    film.say("Narrow it down")
    film.click(page.get_by_role("button", name="Filter"))
    film.wait()
    film.hold(1.4)
    film.click(page.get_by_role("button", name=re.compile("^trips")).first)
    film.wait()
    page.keyboard.press("Escape")
    film.hold(1.8)
    film.say("Or: more like this one")
    film.go(tiles.nth(2))
    film.hold(0.4)
    film.click(tiles.nth(2).locator(".similar"))
    film.wait()
    film.hold(2.0)
    settled(page, f"{url}/?q=a+sailing+boat+on+the+sea")
    film.say("Look closely: what made it match?")
    film.click(tiles.first.locator(".look"))
    expect(page.locator("img.large")).to_have_js_property("complete", True, timeout=PATIENCE)
    film.wait()
    film.hold(1.2)
    film.click(page.get_by_text("Why it matched"))
    expect(page.get_by_text("Covering the brightest part")).to_be_visible(timeout=PATIENCE)
    film.wait()
    film.hold(2.4)
    film.say("Search with a part of it")
    film.click(page.get_by_role("button", name="Search with a part"))
    sheet = page.locator(".sheet").bounding_box()
    assert sheet is not None
    across, down = (lambda part: sheet["x"] + part * sheet["width"]), (lambda part: sheet["y"] + part * sheet["height"])
    film.drag((across(0.3), down(0.35)), (across(0.5), down(0.6)), (across(0.72), down(0.8)))
    film.wait()
    film.hold(2.0)
    film.say("Select, tag, export")
    for number in range(3):
        film.go(tiles.nth(number), 3)
        film.click(tiles.nth(number).locator(".pick"))
    film.wait()
    film.hold(1.4)
    film.click(page.get_by_role("button", name="Tag", exact=True))
    film.wait()
    film.hold(1.6)
    settled(page, f"{url}/describe")
    film.say("Ask which words fit an image")
    page.locator("input[type=file]").first.set_input_files(next((pictures / "trips" / "sea").glob("*.jpg")))
    expect(page.get_by_text("Probabilities among these labels")).to_be_visible(timeout=PATIENCE)
    film.wait()
    film.hold(2.6)
    settled(page, f"{url}/map")
    film.say("See the whole collection: neighbours look alike")
    expect(page.locator(".stage")).to_be_visible(timeout=PATIENCE)
    expect(page.locator(".wait")).to_be_hidden(timeout=PATIENCE)
    film.wait()
    film.hold(2.2)
    stage = page.locator(".stage").bounding_box()
    assert stage is not None
    film.click(page.get_by_role("button", name="Draw around images"))
    middle = stage["x"] + stage["width"] / 2, stage["y"] + min(stage["height"], 560) / 2
    ring = [(-120, -90), (60, -120), (150, 0), (60, 110), (-110, 100), (-125, -80)]
    film.drag(*[(middle[0] + x, middle[1] + y) for x, y in ring])
    film.wait()
    film.hold(1.6)
    page.locator(".tile").first.scroll_into_view_if_needed()
    film.wait()
    film.hold(1.6)
    settled(page, f"{url}/duplicates")
    film.say("Find what is there twice, and what to keep")
    film.wait()
    film.hold(2.6)
    settled(page, f"{url}/library")
    film.say("And add the next folder")
    film.wait()
    film.hold(3.0)


def packed(film: Film, quality: int) -> bytes:
    out = io.BytesIO()
    first, *others = film.frames
    first.save(
        out, "WEBP", save_all=True, append_images=others, duration=film.lengths, loop=0, quality=quality, method=4
    )
    return out.getvalue()


def main() -> None:
    pictures, scans = collections()
    with served(pictures, scans) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*OPTIONS, "--hide-scrollbars"])
        page = browser.new_page(viewport=VIEW, reduced_motion="reduce")  # type: ignore[arg-type]
        page.set_default_timeout(PATIENCE)
        film = Film(page)
        filmed(film, url, pictures)
        browser.close()
    content = b""
    for quality in QUALITIES:
        content = packed(film, quality)
        sys.stderr.write(f"quality {quality}: {len(content):,} bytes\n")
        if len(content) <= MOST_BYTES:
            break
    TARGET.write_bytes(content)
    seconds = sum(film.lengths) / 1000
    sys.stdout.write(f"{len(film.frames)} frames, {seconds:.0f} s, {len(content):,} bytes in {TARGET}\n")


if __name__ == "__main__":
    main()
