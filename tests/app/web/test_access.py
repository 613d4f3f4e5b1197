"""Can everybody use the app?  axe-core on each page, light and dark, wide and narrow.

axe-core comes from npm (`make axe`, which `make test` calls) and is not a part of clipdex. What it finds must be
mended, or stands in `STREAMLIT` with the reason why we cannot.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from app.web.pages import PAGES
from tests.app.chromium import PATIENCE, tiles
from tests.app.conftest import Server
from tests.gallery import settled
from tests.shared import ROOT

AXE = sorted((ROOT / ".venv").glob("axe-core-*/package/axe.min.js"))
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
GRAVE = ("serious", "critical")
LOOKS = [
    pytest.param(1400, "light", id="1400 light"),
    pytest.param(400, "dark", id="400 dark"),  # the first two cover both widths and both schemes
    pytest.param(1400, "dark", id="1400 dark", marks=pytest.mark.long),
    pytest.param(400, "light", id="400 light", marks=pytest.mark.long),
]
WALL = 2500  # pixels: a screen as wide as a wall
# Whether the page, or what scrolls in it, is wider than its window.
STICKS_OUT = """async () => {
  let found = [];
  for (let frame = 0; frame < 120; frame++) {  // what was laid out for another width follows
    found = [document.documentElement, document.querySelector("[data-testid=stMain]")]
      .filter((one) => one.scrollWidth > one.clientWidth).map((one) => `${one.tagName} has ${one.scrollWidth}`);
    if (!found.length) break;
    await new Promise(requestAnimationFrame);
  }
  return found;
}"""
# Found in what Streamlit draws itself, and out of our reach: (rule, part of the element's selector or HTML, why).
STREAMLIT: list[tuple[str, str, str]] = []

pytestmark = pytest.mark.browser
needs_axe = pytest.mark.skipif(not AXE, reason="needs axe-core, which `make axe` fetches from npm")


def views() -> dict[str, str]:
    """Name -> address of each page of the app, and of what the search page can show."""
    pages = {str(one["title"]): "/" if one.get("default") else f"/{Path(one['page']).stem}" for one in PAGES}
    return pages | {
        "results": "/?q=red",
        "chips": "/?q=card folder:blue&like=red/red-01.png&not=green/green-03.png",
        "nothing found": "/?q=folder:nowhere",
        "large": "/?q=red&item=red/red-01.png",
        "described": "/describe?item=red/red-01.png",
        "without components": "/?q=red&plain=1",
        "an error": "/?q=width>wide",
    }


def is_ours(said: ConsoleMessage) -> bool:
    """Whether an error in the console is one of ours: Streamlit finds out by asking, from a page that was opened by its
    own address, whether the server lies below that address, and the browser notes each answer of 404."""
    return said.type == "error" and "/_stcore/" not in str(said.location.get("url"))


def findings(page: Page) -> list[str]:
    """What axe-core finds grave on a page that is not Streamlit's own: rule, element and why."""
    found: dict[str, Any] = page.evaluate(
        "rules => axe.run(document, { runOnly: rules, resultTypes: ['violations'] })", RULES
    )
    said = []
    for broken in found["violations"]:
        if broken["impact"] not in GRAVE:
            continue
        for node in broken["nodes"]:
            where = f"{node['target']} {node['html']}"
            if not any(rule == broken["id"] and part in where for rule, part, _ in STREAMLIT):
                said.append(f"{broken['id']}: {where[:300]} | {node['failureSummary'][:300]}")
    return said


@needs_axe
@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_no_page_has_a_grave_barrier_nor_an_error_in_the_console(
    browser: Browser, server: Server, width: int, scheme: str
) -> None:
    dark = scheme == "dark"
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
        bypass_csp=True,
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(f"console: {said.text}") if is_ours(said) else None)
    page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
    page.add_init_script(path=AXE[-1])
    for name, address in views().items():
        settled(page, server.url + address)
        wrong += [f"{name}: {one}" for one in findings(page)]
        for wide in (width, WALL):
            page.set_viewport_size({"width": wide, "height": 900})
            wrong += [f"{name}: sticks out at {wide} pixels: {one}" for one in page.evaluate(STICKS_OUT)]
        page.set_viewport_size({"width": width, "height": 900})
    context.close()
    assert wrong == []


@needs_axe
def test_nothing_that_opens_over_the_results_has_a_grave_barrier(browser: Browser, server: Server) -> None:
    """The filters, the ways to group, what can be done with a selection, and the keys."""
    context = browser.new_context(viewport={"width": 1400, "height": 900}, reduced_motion="reduce", bypass_csp=True)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.add_init_script(path=AXE[-1])
    settled(page, f"{server.url}/?q=red folder:red")
    wrong = []
    for name in ("Filter", "Group"):
        page.get_by_role("button", name=name).click()
        expect(page.get_by_role("dialog", name=name)).to_be_visible(timeout=PATIENCE)
        settled(page)
        if name == "Filter":
            expect(page.get_by_role("button", name="red 21, chosen")).to_be_visible()
        wrong += [f"{name}: {one}" for one in findings(page)]
        page.keyboard.press("Escape")
    tiles(page).first.hover()
    tiles(page).first.locator(".pick").click()
    expect(page.get_by_role("button", name="Deselect")).to_be_visible(timeout=PATIENCE)
    wrong += [f"selected: {one}" for one in findings(page)]
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible(timeout=PATIENCE)
    wrong += [f"keys: {one}" for one in findings(page)]
    context.close()
    assert wrong == []
