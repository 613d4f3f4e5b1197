"""What people do with hits: tag, exclude, export, keep concepts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import QueryError
from indexer.collection import concepts as kept_concepts
from indexer.collection import tags
from indexer.collection.snapshot import row_of
from indexer.search.query import Hit, OneOrMany, as_list

if TYPE_CHECKING:
    from indexer.collection.collection import Collection
    from indexer.collection.concepts import StoredConcept
    from indexer.collection.snapshot import Snapshot
    from indexer.exchange.import_rows import Tell
    from indexer.search.selection_export import Saved


class Curation:
    """A part of `Searcher`. Each raises `QueryError` for unknown ids; hits may be given in place of ids."""

    collection: Collection
    if TYPE_CHECKING:  # what `Searcher` brings

        def snapshot(self) -> Snapshot: ...
        def look(self) -> None: ...

    def tag(self, ids: OneOrMany[str | Hit], *, add: OneOrMany[str] = None, remove: OneOrMany[str] = None) -> int:
        """Give images tags and take others away; how many were changed by it? They are kept with the collection and
        found by `tag:NAME`. Raises `QueryError` for tags that cannot be kept, too."""
        known, more, fewer = self._known(ids), tags.names(as_list(add)), tags.names(as_list(remove))
        return self._written(tags.change(self.collection, known, more, fewer))

    def tags(self) -> dict[str, int]:
        """Every tag, and how many images have it; the most frequent first."""
        return tags.counts(self.snapshot())

    def exclude(self, ids: OneOrMany[str | Hit]) -> int:
        """Keep images out of every answer, until `include`; how many were changed? `excluded:yes` finds them."""
        known = self._known(ids)
        return self._written(tags.exclude(self.collection, known, True))

    def include(self, ids: OneOrMany[str | Hit]) -> int:
        """Take excluded images into answers again; how many were changed?"""
        known = self._known(ids)
        return self._written(tags.exclude(self.collection, known, False))

    def export(
        self, ids: OneOrMany[str | Hit], to: str | Path, kind: str | None = None, *, progress: Tell | None = None
    ) -> Saved:
        """Write images to a file: "csv" or "parquet" tables of what is known of them, "zip" with their files, "txt"
        with a path a line; by the end of the name where no `kind` is given. Of hits, rank and scores are written, too.
        Files that have gone are named in the answer, and in the zip. Raises `DataError` and `ConfigError`."""
        from indexer.search import selection_export

        given = as_list(ids)
        self._known(given)
        return selection_export.save(self.snapshot(), given, Path(to).expanduser(), kind, progress=progress)

    def keep_concept(
        self, name: str, positives: OneOrMany[str | Hit], negatives: OneOrMany[str | Hit] = None
    ) -> StoredConcept:
        """Learn what examples have in common and keep it under a name, which a search finds as `concept:NAME`; one of
        the same name is replaced."""
        return kept_concepts.store_concept(
            self.snapshot(), name, self._known(as_list(positives)), self._known(as_list(negatives))
        )

    def concepts(self) -> list[StoredConcept]:
        """The concepts that were kept, by name."""
        return kept_concepts.stored_concepts(self.collection)

    def forget_concept(self, name: str) -> None:
        """Keep a concept no more. Raises `QueryError` if there is none of this name."""
        kept_concepts.remove_concept(self.collection, name)

    def _written(self, changed: int) -> int:
        """What is written here is seen here at once, however seldom the collection is looked at."""
        self.look()
        return changed

    def _known(self, given: OneOrMany[str | Hit]) -> list[str]:
        """The ids of images, all of which are there. To be asked before `collection` is written to: another model may
        have taken over since it was last looked at, and then it becomes another one."""
        if given is None:
            raise QueryError("say which images: their ids, or hits; None names nothing")
        self.look()
        snapshot, ids = self.snapshot(), [one.id if isinstance(one, Hit) else one for one in as_list(given)]
        for item_id in ids:
            row_of(snapshot, item_id)
        return ids
