"""HNSW: a graph over float16 copies of the vectors.

Malkov and Yashunin 2016, arXiv 1603.09320. In all dimensions: over vectors shortened as for `ivf-pq` it needed
a third of the memory, and on real vectors seven times the time (benchmarks/LOG.md).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from indexer.ann.kinds import faiss_tools

LINKS = 32  # per vector on the upper levels, twice as many on the lowest
BUILD_EFFORT = 40  # 100 takes twice as long to build and finds less for texts (benchmarks/LOG.md)
EFFORTS = (16, 24, 32, 48, 64, 80, 96, 112, 128, 160, 192, 256, 384, 512, 768, 1024, 1536, 2048)


class HNSWIndex:
    """A graph over float16 copies of the vectors."""

    kind: ClassVar[str] = "hnsw"
    efforts = EFFORTS
    oversample = 1

    def __init__(self, index: Any) -> None:
        self.index = index
        self._plain: dict[int, Any] = {}  # effort -> FAISS's parameters for a search of everything
        self.n = int(index.ntotal)
        # The lowest level; the others, where one vector in LINKS is; its level and where its links begin.
        links = 8 * LINKS + 4 * LINKS // (LINKS - 1) + 12
        self.size_bytes = self.n * (2 * int(index.d) + links)

    @classmethod
    def build(cls, vectors: np.ndarray, queries: np.ndarray | None = None) -> HNSWIndex:
        faiss = faiss_tools.library()
        index = faiss.IndexHNSWSQ(vectors.shape[1], faiss.ScalarQuantizer.QT_fp16, LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = BUILD_EFFORT
        index.train(vectors)
        index.add(vectors)
        return cls(index)

    def search(
        self, queries: np.ndarray, k: int, *, effort: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        wanted = min(k, self.n)
        scores, positions = faiss_tools.search(
            self.index, queries, wanted, self._parameters(max(effort, wanted), allowed)
        )
        return faiss_tools.padded(positions, scores, k)

    def _parameters(self, effort: int, allowed: np.ndarray | None) -> Any:
        make = faiss_tools.library().SearchParametersHNSW
        if allowed is not None:
            return make(efSearch=effort, sel=faiss_tools.selector(allowed))
        if effort not in self._plain:
            self._plain[effort] = make(efSearch=effort)
        return self._plain[effort]

    def save(self, folder: Path) -> None:
        faiss_tools.write(self.index, folder)

    @classmethod
    def load(cls, folder: Path, n: int, d: int) -> HNSWIndex:
        return cls(faiss_tools.read(folder, "IndexHNSWSQ", n, d, faiss_tools.library().IO_FLAG_MMAP_IFC))
