"""How is the app looked at in a real browser?  Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urljoin
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, FloatRect, Locator, Page, ViewportSize, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
VIEW: ViewportSize = {"width": 1400, "height": 900}
PATIENCE = 60_000  # milliseconds; the machines that run tests are often busy
Value = TypeVar("Value")
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        pytest.skip("needs Debian's chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def window(browser: Browser) -> Iterator[Page]:
    """The window of most tests: a new one compiles all scripts of the app anew, which is three seconds of processor."""
    page = browser.new_page(viewport=VIEW)
    page.set_default_timeout(PATIENCE)
    yield page
    page.close()


@pytest.fixture
def page(window: Page) -> Iterator[Page]:
    """A page that fails its test when a script breaks or something outside this machine is asked for. What a browser
    keeps of a site is forgotten after each test."""
    wrong: list[str] = []
    listeners: dict[Any, Callable[..., None]] = {
        "console": lambda said: wrong.append(said.text) if said.type == "error" else None,
        "pageerror": lambda error: wrong.append(str(error)),
        "request": lambda asked: None if is_here(asked.url) else wrong.append(f"asked for {asked.url}"),
    }
    window.set_viewport_size(VIEW)
    for event, listener in listeners.items():
        window.on(event, listener)
    yield window
    for event, listener in listeners.items():
        window.remove_listener(event, listener)
    window.evaluate("() => { try { localStorage.clear(); sessionStorage.clear() } catch { /* a page of no site */ } }")
    window.goto(quiet(window.url))
    window.context.clear_cookies()
    window.context.clear_permissions()
    assert wrong == []


def quiet(url: str) -> str:
    """A page without scripts, of the same site so that the browser keeps its process; an empty one where the server has
    ended with the test."""
    here = urljoin(url, "/_stcore/health")
    with suppress(OSError, ValueError), urlopen(here, timeout=60):
        return here
    return "about:blank"


def eventually(page: Page, read: Callable[[], Value], holds: Callable[[Value], object]) -> Value:
    """What is read once it is as it should be; for what `expect` does not know."""
    end = time.monotonic() + PATIENCE / 1000
    while not holds(value := read()):
        assert time.monotonic() < end, value
        page.wait_for_timeout(50)
    return value


def at_rest(page: Page, what: Locator) -> FloatRect:
    """Where something lies once it no longer moves."""
    seen: list[FloatRect | None] = [None]

    def is_still(box: FloatRect | None) -> bool:
        seen.append(box)
        return box is not None and box == seen[-2]

    box = eventually(page, what.bounding_box, is_still)
    assert box is not None
    return box


def expect_url(page: Page, part: str) -> None:
    """Wait until the address holds this."""
    eventually(page, lambda: page.url.replace("%2F", "/"), lambda url: part in url)


def expect_listening(page: Page) -> None:
    """Wait until the page hears keys and takes what is pasted or dropped: its sheet of keys is filled then."""
    expect(page.locator(".keys dt").first).to_be_attached()
    expect_idle(page)


def expect_idle(page: Page) -> None:
    """Wait until the page has run to its end: what is typed or pressed before that may be lost on a busy machine."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def is_here(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "data:", "blob:"))


def tiles(page: Page) -> Locator:
    return page.locator(".tile")


def search(page: Page, words: str) -> None:
    expect_idle(page)
    page.get_by_placeholder("Describe an image").fill(words)
    page.keyboard.press("Enter")


def expect_count(page: Page, count: int) -> None:
    """Wait until the grid has so many tiles, of which only those near the window exist."""
    expect(page.locator(".grid")).to_have_attribute("data-count", str(count), timeout=PATIENCE)


def expect_first(page: Page, folder: str) -> None:
    """Wait until the best hit lies in a folder."""
    expect(tiles(page).first).to_have_attribute("data-id", re.compile(f"^{folder}/"), timeout=PATIENCE)
