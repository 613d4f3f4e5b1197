"""Resolves the sources of a run and what they hold.

A collection remembers its sources with their settings. A run looks at all of them, at those that are given for the
first time, and at none that a person removes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import CollectionError, SourceError
from indexer.collection.collection import FOLDER, INFO, Collection, SourceInfo, remembered, sources_of
from indexer.collection.storage.store import located
from indexer.ingest.writing import source_columns
from indexer.ingest.writing.captions import AUTOMATIC, Captions, read_captions, unite_captions
from indexer.sources import Listing, Place, Settings, Several, find_source
from indexer.sources.base import BETWEEN, NOTHING_SAID
from indexer.sources.multi import new_name, unite


@dataclass(frozen=True)
class SourceRequest:
    """What a person said about the sources of a run."""

    places: tuple[str | Path, ...]
    kind: str | None = None
    settings: Settings = NOTHING_SAID  # the fields that were set count, for all of `places`
    captions: Path | None = None
    removed: tuple[str | Path, ...] = ()


# What can be said about sources that have columns, and how the command line calls it.
OF_COLUMNS = {"image": "--image-column", "id": "--id-column", "captions": "--caption-column", "columns": "--columns"}
WITHOUT_COLUMNS = {"folder": "a folder", "zip": "a zip archive", "cloud": "a folder in an object store"}

Wanted = str | Path | Sequence[str | Path] | SourceRequest


@dataclass(frozen=True)
class ResolvedSources:
    """The sources of a run. `given` and `new` are names of sources, as ids begin."""

    infos: tuple[SourceInfo, ...]
    given: frozenset[str]
    new: frozenset[str]

    def sources(self, path: Path) -> Several:
        """Those of a collection at `path`."""
        return sources_of(self.infos, path)


def as_given(source: Wanted, captions: str | Path | None = None) -> SourceRequest:
    """What was said, in full; `captions` is a CSV file. Raises `SourceError` for a source without a name."""
    if not isinstance(source, SourceRequest):
        source = SourceRequest((source,) if isinstance(source, str | Path) else tuple(source))
    if any(isinstance(each, str) and not each.strip() for each in (*source.places, *source.removed)):
        raise SourceError("the source is empty: name a folder, an archive, a table or a URL")
    return source if captions is None else replace(source, captions=absolute(captions))


def check_there(source: Wanted) -> None:
    """Raises `SourceError` where a source on this machine is not there: before a model is loaded for it."""
    given = as_given(source)
    for each in given.places:
        place = absolute(each)
        if "://" in str(each) or "{" in str(each) or os.path.lexists(place):
            continue
        what = "folder" if find_source(each, given.kind)[0] == "folder" else "file"
        raise SourceError(f"there is no {what} {place}; is the disk connected?")


def place_of(given: SourceRequest, to: str | Path | None) -> Path:
    """Where the collection is kept: in the first source, where that is a folder, or in `to`."""
    if given.kind is not None and given.places:
        find_source(given.places[0], given.kind)  # an unknown kind is said before anything else
    if to is not None:
        path = located(to)
        inside = path / FOLDER
        return inside if (inside / INFO).exists() and not (path / INFO).exists() else path
    if not given.places:
        raise SourceError("nothing to index was given: name a folder, an archive, a table or a URL")
    first = given.places[0]
    if given.kind is None and "://" not in str(first) and absolute(first).is_dir():
        # Of whatever kind it is: its collection may know that.
        return absolute(first) / FOLDER
    place = find_source(first, given.kind)[1]
    if isinstance(place, str) or place.is_file() or "{" in place.name:
        raise CollectionError(f"where shall the collection of {place} be kept? Say so with --to DIR")
    return place / FOLDER


def call(collection: Collection | None, path: Path, given: SourceRequest) -> ResolvedSources:
    """The sources of a run for the collection at `path`, which may not be there yet. Raises `SourceError`."""
    infos = {} if collection is None else {info.name: info for info in collection.info.sources}
    gone = {_named(infos, path, each): each for each in given.removed}
    for each in given.places:
        if (name := _known(infos, path, each)) in gone:
            raise SourceError(f"{each} is to be indexed and to be removed ({gone[name]}): say only one of them")
    for name in gone:
        del infos[name]
    if given.captions is not None and len(given.places) != 1:
        raise SourceError("--captions belongs to one source: give it together with that one alone")
    named, new = [], []
    for each in given.places:
        name = _known(infos, path, each)
        if name is None:
            kind, place = find_source(each, given.kind)
            _check_apart(infos, path, place)
            name = new_name(place, infos)
            infos[name] = SourceInfo(kind=kind, location=remembered(path, place), name=name)
            new.append(name)
        elif given.kind not in (None, infos[name].kind):
            raise SourceError(
                f"{each} is in the collection {path} as a source of the kind {infos[name].kind}, not {given.kind}: "
                "remove it first with --remove-source"
            )
        infos[name] = _updated(infos[name], path, given)
        named.append(name)
    _check_columns([infos[name] for name in named], given.settings)
    if not infos:
        raise SourceError(f"no source would be left; to give up the collection, delete {path}")
    return ResolvedSources(tuple(infos.values()), frozenset(named), frozenset(new))


def gather(roster: ResolvedSources, path: Path) -> tuple[Listing, Captions]:
    """What the sources hold, and what people wrote about it. Raises `SourceError`."""
    several = roster.sources(path)
    listings = {name: source_columns.renamed(found) for name, found in several.listings(roster.given).items()}
    missing = [info for info in roster.infos if listings[info.name].missing]
    if missing and roster.new:
        place = missing[0].place(path)
        raise SourceError(
            f"{place} is not there, and another source would be added: if it has moved, say --remove-source {place}, "
            "and its images are found again by their content; otherwise connect it first"
        )
    words = {
        info.name: Captions()
        if listings[info.name].missing
        else read_captions(several.parts[info.name], listings[info.name], _caption_table(info, path))
        for info in roster.infos
    }
    for info in roster.infos:
        if (columns := listings[info.name].columns) is not None:
            source_columns.check_names([field.name for field in columns.fields], str(info.place(path)))
    return unite(listings), unite_captions(words)


def absolute(path: str | Path) -> Path:
    """A full path. Not resolve(): a collection inside a linked folder belongs to the link's place, as people see it."""
    return Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100


def _named(infos: dict[str, SourceInfo], path: Path, given: str | Path) -> str:
    """The name of a source that is meant by its place, or by its name. Raises `SourceError` if there is none."""
    name = _known(infos, path, given)
    if name is None and f"{given}{BETWEEN}" in infos:
        return f"{given}{BETWEEN}"
    if name is None:
        places = ", ".join(str(info.place(path)) for info in infos.values())
        raise SourceError(f"{given} is not a source of the collection {path}; its sources are: {places or 'none'}")
    return name


def _known(infos: dict[str, SourceInfo], path: Path, given: str | Path) -> str | None:
    """The name of a source that is meant by its place."""
    wanted: Place = given.rstrip("/") if isinstance(given, str) and "://" in given else absolute(given)
    for name, info in infos.items():
        if _same(info.place(path), wanted):
            return name
    return None


def _same(one: Place, other: Place) -> bool:
    if one == other or isinstance(one, str) or isinstance(other, str):
        return one == other
    return one.exists() and other.exists() and one.samefile(other)


def _check_apart(infos: dict[str, SourceInfo], path: Path, place: Place) -> None:
    """Raises `SourceError` if one of two folders lies within the other: their images would be there twice."""
    for info in infos.values():
        other = info.place(path)
        if isinstance(place, str) or isinstance(other, str) or info.kind != "folder" or not place.is_dir():
            continue
        if place.is_relative_to(other):
            raise SourceError(f"{place} lies in {other}, which is a source of this collection already")
        if other.is_relative_to(place):
            raise SourceError(f"{place} holds {other}, a source of this collection: remove that with --remove-source")


def _check_columns(infos: Sequence[SourceInfo], said: Settings) -> None:
    """Raises `SourceError` where columns are named and no source has any: it would change nothing."""
    options = [option for name, option in OF_COLUMNS.items() if getattr(said, name)]
    if options and infos and all(info.kind in WITHOUT_COLUMNS for info in infos):
        what = WITHOUT_COLUMNS[infos[0].kind]
        raise SourceError(f"{options[0]} is for tables and tar files, and this is {what}: leave it out")


def _updated(info: SourceInfo, path: Path, given: SourceRequest) -> SourceInfo:
    """The source with what was said about it now; what was not said stays."""
    said = {name: getattr(given.settings, name) for name in given.settings.model_fields_set}
    captions, place = given.captions, info.place(path)
    if captions is not None and isinstance(place, Path) and captions.is_relative_to(place):
        captions = captions.relative_to(place)
    return info.model_copy(
        update={
            "settings": info.settings.model_copy(update=said),
            "captions": info.captions if captions is None else str(captions),
        }
    )


def _caption_table(info: SourceInfo, path: Path) -> Place | None:
    """The caption file: the one that was given by name, or one that lies in the folder."""
    place = info.place(path)
    if info.captions is not None or isinstance(place, str) or info.kind != "folder":
        return info.captions_file(path)
    return place / AUTOMATIC if (place / AUTOMATIC).exists() else None
