"""Over which images are the app's own images made?  A painted collection with folders, dates, cameras and copies.

`python -m tests.pictures` and `python -m tests.tour` show the app over it.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect

from app.cli.commands.ui import server_command
from tests.app.chromium import PATIENCE
from tests.app.conftest import free_port, wait_for

ROOT = Path(__file__).resolve().parents[1]
SCENES = 300
SIDE = 384
FOLDERS = {
    "trips/sea": ("beach", "island", "sea", "underwater", "lake", "river"),
    "trips/mountains": ("mountains", "hills", "snow field", "desert", "forest"),
    "home": ("meadow", "city", "road", "high sky"),
}
ELSEWHERE = "studio"  # still lifes and plain backgrounds
CAMERAS = {"trips/sea": "Tern 7", "trips/mountains": "Tern 7", "home": "Pocket One", ELSEWHERE: "Bench 4"}
FIRST_DAY = datetime(2023, 5, 6, 9, 30)
EXIF_MODEL, EXIF_MAKE, EXIF_DETAILS, EXIF_TAKEN = 0x0110, 0x010F, 0x8769, 0x9003


def collections() -> tuple[Path, Path]:
    """The images, and a smaller collection beside them. Both are made once and copied for each use:
    what the app writes into them is gone with the next one."""
    kept, here = (Path(tempfile.gettempdir()) / name for name in ("clipdex-gallery", "clipdex-tour"))
    for name, scenes, seed in (("Images", SCENES, 7), ("Scans", 40, 7_000)):
        collection(kept / name, scenes, seed)
    shutil.rmtree(here, ignore_errors=True)
    shutil.copytree(kept, here)
    return here / "Images", here / "Scans"


def collection(folder: Path, scenes: int, seed: int) -> Path:
    """Paint and index the images, unless they already exist."""
    import clipdex
    from train.scenes import paint

    if (folder / ".done").exists():
        return folder
    lines = [("image", "caption")]
    for number in range(scenes):
        scene = paint(seed + number, SIDE)
        place = next((name for name, settings in FOLDERS.items() if scene.content.setting in settings), ELSEWHERE)
        path = folder / place / f"scene-{number + 1:03}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        taken = FIRST_DAY + timedelta(days=2.4 * number, minutes=37 * number % 500)
        scene.image.save(path, quality=88, exif=_exif(CAMERAS[place], taken))
        lines += [(f"{place}/{path.name}", caption) for caption in [*scene.captions, scene.precise]]
        if number % 25 == 3:
            _copies(path, number)
    with (folder / "captions.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)
    (folder / "home" / "half-copied.jpg").write_bytes((folder / lines[1][0]).read_bytes()[:4000])
    (folder / "home" / "not-a-picture.png").write_text("a text under the name of an image")
    clipdex.index(folder, model="tiny")
    (folder / ".done").touch()
    return folder


def _exif(camera: str, taken: datetime) -> Image.Exif:
    found = Image.Exif()
    found[EXIF_MAKE], found[EXIF_MODEL] = "Clipdex", camera
    found.get_ifd(EXIF_DETAILS)[EXIF_TAKEN] = f"{taken:%Y:%m:%d %H:%M:%S}"
    return found


def _copies(path: Path, number: int) -> None:
    """What collects on a disk: the same file once more, a smaller one, and a crop."""
    shutil.copy(path, path.with_name(f"{path.stem}-copy.jpg"))
    with Image.open(path) as image:
        image.resize((SIDE * 2 // 3, SIDE * 2 // 3)).save(path.with_name(f"{path.stem}-small.jpg"), quality=60)
        if number % 2:
            edge = SIDE // 16
            image.crop((edge, edge, SIDE, SIDE)).save(path.with_name(f"{path.stem}-cut.jpg"), quality=85)


@contextmanager
def served(*folders: Path) -> Iterator[str]:
    """The URL of the app over the folders, as `clipdex ui` starts it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {**os.environ, "CLIPDEX_COLLECTION": json.dumps([str(folder) for folder in folders])}
    environment["CLIPDEX_LIBRARY"] = ""  # not what its user opened
    with subprocess.Popen(server_command(port), cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            wait_for(f"{url}/_stcore/health", process)
            yield url
        finally:
            process.terminate()


def settled(page: Page, url: str = "") -> None:
    """Open an address, if one is given, and wait until its page has run to its end and shows its images."""
    if url:
        page.goto(url)
    app = page.get_by_test_id("stApp")
    expect(app).to_have_attribute("data-test-script-state", "notRunning", timeout=PATIENCE)
    expect(page.locator("[data-testid=stMain] :is(h1, h2, h3, p)").first).to_be_visible(timeout=PATIENCE)
    expect(page.locator("[data-testid=stSpinner], [data-testid=stProgress], [data-stale=true]")).to_have_count(
        0, timeout=PATIENCE
    )
    expect(page.locator(".tile:not(.missing) img:not(.ready)")).to_have_count(0, timeout=PATIENCE)
