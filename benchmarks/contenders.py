"""Who searches vectors beside clipdex?  Each as its documentation has it, with the same parameters where they exist.

The others are not dependencies; what is not installed is left out, and said:

    pip install --target peers --no-deps hnswlib usearch numkong && PYTHONPATH=peers python -m benchmarks.search
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from indexer.ann.candidates import LEVELS, Indexed
from indexer.ann.kinds import faiss_tools, index_class
from indexer.ann.kinds.base import VectorIndex

LINKS, BUILD_EFFORT = 32, 40
K = 10


class Contender(ABC):
    """A way to find the ten nearest vectors, with an effort that can be chosen."""

    name: str
    efforts: tuple[int, ...] = (16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096)
    build_seconds = 0.0  # of the processor; 0 where the index came from the cache
    open_seconds = 0.0

    def place(self, n: int, cache: Path) -> Path:
        """Where its index of n vectors is kept."""
        return cache / f"{n}-{self.name.replace(' ', '-')}"

    def prepare(self, pictures: np.ndarray, examples: np.ndarray, cache: Path) -> None:
        """Open the index in the cache; build it there first if need be."""
        place = self.place(len(pictures), cache)
        if not place.exists():
            started, new = time.process_time(), place.with_name(place.name + ".new")
            self.build(pictures, examples, new)
            new.rename(place)
            self.build_seconds = time.process_time() - started
        for file in [place] if place.is_file() else place.rglob("*"):  # opening is timed from the system's memory
            if file.is_file():
                with file.open("rb") as opened:
                    while opened.read(1 << 22):
                        pass
        started = time.perf_counter()
        self.open(pictures, place)
        self.open_seconds = time.perf_counter() - started

    @abstractmethod
    def build(self, pictures: np.ndarray, examples: np.ndarray, place: Path) -> None: ...

    @abstractmethod
    def open(self, pictures: np.ndarray, place: Path) -> None: ...

    @abstractmethod
    def search(self, query: np.ndarray, effort: int) -> np.ndarray:
        """The positions of the ten nearest."""


class Ours(Contender):
    """clipdex's engine: proposals of an index, scored again exactly."""

    def __init__(self, kind: str) -> None:
        self.kind, self.name = kind, kind
        faiss_tools.library()  # loading FAISS itself is not opening an index

    def build(self, pictures: np.ndarray, examples: np.ndarray, place: Path) -> None:
        place.mkdir()
        index_class(self.kind).build(np.asarray(pictures), examples).save(place)

    def open(self, pictures: np.ndarray, place: Path) -> None:
        self.index: VectorIndex = index_class(self.kind).load(place, *pictures.shape)
        self.efforts = self.index.efforts
        self.engine = Indexed(self.index, None, pictures)

    def search(self, query: np.ndarray, effort: int) -> np.ndarray:
        return self.engine.best(query, K, None, "text", effort)[0]


class Bare(Contender):
    """FAISS called with the index of another contender, nothing around it."""

    def __init__(self, of: Ours) -> None:
        self.of, self.name = of, f"bare FAISS, the same {of.kind}"

    def prepare(self, pictures: np.ndarray, examples: np.ndarray, cache: Path) -> None:
        import faiss

        self.efforts = self.of.efforts
        self._make = {"hnsw": _ef, "ivf-pq": _lists}[self.of.kind]
        self.faiss, self.index = faiss, self.of.index

    def build(self, pictures: np.ndarray, examples: np.ndarray, place: Path) -> None: ...

    def open(self, pictures: np.ndarray, place: Path) -> None: ...

    def search(self, query: np.ndarray, effort: int) -> np.ndarray:
        found: np.ndarray = self.many(query[np.newaxis], effort)
        return found[0]

    def many(self, queries: np.ndarray, effort: int) -> np.ndarray:
        index: Any = self.index
        projection = getattr(index, "projection", None)
        short = queries if projection is None else projection.queries(queries)
        found: np.ndarray = index.index.search(short, K, params=self._make(self.faiss, effort))[1]
        return found


class Refined(Bare):
    """FAISS alone doing the same work: the same index, and as many proposals scored again from the whole vectors."""

    _flat: ClassVar[tuple[int, Any]] = 0, None  # the whole vectors, 2 GB of them: one copy for all

    def __init__(self, of: Ours) -> None:
        super().__init__(of)
        self.name = f"FAISS IndexRefine, the same {of.kind}"

    def prepare(self, pictures: np.ndarray, examples: np.ndarray, cache: Path) -> None:
        super().prepare(pictures, examples, cache)
        index: Any = self.of.index
        base = index.index
        projection = getattr(index, "projection", None)
        turn = self.faiss.LinearTransform(pictures.shape[1], base.d, False)
        axes = np.eye(base.d, dtype=np.float32) if projection is None else projection.axes.T
        self.faiss.copy_array_to_vector(np.ascontiguousarray(axes).ravel(), turn.A)
        turn.is_trained = True
        base = self.faiss.IndexPreTransform(turn, base)
        if Refined._flat[0] != len(pictures):
            Refined._flat = len(pictures), self.faiss.IndexFlatIP(pictures.shape[1])
            Refined._flat[1].add(np.asarray(pictures))
        flat = Refined._flat[1]
        self.whole = self.faiss.IndexRefine(base, flat)
        self.kept = turn, base, flat  # FAISS holds no references of its own

    @classmethod
    def forget(cls) -> None:
        """Give the copy back."""
        cls._flat = 0, None

    def many(self, queries: np.ndarray, effort: int) -> np.ndarray:
        inside = self.faiss.SearchParametersPreTransform(index_params=self._make(self.faiss, effort))
        times = LEVELS[0] * self.of.index.oversample / K
        parameters = self.faiss.IndexRefineSearchParameters(k_factor=times, base_index_params=inside)
        found: np.ndarray = self.whole.search(queries, K, params=parameters)[1]
        return found


def _ef(faiss: Any, effort: int) -> Any:
    return faiss.SearchParametersHNSW(efSearch=effort)


def _lists(faiss: Any, effort: int) -> Any:
    return faiss.SearchParametersIVF(nprobe=effort)


class PlainFAISS(Contender):
    """HNSW32 on float16 as everybody builds it."""

    name = "plain HNSW32 in FAISS"

    def build(self, pictures: np.ndarray, examples: np.ndarray, place: Path) -> None:
        import faiss

        half: Any = faiss.ScalarQuantizer.QT_fp16
        index = faiss.IndexHNSWSQ(pictures.shape[1], half, LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = BUILD_EFFORT
        index.train(pictures[:1000])
        index.add(np.asarray(pictures))
        faiss.write_index(index, str(place))

    def open(self, pictures: np.ndarray, place: Path) -> None:
        import faiss

        self.faiss, self.index = faiss, faiss.read_index(str(place), faiss.IO_FLAG_MMAP_IFC)

    def search(self, query: np.ndarray, effort: int) -> np.ndarray:
        found: np.ndarray = self.index.search(query[np.newaxis], K, params=_ef(self.faiss, effort))[1][0]
        return found


class HNSWLib(Contender):
    name = "hnswlib"

    def build(self, pictures: np.ndarray, examples: np.ndarray, place: Path) -> None:
        import hnswlib

        index = hnswlib.Index("ip", pictures.shape[1])
        index.init_index(len(pictures), ef_construction=BUILD_EFFORT, M=LINKS, random_seed=1)
        index.add_items(pictures, np.arange(len(pictures)), num_threads=2)
        index.save_index(str(place))

    def open(self, pictures: np.ndarray, place: Path) -> None:
        import hnswlib

        self.index = hnswlib.Index("ip", pictures.shape[1])
        self.index.load_index(str(place), len(pictures))

    def search(self, query: np.ndarray, effort: int) -> np.ndarray:
        self.index.set_ef(effort)
        found: np.ndarray = self.index.knn_query(query, K, num_threads=1)[0][0]
        return found


class USearch(Contender):
    name = "usearch"

    def build(self, pictures: np.ndarray, examples: np.ndarray, place: Path) -> None:
        index = self._empty(pictures.shape[1])
        index.add(np.arange(len(pictures)), np.asarray(pictures), threads=2)
        index.save(str(place))

    def _empty(self, d: int) -> Any:
        from usearch.index import Index

        return Index(ndim=d, metric="ip", dtype="f16", connectivity=LINKS, expansion_add=BUILD_EFFORT)

    def open(self, pictures: np.ndarray, place: Path) -> None:
        self.index = self._empty(pictures.shape[1])
        self.index.load(str(place))

    def search(self, query: np.ndarray, effort: int) -> np.ndarray:
        self.index.expansion_search = effort
        found: np.ndarray = self.index.search(query, K, threads=1).keys
        return found.astype(np.int64)


class LanceIVFPQ(Contender):
    """LanceDB's IVF_PQ with its own parameters, and its own exact re-ranking of ten times as many."""

    name = "LanceDB IVF_PQ"
    efforts = (4, 8, 16, 32, 64, 128, 256)
    refine = 10

    def build(self, pictures: np.ndarray, examples: np.ndarray, place: Path) -> None:
        place.mkdir()
        index_class("lance").build(np.asarray(pictures)).save(place)

    def open(self, pictures: np.ndarray, place: Path) -> None:
        import lancedb

        self.table: Any = lancedb.connect(place / "lance").open_table("vectors")

    def search(self, query: np.ndarray, effort: int) -> np.ndarray:
        asked = self.table.search(query, vector_column_name="vector").distance_type("dot").nprobes(effort)
        found = asked.refine_factor(self.refine).limit(K).select(["position", "_distance"]).to_arrow()
        positions: np.ndarray = found["position"].to_numpy()
        return positions
