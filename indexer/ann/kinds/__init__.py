"""The registry of index kinds: one file and one line each."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from core.errors import ConfigError, unknown_choice

if TYPE_CHECKING:
    from indexer.ann.kinds.base import VectorIndex

# The name of a kind -> module and class. Only the module that is used is imported.
INDEXES = {
    "exact": ("indexer.ann.kinds.exact", "ExactIndex"),
    "hnsw": ("indexer.ann.kinds.hnsw", "HNSWIndex"),
    "ivf-pq": ("indexer.ann.kinds.ivf_pq", "IVFPQIndex"),
    "lance": ("indexer.ann.kinds.lance", "LanceIndex"),
    "gpu": ("indexer.ann.kinds.gpu", "GPUIndex"),
}


def index_class(kind: str) -> type[VectorIndex]:
    """The class of a kind. Raises `ConfigError` for an unknown one."""
    if kind not in INDEXES:
        raise ConfigError(unknown_choice("kind of index", kind, INDEXES))
    module, name = INDEXES[kind]
    found: type[VectorIndex] = getattr(importlib.import_module(module), name)
    return found
