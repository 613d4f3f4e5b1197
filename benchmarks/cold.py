"""How long does a person wait after the start?  `clipdex search`, `clipdex ui`, and a warm query beside its tower.

    python -m benchmarks.cold [--cache FOLDER]

Each start is a new process with its files in the system's memory, as after the first start of a day; the clock, and the
processor time of all that it started, which says more on a machine where others work, too. Medians.

- `clipdex search` from process start to printed hits: the bundled model over 120 painted images, and a model of
  ViT-B/32's shape with random weights over 10,000 made-up vectors. The first start, which is told apart, reads the
  collection with LanceDB and keeps the copy that the others use (`indexer/collection/storage/snapshot_cache.py`).
- `clipdex ui` over the painted images, until its port is open, and until a headless Chromium that was started before
  shows the search box. It is left out, and said so, where Playwright or Chromium are missing.
- A query by words in a running program over 100,000 vectors, beside what the text tower alone takes for the same words.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

import clipdex
from benchmarks.made_collection import collection_of
from benchmarks.report import Target, publish
from core.encoder import Encoder
from core.formats.model_dir import save_model
from core.inference.load import load_encoder
from core.model.clip import CLIP
from core.model.config import ModelConfig, PreprocessConfig, preset
from core.model.init import initialise
from core.text.tokenizer import train_tokenizer
from indexer.collection.collection import Collection
from indexer.search.searcher import Searcher
from train.scenes import write_collection

MODEL = "ViT-B-32"
PAINTED, COLD, WARM = 120, 10_000, 100_000
STARTS, UI_STARTS, QUERIES = 7, 5, 40
PATIENCE = 120.0  # seconds
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
CHROMIUM_OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
BOX = "Describe an image …"
WORDS = ("a red car", "two dogs on a beach", "an old house in the snow", "the sea at night", "a bowl of fruit")

Numbers = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path("runs/search"), help="where model and collections are kept")
    numbers: Numbers = {}
    publish("cold", numbers, measure(parser.parse_args().cache.resolve(), numbers))


def measure(cache: Path, numbers: Numbers) -> list[Target]:
    """All measurements."""
    model, painted = made_model(cache), painted_collection(cache)
    made = made_collection(cache, model, COLD)
    return [
        cold(f"tiny, {PAINTED} images", painted, 2.0, numbers),
        cold(f"{MODEL}, {COLD:,} images", made, 2.5, numbers),
        *ui(painted, numbers),
        warm(cache, model, numbers),
    ]


def cold(name: str, folder: Path, at_most: float, numbers: Numbers) -> Target:
    """Seconds from the start of a search to its end, the median."""
    clock, processor = [], []
    for words in (WORDS * STARTS)[: STARTS + 1]:
        command = [sys.executable, "-m", "app.cli", "search", words, str(folder), "--limit", "10"]
        used, started = _children(), time.perf_counter()
        found = subprocess.run(command, capture_output=True, text=True, check=True, env=_environment())
        clock.append(time.perf_counter() - started)
        processor.append(_children() - used)
        assert found.stdout.count("\n") >= 10, found.stdout
    numbers[f"clipdex search, {name}: s of each start"] = _listed(clock)
    numbers[f"clipdex search, {name}: processor s of each start"] = _listed(processor)
    numbers[f"clipdex search, {name}: processor s"] = statistics.median(processor[1:])
    return Target(
        f"clipdex search, {name}, process start to printed hits: s", statistics.median(clock[1:]), None, at_most
    )


def ui(folder: Path, numbers: Numbers) -> list[Target]:
    """Seconds from the start of the app until its port is open, and until a browser shows the search box."""
    try:
        from playwright.sync_api import sync_playwright

        if not Path(CHROMIUM).exists():
            raise ImportError
    except ImportError:
        numbers["clipdex ui"] = "left out: Playwright or Chromium is not installed"
        return []
    found: dict[str, list[tuple[float, float]]] = {"port open": [], "search box shown": []}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        for _ in range(UI_STARTS + 1):
            page = browser.new_page()
            started = time.perf_counter()
            with _served(folder) as (server, port):
                _wait_for(port)
                found["port open"].append((time.perf_counter() - started, _used_by(server.pid)))
                page.goto(f"http://127.0.0.1:{port}", wait_until="commit")
                page.get_by_placeholder(BOX).wait_for(timeout=1000 * PATIENCE)
                found["search box shown"].append((time.perf_counter() - started, _used_by(server.pid)))
            page.close()
        browser.close()
    targets = []
    for (what, seconds), at_most in zip(found.items(), (3.0, 6.0), strict=True):
        clock, processor = zip(*seconds, strict=True)
        numbers[f"clipdex ui, {what}: s of each start"] = _listed(clock)
        numbers[f"clipdex ui, {what}: processor s"] = statistics.median(processor[1:])
        targets.append(Target(f"clipdex ui, {what}: s", statistics.median(clock[1:]), at_most=at_most))
    return targets


@contextmanager
def _served(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "app.cli", "ui", str(folder), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=_environment()) as server:
        try:
            yield server, port
        finally:
            server.terminate()


def _wait_for(port: int) -> None:
    end = time.perf_counter() + PATIENCE
    while time.perf_counter() < end:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.01)
    raise TimeoutError(f"nothing listens on port {port}")


def _environment() -> dict[str, str]:
    """As an installed program: its modules are compiled once, not each time it starts."""
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}


def _children() -> float:
    """Seconds of the processor that ended children have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _used_by(process: int) -> float:
    """Seconds of the processor that a running process and its children have used (Linux; elsewhere nan)."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") + sum(map(_used_by, map(int, children)))


def _listed(seconds: Iterable[float]) -> str:
    return ", ".join(f"{each:.2f}" for each in seconds)


def warm(cache: Path, model: Path, numbers: Numbers) -> Target:
    """How much longer a search takes than 1.15 times the text tower alone, in turns; milliseconds, medians."""
    folder = made_collection(cache, model, WARM)
    encoder = load_encoder(model)
    searcher = Searcher(Collection.find(folder), encoder)
    searcher.search(WORDS[0], limit=10)
    alone, whole = [], []
    for turn in range(QUERIES):
        words = f"{WORDS[turn % len(WORDS)]} number {turn}"
        started = time.perf_counter()
        encoder.encode_texts([words])
        between = time.perf_counter()
        searcher.search(f"{words} again", limit=10)
        whole.append(time.perf_counter() - between)
        alone.append(between - started)
    tower, search = 1000 * statistics.median(alone), 1000 * statistics.median(whole)
    numbers[f"text query, warm, {WARM:,} images: text tower alone, whole search: ms"] = f"{tower:.2f}, {search:.2f}"
    name = f"text query, warm, {WARM:,} images: ms beyond 1.15 times its text tower"
    return Target(name, search - 1.15 * tower, at_most=25)


def made_model(cache: Path) -> Path:
    """A model directory with random weights, made once."""
    folder = cache / f"random-{MODEL}"
    if not (folder / "config.json").exists():
        tokenizer = train_tokenizer([f"a photo of {words}" for words in WORDS] * 3, 600)
        clip = preset(MODEL)
        rules = {"vocab_size": tokenizer.vocab_size, "eot_id": tokenizer.config.eot_id}
        # As many rows in the table of words as CLIP's tokenizer has words, though these few are all that is used.
        rules["vocab_size"] = max(clip.text.vocab_size, tokenizer.vocab_size)
        clip = clip.model_copy(update={"text": clip.text.model_copy(update=rules)})
        config = ModelConfig(
            name=f"random-{MODEL}", clip=clip, preprocess=PreprocessConfig(image_size=224), tokenizer=tokenizer.config
        )
        save_model(folder, initialise(CLIP(clip), seed=0), config, tokenizer, card="random weights\n", origin={})
    return folder


def painted_collection(cache: Path) -> Path:
    """A folder of painted images with a collection by the bundled model, as `clipdex demo` makes it, made once."""
    folder = cache / f"{PAINTED}-painted"
    if not (folder / ".clipdex").exists():
        write_collection(folder, PAINTED, seed=1, size=256)
        clipdex.index(folder, model="tiny")
    return folder


def made_collection(cache: Path, model: Path, n: int) -> Path:
    """A collection of that model with n random vectors, made once."""
    folder = cache / f"{n}-collection"
    if not (folder / ".clipdex").exists():
        folder.mkdir(parents=True, exist_ok=True)
        encoder: Encoder = load_encoder(model)
        vectors = np.random.default_rng(0).standard_normal((n, encoder.dim)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        collection_of(folder, vectors, encoder, load=str(model))
    return folder


if __name__ == "__main__":
    main()
