"""Shows what can be shown of a file that could not be indexed.

Half of a truncated photo is still worth seeing. Such files are looked at by a program of its own, with little memory
and little time: whatever a damaged file does to a decoder, the server does not notice.
"""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indexer.collection.collection import Collection
    from indexer.maintenance.status import Failure

ROOT = Path(__file__).resolve().parents[2]
SIDE = 168  # pixels
MEMORY = 3 << 30  # bytes of addresses; the libraries alone take one and a half
SECONDS = 20
MOST_PIXELS = 120_000_000
HOPELESS = {"vanished", "no permission", "empty file", "unsupported"}  # there is nothing to look at
MOST_KEPT = 2_000

_kept: dict[tuple[str, str, str], bytes] = {}


def previews_of(collection: Collection, failures: Sequence[Failure]) -> dict[str, bytes]:
    """What can be shown of files, by location, small; those of which nothing can are left out."""
    marks = {each.location: (str(collection.path), each.location, str(each.when)) for each in failures}
    wanted = [each.location for each in failures if each.reason not in HOPELESS and marks[each.location] not in _kept]
    if wanted:
        found = _looked_at(collection.path, wanted)
        for location in wanted:
            _kept[marks[location]] = found.get(location, b"")
        while len(_kept) > MOST_KEPT:
            _kept.pop(next(iter(_kept)), None)
    return {location: seen for location, mark in marks.items() if (seen := _kept.get(mark, b""))}


def _looked_at(path: Path, locations: Sequence[str]) -> dict[str, bytes]:
    """What the other program saw before its time was over."""
    order = json.dumps({"collection": str(path), "locations": list(locations)})
    command = [sys.executable, "-m", "app.server.failure_preview"]
    try:
        done = subprocess.run(command, cwd=ROOT, input=order, capture_output=True, text=True, timeout=2 * SECONDS)
        lines = done.stdout
    except subprocess.TimeoutExpired as late:
        lines = late.stdout.decode() if isinstance(late.stdout, bytes) else late.stdout or ""
    found = {}
    for line in lines.splitlines():
        try:
            location, picture = json.loads(line)
        except ValueError:  # cut off in its middle
            continue
        found[location] = base64.b64decode(picture)
    return found


def main() -> None:
    """Read an order, tell of each file that shows something."""
    import resource

    from indexer.collection.collection import Collection

    order = json.loads(sys.stdin.read())
    source = Collection.open(Path(order["collection"])).source
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    for location in order["locations"]:
        with suppress(Exception):  # a decoder that meets a damaged file may raise anything
            seen = partial(source.read(location))
            print(json.dumps([location, base64.b64encode(seen).decode("ascii")]), flush=True)


def partial(content: bytes) -> bytes:
    """As much of an image as can be decoded, small. Raises what a decoder raises where that is nothing."""
    from PIL import Image, ImageFile

    from core.image.decode import FORMATS, thumbnail
    from core.image.pillow import pillow_guard

    ImageFile.LOAD_TRUNCATED_IMAGES = True  # of this program alone
    with warnings.catch_warnings(), pillow_guard(1 << 40):
        warnings.simplefilter("ignore")
        Image.init()
        image = Image.open(io.BytesIO(content), formats=[name for name in FORMATS if name in Image.OPEN])
        image.draft("RGB", (2 * SIDE, 2 * SIDE))
        if image.width * image.height > MOST_PIXELS:
            raise ValueError("too large to be shown")
        image.load()
        return thumbnail(image, SIDE)


if __name__ == "__main__":
    main()
