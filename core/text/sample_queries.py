"""A few hundred everyday search phrases, to measure against."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from platformdirs import user_cache_path

if TYPE_CHECKING:
    from core.encoder import Encoder

UNIT = 1e-3  # how far from 1 the length of a vector may be


@cache
def everyday() -> tuple[str, ...]:
    """The bundled phrases, no two the same: people, animals, places, food, things, drawings, colours."""
    found: list[str] = json.loads(Path(__file__).with_name("phrases.json").read_text("utf-8"))["phrases"]
    return tuple(found)


def vectors(encoder: Encoder) -> np.ndarray:
    """The phrases (q) as the model sees them -> (q, d) float32, rows of length 1.

    A large model takes seconds for them, so they are kept in the user's cache, by the model's fingerprint.
    """
    path = _place(encoder)
    kept = _read(path, len(everyday()), encoder.dim)
    if kept is not None:
        return kept
    made = np.asarray(encoder.encode_texts(everyday()), np.float32)
    with suppress(OSError):  # nowhere to keep them: they are made again next time
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f"{path.stem}.{os.getpid()}-{threading.get_ident()}.npy")
        np.save(new, made)
        new.replace(path)
    return made


def _place(encoder: Encoder) -> Path:
    words = hashlib.sha256("\n".join(everyday()).encode()).hexdigest()
    return user_cache_path("clipdex", appauthor=False) / "phrases" / f"{encoder.fingerprint[:32]}-{words[:16]}.npy"


def _read(path: Path, rows: int, dim: int) -> np.ndarray | None:
    """What is kept, if it is whole."""
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if not isinstance(found, np.ndarray) or found.shape != (rows, dim) or found.dtype != np.float32:
        return None
    lengths = np.linalg.norm(found, axis=1)
    return found if bool((np.abs(lengths - 1) < UNIT).all()) else None  # a NaN fails, too
