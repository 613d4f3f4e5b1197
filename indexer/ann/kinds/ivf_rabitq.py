"""IVF-RaBitQ: inverted lists of codes an eighth the size of the vectors.

RaBitQ (Gao and Long 2024, arXiv 2405.12497; with more bits arXiv 2409.09913) keeps a few bits of each number after a
random rotation and estimates inner products from them without bias.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from indexer.ann.kinds import faiss_tools

BITS = 4  # of each number
EXAMPLES_PER_LIST = 64  # to learn where the lists are; FAISS warns below 39
ROUNDS = 10
FEWEST = EXAMPLES_PER_LIST  # vectors in all


class IVFRaBitQIndex:
    """Lists of similar vectors, each in a few bits."""

    kind: ClassVar[str] = "ivf-rabitq"
    oversample = 4

    def __init__(self, index: Any) -> None:
        self.index = index
        self.n, self.lists = int(index.ntotal), int(index.nlist)
        self.size_bytes = self.n * (int(index.code_size) + 8) + self.lists * 4 * int(index.d)

    @property
    def efforts(self) -> tuple[int, ...]:
        """Numbers of lists to look into."""
        return faiss_tools.probes(self.lists)

    @classmethod
    def build(cls, vectors: np.ndarray, queries: np.ndarray | None = None) -> IVFRaBitQIndex:
        faiss = faiss_tools.library()
        n, d = vectors.shape
        lists = max(1, min(round(4 * math.sqrt(n)), n // EXAMPLES_PER_LIST))
        coarse = faiss.IndexFlatIP(d)
        index = faiss.IndexIVFRaBitQ(coarse, d, lists, faiss.METRIC_INNER_PRODUCT, True, BITS)
        index.cp.niter, index.cp.spherical = ROUNDS, True
        index.cp.max_points_per_centroid = EXAMPLES_PER_LIST
        index.cp.min_points_per_centroid = 1
        index.train(vectors)
        index.add(vectors)
        return cls(index)

    def search(
        self, queries: np.ndarray, k: int, *, effort: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        wanted = min(k, self.n)
        parameters = faiss_tools.library().IVFRaBitQSearchParameters(
            nprobe=min(effort, self.lists), sel=faiss_tools.selector(allowed)
        )
        scores, positions = self.index.search(queries, wanted, params=parameters)
        return faiss_tools.padded(positions, scores, k)

    def save(self, folder: Path) -> None:
        faiss_tools.write(self.index, folder)

    @classmethod
    def load(cls, folder: Path, n: int, d: int) -> IVFRaBitQIndex:
        mapped = faiss_tools.library().IO_FLAG_MMAP
        return cls(faiss_tools.read(folder, "IndexIVFRaBitQ", n, d, mapped))
