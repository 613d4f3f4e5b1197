"""The exact index: compares everything."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from indexer.ann import exact_search

FILE = "vectors.npy"


class ExactIndex:
    """All vectors in float32."""

    kind: ClassVar[str] = "exact"
    efforts = (1,)
    oversample = 1

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors = vectors
        self.n = len(vectors)
        self.size_bytes = vectors.nbytes

    @classmethod
    def build(cls, vectors: np.ndarray, queries: np.ndarray | None = None) -> ExactIndex:
        return cls(vectors)

    def search(
        self, queries: np.ndarray, k: int, *, effort: int = 1, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        positions = np.full((len(queries), k), -1, np.int64)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        for number, query in enumerate(queries):
            rows, found = exact_search.top_k(self.vectors, query, k, allowed)
            positions[number, : len(rows)], scores[number, : len(rows)] = rows, found
        return positions, scores

    def save(self, folder: Path) -> None:
        np.save(folder / FILE, self.vectors)

    @classmethod
    def load(cls, folder: Path, n: int, d: int) -> ExactIndex:
        vectors = np.load(folder / FILE, mmap_mode="r", allow_pickle=False)
        if vectors.shape != (n, d) or vectors.dtype != np.float32:
            raise ValueError(f"{FILE} holds {vectors.dtype} {vectors.shape}, not float32 {(n, d)}")
        return cls(vectors)
