"""Creates, opens and describes a collection on disk.

A collection is a folder, or a place in an object store (see `store`): `collection.json`, LanceDB tables (see `tables`)
and a lock file. `collection.json` is written last when a collection is made and replaced in one step afterwards, so it
is always whole.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, PositiveInt, field_validator

from core.errors import CollectionError, ConfigError, ModelError, WrongModelError
from core.schema import Frozen, parse
from indexer.collection.storage import preflight, tables
from indexer.collection.storage.migrations import FORMAT_VERSION, migrate
from indexer.collection.storage.store import LocalStore, located, store_of
from indexer.sources import Place, Settings, Several, make_source

if TYPE_CHECKING:
    from core.encoder import Encoder

FOLDER, INFO, MODELS, STAGING = preflight.FOLDER, preflight.INFO, preflight.MODELS, preflight.STAGING
LAST = "last-run.json"  # see `indexer.ingest.last_run`: it was finished once
TABLES = rf"^({MODELS}/[0-9a-f]{{16}})?$"  # a folder in the collection, or the collection itself


class ModelInfo(Frozen):
    """Which model made the vectors, and where it can be loaded from."""

    name: str
    fingerprint: str = Field(pattern="^[0-9a-f]{64}$")
    dim: PositiveInt
    load: str  # a registered name or the path of a model directory


class SourceInfo(Frozen):
    """Where images are. A relative location is meant from the collection, so that both can move together."""

    kind: str
    location: str
    name: str = ""  # what the ids begin with: nothing for the first source, else a name and two slashes
    captions: str | None = None  # the CSV file given by name, relative to `location` if it lies inside
    settings: Settings = Settings()

    def place(self, collection: Path) -> Place:
        """The full location."""
        return self.location if "://" in self.location else Path(os.path.normpath(collection / self.location))

    def captions_file(self, collection: Path) -> Place | None:
        """The caption file that was given by name."""
        if self.captions is None or "://" in self.captions:
            return self.captions
        return Path(self.place(collection)) / self.captions


class Space(Frozen):
    """The vectors of one more model, in tables of their own."""

    model: ModelInfo
    tables: str = Field(pattern=TABLES)
    finished: bool = True  # searches may use it; it is as new as the last run with this model


class Info(Frozen):
    """All of `collection.json`."""

    format_version: int = FORMAT_VERSION
    model: ModelInfo
    sources: list[SourceInfo] = Field(min_length=1)
    created: datetime
    updated: datetime
    tables: str = Field(default="", pattern=TABLES)  # where those of `model` are
    others: list[Space] = Field(default=[])  # kept from before, or not yet finished
    tiles: bool = False  # are parts of the images embedded, too?  See `indexer.collection.storage.tile_table`

    @field_validator("sources")
    @classmethod
    def _names_differ(cls, sources: list[SourceInfo]) -> list[SourceInfo]:
        if len({source.name for source in sources}) < len(sources):
            raise ValueError("two have the same name")
        return sources


class Collection:
    """A collection on disk. Cheap to open: tables are opened when they are first used."""

    def __init__(self, path: Path, info: Info, stored_format: int = FORMAT_VERSION) -> None:
        """`stored_format` is the version in which it is on disk; `info` is as that of today."""
        self.path, self.stored_format = path, stored_format
        self.store = store_of(path)
        self.info = info
        self._source: tuple[tuple[SourceInfo, ...], Several] | None = None

    @classmethod
    def open(cls, path: Path, *, mending: bool = False) -> Collection:
        """The collection in the folder `path`. Raises `CollectionError` if there is none, or a damaged or newer one.

        Whoever is `mending` gets it without tables that `restore` makes anew.
        """
        store = store_of(path)
        place, file = store.home, f"{store.home}/{INFO}"
        try:
            data = json.loads(store.read(INFO))
            if not isinstance(data, dict):
                raise ValueError("not an object")
        except FileNotFoundError:
            lost = "; where a copy of its collection.json is left, put that back: a new one knows no tags"
            raise CollectionError(
                f"{place} is not a finished collection: run clipdex index on its images"
                + (lost if store.exists(LAST) else "")
            ) from None
        except OSError as error:
            raise CollectionError(f"{file} cannot be read: {error.strerror or error}") from None
        except (ValueError, RecursionError) as error:
            raise CollectionError(f"{file} is damaged ({error}); {tables.anew(place)}") from None
        try:
            info = parse(Info, migrate(path, data), file)
        except ConfigError as error:
            raise CollectionError(f"{error}; {tables.anew(place)}") from None
        collection = cls(path, info, data["format_version"])
        missing = collection.missing_tables()
        if missing and not (mending and "images" not in missing):
            mend = f"clipdex verify {place} --repair makes it anew, and then clipdex index reads captions again"
            remedy = tables.anew(place) if "images" in missing else mend
            raise CollectionError(f"{place} is damaged: no table {', '.join(missing)}; {remedy}")
        return collection

    @classmethod
    def find(cls, folder: Path, *, mending: bool = False) -> Collection:
        """The collection of a folder or of the nearest one above it; `folder` may be a collection itself."""
        folder = located(folder)
        if not isinstance(store_of(folder), LocalStore):
            return cls.open(folder, mending=mending)
        try:
            if not folder.is_dir():
                if folder.exists():
                    raise CollectionError(f"{folder} is a file: name the folder of a collection")
                raise CollectionError(f"there is no folder {folder}")
            for place in (folder, *folder.parents):
                if _holds_collection(place):
                    return cls.open(place, mending=mending)
                if (place / FOLDER).is_dir():
                    return cls.open(place / FOLDER, mending=mending)
        except OSError as error:
            raise CollectionError(f"{folder} cannot be looked at: {error.strerror or error}") from None
        raise CollectionError(f"no collection in {folder} or above; make one: clipdex index {folder}")

    @classmethod
    def create(
        cls, path: Path, encoder: Encoder, sources: Sequence[SourceInfo], *, load: str | None = None
    ) -> Collection:
        """An empty collection in `path`, a folder that `prepare` made ready and that the caller has locked."""
        now = datetime.now(UTC)
        model = cls.describe(encoder, load)
        collection = cls(path, Info(model=model, sources=list(sources), created=now, updated=now))
        collection.make_tables()
        shutil.rmtree(path / "indexes", ignore_errors=True)  # over tables of which this is no longer the description
        collection.save(collection.info)
        return collection

    @staticmethod
    def describe(encoder: Encoder, load: str | None) -> ModelInfo:
        """What to remember of a model; `load` is how it is found again, if not by its name."""
        return ModelInfo(name=encoder.name, fingerprint=encoder.fingerprint, dim=encoder.dim, load=load or encoder.name)

    def make_tables(self) -> None:
        """Empty tables, also where a killed run may have left some."""
        with tables.storage_errors(self.path, "making"):
            for name, schema in tables.schemas(self.info.model.dim).items():
                left = self.store.exists(self._table(name))
                self._database.create_table(name, schema=schema, mode="overwrite" if left else "create")

    def _table(self, name: str) -> str:
        """Where a table lies, by its name in the store."""
        return f"{self.info.tables}/{name}.lance".lstrip("/")

    def missing_tables(self) -> list[str]:
        return [name for name in tables.KEYS if not self.store.exists(self._table(name))]

    def restore(self) -> list[str]:
        """Make tables anew that are missing and hold nothing that cannot be found out again; which were they?

        Captions are read again by the next run, failures found again. The caller holds the lock.
        """
        missing = self.missing_tables()
        if not missing or "images" in missing:
            return []
        with tables.storage_errors(self.path, "repairing"):
            for name in missing:
                self._database.create_table(name, schema=tables.schemas(self.info.model.dim)[name])
            if "texts" in missing:
                self.table("images").update(values={"texts_key": ""})
        return missing

    def view(self, space: Space) -> Collection:
        """The collection as it is when the model of `space` is the one that counts."""
        info = self.info
        others = [other for other in info.others if other.model.fingerprint != space.model.fingerprint]
        others.append(Space(model=info.model, tables=info.tables))
        changed = info.model_copy(update={"model": space.model, "tables": space.tables, "others": others})
        return Collection(self.path, changed, self.stored_format)

    @property
    def views(self) -> list[Collection]:
        """The collection by each of its models, the one that counts first."""
        return [self, *(self.view(space) for space in self.info.others)]

    def of_model(self, encoder: Encoder) -> Collection:
        """This collection, or its view with the vectors of `encoder` if they were kept. Raises `WrongModelError`."""
        for space in self.info.others:
            if space.finished and space.model.fingerprint == encoder.fingerprint:
                return self.view(space)
        self.check_model(encoder)
        return self

    prepare = staticmethod(preflight.prepare)

    def save(self, info: Info) -> None:
        """Replace `collection.json` in one step."""
        with tables.storage_errors(self.path, "writing"):
            self.store.write(INFO, (json.dumps(info.model_dump(mode="json"), indent=2) + "\n").encode())
        self.info, self.stored_format = info, FORMAT_VERSION

    def upgrade(self) -> None:
        """Give the tables of an older collection the columns of today. The caller holds the lock."""
        with tables.storage_errors(self.path, "upgrading"):
            for view in self.views:
                if not view.missing_tables():
                    view._upgrade_tables()
        if self.stored_format < FORMAT_VERSION:
            self.save(self.info)

    def _upgrade_tables(self) -> None:
        for name, schema in tables.schemas(self.info.model.dim).items():
            tables.add_columns(self.table(name), schema)

    def table(self, name: str) -> Any:
        """A handle of its own on the newest version of a table; it stays at that version."""
        with tables.storage_errors(self.path, "opening"):
            return self._database.open_table(name)

    @property
    def place(self) -> str:
        """Where it is, as people know it: a path or a URL."""
        return self.store.home

    @cached_property
    def _database(self) -> Any:
        return self.store.connect(self.info.tables)

    @property
    def source(self) -> Several:
        """Where the images are, whether or not it is reachable now. It stays the same one while nothing changes,
        with all that it found out about archives."""
        key = tuple(self.info.sources)
        if self._source is None or self._source[0] != key:
            self._source = key, sources_of(key, self.path)
        return self._source[1]

    def check_model(self, encoder: Encoder) -> None:
        """Raises `WrongModelError` unless `encoder` made the vectors here."""
        model = self.info.model
        if encoder.fingerprint != model.fingerprint:
            raise WrongModelError(
                f"the collection {self.path} was made by the model {model.name} ({model.fingerprint[:12]}), not by "
                f"{encoder.name} ({encoder.fingerprint[:12]}): search it without --model, or let {encoder.name} take "
                f"over with clipdex index FOLDER --model {encoder.name}; with --keep-old either can be searched with"
            )

    def load_encoder(self, precision: str = "auto", *, exact: bool = False) -> Encoder:
        """The model that made the vectors. Raises `ModelError` if it is gone, `WrongModelError` if it has changed."""
        from core.inference.load import load_encoder

        model = self.info.model
        try:
            # A file that came from elsewhere must not send anybody to the network: only a person's --model does.
            encoder = load_encoder(model.load, precision=precision, exact=exact, download=False)
        except ModelError as error:
            raise ModelError(f"the collection {self.path} needs its model {model.name}: {error}") from None
        self.check_model(encoder)
        return encoder

    def stamp(self) -> tuple[Any, ...]:
        """Changes whenever `collection.json` is replaced. Raises `CollectionError` if the collection is gone."""
        try:
            return self.store.stamp(INFO)
        except OSError as error:
            raise CollectionError(f"the collection {self.store.home} is gone: {error.strerror or error}") from None

    def size_bytes(self) -> int:
        """What the collection takes on disk, but for files that a run removes meanwhile."""
        return self.store.size_bytes()


def sources_of(infos: Iterable[SourceInfo], path: Path) -> Several:
    """The sources that a collection at `path` describes."""
    return Several({info.name: make_source(info.kind, info.place(path), info.settings) for info in infos})


def remembered(path: Path, place: Place) -> str:
    """How a collection at `path` writes down where a source is: relatively if it lies inside it."""
    inside = isinstance(place, Path) and path.is_relative_to(place)
    return os.path.relpath(place, path) if inside else str(place)


has_collection_at = preflight.exists


def _holds_collection(folder: Path) -> bool:
    return (folder / INFO).is_file() and ((folder / "images.lance").is_dir() or (folder / MODELS).is_dir())
