"""Stores tags and exclusions.

Both are columns of `images`, and no run writes them. A change is one statement: LanceDB works it out on the newest
version of the table, and again if another commit came between, so that neither two people nor a run and a person lose
what the other wrote; nobody waits for a lock. `indexer.ingest.writing.tag_carryover` takes care of images that move.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from core.errors import CollectionError, QueryError
from core.validation import TEXT, require
from indexer.collection.storage import lock, tables
from indexer.collection.storage.migrations import FORMAT_VERSION

if TYPE_CHECKING:
    from indexer.collection.collection import Collection
    from indexer.collection.snapshot import Snapshot

LONGEST = 100  # characters of a name
MOST = 100  # tags in one change
QUOTES = '"“”„'
MARKED = "(tags IS NOT NULL OR excluded IS NOT NULL)"
_BROKEN = {"Cc", "Cs", "Zl", "Zp"}  # kinds of characters: control, halves of others, ends of lines and paragraphs
ROUNDS = 20


def names(given: str | Iterable[str]) -> list[str]:
    """Tags as they are kept: without spaces around, each once. Raises `QueryError` for one that cannot be kept."""
    found = [one_line(each) for each in ([given] if isinstance(given, str) else given)]
    if len(found) > MOST:
        raise QueryError(f"{len(found):,} tags at once are too many; at most {MOST} can be changed in one go")
    return list(dict.fromkeys(found))


def one_line(given: str, what: str = "tag") -> str:
    """A name as it is kept. Raises `QueryError` for one that is empty, too long, or could not be asked for."""
    require(f"the {what}", given, TEXT)
    name = unicodedata.normalize("NFC", given.strip())
    if not name:
        raise QueryError(f"the {what} is empty: say one, such as holiday")
    if any(unicodedata.category(char) in _BROKEN for char in name):
        raise QueryError(
            f"the {what} {name[:40]!r} is not one line of text: leave out line breaks and control characters"
        )
    if any(char in QUOTES for char in name):
        raise QueryError(f"the {what} {name[:40]!r} has a quotation mark, so no search could ask for it: leave it out")
    if len(name) > LONGEST:
        raise QueryError(f"the {what} {name[:40]}… has {len(name):,} characters, and at most {LONGEST} can be kept")
    return name


def change(collection: Collection, ids: Sequence[str], add: Sequence[str], remove: Sequence[str]) -> int:
    """Give images tags and take others away; how many were changed by it? Unknown ids change nothing."""
    if both := sorted(set(add) & set(remove)):
        raise QueryError(f"the tag {both[0]} is to be added and removed: say only one of them")
    if not (add or remove):
        raise QueryError("name a tag to add or to remove")
    now, needed = "coalesce(tags, make_array())", []
    if add:
        now = f"array_distinct(array_concat({now}, {_array(add)}))"
        needed.append(f"tags IS NULL OR NOT array_has_all(tags, {_array(add)})")
    if remove:
        now = f"array_except({now}, {_array(remove)})"
        needed.append(f"array_has_any(tags, {_array(remove)})")
    return _update(collection, ids, {"tags": f"array_sort({now})"}, " OR ".join(needed))


def exclude(collection: Collection, ids: Sequence[str], excluded: bool) -> int:
    """Keep images out of every answer, or take them in again; how many were changed by it?"""
    needed = "excluded IS NULL OR NOT excluded" if excluded else "excluded"
    return _update(collection, ids, {"excluded": "true" if excluded else "false"}, needed)


def counts(snapshot: Snapshot) -> dict[str, int]:
    """Every tag, and how many images have it; the most frequent first."""
    import pyarrow.compute as pc

    found: Counter[str] = Counter(pc.list_flatten(snapshot.images["tags"].combine_chunks()).to_pylist())
    return dict(sorted(found.items(), key=lambda entry: (-entry[1], entry[0])))


def tags_of(snapshot: Snapshot, item_id: str) -> list[str]:
    """The tags of an image, sorted; none for an unknown id."""
    row = snapshot.rows.get(item_id)
    found: list[str] | None = None if row is None else snapshot.images["tags"][row].as_py()
    return found or []


def hand_over(present: Collection, future: Collection) -> None:
    """Give the rows by another model the marks that the images have by the present one; the caller holds the lock.

    Images that moved meanwhile are found by their content. People who opened the collection before the new model was
    begun write to the present one only: it is looked at until nothing is left to give. Raises `CollectionError` where
    that does not come to an end.
    """
    _hand_over_failures(present, future)
    columns = ["id", "hash", *tables.MARKS]
    for _ in range(ROUNDS):
        before, images = present.table("images"), future.table("images")
        marked = {row["id"]: row for row in tables.read(before, columns, MARKED).to_pylist()}
        if not marked:
            return
        rows = tables.read(images, columns).to_pylist()
        there = {row["id"]: _said(row) for row in rows}
        given = _given(marked, rows, set(tables.read(before, ["id"])["id"].to_pylist()))
        left = [row for row in given if _said(row) != there[row["id"]]]
        if not left:
            return
        tables.mark(images, left)
    raise CollectionError(
        f"images of {present.place} are tagged without pause, so {future.info.model.name} cannot take over: what was "
        "done is kept; when the tagging is over, index again with the same --model"
    )


def _hand_over_failures(present: Collection, future: Collection) -> None:
    """Images that failed with the other model get their marks when they can be read again."""
    failures = future.table("failures")
    places = tables.read(failures, ["location"])["location"].to_pylist()
    found = {}
    for name in ("failures", "images"):
        key = tables.KEYS[name]
        for row in tables.read_keys(present.table(name), key, places, [key, *tables.MARKS]):
            if any(row[mark] for mark in tables.MARKS):
                found[row[key]] = {"location": row[key], **{mark: row[mark] for mark in tables.MARKS}}
    tables.mark(failures, list(found.values()), "location")


def _said(row: dict[str, Any]) -> tuple[list[str], bool]:
    """What people say about the image of a row, to compare."""
    return sorted(row["tags"] or ()), bool(row["excluded"])


def _given(marked: dict[str, dict[str, Any]], rows: list[dict[str, Any]], before: set[str]) -> list[dict[str, Any]]:
    """Marks for rows: of the same id, or of the same content where that id went and this one came."""
    there = {row["id"] for row in rows}
    moved: dict[str, list[dict[str, Any]]] = {}
    for item_id in sorted(marked.keys() - there):
        moved.setdefault(marked[item_id]["hash"], []).append(marked[item_id])
    found = []
    for row in sorted(rows, key=lambda row: str(row["id"])):
        heir = moved.get(row["hash"]) if row["hash"] and row["id"] not in before else None
        mark = marked.get(row["id"]) or (heir.pop(0) if heir else None)
        if mark is not None:
            found.append({"id": row["id"], **{name: mark[name] for name in tables.MARKS}})
    return found


def _array(values: Sequence[str]) -> str:
    return f"make_array({', '.join(map(tables.quoted_text, values))})"


def _update(collection: Collection, ids: Sequence[str], values: dict[str, str], needed: str) -> int:
    """Set columns, in SQL, of those images that need it: by every model, so that each of them knows it."""
    from indexer.collection.index_files.follow import follow

    _bring_up_to_date(collection)
    changed = []
    with tables.storage_errors(collection.path, "tagging in"):
        for view in collection.views:
            if not view.missing_tables():
                versions, count = _set(view.table("images"), ids, values, needed)
                changed.append(count)
                if view is collection:
                    follow(collection, versions)
    return changed[0]


def _set(images: Any, ids: Sequence[str], values: dict[str, str], needed: str) -> tuple[list[int], int]:
    """The versions that the table went through, and how many rows were changed."""
    versions, changed = [images.version], 0
    for condition in tables.conditions("id", ids):
        where = f"{condition} AND ({needed})"
        if tables.persistently(images, partial(images.count_rows, where), cleared=True):
            update = partial(images.update, where=where, values_sql=values)
            result = tables.persistently(images, update, cleared=True)
            versions.append(result.version)
            changed += result.rows_updated
    return versions, changed


def _bring_up_to_date(collection: Collection) -> None:
    """Give the tables of an older clipdex their columns. Raises `CollectionError` while a run is writing."""
    if collection.stored_format < FORMAT_VERSION:
        with lock.writing(collection.path):
            type(collection).open(collection.path).upgrade()
