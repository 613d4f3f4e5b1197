"""LanceDB's own index, read from disk as needed."""

from __future__ import annotations

import math
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

DATABASE, TABLE = "lance", "vectors"
PART = 50_000  # rows written at a time
FEWEST = 1_024  # LanceDB learns 256 codewords; below, it compares a query with every row
ROWS_PER_LIST = 4_096


class LanceIndex:
    """IVF_PQ over a table of float32 vectors in a database of its own."""

    kind: ClassVar[str] = "lance"
    oversample = 8
    size_bytes = 0  # LanceDB reads what a search needs

    def __init__(self, folder: Path, table: Any) -> None:
        self.folder, self.table = folder, table
        self.n = int(table.count_rows())
        self.lists = _lists(self.n)

    @property
    def efforts(self) -> tuple[int, ...]:
        """Numbers of lists to look into."""
        powers = range(2 * int(math.log2(self.lists)) + 1)
        return tuple(sorted({round(2 ** (power / 2)) for power in powers} | {self.lists}))

    @classmethod
    def build(cls, vectors: np.ndarray, queries: np.ndarray | None = None) -> LanceIndex:
        import lancedb
        from lancedb.index import IvfPq

        temporary = Path(tempfile.mkdtemp(prefix="clipdex-lance-"))
        folder = temporary / DATABASE
        schema = _schema(vectors.shape[1])
        batches = (_batch(vectors, start, schema) for start in range(0, len(vectors), PART))
        table = lancedb.connect(folder).create_table(TABLE, batches, schema=schema)
        if len(vectors) >= FEWEST:
            table.create_index("vector", config=IvfPq(distance_type="dot", num_partitions=_lists(len(vectors))))
        index = cls(folder, table)
        weakref.finalize(index, shutil.rmtree, temporary, ignore_errors=True)
        return index

    def search(
        self, queries: np.ndarray, k: int, *, effort: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        positions = np.full((len(queries), k), -1, np.int64)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        for number, query in enumerate(queries):
            rows, found = self._search(query, k, effort, allowed)
            positions[number, : len(rows)], scores[number, : len(rows)] = rows, found
        return positions, scores

    def _search(self, query: np.ndarray, k: int, effort: int, allowed: np.ndarray | None) -> tuple[Any, Any]:
        """One query; where a mask leaves too few, more is asked for until there are enough or there is no more."""
        wanted = self.n if allowed is None else int(allowed.sum())
        asked = k
        while True:
            asked = min(asked, self.n)
            probes = min(self.lists, effort if asked <= k else effort * math.ceil(asked / k))
            found = (
                self.table.search(query, vector_column_name="vector")
                .distance_type("dot")
                .nprobes(probes)
                .limit(asked)
                .select(["position", "_distance"])
                .to_arrow()
            )
            rows = found["position"].to_numpy().astype(np.int64)
            scores = 1 - found["_distance"].to_numpy()
            if allowed is not None:
                scores, rows = scores[allowed[rows]], rows[allowed[rows]]
            if allowed is None or len(rows) >= min(k, wanted) or (asked == self.n and probes == self.lists):
                return rows[:k], scores[:k]
            asked *= 4

    def save(self, folder: Path) -> None:
        shutil.copytree(self.folder, folder / DATABASE)

    @classmethod
    def load(cls, folder: Path, n: int, d: int) -> LanceIndex:
        import lancedb

        table = lancedb.connect(folder / DATABASE).open_table(TABLE)
        index = cls(folder / DATABASE, table)
        if index.n != n or table.schema != _schema(d):
            raise ValueError(f"the table holds {index.n:,} rows of {table.schema}, not {n:,} × {d}")
        return index


def _lists(n: int) -> int:
    return max(1, n // ROWS_PER_LIST)


def _schema(d: int) -> Any:
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("position", pa.int64(), nullable=False),
            pa.field("vector", pa.list_(pa.float32(), d), nullable=False),
        ]
    )


def _batch(vectors: np.ndarray, start: int, schema: Any) -> Any:
    import pyarrow as pa

    part = np.ascontiguousarray(vectors[start : start + PART])
    numbers = pa.FixedSizeListArray.from_arrays(pa.array(part.reshape(-1)), part.shape[1])
    return pa.RecordBatch.from_arrays([pa.array(np.arange(start, start + len(part))), numbers], schema=schema)
