"""Exact search on a GPU with FAISS, in half precision."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from core.errors import ConfigError
from indexer.ann.kinds import faiss_tools

FILE = "vectors.f16.npy"
PART = 100_000
MOST = 2_048  # hits that FAISS finds on a GPU at once


class GPUIndex:
    """All vectors in float16 on the first GPU. One search at a time: FAISS's memory there is not shared by threads."""

    kind: ClassVar[str] = "gpu"
    efforts = (1,)
    oversample = 1

    def __init__(self, half: np.ndarray) -> None:
        faiss = faiss_tools.library()
        if not getattr(faiss, "get_num_gpus", lambda: 0)():
            raise ConfigError("there is no GPU that FAISS can use here; install faiss-gpu, or choose another kind")
        self.half = half
        self.n = len(half)
        self.size_bytes = half.nbytes
        self._lock = threading.Lock()
        self._resources = faiss.StandardGpuResources()
        config = faiss.GpuIndexFlatConfig()
        config.useFloat16 = True
        self.index: Any = faiss.GpuIndexFlatIP(self._resources, half.shape[1], config)
        for start in range(0, self.n, PART):
            self.index.add(half[start : start + PART].astype(np.float32))

    @classmethod
    def build(cls, vectors: np.ndarray, queries: np.ndarray | None = None) -> GPUIndex:
        return cls(vectors.astype(np.float16))

    def search(
        self, queries: np.ndarray, k: int, *, effort: int = 1, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """With a mask as many more are found as were left out, up to what the GPU can."""
        left_out = 0 if allowed is None else self.n - int(allowed.sum())
        with self._lock:
            scores, positions = self.index.search(queries, min(k + left_out, self.n, MOST))
        if allowed is not None:
            positions = np.where((positions >= 0) & allowed[positions], positions, -1)
            first = np.argsort(positions < 0, axis=1, kind="stable")  # those that are left move to the front
            positions = np.take_along_axis(positions, first, axis=1)
            scores = np.take_along_axis(scores, first, axis=1)
        return faiss_tools.padded(positions[:, :k], scores[:, :k], k)

    def save(self, folder: Path) -> None:
        np.save(folder / FILE, self.half)

    @classmethod
    def load(cls, folder: Path, n: int, d: int) -> GPUIndex:
        half = np.load(folder / FILE, mmap_mode="r", allow_pickle=False)
        if half.shape != (n, d) or half.dtype != np.float16:
            raise ValueError(f"{FILE} holds {half.dtype} {half.shape}, not float16 {(n, d)}")
        return cls(half)
