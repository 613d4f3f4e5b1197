"""Recognizes a model without reading all of its weights.

A fingerprint is over every number of a model, and a text query should not read the image tower to know who it is. So
the digests of a weights file are remembered in the user's cache directory, under the file's path, with what the file
system says of it: size, times, inode. A file that was changed or swapped differs in these. To be certain, a tower that
is loaded is compared with the digest that was remembered for it (`CLIPEncoder`), so a wrong memory is found before it
gives a single vector.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from pathlib import Path
from typing import Annotated

from platformdirs import user_cache_path
from pydantic import Field, ValidationError

from core.errors import ModelError
from core.formats import weights_file
from core.model.config import CLIPConfig
from core.schema import Frozen

PARTS = {"logit_scale", "text", "visual"}
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Stamp(Frozen):
    """What the file system says of a file; a copy, a change and a swap each differ in one of these."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int


class Memory(Frozen):
    """What is remembered of one weights file."""

    stamp: Stamp
    digests: dict[str, Digest]


def weights_digests(file: Path, config: CLIPConfig) -> dict[str, str]:
    """`core.formats.weights_file.digests` of a file, from memory where the file is still the same.

    Raises `ModelError` for a damaged file that is not remembered. A cache that cannot be read or written costs only
    time.
    """
    place, stamp = _place(file), _stamp(file)
    with contextlib.suppress(OSError, ValidationError):
        memory = Memory.model_validate_json(place.read_bytes())
        if memory.stamp == stamp and set(memory.digests) == PARTS:
            return memory.digests
    digests = weights_file.digests(file, config)
    if stamp is not None and stamp == _stamp(file):  # unchanged while it was read
        with contextlib.suppress(OSError):
            _remember(place, Memory(stamp=stamp, digests=digests))
    return digests


def confirm(file: Path, found: str, remembered: str) -> None:
    """Raises `ModelError` unless a tower has the digest that was remembered for it."""
    if found != remembered:
        discard(file)
        raise ModelError(
            f"{file} was changed while it was in use, or without a trace in its times; its vectors would not be "
            "those of the model that was opened: start again"
        )


def discard(file: Path) -> None:
    """Forget the digests of a file that turned out to be another one."""
    with contextlib.suppress(OSError):
        _place(file).unlink(missing_ok=True)


def _stamp(file: Path) -> Stamp | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return Stamp(
        device=found.st_dev,
        inode=found.st_ino,
        size=found.st_size,
        modified_ns=found.st_mtime_ns,
        changed_ns=found.st_ctime_ns,
    )


def _place(file: Path) -> Path:
    name = hashlib.sha256(os.fsencode(file.resolve())).hexdigest()[:32]
    return user_cache_path("clipdex", appauthor=False) / "fingerprints" / f"{name}.json"


def _remember(place: Path, memory: Memory) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    new = place.with_name(f"{place.name}.{uuid.uuid4().hex}")
    try:
        new.write_text(memory.model_dump_json(), "utf-8")
        new.replace(place)
    except OSError:
        new.unlink(missing_ok=True)
        raise
