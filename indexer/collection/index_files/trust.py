"""Seals and verifies index files: only those that this user built are opened.

Every manifest is sealed with a key that lies in the user's own folder (HMAC-SHA-256): nobody who sends a collection
can forge it, so a hostile index is never opened, however well its hashes agree with themselves. A sealed manifest
holds the SHA-256 of each file, and the stamp that the file had when it was written. While the stamp is the same,
nothing has written to the file; otherwise (the collection was copied, or something touched it) all of it is read again
and must have the same hash.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from pathlib import Path

from core.errors import CollectionError, ConfigError
from core.schema import parse
from indexer.collection.index_files.manifest import File, Manifest

KEY_BYTES = 32
READ_AT_ONCE = 1 << 22
MOST_BYTES = 1 << 24  # of a manifest


class UntrustedError(Exception):
    """The index must not be opened. Its sentence ends with what to do."""


def describe(folder: Path) -> dict[str, File]:
    """All files beneath `folder`, as they are now."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
            found[path.relative_to(folder).as_posix()] = _describe(path)
    return found


def sealed(manifest: Manifest) -> Manifest:
    """The manifest with this user's seal. Raises `CollectionError` where no key can be kept."""
    key = _key(make=True)
    assert key is not None
    return manifest.model_copy(update={"seal": _seal(manifest, key)})


def relinked(folder: Path, manifest: Manifest) -> Manifest:
    """The manifest, sealed, with the stamps that its files have after other links to them came and went: that touches
    nothing but the time of the last change about them. Where more has changed, the stamp stays, and `check` reads."""
    told = {}
    for name, file in manifest.files.items():
        size, inode, written, about = _stamp(folder / name)
        same = (size, inode, written) == (file.size, *file.stamp[:2])
        told[name] = file.model_copy(update={"stamp": (inode, written, about)}) if same else file
    return sealed(manifest.model_copy(update={"files": told}))


def read_manifest(file: Path) -> Manifest | None:
    """The manifest in a file, None where there is none. Raises `UntrustedError` if it is not one of this user's."""
    try:
        if file.stat().st_size > MOST_BYTES:
            raise UntrustedError(f"{file} is damaged: it is too large")
        data = json.loads(file.read_bytes())
        manifest = parse(Manifest, data, str(file))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UntrustedError(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError, ConfigError):
        raise UntrustedError(f"{file} is damaged, or another version of clipdex wrote it") from None
    key = _key()
    if key is None or not hmac.compare_digest(manifest.seal, _seal(manifest, key)):
        raise UntrustedError(f"{file} was written elsewhere, and index files are trusted only where they were built")
    return manifest


def check(folder: Path, manifest: Manifest) -> None:
    """Raises `UntrustedError` unless `folder` holds exactly the files of the manifest."""
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    if names != set(manifest.files):
        raise UntrustedError(f"{folder} lacks files, or holds others")
    for name, told in manifest.files.items():
        path = folder / name
        if path.is_symlink():
            raise UntrustedError(f"{path} is a link")
        if _stamp(path) != (told.size, *told.stamp) and _describe(path).sha256 != told.sha256:
            raise UntrustedError(f"{path} is damaged")


def _stamp(path: Path) -> tuple[int, int, int, int]:
    found = path.stat()
    return found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns


def _describe(path: Path) -> File:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(READ_AT_ONCE):
            digest.update(part)
    size, *stamp = _stamp(path)
    return File(size=size, sha256=digest.hexdigest(), stamp=(stamp[0], stamp[1], stamp[2]))


def _seal(manifest: Manifest, key: bytes) -> str:
    told = manifest.model_dump(mode="json", exclude={"seal"})
    return hmac.digest(key, json.dumps(told, sort_keys=True).encode(), "sha256").hex()


def _key(*, make: bool = False) -> bytes | None:
    """This user's key; None where there is none and none is made."""
    import platformdirs

    path = Path(platformdirs.user_data_dir("clipdex", appauthor=False)) / "index.key"
    try:
        if make and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            new = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
            try:
                path.hardlink_to(new)  # the first to come stays
            except FileExistsError:
                pass
            finally:
                new.unlink()
        key = path.read_bytes()
    except OSError as error:
        if make:
            raise CollectionError(f"the key that seals indexes cannot be kept in {path}: {error.strerror}") from None
        return None
    return key if len(key) == KEY_BYTES else None
