"""Turns the parts of a query into vectors, and all of them into one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import ImageError, QueryError
from indexer.collection import concepts
from indexer.collection.snapshot import row_of
from indexer.search.query import Concept, Like, Part, Picture, Query, Text, Vector

if TYPE_CHECKING:
    from core.encoder import Encoder
    from indexer.collection.snapshot import Snapshot

NOTHING = 1e-6  # a sum of unit vectors this short is the rounding of parts that cancel


def part_vectors(parts: Sequence[Part], snapshot: Snapshot, encoder: Callable[[], Encoder]) -> np.ndarray:
    """p parts -> (p, d) float32 unit rows. `encoder` is called only if words or images are among them.

    Raises `QueryError` for a part that has no vector and `ImageError` for an image that cannot be read.
    """
    return np.stack([_vector(part, snapshot, encoder) for part in parts])


def combined(vectors: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """The weighted sum of unit rows (p, d) -> (d,) float32 of length 1. Raises `QueryError` where nothing is left."""
    if len(weights) == 1 and weights[0] > 0:
        alone: np.ndarray = vectors[0]  # as the model gave it, to the last bit
        return alone
    whole = np.asarray(weights, np.float64) / max(abs(weight) for weight in weights) @ vectors.astype(np.float64)
    length = np.linalg.norm(whole)
    if length < NOTHING:
        raise QueryError("the query parts sum to zero; change their weights")
    unit: np.ndarray = (whole / length).astype(np.float32)
    return unit


def cosines(rows: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Of k rows with p parts, (k, d) and (p, d) -> (k, p) float64; each is summed by itself, whatever stands beside."""
    wide = rows.astype(np.float64)
    found = [(wide * vector.astype(np.float64)).sum(axis=1) for vector in vectors]
    return np.clip(np.stack(found, axis=1), -1, 1)  # rounding may leave a cosine a hair above 1


def _vector(part: Part, snapshot: Snapshot, encoder: Callable[[], Encoder]) -> np.ndarray:
    match part:
        case Like(box=None):
            stored: np.ndarray = snapshot.vectors[row_of(snapshot, part.id)]
            return stored
        case Like():
            vector = _of_region(part, snapshot, encoder)
        case Vector():
            return _raw(part.values, snapshot.collection.info.model.dim)
        case Concept():
            raise TypeError(f"the concept {part.name} was not resolved")
        case Text():
            vector = _of_text(part, encoder())
        case Picture():
            vector = _of_picture(part, encoder())
    if not np.isfinite(vector).all():
        raise QueryError(f"the model {encoder().name} gives no usable vector for {part.label!r}")
    return np.ascontiguousarray(vector, np.float32)


def _raw(values: Any, dim: int) -> np.ndarray:
    try:
        if np.iscomplexobj(values):
            raise TypeError
        vector = np.array(values, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise QueryError(f"the vector is not {dim} real numbers") from None
    if vector.shape != (dim,):
        raise QueryError(f"the vector has the shape {vector.shape}, and this collection has vectors of {dim} numbers")
    largest = np.abs(vector).max()
    if not np.isfinite(largest) or largest == 0:
        raise QueryError("the vector has no direction: " + ("all its numbers are 0" if largest == 0 else "not finite"))
    vector /= largest  # squares of very large and very small numbers are not finite, or 0
    unit: np.ndarray = (vector / np.linalg.norm(vector)).astype(np.float32)
    return unit


def _of_text(part: Text, encoder: Encoder) -> np.ndarray:
    if part.templates is None:
        vector: np.ndarray = encoder.encode_texts([part.text])[0]
        return vector
    from core.text import zeroshot

    ensemble: np.ndarray = zeroshot.classifier(encoder, [part.text], zeroshot.templates(part.templates))[0]
    return ensemble


def _of_picture(part: Picture, encoder: Encoder) -> np.ndarray:
    from core.encoder import read_picture

    image = as_file(part.image)
    if part.box is None:
        _, pixels = read_picture(encoder, image)
        vector: np.ndarray = encoder.encode_prepared(pixels[np.newaxis])[0]
        return vector
    from core.image.decode import open_image

    opened = open_image(image)
    left, top, right, bottom = (side * (opened.width, opened.height)[n % 2] for n, side in enumerate(part.box))
    left, top = min(int(left), opened.width - 1), min(int(top), opened.height - 1)
    region = opened.crop((left, top, max(left + 1, round(right)), max(top + 1, round(bottom))))
    region_vector: np.ndarray = encoder.encode_images([region])[0]
    return region_vector


def _of_region(part: Like, snapshot: Snapshot, encoder: Callable[[], Encoder]) -> np.ndarray:
    row_of(snapshot, part.id)
    try:
        data = snapshot.collection.source.read(part.id)
        return _of_picture(Picture(data, box=part.box), encoder())
    except ImageError as error:
        told = str(error).removeprefix(f"{part.id}: ")
        raise ImageError(error.reason, f"a region of {part.id} needs its file, and that {told}") from None


def as_file(image: Any) -> Any:
    """An image of a query; text is a path."""
    return Path(image).expanduser() if isinstance(image, str) else image


def with_concepts_resolved(query: Query, snapshot: Snapshot) -> Query:
    """The query with vectors in place of the concepts that it names. Raises `QueryError` for an unknown one."""
    if not any(isinstance(part, Concept) for part in query.parts):
        return query
    there = concepts.stored_concepts(snapshot.collection)

    def plain(part: Part) -> Part:
        if not isinstance(part, Concept):
            return part
        return Vector(concepts.vector(snapshot, concepts.find_concept(there, part.name)), part.weight, part.label)

    return replace(query, parts=tuple(map(plain, query.parts)))
