"""IVF-PQ: inverted lists with 4-bit product quantization, FAISS fast scan.

The vectors are shortened (`dimension_reduction`), and turned at random so that no direction holds more than another.
Then each few numbers of what is left beyond the middle of a list are one of 16 codewords, so that a processor looks up
32 vectors with one instruction (André, Kermarrec and Le Scouarnec 2015, Quick ADC, arXiv 1704.07355; Johnson et al.
2017, arXiv 1702.08734). A list lies in memory in one piece, which is what makes it faster than a graph whose every step
is another place. Its rough scores are good for proposals only.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from indexer.ann.kinds import faiss_tools
from indexer.ann.kinds.dimension_reduction import Projection, fit

BITS = 4  # what the fast scan is made for
CODES = 2**BITS
MOST_CODEWORDS, NUMBERS = 256, 2  # per vector, of one number each; where there are more numbers, two share one
EXAMPLES_PER_LIST = 64  # to learn where the lists are; FAISS warns below 39
ROUNDS = 10
FEWEST = 4_096  # vectors to learn the codewords from
SCAN_ALONE, SCAN_TOGETHER = 10, 12  # FAISS's ways through the lists: for one query, for many
BLOCK = 32  # vectors that are looked up at once


class IVFPQIndex:
    """Lists of similar vectors, each in half a byte for every number that its shortened form has."""

    kind: ClassVar[str] = "ivf-pq"

    def __init__(self, index: Any, projection: Projection) -> None:
        self.index, self.projection = index, projection
        self._plain: dict[int, Any] = {}  # probe -> FAISS's parameters for a search of everything
        self._way = 0
        self.n, self.lists = int(index.ntotal), int(index.nlist)
        self.oversample = 2 if int(index.M) == int(index.d) else 8
        self.size_bytes = self.n * (int(index.M2) * BITS // 8 + 8) + self.lists * (4 * int(index.d) + BLOCK * 8)

    @property
    def efforts(self) -> tuple[int, ...]:
        """Numbers of lists to look into."""
        return faiss_tools.probes(self.lists)

    @classmethod
    def build(cls, vectors: np.ndarray, queries: np.ndarray | None = None) -> IVFPQIndex:
        faiss = faiss_tools.library()
        d = vectors.shape[1]
        generator = np.random.default_rng(0)
        found = fit(vectors, queries)
        axes = np.eye(d, dtype=np.float32) if found is None else found.axes
        mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32) if found is None else found.mean
        turn = np.linalg.qr(generator.normal(size=(axes.shape[1], axes.shape[1])))[0].astype(np.float32)
        projection = Projection(mean, axes @ turn)
        short = projection.vectors(vectors)
        return cls(_filled(faiss, short, generator), projection)

    def search(
        self, queries: np.ndarray, k: int, *, effort: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        wanted = min(k, self.n)
        way = SCAN_ALONE if len(queries) == 1 else SCAN_TOGETHER
        if way != self._way:  # any way is right for any number of queries: two threads may both set this
            self.index.implem = self._way = way
        scores, positions = faiss_tools.search(
            self.index, self.projection.queries(queries), wanted, self._parameters(effort, allowed)
        )
        if wanted == self.n:
            _complete(positions, scores, allowed)
        scores = self.projection.scores(queries, scores)
        return faiss_tools.padded(positions, scores, k)

    def _parameters(self, effort: int, allowed: np.ndarray | None) -> Any:
        make, probe = faiss_tools.library().SearchParametersIVF, min(effort, self.lists)
        if allowed is not None:
            return make(nprobe=probe, sel=faiss_tools.selector(allowed))
        if probe not in self._plain:
            self._plain[probe] = make(nprobe=probe)
        return self._plain[probe]

    def save(self, folder: Path) -> None:
        faiss_tools.write(self.index, folder)
        self.projection.save(folder)

    @classmethod
    def load(cls, folder: Path, n: int, d: int) -> IVFPQIndex:
        projection = Projection.load(folder, d)
        if projection is None:
            raise ValueError("the axes of the vectors are missing")
        # Codes are read, not mapped: they are small, and FAISS maps no lists of this form.
        return cls(faiss_tools.read(folder, "IndexIVFPQFastScan", n, projection.axes.shape[1], 0), projection)


def _complete(positions: np.ndarray, scores: np.ndarray, allowed: np.ndarray | None) -> None:
    """Where all vectors are asked for: the scan leaves out those that score the least that a code can."""
    everything = np.arange(positions.shape[1]) if allowed is None else np.flatnonzero(allowed)
    for row, found in zip(positions, scores, strict=True):
        count = int(np.count_nonzero(row >= 0))
        rest = np.setdiff1d(everything, row[:count])
        row[count : count + len(rest)] = rest
        found[count : count + len(rest)] = found[count - 1] if count else 0


def _filled(faiss: Any, short: np.ndarray, generator: np.random.Generator) -> Any:
    n, d = short.shape
    lists = max(1, min(round(4 * math.sqrt(n)), n // EXAMPLES_PER_LIST))
    codewords = d // NUMBERS if d > MOST_CODEWORDS and d % NUMBERS == 0 else d
    coarse = faiss.IndexFlatIP(d)
    index = faiss.IndexIVFPQFastScan(coarse, d, lists, codewords, BITS, faiss.METRIC_INNER_PRODUCT)
    index.by_residual = True  # a little slower; without, recall ends at 0.97 over a million vectors
    for learning in (index.cp, index.pq.cp):
        learning.niter, learning.min_points_per_centroid = ROUNDS, 1
    index.cp.max_points_per_centroid, index.cp.spherical = EXAMPLES_PER_LIST, False  # short lengths: finer codes
    examples = min(n, max(FEWEST, EXAMPLES_PER_LIST * lists))
    learnt = short[np.sort(generator.choice(n, examples, replace=False))]
    index.train(learnt if n >= CODES else np.tile(learnt, (-(-CODES // n), 1)))
    index.add(short)
    return index
