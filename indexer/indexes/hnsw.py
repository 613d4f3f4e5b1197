"""How does a graph lead to the nearest vectors?  HNSW over float16 copies of them.

Malkov and Yashunin 2016, arXiv 1603.09320.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from indexer.indexes import faiss_tools

LINKS = 32  # per vector on the upper levels, twice as many on the lowest
BUILD_EFFORT = 100
EFFORTS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
# Rounding to float16 changes a number by at most 2^-11 of it, so an inner product of unit vectors by at most 2^-11
# (Cauchy-Schwarz); summing in float32 and numbers below float16's normal range add far less than was rounded up here.
ERROR = 6e-4


class HNSWIndex:
    """A graph over float16 copies of the vectors."""

    kind: ClassVar[str] = "hnsw"
    efforts = EFFORTS
    error = ERROR
    oversample = 1

    def __init__(self, index: Any) -> None:
        self.index = index
        self.n = int(index.ntotal)
        links = (
            8 * LINKS + 4 * LINKS // (LINKS - 1) + 12
        )  # lowest level; one vector in LINKS has more; level and offset
        self.size_bytes = self.n * (2 * int(index.d) + links)

    @classmethod
    def build(cls, vectors: np.ndarray, queries: np.ndarray | None = None) -> HNSWIndex:
        faiss = faiss_tools.library()
        half = faiss.ScalarQuantizer.QT_fp16
        index = faiss.IndexHNSWSQ(vectors.shape[1], half, LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = BUILD_EFFORT
        index.train(vectors)
        index.add(vectors)
        return cls(index)

    def search(
        self, queries: np.ndarray, k: int, *, effort: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        wanted = min(k, self.n)
        parameters = faiss_tools.library().SearchParametersHNSW(
            efSearch=max(effort, wanted), sel=faiss_tools.selector(allowed)
        )
        scores, positions = self.index.search(queries, wanted, params=parameters)
        return faiss_tools.padded(positions, scores, k)

    def save(self, folder: Path) -> None:
        faiss_tools.write(self.index, folder)

    @classmethod
    def load(cls, folder: Path, n: int, d: int) -> HNSWIndex:
        mapped = faiss_tools.library().IO_FLAG_MMAP_IFC
        return cls(faiss_tools.read(folder, "IndexHNSWSQ", n, d, mapped))
