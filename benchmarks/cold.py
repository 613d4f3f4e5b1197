"""How long does a person wait for words?  `clipdex search` from process start to printed hits, and a warm query.

    python -m benchmarks.cold [--cache FOLDER]

A model of ViT-B/32's shape with random weights, in a folder of its own; collections of 10,000 and of 100,000 made-up
vectors. Cold: the command is started anew each time, with files in the system's memory, as after the first start of a
day. Warm: a query by words in a running program, beside what the text tower alone takes for the same words. rclip does
the same in the same run where it is installed and has a collection: it needs pictures, so it is left out and said here.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.made_collection import collection_of
from benchmarks.report import Target, publish
from core.clip import CLIP
from core.config import ModelConfig, PreprocessConfig, preset
from core.encoder import Encoder, load_encoder
from core.init import initialise
from core.model_dir import save_model
from core.tokenizer import train_tokenizer
from indexer.collection import Collection
from indexer.search import Searcher

MODEL = "ViT-B-32"
COLD, WARM = 10_000, 100_000
STARTS, QUERIES = 7, 40
WORDS = ("a red car", "two dogs on a beach", "an old house in the snow", "the sea at night", "a bowl of fruit")

Numbers = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path("runs/search"), help="where model and collections are kept")
    numbers: Numbers = {}
    publish("cold", numbers, measure(parser.parse_args().cache.resolve(), numbers))


def measure(cache: Path, numbers: Numbers) -> list[Target]:
    """Both measurements."""
    model = made_model(cache)
    return [cold(cache, model, numbers), warm(cache, model, numbers)]


def cold(cache: Path, model: Path, numbers: Numbers) -> Target:
    """Seconds from the start of a process to its end, the median."""
    folder = made_collection(cache, model, COLD)
    times = []
    for words in (WORDS * STARTS)[: STARTS + 1]:
        started = time.perf_counter()
        command = [sys.executable, "-m", "app.cli", "search", words, str(folder), "--limit", "10"]
        # As an installed program: its modules are compiled once, not each time it starts.
        found = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
        )
        times.append(time.perf_counter() - started)
        assert found.stdout.count("\n") >= 10, found.stdout
    numbers[f"clipdex search, {COLD:,} pictures, {MODEL}: seconds of each start"] = ", ".join(
        f"{each:.2f}" for each in times
    )
    value = statistics.median(times[1:])
    return Target(f"clipdex search, process start to printed hits, {COLD:,} pictures: s", value, at_most=2.5)


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
    numbers[f"text query, warm, {WARM:,} pictures: text tower alone, whole search: ms"] = f"{tower:.2f}, {search:.2f}"
    name = f"text query, warm, {WARM:,} pictures: ms beyond 1.15 times its text tower"
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
