"""Checks whether a collection can be kept in a place.

A folder with other things in it is left alone: nothing of a person's may be taken for a part of a collection.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from core.errors import CollectionError
from indexer.collection.storage import lease, lock, tables
from indexer.collection.storage.store import LocalStore, Store, store_of

FOLDER = ".clipdex"
INFO = "collection.json"
MODELS = "models"  # the folder for tables of further models
STAGING = "staging"  # what workers on many machines have finished, until it is in the tables
_OWN = {INFO, INFO + ".new", MODELS, STAGING, lock.LOCK, *(f"{name}.lance" for name in (*tables.KEYS, "tiles"))}
# What comes to a collection later; by themselves these may be anybody's.
_BESIDE = {"concepts.lance", "indexes", "map", "last-run.json", "last-run.json.new", "imported-captions.csv"}


def prepare(path: Path) -> None:
    """Make the folder `path` if need be. Raises `CollectionError` where no collection can be kept there."""
    store = store_of(path)
    if not isinstance(store, LocalStore):
        _prepare_elsewhere(store)
        return
    new = not path.exists()
    try:
        path.mkdir(parents=True, exist_ok=True)
        stranger = _stranger(path.name, sorted(entry.name for entry in path.iterdir()))
        if stranger is not None:
            raise CollectionError(f"{path} holds other things ({stranger}); choose an empty folder with --to")
        lock.check_hard_links(path)
    except OSError as error:
        if new:
            with suppress(OSError):  # nothing is left of what could not be used
                path.rmdir()
        raise CollectionError(
            f"a collection cannot be kept in {path}: {error.strerror or error}; choose another place with --to DIR"
        ) from None
    if not str(path).isprintable():  # LanceDB takes UTF-8 without control characters
        raise CollectionError(f"a collection cannot be kept in {str(path)!r}: choose a plain name with --to DIR")


def exists(path: Path) -> bool:
    """Is a collection there?  `path` may stand for a place in an object store. Raises `CollectionError`."""
    store = store_of(path)
    try:
        return store.exists(INFO)
    except OSError as error:
        raise _no_access(store, error) from None


def _prepare_elsewhere(store: Store) -> None:
    """Raises `CollectionError` where an object store cannot be read, or holds something else. Whether it can be written
    is seen when the lock is taken there."""
    try:
        stranger = _stranger("", store.names(""))
    except OSError as error:
        raise _no_access(store, error) from None
    if stranger is not None:
        raise CollectionError(f"{store.home} holds other things ({stranger}); choose an empty place with --to")


def _stranger(folder: str, names: Sequence[str]) -> str | None:
    """What is in a folder that no collection put there; None if nothing, or if a collection already exists."""
    if INFO in names:
        return None
    was_ours = folder == FOLDER or "images.lance" in names
    own = _OWN | _BESIDE if was_ours else _OWN
    locks = (lock.LOCK + ".", lease.LEASE)
    return next((name for name in names if name not in own and not name.startswith(locks)), None)


def _no_access(store: Store, error: OSError) -> CollectionError:
    return CollectionError(
        f"a collection cannot be kept at {store.home}: {error.strerror or error}; check the bucket, the credentials "
        "and the endpoint in the environment (AWS_… for s3://), or choose another place with --to"
    )
