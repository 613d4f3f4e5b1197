"""Checks whether a model made given vectors.

Vectors of another model with as many numbers look like any others and give nonsense for answers. So some of the
images are embedded again, and where none can be reached, some captions; both must come out the same.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.encoder import read_picture
from core.errors import ImageError, ModelError
from indexer.exchange.import_layouts import Layout
from indexer.ingest.embedding.pipeline import encode_each

if TYPE_CHECKING:
    from core.encoder import Encoder
    from indexer.sources import Source

SAMPLE = 32
TRIED = 4 * SAMPLE  # images that are looked for before their captions are taken instead
# The same model gives 0.999 in half precision and 0.98 in bytes or with another program's way to shrink images; the
# same network with its activation function mistaken gives 0.9, another one about 0.
ENOUGH = 0.97


@dataclass(frozen=True)
class Agreement:
    """How near vectors made here are to those that came."""

    what: str  # images or captions
    count: int
    mean: float  # cosine


def check(
    layout: Layout, encoder: Encoder, source: Source, rows: Sequence[tuple[int, int, str, str]]
) -> Agreement | None:
    """Compare; None where there is nothing to compare. `rows` are (shard, row, id, first caption) of a sample.

    Raises `ModelError` where they disagree.
    """
    found = _pictures(layout, encoder, source, rows) or _captions(layout, encoder, rows)
    if found is not None and not found.mean >= ENOUGH:
        raise ModelError(
            f"the vectors in {layout.folder} are not those of {encoder.name}: {found.count:,} {found.what} embedded "
            f"again have a mean cosine of {found.mean:.3f} with them, the same model more than {ENOUGH}; name the "
            "model that made them with --model, or see whether vectors and metadata belong together"
        )
    return found


def sample(n: int, seed: int = 0) -> list[int]:
    """The numbers of some rows out of n, ascending."""
    return sorted(random.Random(seed).sample(range(n), min(n, TRIED)))


def _pictures(
    layout: Layout, encoder: Encoder, source: Source, rows: Sequence[tuple[int, int, str, str]]
) -> Agreement | None:
    pixels, given = [], []
    for shard, row, item_id, _ in rows:
        try:
            pixels.append(read_picture(encoder, source.read(item_id))[1])
        except ImageError:
            continue
        given.append(np.asarray(layout.shards[shard].vectors[row], np.float32))
        if len(given) == SAMPLE:
            break
    if not pixels:
        return None
    return _compared("images", encode_each(lambda part: encoder.encode_prepared(np.stack(part)), pixels), given)


def _captions(layout: Layout, encoder: Encoder, rows: Sequence[tuple[int, int, str, str]]) -> Agreement | None:
    texts, given = [], []
    for shard, row, _, caption in rows:
        vectors = layout.shards[shard].texts
        if caption and vectors is not None:
            texts.append(caption)
            given.append(np.asarray(vectors[row], np.float32))
        elif caption and layout.texts is not None and caption in layout.texts.rows:
            texts.append(caption)
            given.append(np.asarray(layout.texts.vectors[layout.texts.rows[caption]], np.float32))
    if not texts:
        return None
    return _compared("captions", encode_each(encoder.encode_texts, texts[:SAMPLE]), given[:SAMPLE])


def _compared(what: str, made: Sequence[np.ndarray | str], given: Sequence[np.ndarray]) -> Agreement | None:
    cosines = []
    for one, other in zip(made, given, strict=True):
        length = float(np.linalg.norm(other.astype(np.float64)))
        if not isinstance(one, str) and np.isfinite(length) and length > 0:  # bad vectors are told of one by one
            cosines.append(float(one.astype(np.float64) @ other.astype(np.float64)) / length)
    return Agreement(what, len(cosines), float(np.mean(cosines))) if cosines else None
