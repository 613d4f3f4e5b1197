"""Stores named concepts, to be searched like words.

They are in a table of their own beside the others, so that two people can keep concepts at once, and a change of the
model leaves them: a concept that another model's vectors made is learnt anew from its examples when it is asked for.
"""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from core.errors import QueryError, unknown_choice
from core.validation import TEXT, require
from indexer.collection.concept_learning import learn_concept
from indexer.collection.storage import tables
from indexer.collection.tags import one_line

if TYPE_CHECKING:
    from indexer.collection.collection import Collection
    from indexer.collection.snapshot import Snapshot

TABLE = "concepts"
MOST_EXAMPLES = 10_000  # of each kind

_making = threading.Lock()  # of two that make the table at once the later one would empty it
_learnt: WeakKeyDictionary[Snapshot, dict[tuple[str, datetime], np.ndarray]] = WeakKeyDictionary()


@dataclass(frozen=True)
class StoredConcept:
    """A concept that somebody kept."""

    name: str
    fits: tuple[str, ...]  # ids of images
    does_not: tuple[str, ...]
    made: datetime
    fingerprint: str  # of the model whose vector it is
    vector: tuple[float, ...]


def store_concept(snapshot: Snapshot, name: str, fits: Sequence[str], does_not: Sequence[str] = ()) -> StoredConcept:
    """Learn a concept from examples and keep it; one of the same name is replaced. Raises `QueryError`."""
    import pyarrow as pa

    name = one_line(name, "name of a concept")
    fits, does_not = tuple(dict.fromkeys(fits)), tuple(dict.fromkeys(does_not))
    if max(len(fits), len(does_not)) > MOST_EXAMPLES:
        raise QueryError(f"a concept has at most {MOST_EXAMPLES:,} examples of each kind")
    vector = learn_concept(snapshot, fits, does_not)
    collection = snapshot.collection
    made = StoredConcept(
        name, fits, does_not, datetime.now(UTC), collection.info.model.fingerprint, tuple(vector.tolist())
    )
    with tables.storage_errors(collection.path, "keeping a concept in"):
        with _making:
            table = table_of(collection)
            if table is None:
                table = collection.store.connect("").create_table(TABLE, schema=schema(), exist_ok=True)
        rows = pa.Table.from_pylist([vars(made)], schema())
        insert = table.merge_insert("name").when_matched_update_all().when_not_matched_insert_all()
        tables.persistently(table, lambda: insert.execute(rows))
    return made


def stored_concepts(collection: Collection) -> list[StoredConcept]:
    """All concepts, by name."""
    found = _rows(collection)
    return sorted(
        (StoredConcept(**row | {name: tuple(row[name]) for name in ("fits", "does_not", "vector")}) for row in found),
        key=lambda each: each.name,
    )


def remove_concept(collection: Collection, name: str) -> None:
    """Keep a concept no more. Raises `QueryError` if there is none of this name."""
    found = find_concept(stored_concepts(collection), name)
    with tables.storage_errors(collection.path, "forgetting a concept in"):
        tables.remove(collection.store.connect("").open_table(TABLE), "name", [found.name])


def vector(snapshot: Snapshot, concept: StoredConcept) -> np.ndarray:
    """The direction (d,) of a concept in the space of a snapshot. Raises `QueryError` if it cannot be learnt anew."""
    if concept.fingerprint == snapshot.collection.info.model.fingerprint:
        return np.asarray(concept.vector, np.float32)
    known = _learnt.setdefault(snapshot, {})
    key = concept.name, concept.made
    if key not in known:
        fits, does_not = ([one for one in ids if one in snapshot.rows] for ids in (concept.fits, concept.does_not))
        if not fits:
            raise QueryError(
                f"the concept {concept.name!r} was learnt with another model, and none of its examples is here: "
                "keep it again with other examples, or forget it"
            )
        known[key] = learn_concept(snapshot, fits, does_not)
    return known[key]


def find_concept(there: Sequence[StoredConcept], name: str) -> StoredConcept:
    """The concept of a name, whatever its case where that is clear."""
    require("the name of a concept", name, TEXT)
    name = unicodedata.normalize("NFC", name)  # as `one_line` keeps them
    for same in (lambda one: one.name == name, lambda one: one.name.casefold() == name.casefold()):
        found = [one for one in there if same(one)]
        if len(found) == 1:
            return found[0]
    if not there:
        raise QueryError(
            f"there is no concept {name!r}, and no other: keep one with clipdex concept add FOLDER NAME --like ID, or "
            "search for these words with --plain"
        )
    raise QueryError(unknown_choice("concept", name, [one.name for one in there]))


def _rows(collection: Collection) -> list[dict[str, Any]]:
    with tables.storage_errors(collection.path, "reading"):
        found = table_of(collection)
        return [] if found is None else list(tables.read(found, schema().names).to_pylist())


def table_of(collection: Collection) -> Any:
    """The table of the concepts, which all models share; None where none was ever kept."""
    if not collection.store.exists(f"{TABLE}.lance"):
        return None
    return collection.store.connect("").open_table(TABLE)


def schema() -> Any:
    """The pyarrow schema of the table."""
    import pyarrow as pa

    texts = pa.list_(pa.string())
    return pa.schema(
        [
            pa.field("name", pa.string(), nullable=False),
            pa.field("fits", texts, nullable=False),
            pa.field("does_not", texts, nullable=False),
            pa.field("made", pa.timestamp("us", tz="UTC"), nullable=False),
            pa.field("fingerprint", pa.string(), nullable=False),
            pa.field("vector", pa.list_(pa.float32()), nullable=False),  # of another length by another model
        ]
    )
