"""How fast does a folder become a collection?  Beside an open_clip loop, and beside the encoder alone, in one run.

    python -m benchmarks.index           (a quarter of an hour; `benchmarks/peers.py` says how to have open_clip here)
    python -m benchmarks.index --table   (only writes the last results into docs/indexing.md)

The same 1,000 JPEGs of mixed sizes and the same random ViT-B/32 weights for all: clipdex from files to committed rows;
a loop over open_clip and PyTorch's DataLoader that writes .npy files, as clip-retrieval's inference does; and clipdex's
encoder alone, on images that are decoded already. They take turns, and each one's median counts. Then what a long
run is made of: memory and time over 100,000 small images, and commits into a table of a million rows.

On two cores decoding and encoding share the processor, so the share of the encoder alone has a bound that no program
can pass which decodes these files: it is measured, too, from the time of the Huffman decoding alone.
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks import jpegs
from benchmarks.encode import Numbers, build, find_peer
from benchmarks.report import RESULTS, Target, publish, with_table
from core.encoder import read_picture
from core.formats.model_dir import save_model
from core.inference.clip_encoder import CLIPEncoder
from core.model.clip import CLIP
from core.model.config import ModelConfig
from core.text.tokenizer import Tokenizer
from indexer.ingest import sync

BATCH = 64
PAGE = Path(__file__).parents[1] / "docs" / "indexing.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender runs")
    parser.add_argument("--pictures", type=int, default=1000, help="JPEGs of mixed sizes")
    parser.add_argument("--small", type=int, default=100_000, help="small images, for memory and the second run")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the large table")
    parser.add_argument("--folder", type=Path, help="keep the images here, and find them again")
    parser.add_argument("--table", action="store_true", help="only write the results that are there into the docs")
    arguments = parser.parse_args()
    if arguments.table:
        last: Numbers = json.loads((RESULTS / "index.json").read_text("utf-8"))
        PAGE.write_text(with_table(PAGE.read_text("utf-8"), "index", table(last)), "utf-8")
        return
    torch.set_num_threads(arguments.threads)
    numbers: Numbers = {"threads": arguments.threads, "pictures": arguments.pictures, "rounds": arguments.rounds}
    with tempfile.TemporaryDirectory() as temporary:
        kept = arguments.folder or Path(temporary) / "pictures"
        work = Path(temporary) / "work"
        work.mkdir()
        targets = speed(jpegs.mixed(kept / "mixed", arguments.pictures), work, arguments.rounds, numbers)
        if arguments.small:
            targets += long_run(kept, arguments.small, work, numbers)
        if arguments.rows:
            targets += large_table(work, arguments.rows, numbers)
    publish("index", numbers, targets)


def table(results: Numbers) -> str:
    """What docs/indexing.md shows of the results."""
    numbers: Numbers = results["numbers"]
    lines = [
        f"{numbers['pictures']:,} JPEGs of {numbers['mean bytes of a JPEG'] / 1e6:.2f} MB on average, ViT-B/32 in "
        f"{numbers['precision']}, {numbers['threads']} threads, the median of {numbers['rounds']} rounds:",
        "",
        "| | images/s | core-ms an image |",
        "| --- | --- | --- |",
    ]
    for name in ("open_clip loop", "encoder alone", "clipdex"):
        if f"images/s, {name}" in numbers:
            spent = numbers.get(f"core-ms an image, {name}")
            cell = "–" if spent is None else f"{spent:.1f}"
            lines.append(f"| {name} | {numbers[f'images/s, {name}']:.1f} | {cell} |")
    lines.append(f"| Huffman decoding alone | – | {numbers['core-ms an image, Huffman decoding alone']:.1f} |")
    lines += ["", "| | reached | wanted |", "| --- | --- | --- |"]
    for target in results["targets"]:
        wanted = f"at least {target['at_least']:g}" if "at_least" in target else f"at most {target['at_most']:g}"
        missed = "" if target["met"] else ", missed"
        lines.append(f"| {target['name']} | {target['value']:.2f} | {wanted}{missed} |")
    return "\n".join(lines)


def speed(folder: Path, work: Path, rounds: int, numbers: Numbers) -> list[Target]:
    """Images a second of the contenders, and the time to the first batch."""
    peer = find_peer(numbers)
    (config, tokenizer), weights = build(peer)
    encoder = CLIPEncoder.from_weights(weights, config, tokenizer, device="cpu", fingerprint="0" * 64)
    files = sorted(folder.glob("*.jpg"))
    ready = np.stack([read_picture(encoder, file)[1] for file in files])
    cores: dict[str, list[float]] = {"encoder alone": [], "clipdex": []}  # seconds of the processor's time
    contenders: dict[str, Callable[[], float]] = {
        "encoder alone": lambda: timed(lambda: alone(encoder, ready), cores["encoder alone"]),
        "clipdex": lambda: timed(lambda: end_to_end(encoder, folder, work, numbers), cores["clipdex"]),
    }
    if peer is not None:
        # In a process of its own: its loader forks, which LanceDB does not like.
        contenders["open_clip loop"] = lambda: part("open_clip_loop", folder, work / "img_emb_0.npy")["seconds"]
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    encoder.encode_prepared(ready[:BATCH])  # warms up
    importlib.import_module("lancedb")  # a second, which only the first of the rounds would pay
    for _ in range(rounds):
        for name, call in contenders.items():
            seconds[name].append(call())
    rates = {name: len(files) / statistics.median(spent) for name, spent in seconds.items()}
    numbers["precision"] = encoder.precision
    numbers |= {f"images/s, {name}": round(rate, 2) for name, rate in rates.items()}
    each = {name: 1000 * statistics.median(spent) / len(files) for name, spent in cores.items()}
    each["Huffman decoding alone"] = 1000 * huffman(files[:100]) / len(files[:100])
    numbers |= {f"core-ms an image, {name}": round(spent, 2) for name, spent in each.items()}
    bound = each["encoder alone"] / (each["encoder alone"] + each["Huffman decoding alone"])
    numbers["bound of the share of the encoder alone"] = round(bound, 3)
    numbers["mean bytes of a JPEG"] = sum(file.stat().st_size for file in files) // len(files)
    model = save(work / "model", weights, config, tokenizer)
    starts = [part("first_batch", model, folder)["seconds"] for _ in range(4)]
    first = statistics.median(starts[1:])  # the first one reads the whole model once, to know it by its fingerprint
    numbers["start to first decoded batch, s"] = first
    targets = [
        Target("clipdex, share of the encoder alone", rates["clipdex"] / rates["encoder alone"], at_least=0.93),
        Target("start to first decoded batch, s", first, at_most=3.0),
    ]
    if peer is not None:
        ratio = rates["clipdex"] / rates["open_clip loop"]
        targets.insert(0, Target("clipdex, times the open_clip loop", ratio, at_least=1.9))
    return targets


def timed(call: Callable[[], Any], cores: list[float]) -> float:
    """Seconds that it takes; those of the processor's time go to `cores`."""
    started, spent = time.perf_counter(), time.process_time()
    call()
    cores.append(time.process_time() - spent)
    return time.perf_counter() - started


def alone(encoder: CLIPEncoder, pixels: np.ndarray) -> None:
    for start in range(0, len(pixels), BATCH):
        encoder.encode_prepared(pixels[start : start + BATCH])


def end_to_end(encoder: CLIPEncoder, folder: Path, work: Path, numbers: Numbers) -> None:
    """From files to committed rows with thumbnails, metadata and vectors."""
    with tempfile.TemporaryDirectory(dir=work) as to:
        report = sync.index(folder, encoder=encoder, to=to)
        assert report.added == len(list(folder.glob("*.jpg"))), report
        numbers |= {f"clipdex, seconds of work, {stage}": spent for stage, spent in report.stages.items()}


def huffman(files: list[Path]) -> float:
    """Seconds for the least that decoding takes: one grey value for each 8 x 8 pixels."""
    spent = 0.0
    for file in files:
        with Image.open(io.BytesIO(file.read_bytes())) as image:
            image.draft("L", (1, 1))
            started = time.thread_time()
            image.load()
            spent += time.thread_time() - started
    return spent


def save(folder: Path, weights: dict[str, torch.Tensor], config: ModelConfig, tokenizer: Tokenizer) -> Path:
    clip = CLIP(config.clip)
    clip.load_state_dict(weights)
    save_model(folder, clip, config, tokenizer, card="Random weights.", origin={})
    return folder


def long_run(kept: Path, n: int, work: Path, numbers: Numbers) -> list[Target]:
    """Memory over n small images, and how long it takes to find all of them unchanged."""
    tenth, whole = jpegs.small(kept / "small-tenth", n // 10), jpegs.small(kept / "small", n)
    first = part("whole_run", whole, work / "whole", n // 10)
    part("whole_run", tenth, work / "tenth", n // 10)
    again = {n // 10: second_run(tenth, work / "tenth"), n: second_run(whole, work / "whole")}
    numbers["small images"] = n
    numbers["small images/s, toy encoder"] = round(n / first["seconds"], 1)
    numbers["memory after a tenth, MB"], numbers["memory at the end, MB"] = first["early"], first["late"]
    for count, seconds in again.items():
        numbers[f"second run over {count:,} unchanged files, s"] = seconds
    start = second_run(jpegs.small(kept / "few", 1), work / "few", fresh=True)
    numbers["second run over one file, s"] = start
    growth = (again[n] - start) / max(again[n // 10] - start, 0.05)
    return [
        Target("memory at the end, times that after a tenth", first["late"] / first["early"], at_most=1.1),
        Target(f"second run over {n:,} unchanged files, s", again[n], at_most=10.0),
        Target("second run, ten times the files: times the time, less the start", growth, at_most=12.0),
    ]


def second_run(folder: Path, to: Path, *, fresh: bool = False) -> float:
    """Seconds of `clipdex index` from start to end; the median of three."""
    command = [sys.executable, "-m", "app.cli", "index", str(folder), "--to", str(to), "--quiet"]
    if fresh:
        subprocess.run([*command, "--model", "toy"], check=True)
    times = []
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run(command, check=True)
        times.append(time.perf_counter() - started)
    return round(statistics.median(times), 3)


def large_table(work: Path, rows: int, numbers: Numbers) -> list[Target]:
    """How the time of a commit and the memory grow with the table."""
    found = part("many_rows", work / "rows", rows)
    numbers |= {f"table of {rows:,} rows, {name}": value for name, value in found.items()}
    return [
        Target(
            "a commit into the full table, times one into a small one", found["late, s"] / found["early, s"], at_most=2
        ),
        Target("memory at a full table, times that at a tenth", found["late, MB"] / found["early, MB"], at_most=1.25),
    ]


def part(name: str, *words: Any) -> dict[str, float]:
    """One measurement in a process of its own (`benchmarks/index_parts.py`)."""
    run = "from benchmarks.index_parts import main; main()"
    command = [sys.executable, "-c", run, name, *map(str, words), str(time.time())]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


if __name__ == "__main__":
    main()
