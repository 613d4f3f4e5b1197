"""Is the app quick enough to be used daily?  Headless Chromium against a collection of 100,000 images, `toy` encoder.

    python -m benchmarks.app [--items 100000] [--searches 500]

Measured in the page itself: from the Enter key to the first 60 thumbnails painted, from opening a URL to a usable page,
how long a tile stays blank while 2,000 results are scrolled, ten sessions at once; and the server's memory over many
searches. The collection is kept in `--keep` and made only once.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.report import Target, publish, with_table

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "app.md"
UNIQUE = 5_000  # painted images; each is in the collection several times, under other names
COLOURS = {
    "red": (214, 24, 24),
    "green": (20, 150, 40),
    "blue": (24, 48, 214),
    "yellow": (240, 220, 20),
    "orange": (240, 130, 20),
    "purple": (130, 40, 170),
    "white": (245, 245, 245),
    "black": (12, 12, 12),
}
WORDS = [f"{what} {colour}" for what in ("something", "a field of", "mostly") for colour in COLOURS]
VIEW = {"width": 1400, "height": 900}
FIRST = 60
SESSIONS, REST = 10, 3_000  # milliseconds in which the pages that were opened come to rest
PATIENCE = 120_000
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

SCRIPT = Path(__file__).with_name("app_page.js").read_text("utf-8")


def main() -> None:
    options = _options()
    folder = collection(options.keep, options.items)
    with server(folder) as (url, process), _browser() as browser:
        numbers: dict[str, Any] = {"items": options.items, "encoder": "toy", "processor": platform.processor()}
        say("first visits")
        numbers |= {f"first visit, run {n + 1} (s)": first_visit(browser, url) for n in range(3)}
        visits = [value for name, value in numbers.items() if name.startswith("first visit")]
        say(f"{visits}; queries")
        page = opened(browser, url)
        found = [query(page, words) for words in WORDS]
        times = [answer["ms"] / 1000 for answer in found[2:]]
        numbers |= {
            "thumbnails painted (least of all queries)": min(answer["count"] for answer in found),
            "query, slowest (s)": max(times),
        }
        say(f"median {statistics.median(times):.2f} s; scrolling")
        blank = scrolled(browser, url)
        numbers |= {"results scrolled": blank["seen"], "scrolling them took (s)": blank["ms"] / 1000}
        say(f"{blank}; sessions")
        together = sessions(browser, url)
        numbers |= {"ten sessions, median (s)": statistics.median(together)}
        say(f"{together}; memory")
        memory = memory_over(page, process.pid, options.searches)
        numbers |= {"memory after 50 searches (MB)": memory[0], f"memory after {options.searches} (MB)": memory[1]}
    targets = [
        Target("query to first 60 thumbnails, median (s)", statistics.median(times), at_most=1.0),
        Target("first visit to usable page, median (s)", statistics.median(visits), at_most=4.0),
        Target("longest blank while scrolling 2,000 (s)", blank["longest"] / 1000, at_most=0.5),
        Target("results that were scrolled", blank["seen"], at_least=min(2_000, options.items)),
        Target("memory growth over searches (%)", 100 * (memory[1] / memory[0] - 1), at_most=10.0),
        Target("ten sessions at once, slowest (s)", max(together), at_most=3.0),
    ]
    publish(options.name, numbers, targets)
    if options.name == "app":
        PAGE.write_text(with_table(PAGE.read_text("utf-8"), "app", table(targets)), "utf-8")


def table(targets: list[Target]) -> str:
    """As the page about the app shows it."""
    lines = ["| measured | value | wanted |", "| --- | --- | --- |"]
    for each in targets:
        wanted = f"≥ {each.at_least:,}" if each.at_least is not None else f"≤ {each.at_most:,}"
        value = f"{each.value:,.0f}" if each.value >= 100 else f"{each.value:.2f}"
        lines.append(f"| {each.name} | {value} | {wanted} |")
    return "\n".join(lines)


def say(what: str) -> None:
    """How far it is, beside the table."""
    print(f"{time.strftime('%H:%M:%S')}  {what}", file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--searches", type=int, default=500)
    parser.add_argument("--name", default="app", help="the name of the results' file")
    parser.add_argument("--keep", type=Path, default=Path.home() / ".cache" / "clipdex-bench")
    return parser.parse_args()


# --- the collection and the server -----------------------------------------------------------------------------------


def collection(keep: Path, items: int) -> Path:
    """A folder of painted images, indexed. Those beyond `UNIQUE` are hard links, and copies of the rows of others:
    what is measured is the app, and indexing has a benchmark of its own."""
    import numpy as np

    import clipdex
    from indexer.collection.collection import FOLDER, Collection

    folder, unique = keep / f"cards-{items}", min(UNIQUE, items)
    if (folder / "done").exists():
        return folder
    draw = np.random.default_rng(0)
    for number in range(unique):
        path = folder / f"{number % 40:02}" / f"{number:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        _paint(draw).save(path, quality=82)
    print(clipdex.index(folder, model="toy").summary())
    table = Collection.open(folder / FOLDER).table("images")
    rows = table.to_arrow()
    ids = rows["id"].to_pylist()
    for copy in range(1, -(-items // unique)):
        some = rows.slice(0, items - copy * unique)
        for name in ids[: len(some)]:
            place = folder / f"copy-{copy:02}" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.hardlink_to(folder / name)
        for column in ("id", "folder"):
            at = some.schema.get_field_index(column)
            renamed = [f"copy-{copy:02}/{value}" for value in some[column].to_pylist()]
            some = some.set_column(at, some.schema.field(at), [renamed])
        table.add(some)
    (folder / "done").touch()
    return folder


def _paint(draw: Any) -> Any:
    """Two colours, and a few discs of others."""
    from PIL import Image, ImageDraw

    names = list(COLOURS)
    top, bottom = (COLOURS[names[int(draw.integers(len(names)))]] for _ in range(2))
    width, height = (320, 240) if draw.random() < 0.7 else (240, 320)
    image = Image.new("RGB", (width, height), top)
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, int(height * draw.uniform(0.3, 1)), width, height), fill=bottom)
    for _ in range(int(draw.integers(1, 6))):
        x, y, radius = draw.integers(0, width), draw.integers(0, height), draw.integers(8, 60)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tuple(draw.integers(0, 256, 3).tolist()))
    return image


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The app as `clipdex ui` starts it, once it answers and has loaded what it needs."""
    from app.cli.commands.ui import server_command

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "CLIPDEX_COLLECTION": json.dumps([str(folder)])}
    environment["CLIPDEX_LIBRARY"] = ""  # not what its user opened
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(server_command(port), cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            end = time.monotonic() + 120
            while time.monotonic() < end:
                try:
                    with socket.create_connection(("127.0.0.1", port), timeout=5):
                        break
                except OSError:
                    time.sleep(0.2)
            time.sleep(15)  # a warm collection: the server loads it when it starts
            yield url, process
        finally:
            process.terminate()


@contextmanager
def _browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


# --- what is measured ------------------------------------------------------------------------------------------------


def opened(browser: Browser, url: str) -> Page:
    """A page of a browser that has never been here, on the start screen."""
    page = browser.new_context(viewport=VIEW).new_page()  # type: ignore[arg-type]
    page.set_default_timeout(PATIENCE)
    page.add_init_script(SCRIPT)
    page.goto(url)
    page.locator(".tile img.ready").first.wait_for()
    page.evaluate("bench.listen()")
    return page


def first_visit(browser: Browser, url: str) -> float:
    """Seconds from opening the URL, with nothing cached, until there is a box to type in and an image to see."""
    start = time.perf_counter()
    page = opened(browser, url)
    page.get_by_placeholder("Describe an image").wait_for()
    taken = time.perf_counter() - start
    page.context.close()
    return taken


def query(page: Page, words: str, wanted: int = FIRST) -> dict[str, float]:
    """Type words and Enter; milliseconds until the first thumbnails are drawn, and how many these are."""
    box = page.get_by_placeholder("Describe an image")
    box.fill(words)
    box.press("Enter")
    found: dict[str, float] = page.evaluate("wanted => bench.painted(wanted)", wanted)
    return found


def scrolled(browser: Browser, url: str) -> dict[str, float]:
    """Scroll through 2,000 results; the longest that something in the window was blank."""
    page = opened(browser, f"{url}/?q=width>1")  # a condition alone: results without a line where they end
    page.wait_for_timeout(1500)
    found: dict[str, float] = page.evaluate("patience => bench.scroll(2000, patience)", PATIENCE)
    page.context.close()
    return found


def sessions(browser: Browser, url: str) -> list[float]:
    """Seconds of each of several sessions that ask at the same moment."""
    pages = [opened(browser, url) for _ in range(SESSIONS)]
    pages[-1].wait_for_timeout(REST)
    for page, words in zip(pages, WORDS, strict=False):
        page.get_by_placeholder("Describe an image").fill(words)
        page.evaluate("wanted => { bench.found = bench.painted(wanted) }", FIRST)
    for page in pages:
        page.get_by_placeholder("Describe an image").press("Enter", no_wait_after=True)
    times: list[float] = [page.evaluate("() => bench.found")["ms"] / 1000 for page in pages]
    for page in pages:
        page.context.close()
    return times


def memory_over(page: Page, process: int, searches: int) -> tuple[float, float]:
    """The server's memory (MB) after 50 searches and after all of them."""
    early = 0.0
    for number in range(searches):
        query(page, f"{WORDS[number % len(WORDS)]} {number}", wanted=1)
        if number == min(50, searches // 2):
            early = resident(process)
    return early, resident(process)


def resident(process: int) -> float:
    """Resident memory in MB."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1000
    return 0.0


if __name__ == "__main__":
    main()
