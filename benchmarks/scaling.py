"""What do a million, a hundred million and five billion images cost?  Measured, and the tables of docs/scaling.md.

    python -m benchmarks.scaling            measures what is measured here, writes results/scaling.json and the tables
    python -m benchmarks.scaling --tables   only writes the tables anew, from results/scaling.json

Everything in the tables is arithmetic over `Measured` and `PUBLISHED`; `tests/test_scaling.py` does it again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import tracemalloc
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import RESULTS, publish, with_table

PAGE = Path(__file__).parents[1] / "docs" / "scaling.md"
SIZES = {"1 M": 10**6, "100 M": 10**8, "5 B": 5 * 10**9}
DIM = 512  # ViT-B/32
ROWS, SHARD = 20_000, 5_000
PUBLISHED = {  # images a second with ViT-B/32, by the authors of clip-retrieval
    "one RTX 3080 (published: 1,400-1,500)": 1_400.0,
    "one A100 (published: 2,500)": 2_500.0,
    "eight A100 in one machine (published: 7,000)": 7_000.0,
}
LAION = {"vectors": 5.85e9, "dim": 768, "bytes": 2, "embeddings": 9e12, "index": 800e9}


@dataclass(frozen=True)
class Measured:
    """What docs/scaling.md calculates with."""

    images_per_second: float  # ViT-B/32 in bf16, two cores, from decoded images to vectors
    commits_per_second: float  # rows from shard files into the tables, by the one committer
    row_bytes: float  # of a row in the tables, with its thumbnail and its vector
    shard_bytes: float  # of an outcome in a staging file
    thumbnail_bytes: float
    driver_bytes: float  # of memory for each image of the source, where the run is started
    code_bytes: float  # of a vector in the index ivf-pq

    @classmethod
    def read(cls) -> Measured:
        numbers = json.loads((RESULTS / "scaling.json").read_text())["numbers"]
        return cls(**{name: numbers[name] for name in cls.__dataclass_fields__})


def rates(measured: Measured) -> dict[str, float]:
    """Hardware -> images a second."""
    eight = PUBLISHED["eight A100 in one machine (published: 7,000)"]
    return {
        "this machine, two cores (measured)": measured.images_per_second,
        **PUBLISHED,
        "eight such machines (projected: 8 × 7,000)": 8 * eight,
    }


def tables(measured: Measured) -> dict[str, str]:
    """The tables of the page by name, in Markdown."""
    m = measured
    heads = list(SIZES)
    time_rows = {
        f"embed, {name}, {rate:,.0f}/s": [duration(n / rate) for n in SIZES.values()] for name, rate in rates(m).items()
    }
    time_rows[f"merge, one committer, {m.commits_per_second:,.0f}/s (measured)"] = [
        duration(n / m.commits_per_second) for n in SIZES.values()
    ]
    storage = {
        f"vectors, float32: {DIM} × 4 B": [size(n * DIM * 4) for n in SIZES.values()],
        f"thumbnails, {m.thumbnail_bytes:,.0f} B (measured)": [size(n * m.thumbnail_bytes) for n in SIZES.values()],
        f"all of a row, {m.row_bytes:,.0f} B (measured)": [size(n * m.row_bytes) for n in SIZES.values()],
        f"index ivf-pq, {m.code_bytes:,.0f} B (measured)": [size(n * m.code_bytes) for n in SIZES.values()],
    }
    memory = {
        f"where the run is started, {m.driver_bytes:,.0f} B an image (measured)": [
            size(n * m.driver_bytes) for n in SIZES.values()
        ],
        f"exact search, vectors in memory, {DIM * 4:,} B": [size(n * DIM * 4) for n in SIZES.values()],
        f"search through ivf-pq, all of it in memory, {m.code_bytes:,.0f} B": [
            size(n * m.code_bytes) for n in SIZES.values()
        ],
        f"staging file of a GPU's shard, {SHARD:,} × {m.shard_bytes:,.0f} B": [size(SHARD * m.shard_bytes)]
        * len(heads),
    }
    vectors, laion = float(LAION["vectors"]), LAION["vectors"] * LAION["dim"]
    beside = {
        "embeddings": ["9 TB", f"5.85 B × 768 × 2 B = {size(laion * 2)}", f"5.85 B × 768 × 4 B = {size(laion * 4)}"],
        "index": [
            "800 GB",
            f"800 GB / 5.85 B = {LAION['index'] / vectors:,.0f} B a vector",
            f"5.85 B × {code_bytes(768, m):,.0f} B = {size(vectors * code_bytes(768, m))}",
        ],
    }
    return {
        "time": markdown(["", *heads], time_rows),
        "storage": markdown(["", *heads], storage),
        "memory": markdown(["", *heads], memory),
        "laion": markdown(["", "published", "the arithmetic behind it", "clipdex, projected"], beside),
    }


def code_bytes(dim: int, measured: Measured) -> float:
    """Bytes of a vector of another length in ivf-pq: half a byte for each of at most 256 numbers, and the rest as
    measured."""
    return min(dim, 256) / 2 + (measured.code_bytes - min(DIM, 256) / 2)


def markdown(head: list[str], rows: dict[str, list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join([name, *cells]) + " |" for name, cells in rows.items()])


def duration(seconds: float) -> str:
    for unit, length in (("years", 365.25 * 86400), ("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:,.0f} s"


def size(count: float) -> str:
    for unit, length in (("PB", 1e15), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= length:
            return f"{count / length:,.1f} {unit}"
    return f"{count:,.0f} B"


def filled(page: str, measured: Measured) -> str:
    """The page with its tables made anew."""
    for name, table in tables(measured).items():
        page = with_table(page, name, table)
    return page


def measure() -> Measured:
    """All but the encoder's rate, which benchmarks/encode.py measured."""
    encode = json.loads((RESULTS / "encode.json").read_text())["numbers"]
    thumbnails = _thumbnail_bytes()
    commits, row, shard = _commits(round(thumbnails))
    return Measured(encode["images/s, auto"], commits, row, shard, thumbnails, _driver_bytes(), _code_bytes())


def _thumbnail_bytes() -> float:
    from core.image.decode import thumbnail
    from train.scenes import paint

    return float(np.mean([len(thumbnail(paint(seed, 640).image)) for seed in range(12)]))


def _commits(thumbnail_bytes: int) -> tuple[float, float, float]:
    """Rows a second of CPU time from shard files into the tables; bytes of a row there, and in a shard file."""
    from core.image.metadata import Metadata
    from core.inference.toy import ToyEncoder
    from indexer.collection.collection import Collection, SourceInfo
    from indexer.ingest.distributed import shards
    from indexer.ingest.distributed.shards import Finished
    from indexer.ingest.embedding.pipeline import Embedded
    from indexer.ingest.planning.existing_rows import ExistingRows
    from indexer.ingest.report import Stopwatch
    from indexer.ingest.writing.captions import Captions
    from indexer.ingest.writing.writer import Writer
    from indexer.sources import Item

    class Wide(ToyEncoder):
        dim = DIM

    generator = np.random.default_rng(0)
    files = []
    for start in range(0, ROWS, SHARD):
        vectors = generator.standard_normal((SHARD, DIM)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        done = [
            Finished(
                Embedded(
                    Item(f"part-{start:09}/{number:09}.jpg", 50_000, 1),
                    generator.bytes(32).hex(), 640, 480, [], Metadata(format="JPEG"),
                    generator.bytes(thumbnail_bytes), vector,
                )
            )
            for number, vector in enumerate(vectors)
        ]  # fmt: skip
        files.append(shards.to_bytes(done, DIM))
    with tempfile.TemporaryDirectory() as folder:
        path, encoder = Path(folder), Wide()
        collection = Collection.create(path, encoder, [SourceInfo(kind="folder", location="/srv")])
        writer = Writer(
            collection,
            encoder,
            Captions(),
            ExistingRows.nothing(),
            Stopwatch(),
        )
        # Seconds of work by any core: what else the machine does at the time does not count.
        started = time.process_time()
        for data in files:
            for finished in shards.from_bytes(data, DIM):
                writer.take(finished.outcome)
            writer.commit()
        seconds = time.process_time() - started
        return ROWS / seconds, collection.size_bytes() / ROWS, sum(map(len, files)) / ROWS


def _driver_bytes() -> float:
    """Memory of what a run keeps of every image: the listing, what is still wanted, the shards, what is alive."""
    from indexer.ingest.distributed import shards
    from indexer.sources import Item

    count = 100_000
    tracemalloc.start()
    items = [
        Item(f"part-{number // 1000:09}/{number:09}.jpg", 50_000 + number, 10**18 + number) for number in range(count)
    ]
    listed = {item.id for item in items}
    wanted = {item.id: item for item in items}
    rows = [shard.to_json() for shard in shards.cut(items, {}, "0" * 64, SHARD)]
    alive = {str(bytes(item.id, "utf-8"), "utf-8") for item in items}
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(listed) == len(wanted) == len(alive) == count and rows
    return used / count


def _code_bytes() -> float:
    from indexer.ann.kinds import index_class

    vectors = np.random.default_rng(0).standard_normal((8_000, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return index_class("ivf-pq").build(vectors).size_bytes / len(vectors)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--tables", action="store_true", help="only write the tables, from the numbers that are there")
    if not parser.parse_args().tables:
        numbers: dict[str, Any] = {**vars(measure()), "measured": datetime.now(UTC).strftime("%Y-%m-%d")}
        publish("scaling", numbers, [])
    PAGE.write_text(filled(PAGE.read_text("utf-8"), Measured.read()), "utf-8")


if __name__ == "__main__":
    main()
