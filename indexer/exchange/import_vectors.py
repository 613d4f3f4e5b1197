"""Makes a collection from vectors that another program computed.

Every row becomes a row of the collection, or a failure with its reason. An image that can be reached is read, for its
thumbnail, its size and its hash, so that a later `clipdex index` finds it unchanged; one that cannot is searchable all
the same, without thumbnail and size. Captions are kept in a CSV file in the collection, as if they had been given to
`clipdex index --captions`, wherever the collection lies.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import CollectionError, ModelError
from indexer.collection.collection import FOLDER, Collection, SourceInfo, has_collection_at, remembered
from indexer.collection.storage import lock
from indexer.collection.storage.store import located, store_of
from indexer.exchange import model_check
from indexer.exchange.import_layouts import Layout, find
from indexer.exchange.import_rows import CAPTIONS, Rows, Tell
from indexer.exchange.model_check import Agreement
from indexer.exchange.path_matching import Places, find_places
from indexer.sources import Place, find_source, make_source

if TYPE_CHECKING:
    from core.encoder import Encoder


@dataclass(frozen=True)
class Imported:
    """Every row that came, counted once: added + present + merged + failed = total."""

    added: int
    present: int  # in the collection already: left as they are
    merged: int  # further rows of an image that only bring captions
    failed: dict[str, int]  # reason -> count, the most frequent first
    total: int
    unreachable: int  # of the added ones: their files could not be read here, so they have no thumbnail
    texts: int  # captions written
    agreement: Agreement | None  # None: there was nothing to check the model with
    images: Place  # where the images are, or would be
    collection: str  # a path or a URL
    seconds: float

    def summary(self) -> str:
        """Lines for people."""
        lines = [f"{self.total:,} vectors in {self.seconds:.1f} s: {self.added:,} added"]
        if self.present:
            lines[0] += f", {self.present:,} were here already"
        if self.failed:
            told = ", ".join(f"{count:,} {reason}" for reason, count in self.failed.items())
            lines.append(f"{sum(self.failed.values()):,} failed: {told}")
        if self.texts:
            lines.append(f"{self.texts:,} captions")
        if self.agreement is None:
            lines.append("the model could not be checked: no image can be reached, and no caption came with a vector")
        else:
            found = self.agreement
            lines.append(f"{found.count:,} {found.what} embedded again agree, mean cosine {found.mean:.4f}")
        if self.unreachable:
            lines.append(f"{self.unreachable:,} images cannot be reached in {self.images}: they have no thumbnail")
        return "\n".join(lines)


def import_vectors(
    path: Path,
    *,
    encoder: Encoder,
    images: str | Path | None = None,
    to: str | Path | None = None,
    load: str | None = None,
    progress: Tell | None = None,
) -> Imported:
    """Put the vectors of a folder or an .npy file (`layouts`) into the collection of `images`.

    `images` is a folder, or another source such as tar files or a URL. The collection is kept in `images/.clipdex`, or
    in `to` (a folder or a URL), and made if there is none. Without `images` the paths in the metadata are where the
    images are. Raises `DataError` (files that cannot be believed), `ModelError` (`encoder` did not make these
    vectors), `SourceError` and `CollectionError`.
    """
    started = time.perf_counter()
    layout = find(path)
    if layout.dim != encoder.dim:
        raise ModelError(
            f"the vectors in {path} have {layout.dim:,} numbers and those of {encoder.name} have {encoder.dim:,}: "
            "another model made them; name it with --model"
        )
    kind, given = ("folder", None) if images is None else find_source(images)
    listed = None if kind == "folder" else {item.id: item for item in make_source(kind, given or path).scan().items}
    places = find_places(layout, given, listed)
    if to is not None:
        place = located(to)
    elif isinstance(places.root, Path) and places.root.is_dir():
        place = places.root / FOLDER
    else:
        raise CollectionError(f"{places.root} is not a folder; say where to keep the collection with --to DIR")
    source = make_source(kind, places.root)
    agreed = model_check.check(layout, encoder, source, _sampled(layout, places))
    Collection.prepare(place)
    with lock.writing(place):
        info = _source_info(kind, place, places.root, has_captions=layout.captions is not None)
        collection = _collection(place, info, encoder, load)
        rows = Rows(collection, encoder, layout, places, listed)
        rows.bring(progress or (lambda done, total: None))
        collection.save(collection.info.model_copy(update={"updated": datetime.now(UTC)}))
    return Imported(
        added=rows.counts["added"],
        present=rows.counts["present"],
        merged=rows.counts["merged"],
        failed=dict(sorted(rows.reasons.items(), key=lambda entry: (-entry[1], entry[0]))),
        total=rows.counts["met"],
        unreachable=rows.counts["unreachable"],
        texts=rows.counts["texts"],
        agreement=agreed,
        images=places.root,
        collection=store_of(place).home,
        seconds=time.perf_counter() - started,
    )


def _source_info(kind: str, place: Path, root: Place, *, has_captions: bool) -> SourceInfo:
    """How the collection at `place` remembers its images, and the captions that come with the vectors."""
    words = f"{store_of(place).home}/{CAPTIONS}"
    if kind == "folder" and Path(words).is_relative_to(root):
        words = str(Path(words).relative_to(root))
    return SourceInfo(kind=kind, location=remembered(place, root), captions=words if has_captions else None)


def _collection(place: Path, info: SourceInfo, encoder: Encoder, load: str | None) -> Collection:
    """The collection that is there, if it may be used so, or a new one."""
    if not has_collection_at(place):
        return Collection.create(place, encoder, [info], load=load)
    collection = Collection.open(place)
    collection.check_model(encoder)
    (first, *further) = collection.info.sources
    if (first.kind, first.place(place)) != (info.kind, info.place(place)):
        raise CollectionError(
            f"the collection {place} holds the images of {first.place(place)}, not of {info.place(place)}; choose "
            "another place with --to DIR"
        )
    if info.captions is not None and first.captions_file(place) not in (None, info.captions_file(place)):
        raise CollectionError(
            f"the collection {place} takes its captions from {first.captions_file(place)}, so no others can be "
            "imported; choose another place with --to DIR"
        )
    collection.upgrade()
    if info.captions is not None:
        first = first.model_copy(update={"captions": info.captions})
        collection.save(collection.info.model_copy(update={"sources": [first, *further]}))
    return collection


def _sampled(layout: Layout, places: Places) -> list[tuple[int, int, str, str]]:
    """Some rows, spread over all: shard, row, id, first caption."""
    wanted = set(model_check.sample(layout.n))
    found, before = [], 0
    for number, shard in enumerate(layout.shards):
        for first, part in layout.parts(shard):
            values = part[layout.place].to_pylist()
            for row, value in enumerate(values, start=first):
                if before + row in wanted and value:
                    words = layout.captions_of(part, row - first)
                    found.append((number, row, places.id(value), words[0] if words else ""))
        before += len(shard.vectors)
    return found
