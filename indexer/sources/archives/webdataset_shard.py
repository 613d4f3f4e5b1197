"""Reads one shard of a WebDataset.

The key of a member is its path up to the first dot of its name: `0001.jpg`, `0001.txt` and `0001.json` are one sample.
Texts are captions, one a line; of JSON the fields called caption, captions, text or texts are captions, one or a list;
what else it says, and the class in `.cls`, become columns. A Parquet file beside the shard with a column `key`, as
img2dataset writes it, says the same about its samples where the shard itself does not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from indexer.sources.archives.archive_members import Names, climbs, ending, is_hidden, is_picture, unsupported
from indexer.sources.archives.tar_index import CutShortError, Member, members
from indexer.sources.base import Item, Problem, Settings
from indexer.sources.file_access import MAX_BYTES, Found
from indexer.sources.filenames import escape

CAPTIONS = ("caption", "captions", "text", "texts")
MAX_TEXT = 1 << 20  # bytes of a text or a JSON file beside an image
# What img2dataset notes about its own work, or what is known from the image itself.
_NOT_KEPT = frozenset(["key", "status", "error_message", "width", "height", "exif"])


@dataclass
class Shard:
    """All that one tar file holds. Ids are those within the source."""

    state: Found
    items: list[Item] = field(default_factory=list)
    places: dict[str, tuple[int, int]] = field(default_factory=dict)  # id -> offset and size
    problems: list[Problem] = field(default_factory=list)
    captions: dict[str, list[str]] = field(default_factory=dict)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)  # id -> what JSON and classes say
    ignored: int = 0
    cut: str = ""  # why the list ends before the archive does


def read_shard(
    file: BinaryIO, state: Found, prefix: str, settings: Settings, beside: dict[str, dict[str, Any]]
) -> Shard:
    """The content of an open tar file. `prefix` begins its ids; `beside` is what is known of samples by their keys."""
    return _Reader(file, state, prefix, settings, beside).shard()


class _Reader:
    def __init__(
        self, file: BinaryIO, state: Found, prefix: str, settings: Settings, beside: dict[str, dict[str, Any]]
    ) -> None:
        self.file, self.prefix, self.settings, self.beside = file, prefix, settings, beside
        self.found = Shard(state)
        self.names = Names()
        self.files: dict[str, tuple[int, int]] = {}  # name -> offset and size, for hard links
        self.keys: dict[str, str] = {}  # id -> key
        self.texts: dict[str, list[str]] = {}  # key -> captions
        self.facts: dict[str, dict[str, Any]] = {}  # key -> what else is said
        self.sources: dict[str, int] = {}  # key -> members that say something

    def shard(self) -> Shard:
        found = self.found
        try:
            for member in members(self.file, found.state.size):
                self.take(member)
        except CutShortError as error:
            found.cut = str(error)
        pictured = set(self.keys.values())
        found.ignored += sum(count for key, count in self.sources.items() if key not in pictured)
        for item in found.items:
            key = self.keys[item.id]
            facts = {**self.beside.get(_short(key), {}), **self.facts.get(key, {})}
            words = [*self.texts.get(key, []), *captions_in(facts, self.settings)]
            if words:
                found.captions[item.id] = words
            if kept := kept_of(facts, self.settings):
                found.rows[item.id] = kept
        return found

    def take(self, member: Member) -> None:
        name, kind = member.name, ending(member.name)
        if member.kind == "folder":
            return
        if member.kind == "file":
            self.files[name] = member.offset, member.size
        if is_hidden(name):
            self.found.ignored += 1
        elif is_picture(name):
            self.picture(member)
        elif kind in ("txt", "json", "cls") and member.kind == "file":
            self.said(member, kind)
        else:
            self.found.ignored += 1

    def picture(self, member: Member) -> None:
        item_id = self.names.id_of(member.name)
        if item_id is None:
            self.found.problems.append(climbs(self.prefix, member.name))
            return
        place = self.prefix + item_id
        content = self.files.get(member.target) if member.kind == "hard link" else (member.offset, member.size)
        problem = unsupported(place, member.name)
        if content is None or member.kind in ("link", "other"):
            problem = Problem(
                place, "not an image", f"{place}: is a link or a special file in its archive, not an image"
            )
        elif content[1] > MAX_BYTES:
            problem = Problem(place, "too large", f"{place}: has {content[1]:,} bytes, more than {MAX_BYTES:,}")
        if problem is not None:
            self.found.problems.append(problem)
        elif content is not None:
            self.found.items.append(Item(place, content[1], self.found.state.mtime_ns))
            self.found.places[place] = content
            self.keys[place] = _key(member.name)

    def said(self, member: Member, kind: str) -> None:
        """A member that says something about its sample."""
        key, place = _key(member.name), self.prefix + escape(member.name)[:1000]
        self.sources[key] = self.sources.get(key, 0) + 1
        if member.size > MAX_TEXT:
            message = f"{place}: has more than {MAX_TEXT:,} bytes; nothing was taken from it"
            self.found.problems.append(Problem(place, "caption too long", message))
            return
        self.file.seek(member.offset)
        data = self.file.read(member.size)
        try:
            text = data.decode("utf-8-sig")
            if kind == "txt":
                if self.settings.captions is None or "txt" in self.settings.captions:
                    self.texts.setdefault(key, []).extend(text.splitlines())
            elif kind == "cls":
                self.facts.setdefault(key, {})["cls"] = int(text) if text.strip().isdecimal() else text.strip()
            else:
                self.facts.setdefault(key, {}).update(_object(text))
        except UnicodeDecodeError:
            message = f"{place}: is not UTF-8; nothing was taken from it"
            self.found.problems.append(Problem(place, "caption not UTF-8", message))
        except (ValueError, RecursionError) as error:
            message = f"{place}: is not a JSON object ({str(error)[:100]}); nothing was taken from it"
            self.found.problems.append(Problem(place, "damaged JSON", message))


def captions_in(facts: dict[str, Any], settings: Settings) -> Iterable[str]:
    """The captions among what is said about one image."""
    for name in CAPTIONS if settings.captions is None else settings.captions:
        value = facts.get(name)
        yield from (part for part in (value if isinstance(value, list) else [value]) if isinstance(part, str))


def kept_of(facts: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """What becomes columns: the fields that were named, or all but captions and what img2dataset notes for itself."""
    if settings.columns is not None:
        return {name: facts[name] for name in settings.columns if facts.get(name) is not None}
    taken = {*(CAPTIONS if settings.captions is None else settings.captions), *_NOT_KEPT}
    return {name: value for name, value in facts.items() if name not in taken and name and value is not None}


def beside_of(table: Any, settings: Settings) -> dict[str, dict[str, Any]]:
    """What a Parquet file beside the shard says: key -> fields. Empty unless it has a column `key`."""
    if "key" not in table.column_names:
        return {}
    return {str(row.pop("key")): row for row in table.to_pylist()}


def _key(name: str) -> str:
    folder, slash, last = name.rpartition("/")
    return folder + slash + last.partition(".")[0]


def _short(key: str) -> str:
    return key.rpartition("/")[2]


def _object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(f"it is a {type(value).__name__}")
    return value
