"""Full-text search over captions and file names, ranked by BM25.

The captions and names of one version of a collection are kept once more in a table of their own with an index of
their words, under `indexes/words-…` in the collection: derived, made when first needed, deletable at any time. Where
nothing can be written it is made in a temporary folder.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
import time
import weakref
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from core.errors import CollectionError
from indexer.collection.storage import tables

if TYPE_CHECKING:
    from indexer.collection.snapshot import Snapshot, Target

FOLDER, TABLE = "indexes", "words"
FIRST = 4_000  # documents asked for at first
LINGER = 600.0  # seconds that the words of an older version stay for searches that have them open

_opened: WeakKeyDictionary[Snapshot, Any] = WeakKeyDictionary()
_lock = threading.Lock()


def ranked(
    snapshot: Snapshot, words: str, depth: int, allowed: np.ndarray | None, target: Target
) -> tuple[np.ndarray, np.ndarray]:
    """The best `depth` allowed rows of `snapshot.images` or `snapshot.texts` for some words, best first, ties by
    position -> rows int64 and BM25 scores float32. Fewer where fewer hold any of the words.

    An image counts as the best of its captions and its name. Raises `CollectionError` if the words cannot be read.
    """
    try:
        return _ranked(snapshot, words, depth, allowed, target)
    except CollectionError:  # what may be deleted at any time was: it is made again
        with _lock:
            _opened.pop(snapshot, None)
        return _ranked(snapshot, words, depth, allowed, target)


def _ranked(
    snapshot: Snapshot, words: str, depth: int, allowed: np.ndarray | None, target: Target
) -> tuple[np.ndarray, np.ndarray]:
    table = _table(snapshot)
    count = FIRST
    while True:
        with tables.storage_errors(snapshot.collection.path, "reading the words of"):
            found = table.search(words, query_type="fts").limit(count).select(["document", "_score"]).to_arrow()
        rows, scores = _rows(snapshot, found["document"].to_numpy(), found["_score"].to_numpy(), target)
        if allowed is not None:
            rows, scores = rows[allowed[rows]], scores[allowed[rows]]
        # Beyond the last document there may be others with its score, which would belong before some of these.
        certain = len(rows) > depth and scores[depth - 1] > found["_score"][-1].as_py()
        if certain or found.num_rows < count:
            return rows[:depth], scores[:depth]
        count *= 4


def _rows(
    snapshot: Snapshot, documents: np.ndarray, scores: np.ndarray, target: Target
) -> tuple[np.ndarray, np.ndarray]:
    """Documents are numbered: the names of all images, then all captions. -> rows by score, each once."""
    names = len(snapshot.ids)
    known = (documents >= (names if target == "texts" else 0)) & (documents < names + len(snapshot.text_owners))
    documents, scores = documents[known], scores[known]
    if target == "texts":
        rows = documents - names
    else:
        rows = documents.copy()
        captions = documents >= names
        rows[captions] = snapshot.text_owners[documents[captions] - names]
    order = np.lexsort((rows, -scores))
    rows, scores = rows[order], scores[order]
    _, first = np.unique(rows, return_index=True)
    first.sort()
    return rows[first], scores[first]


def _table(snapshot: Snapshot) -> Any:
    with _lock:
        if snapshot not in _opened:
            _opened[snapshot] = _open(snapshot)
        return _opened[snapshot]


def _open(snapshot: Snapshot) -> Any:
    """The table of this version's words, made if it is not there or cannot be read."""
    import lancedb

    folder = snapshot.collection.path / FOLDER
    place = folder / f"{TABLE}-{_version(snapshot)}"
    if place.is_dir():
        with suppress(OSError, RuntimeError, ValueError):
            table = lancedb.connect(place).open_table(TABLE)
            table.search("word", query_type="fts").limit(1).to_arrow()
            return table
        shutil.rmtree(place, ignore_errors=True)
    new = _new_folder(folder)
    if new is None:
        new = Path(tempfile.mkdtemp(prefix="clipdex-words-"))
        table = _made(snapshot, new)
        weakref.finalize(table, shutil.rmtree, new, ignore_errors=True)
        return table
    _made(snapshot, new)
    try:
        new.rename(place)
    except OSError:  # another search was faster
        shutil.rmtree(new, ignore_errors=True)
    _sweep(folder, place)
    with tables.storage_errors(snapshot.collection.path, "reading the words of"):
        return lancedb.connect(place).open_table(TABLE)


def _new_folder(folder: Path) -> Path | None:
    """A new folder in the collection; None where nobody may write."""
    try:
        folder.mkdir(exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f"{TABLE}-", suffix=f".{os.getpid()}", dir=folder))
    except OSError:
        return None


def _made(snapshot: Snapshot, folder: Path) -> Any:
    import lancedb
    import pyarrow as pa
    from lancedb.index import FTS

    texts = pa.chunked_array([*snapshot.images["id"].chunks, *snapshot.texts["text"].chunks], pa.string())
    documents = pa.table({"document": pa.array(np.arange(len(texts))), "text": texts})
    with tables.storage_errors(snapshot.collection.path, "writing the words of"):
        try:
            table = lancedb.connect(folder).create_table(TABLE, documents)
            table.create_index("text", config=FTS())
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return table


def _version(snapshot: Snapshot) -> str:
    """Another one for each version, and for a collection that was made again."""
    info = snapshot.collection.info
    named = f"{info.created.isoformat()} {info.model.fingerprint} {snapshot.versions}"
    return hashlib.sha256(named.encode()).hexdigest()[:16]


def _sweep(folder: Path, used: Path) -> None:
    """Remove the words of older versions, but not at once: others may be reading them."""
    for place in folder.glob(f"{TABLE}-*"):
        with suppress(OSError):
            if place != used and time.time() - place.stat().st_mtime > LINGER:
                shutil.rmtree(place, ignore_errors=True)
