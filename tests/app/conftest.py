"""What do the tests of the app share?  A small collection of plain colours, and a running server."""

from __future__ import annotations

import functools
import io
import os
import socket
import struct
import subprocess
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from streamlit.components.v2 import manifest_scanner

import clipdex
from app.cli.commands.ui import environment, server_command
from app.library import searchers
from app.server.addresses import address
from app.server.remote_image import URLS_VARIABLE
from tests.app.chromium import browser, page, window
from tests.shared import ROOT

__all__ = ["browser", "page", "window"]  # the fixtures

COLOURS = {"red": (214, 24, 24), "green": (20, 150, 40), "blue": (24, 48, 214), "yellow": (240, 220, 20)}
EACH = 20
LARGE = (1800, 1300)  # large enough that indexing hundreds takes a while
EVIL = "<img src=x onerror=\"document.title='pwned'\"> **bold** [link](http://evil.example)"


def paint(path: Path, colour: str, number: int) -> None:
    """An image of one colour with a disc that makes it differ from its siblings."""
    image = Image.new("RGB", (120 + 8 * (number % 5), 90), COLOURS[colour])
    left = 4 + 5 * number % 80
    ImageDraw.Draw(image).ellipse((left, 20, left + 22, 42), fill=(250, 250, 250))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def fill(folder: Path, count: int) -> None:
    """Large images of one colour each, which differ by a comment inside them, so that they are quickly made."""
    for colour in COLOURS:
        out = io.BytesIO()
        Image.new("RGB", LARGE, COLOURS[colour]).save(out, "PNG")
        head, rest = out.getvalue()[:33], out.getvalue()[33:]  # the signature and IHDR
        (folder / colour).mkdir(parents=True)
        for number in range(count // len(COLOURS)):
            comment = b"tEXtComment\0" + str(number).encode()
            chunk = struct.pack(">I", len(comment) - 4) + comment + struct.pack(">I", zlib.crc32(comment))
            (folder / colour / f"{number:03}.png").write_bytes(head + chunk + rest)


def build(folder: Path) -> Path:
    """80 images in four colours with captions (one of them hostile), two unreadable files; indexed with `toy`."""
    lines = ["image,caption"]
    for colour in COLOURS:
        for number in range(EACH):
            name = f"{colour}/{colour}-{number:02}.png"
            paint(folder / name, colour, number)
            lines.append(f"{name},a {colour} card with a disc at place {number}")
    paint(folder / "red" / "red & <b>odd</b>.png", "red", 50)
    hostile = EVIL.replace('"', '""')
    lines.append(f'red/red & <b>odd</b>.png,"{hostile}"')
    (folder / "captions.csv").write_text("\n".join(lines), encoding="utf-8")
    (folder / "broken.jpg").write_text("this is not an image")
    (folder / "empty.png").touch()
    clipdex.index(folder, model="toy")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _components_are_looked_for_once() -> Iterator[None]:
    """Streamlit reads the metadata of all installed packages for each AppTest, which takes longer than a page: here it
    remembers what it found."""
    with pytest.MonkeyPatch.context() as patch:
        found = functools.cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", found)
        yield


@pytest.fixture(scope="session")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a collection that no test changes."""
    return build(tmp_path_factory.mktemp("cards"))


@dataclass(frozen=True)
class Server:
    """A running app."""

    url: str
    folder: Path

    def address(self, kind: str, item: str) -> str:
        """The path under which an image of an item is served."""
        return address(kind, searchers.key(self.folder.resolve()), item)

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers by lower-case name, and body."""
        request = urllib.request.Request(self.url + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, {name.lower(): value for name, value in error.headers.items()}, error.read()


@pytest.fixture(scope="session")
def server(collection: Path) -> Iterator[Server]:
    """The app over the collection, started as `clipdex ui` starts it."""
    yield from serve(collection)


def serve(folder: Path, *others: Path, token: str = "", opens: bool = True) -> Iterator[Server]:
    """Start the app for folders, or without any, wait until it answers, end it afterwards."""
    port = free_port()
    told = environment([folder, *others] if opens else [], token, urls=os.environ.get(URLS_VARIABLE, ""))
    with subprocess.Popen(
        server_command(port), cwd=ROOT, env=told, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            wait_for(f"http://127.0.0.1:{port}/_stcore/health", process)
            running = Server(f"http://127.0.0.1:{port}", folder)
            running.get(
                running.address("thumb", "no such item")
            )  # the library is loaded now, not while a test waits for its page
            yield running
        finally:
            process.terminate()


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[bytes], seconds: float = 300) -> None:
    """Wait until a URL answers."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process.poll() is None, "the server ended at once"
        try:
            with urllib.request.urlopen(url, timeout=60):
                return
        except urllib.error.HTTPError as error:
            with error:
                return  # it answers, if only to ask for a token
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"{url} does not answer after {seconds} s")
