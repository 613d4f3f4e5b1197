"""Caches the rows of a collection so that a search need not import LanceDB.

What searches read is kept once more in the user's cache, as Arrow files that are mapped into memory: derived, made
whenever LanceDB has read a version, deletable at any time. A copy serves only the very version that it was made of.
Which one is the newest is told by the names that Lance gives its manifests, one a version (lance.org, table format,
"V2 naming scheme": 2⁶⁴ - 1 - version), and the hash of the manifest tells it from that of a collection that was made
again. Where anything is otherwise than expected, where the collection is large, or elsewhere than on a disk, there is
no copy, and LanceDB reads as ever.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_cache_path

from indexer.collection.storage import tables
from indexer.collection.storage.store import LocalStore

if TYPE_CHECKING:
    from indexer.collection.collection import Collection

FORMAT = 1  # of the copies; another one for other contents
MOST_BYTES = 1 << 26  # of a copy: beyond, reading takes longer than the import, and `clipdex optimize` helps
KEPT_BYTES = 1 << 28  # of all copies, the most recently written ones
MANIFEST = re.compile(r"(\d{20})\.manifest")
HINT, LARGEST = "latest_version_hint.json", 2**64 - 1
CHECK = 16  # bytes of a hash behind the rows: a copy with a flipped bit is none
KEY = b"clipdex"  # in the metadata of an Arrow schema: what the copy is of

Versions = dict[str, tuple[int, str]]  # by table: its number and the hash of its manifest


def newest(collection: Collection, names: Sequence[str]) -> Versions | None:
    """The newest versions of some tables; None where only LanceDB can tell."""
    if not isinstance(collection.store, LocalStore):
        return None
    folder = collection.path / collection.info.tables
    try:
        return {name: _newest(folder / f"{name}.lance" / "_versions") for name in names}
    except (OSError, ValueError):
        return None


def read(collection: Collection, versions: Versions, part: str) -> Any:
    """A part of the copy of these versions, a pyarrow table whose columns are mapped; None where there is none."""
    import pyarrow as pa

    try:
        with pa.memory_map(str(_place(collection, part))) as file:
            stored = file.read_buffer()
        rows, check = stored.slice(0, max(0, stored.size - CHECK)), stored.slice(max(0, stored.size - CHECK))
        if check.to_pybytes() != _check(rows):
            return None
        found = pa.ipc.open_file(rows).read_all()
        metadata = dict(found.schema.metadata or {})
        if metadata.pop(KEY, b"") != _key(collection, versions):
            return None
        found.validate(full=True)
        return found.replace_schema_metadata(metadata or None)
    except (OSError, ValueError):  # none, or a damaged one
        return None


def write(collection: Collection, versions: Versions, parts: Mapping[str, Any]) -> None:
    """Keep a copy of these versions, pyarrow tables by their names. One that is too large, or cannot be written, is not
    kept."""
    import pyarrow as pa

    if sum(table.nbytes for table in parts.values()) > MOST_BYTES:
        return
    for part, table in parts.items():
        place = _place(collection, part)
        marked = table.replace_schema_metadata({**(table.schema.metadata or {}), KEY: _key(collection, versions)})
        new = place.with_name(f"{place.name}.{uuid.uuid4().hex}")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            memory = pa.BufferOutputStream()
            with pa.ipc.new_file(memory, marked.schema) as out:
                out.write_table(marked)
            rows = memory.getvalue()
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(rows)
                file.write(_check(rows))
            new.replace(place)  # whoever has mapped the one before keeps that
        except OSError:
            with suppress(OSError):
                new.unlink(missing_ok=True)
            return
    _sweep(_folder())


def _newest(folder: Path) -> tuple[int, str]:
    found = [MANIFEST.fullmatch(name) for name in os.listdir(folder) if name != HINT]  # noqa: PTH208 - names alone
    if not found or None in found:
        raise ValueError("manifests of another kind, or one that is just being written")
    name = min(match[0] for match in found if match is not None)
    return LARGEST - int(name.split(".")[0]), hashlib.blake2b((folder / name).read_bytes(), digest_size=16).hexdigest()


def _check(rows: Any) -> bytes:
    return hashlib.blake2b(rows, digest_size=CHECK).digest()


def _key(collection: Collection, versions: Versions) -> bytes:
    told = {
        "format": FORMAT,
        "columns": tables.schemas(1)["images"].names,
        "stored": collection.stored_format,
        "created": collection.info.created.isoformat(),
        "model": collection.info.model.fingerprint,
        "versions": versions,
    }
    return json.dumps(told, sort_keys=True).encode()


def _folder() -> Path:
    return user_cache_path("clipdex", appauthor=False) / "snapshots"


def _place(collection: Collection, part: str) -> Path:
    where = hashlib.blake2b(os.fsencode(collection.path / collection.info.tables), digest_size=16).hexdigest()
    return _folder() / f"{where}-{part}.arrow"


def _sweep(folder: Path) -> None:
    with suppress(OSError):
        files = sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime_ns, reverse=True)
        sizes = itertools.accumulate(file.stat().st_size for file in files)
        for file, size in zip(files, sizes, strict=True):
            if size > KEPT_BYTES:
                file.unlink(missing_ok=True)
