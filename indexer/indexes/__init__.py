"""Which kinds of index exist?  One file per kind; a new kind is one file and one line here."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from core.errors import ConfigError, unknown_choice

if TYPE_CHECKING:
    from indexer.indexes.base import VectorIndex

# The name of a kind -> module and class. Only the module that is used is imported.
INDEXES = {
    "exact": ("indexer.indexes.exact", "ExactIndex"),
    "hnsw": ("indexer.indexes.hnsw", "HNSWIndex"),
    "ivf-pq": ("indexer.indexes.ivf_pq", "IVFPQIndex"),
    "ivf-rabitq": ("indexer.indexes.ivf_rabitq", "IVFRaBitQIndex"),
    "lance": ("indexer.indexes.lance", "LanceIndex"),
    "gpu": ("indexer.indexes.gpu", "GPUIndex"),
}


def index_class(kind: str) -> type[VectorIndex]:
    """The class of a kind. Raises `ConfigError` for an unknown one."""
    if kind not in INDEXES:
        raise ConfigError(unknown_choice("kind of index", kind, INDEXES))
    module, name = INDEXES[kind]
    found: type[VectorIndex] = getattr(importlib.import_module(module), name)
    return found
