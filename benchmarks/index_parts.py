"""What does `benchmarks.index` measure in a process of its own?  Memory, and the time from a program's start."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

MEGABYTE = 1 << 20
COMMITS = 10  # whose median is taken
BATCH = 64
WORKERS = 2  # of the DataLoader: one for each core


def memory() -> float:
    """What this process has in memory now, in megabytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * 4096 / MEGABYTE, 1)


def first_batch(model: str, folder: str, started: str) -> dict[str, float]:
    """Seconds from the start of `clipdex index` to the moment when the model gets its first images."""
    import clipdex
    from app.cli import main as command

    found: list[float] = []
    load = clipdex.load_encoder

    def encode(pixels: np.ndarray) -> np.ndarray:
        found.append(time.time() - float(started))
        raise KeyboardInterrupt

    def watched(*arguments: Any, **options: Any) -> Any:
        encoder = load(*arguments, **options)
        encoder.encode_prepared = encode  # type: ignore[method-assign]
        return encoder

    clipdex.load_encoder = watched
    with tempfile.TemporaryDirectory() as to, contextlib.suppress(SystemExit):
        command(["index", folder, "--model", model, "--to", to, "--quiet"])
    return {"seconds": round(found[0], 3)}


def open_clip_loop(folder: str, to: str, _: str) -> dict[str, float]:
    """Vectors in a .npy file, as clip-retrieval's inference writes them: no thumbnails, no table, no resuming."""
    import torch

    from benchmarks.encode import MODEL
    from benchmarks.peers import OpenCLIP

    peer = OpenCLIP(MODEL)
    torch.set_num_threads(WORKERS)
    files = sorted(Path(folder).glob("*.jpg"))

    class Pictures(torch.utils.data.Dataset[torch.Tensor]):
        def __len__(self) -> int:
            return len(files)

        def __getitem__(self, number: int) -> torch.Tensor:
            return peer.prepare(files[number])

    peer.encode_images(torch.stack([peer.prepare(file) for file in files[:8]]))  # warms up
    started = time.perf_counter()
    loader = torch.utils.data.DataLoader(Pictures(), batch_size=BATCH, num_workers=WORKERS)
    np.save(to, np.concatenate([peer.encode_images(batch).astype(np.float16) for batch in loader]))
    return {"seconds": time.perf_counter() - started}


def whole_run(folder: str, to: str, early: str, _: str) -> dict[str, float]:
    """Index everything with the toy encoder, and look at the memory after `early` images and at the end."""
    import clipdex
    from indexer.ingest.report import Progress

    seen: dict[str, float] = {}

    def look(step: Progress) -> None:
        if step.stage == "embed" and step.done >= int(early):
            seen.setdefault("early", memory())
            seen["late"] = memory()

    report = clipdex.index(folder, model="toy", to=to, progress=look)
    assert not report.failed, report
    return seen | {"seconds": report.seconds}


def many_rows(to: str, rows: str, _: str) -> dict[str, float]:
    """Write made-up outcomes as a run does; time the commits and look at the memory early and at the end."""
    from indexer.collection.collection import Collection, SourceInfo
    from indexer.ingest.planning.existing_rows import ExistingRows
    from indexer.ingest.report import Stopwatch
    from indexer.ingest.writing import writer
    from indexer.ingest.writing.captions import Captions

    n, path = int(rows), Path(to)
    Collection.prepare(path)
    encoder = _wide()
    collection = Collection.create(path, encoder, [SourceInfo(kind="folder", location="/nowhere")])
    sink = writer.Writer(collection, encoder, Captions(), ExistingRows.nothing(), Stopwatch())
    times: list[float] = []
    memories: list[float] = []
    generator = np.random.default_rng(0)
    for start in range(0, n, writer.COMMIT_ROWS):
        outcomes = _outcomes(generator, start, min(writer.COMMIT_ROWS, n - start), encoder.dim)
        began = time.perf_counter()
        for outcome in outcomes:
            sink.take(outcome)
        sink.commit()
        times.append(time.perf_counter() - began)
        memories.append(memory())
    began = time.perf_counter()
    ExistingRows.read(collection)
    reading = time.perf_counter() - began
    return {
        "early, s": _typical(times[:COMMITS]),
        "late, s": _typical(times[-COMMITS:]),
        "longest, s": round(max(times), 3),  # the one that tidied up
        "rows/s": round(n / sum(times)),
        "early, MB": memories[len(memories) // 10],
        "late, MB": memories[-1],
        "to know them all, s": round(reading, 3),
    }


def _typical(times: list[float]) -> float:
    return round(sorted(times)[len(times) // 2], 4)


def _wide() -> Any:
    """An encoder that is only asked for its name and its 512 numbers."""
    from core.inference.toy import ToyEncoder

    encoder = ToyEncoder()
    encoder.dim = 512
    return encoder


def _outcomes(generator: np.random.Generator, first: int, n: int, dim: int) -> list[Any]:
    """What the pipeline would give for n images, with thumbnails of two kilobytes."""
    from core.image.metadata import Metadata
    from indexer.ingest.embedding.pipeline import Embedded
    from indexer.sources import Item

    vectors = generator.normal(size=(n, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    thumbnail = generator.bytes(2000)
    return [
        Embedded(
            item=Item(f"{number // 1000:04}/some image {number:08}.jpg", number, number),
            hash=f"{number:064x}",
            width=640,
            height=480,
            embedded=[],
            metadata=Metadata(format="JPEG"),
            thumbnail=thumbnail,
            vector=vector,
        )
        for number, vector in enumerate(vectors, start=first)
    ]


def main() -> None:
    """`main()` with the name of a part and its words as arguments; the answer is one line of JSON."""
    name, *words = sys.argv[1:]
    parts: dict[str, Any] = {
        "first_batch": first_batch,
        "open_clip_loop": open_clip_loop,
        "whole_run": whole_run,
        "many_rows": many_rows,
    }
    print(json.dumps(parts[name](*words)))
