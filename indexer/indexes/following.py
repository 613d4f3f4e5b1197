"""How does an index stay the one of its collection when only what people wrote about pictures has changed?"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from core.errors import CollectionError
from indexer.indexes import files
from indexer.indexes.manifest import FOLDER, place
from indexer.query import TARGETS

if TYPE_CHECKING:
    from indexer.collection import Collection


def follow(collection: Collection, versions: Sequence[int]) -> None:
    """Write into the manifests of a collection's indexes that `images` went through these versions, from the one before
    a change of tags to the one after: vectors, ids and captions are the same in all of them.

    An index that is not followed, because a run wrote in between or a new one is being built, is compared row by row
    with the collection when it is next opened, as after any run.
    """
    from indexer import optimize

    first, last = versions[0], versions[-1]
    if first == last or list(versions) != list(range(first, last + 1)):
        return
    with suppress(CollectionError):
        if not any(place(collection.path, target).exists() for target in TARGETS):
            return
        with optimize.alone(collection.path / FOLDER):
            for target in TARGETS:
                with suppress(files.UntrustedError):
                    manifest = files.read(place(collection.path, target))
                    if manifest is not None and manifest.versions[0] == first:
                        followed = manifest.model_copy(update={"versions": (last, manifest.versions[1]), "seal": ""})
                        optimize.replace_manifest(collection, files.sealed(followed))
