"""HNSW: a graph over shortened float16 vectors.

Malkov and Yashunin 2016, arXiv 1603.09320.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from indexer.ann.kinds import faiss_tools
from indexer.ann.kinds.dimension_reduction import Projection, fit

LINKS = 32  # per vector on the upper levels, twice as many on the lowest
BUILD_EFFORT = 100
EFFORTS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)


class HNSWIndex:
    """A graph over float16 copies of the vectors, in fewer dimensions where examples of queries show that they do."""

    kind: ClassVar[str] = "hnsw"
    efforts = EFFORTS
    oversample = 1

    def __init__(self, index: Any, projection: Projection | None) -> None:
        self.index, self.projection = index, projection
        self._plain: dict[int, Any] = {}  # effort -> FAISS's parameters for a search of everything
        self.n = int(index.ntotal)
        # The lowest level; the others, where one vector in LINKS is; its level and where its links begin.
        links = 8 * LINKS + 4 * LINKS // (LINKS - 1) + 12
        self.size_bytes = self.n * (2 * int(index.d) + links)

    @classmethod
    def build(cls, vectors: np.ndarray, queries: np.ndarray | None = None) -> HNSWIndex:
        faiss = faiss_tools.library()
        projection = fit(vectors, queries)
        short = vectors if projection is None else projection.vectors(vectors)
        half = faiss.ScalarQuantizer.QT_fp16
        index = faiss.IndexHNSWSQ(short.shape[1], half, LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = BUILD_EFFORT
        index.train(short)
        index.add(short)
        return cls(index, projection)

    def search(
        self, queries: np.ndarray, k: int, *, effort: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        wanted = min(k, self.n)
        parameters = self._parameters(max(effort, wanted), allowed)
        short = queries if self.projection is None else self.projection.queries(queries)
        scores, positions = faiss_tools.search(self.index, short, wanted, parameters)
        if self.projection is not None:
            scores = self.projection.scores(queries, scores)
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
        if self.projection is not None:
            self.projection.save(folder)

    @classmethod
    def load(cls, folder: Path, n: int, d: int) -> HNSWIndex:
        projection = Projection.load(folder, d)
        mapped = faiss_tools.library().IO_FLAG_MMAP_IFC
        short = d if projection is None else projection.axes.shape[1]
        return cls(faiss_tools.read(folder, "IndexHNSWSQ", n, short, mapped), projection)
