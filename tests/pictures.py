"""How does each screen of the app look now?  `python -m tests.pictures` (`make images`) paints docs/app-*.webp.

Each screen at 1400 and 400 pixels, light and dark, over the painted collection of `tests/gallery.py`. Look at them
before committing them.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

import clipdex
from tests.app.chromium import CHROMIUM, OPTIONS, PATIENCE
from tests.gallery import ROOT, collections, served, settled

DOCS = ROOT / "docs"
MOST_BYTES = 2_500_000  # all of them together
QUALITIES = (84, 78, 72, 66, 60, 52, 44, 36)
LOOKS = {"": (1400, "light"), "-dark": (1400, "dark"), "-narrow": (400, "light"), "-narrow-dark": (400, "dark")}
HEIGHT = 860
WORDS, CLOSER = "the sea", "a sailing boat on the sea"
Act = Callable[[Page], None]


def screens(pictures: Path) -> dict[str, tuple[str, Act]]:
    """Name -> address, and what is done there before the image is taken."""
    source = clipdex.open(pictures)
    best = source.search(CLOSER, limit=1)[0].id
    asked, closer = WORDS.replace(" ", "+"), CLOSER.replace(" ", "+")
    return {
        "start": ("/", nothing),
        "search": (f"/?q={asked}", nothing),
        "filter": (
            "/?q=the+sea+-night+after:2023-06-01",
            lambda page: page.get_by_role("button", name="Filter").click(),
        ),
        "select": (f"/?q={asked}", select),
        "picture": (f"/?q={closer}&item={best}", heated),
        "describe": ("/describe", lambda page: describe(page, pictures / best)),
        "map": ("/map", drawn),
        "duplicates": ("/duplicates", nothing),
        "collection": ("/collection", nothing),
        "failures": ("/failures", nothing),
        "library": ("/library", nothing),
    }


def nothing(page: Page) -> None:
    """The screen as it comes."""


def heated(page: Page) -> None:
    page.get_by_text("Why it matched").click()
    expect(page.get_by_text("Covering the brightest part")).to_be_visible(timeout=PATIENCE)


def select(page: Page) -> None:
    for number in range(3):
        tile = page.locator(".tile").nth(number)
        tile.hover()
        tile.locator(".pick").click()
    page.mouse.move(2, 500)


def describe(page: Page, picture: Path) -> None:
    page.locator("input[type=file]").first.set_input_files(picture)
    expect(page.get_by_text("Probabilities among these labels")).to_be_visible(timeout=PATIENCE)


def drawn(page: Page) -> None:
    expect(page.locator(".stage")).to_be_visible(timeout=120_000)
    expect(page.locator(".wait")).to_be_hidden(timeout=120_000)


def looks(page: Page, address: str, act: Act) -> dict[str, Image.Image]:
    """One screen in each look. It is opened once: colours and width change while it is seen, as they do for people."""
    taken = {}
    use(page, "")
    settled(page, address)
    act(page)
    for look in LOOKS:
        use(page, look)
        settled(page)
        page.wait_for_timeout(800)
        taken[look] = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    return taken


def use(page: Page, look: str) -> None:
    width, scheme = LOOKS[look]
    page.set_viewport_size({"width": width, "height": HEIGHT})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("screens", nargs="*", help="which of them; all without a name")
    parser.add_argument("--to", type=Path, default=DOCS)
    options = parser.parse_args()
    pictures, scans = collections()
    taken: dict[str, Image.Image] = {}
    with served(pictures, scans) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*OPTIONS, "--hide-scrollbars"])
        page = browser.new_page(reduced_motion="reduce")
        page.set_default_timeout(PATIENCE)
        for name, (address, act) in screens(pictures).items():
            if not options.screens or name in options.screens:
                sys.stderr.write(f"{name}\n")
                taken |= {f"app-{name}{look}": image for look, image in looks(page, url + address, act).items()}
        browser.close()
    written = {}
    for quality in QUALITIES:  # the best that keeps within the limit
        written = {name: packed(image, quality) for name, image in taken.items()}
        if sum(map(len, written.values())) <= MOST_BYTES:
            break
    options.to.mkdir(parents=True, exist_ok=True)
    for name, content in written.items():
        (options.to / f"{name}.webp").write_bytes(content)
    sys.stdout.write(f"{len(written)} images, {sum(map(len, written.values())):,} bytes in {options.to}\n")


def packed(image: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, "WEBP", quality=quality, method=4)
    return out.getvalue()


if __name__ == "__main__":
    main()
