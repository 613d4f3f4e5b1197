"""Matches the paths of another program to files in a folder.

A path in somebody's metadata may be absolute (on another machine, too) or relative. What all absolute ones have in
common is the folder that was embedded; what is left of each below it is the id here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from indexer.exchange.import_layouts import OUR_ID, Layout
from indexer.sources.base import BETWEEN, Place
from indexer.sources.filenames import escape, unescape


@dataclass(frozen=True)
class Places:
    """How a value of the column becomes an id below `root`."""

    root: Place  # where the images are, or would be
    base: str  # what absolute paths begin with, with a slash at its end
    ours: bool  # the values are ids
    known: Mapping[str, str] | None = None  # of an archive: what its members may be called -> their ids

    def id(self, value: str) -> str:
        """The id of an image; empty for a value that names nothing below the root."""
        if not self.ours:
            if value.startswith("/"):
                value = value[len(self.base) :] if value.startswith(self.base) else value.lstrip("/")
            value = escape(os.path.normpath(value)) if value.strip() else ""
        name = unescape(value)
        inside = name.replace(BETWEEN, "/", 1) if self.ours else name  # an id may begin with the name of its source
        if name.startswith("/") or not {"", ".", ".."}.isdisjoint(inside.split("/")):
            return ""
        found = escape(name)
        return found if self.known is None else self.known.get(found, found)


def find_places(layout: Layout, images: Place | None, members: Iterable[str] | None = None) -> Places:
    """How the images of a layout are found in `images`, or where their paths say.

    `members` are the ids in `images` where that is no folder of files; tar files are asked for by keys, too: the
    name of a member without its folder and up to its first dot.
    """
    places = _find(layout, images)
    return places if members is None else replace(places, known=_names_of(members))


def _names_of(members: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    twice: set[str] = set()
    every = list(members)
    for item_id in every:
        stem, last = item_id.rpartition(".")[0], item_id.rpartition("/")[2]
        for name in {stem, last, last.partition(".")[0]} - {""}:
            if found.setdefault(name, item_id) != item_id:
                twice.add(name)
    for name in twice:  # it could be several, and nothing is guessed
        del found[name]
    return found | {item_id: item_id for item_id in every}


def _find(layout: Layout, images: Place | None) -> Places:
    ours = layout.place == OUR_ID
    base = _common(_first_folders(layout, layout.place)) if not ours else ""
    if images is not None:
        beneath = f"{images}/".replace("//", "/")
        return Places(images, beneath if base.startswith(beneath) else base, ours)
    if ours:
        return Places(_root_of_ours(layout) or layout.folder, "", ours)
    return Places(Path(base) if base else layout.folder, base, ours)


def _common(folders: Iterable[str]) -> str:
    """The deepest folder that all absolute ones lie in, with a slash at its end; empty where there is none."""
    found: str | None = None
    for folder in folders:
        found = folder if found is None else os.path.commonpath([found, folder])
    return "" if found is None else found.rstrip("/") + "/"


def _first_folders(layout: Layout, column: str) -> Iterable[str]:
    before = None
    for shard in layout.shards:
        for _, part in shard.parts([column]):
            for value in part[column].to_pylist():
                folder = os.path.dirname(value) if value and value.startswith("/") else None  # noqa: PTH120
                if folder and folder != before:
                    before = folder
                    yield os.path.normpath(folder)


def _root_of_ours(layout: Layout) -> Path | None:
    """Of an export: what is before the id in the first path."""
    if "image_path" not in layout.columns:
        return None
    for shard in layout.shards:
        for _, part in shard.parts([OUR_ID, "image_path"]):
            for item_id, path in zip(part[OUR_ID].to_pylist(), part["image_path"].to_pylist(), strict=True):
                name = unescape(item_id)
                if path and path.startswith("/") and path.endswith(f"/{name}"):
                    return Path(path[: -len(name)])
    return None
