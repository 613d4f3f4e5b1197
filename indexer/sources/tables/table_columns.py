"""Recognizes the columns of a table: image, captions, name, further properties."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import SourceError
from indexer.sources.archives.webdataset_shard import CAPTIONS
from indexer.sources.base import Settings

IMAGES = ("image", "image_path", "path", "file_path", "filepath", "file_name", "filename", "file", "img")


@dataclass(frozen=True)
class Chosen:
    """Names of columns."""

    image: str
    captions: list[str]
    further: list[str]
    id: str | None


def choose(names: list[str], settings: Settings, where: str) -> Chosen:
    """What each column is: as a person said, or by its name. Raises `SourceError` where that leaves a choice open."""
    said = [settings.image, settings.id, *(settings.captions or ()), *(settings.columns or ())]
    if missing := [name for name in said if name and name not in names]:
        raise SourceError(f"{where} has no column {', '.join(missing)}; its columns are: {', '.join(names)[:500]}")
    image = settings.image or _image(names, where)
    captions = [name for name in CAPTIONS if name in names and name != image]
    if settings.captions is not None:
        captions = [name for name in settings.captions if name]
    further = [name for name in names if name not in (image, settings.id, *captions)]
    if settings.columns is not None:
        further = [name for name in settings.columns if name]
    return Chosen(image, captions, further, settings.id or None)


def text_columns(names: list[str], settings: Settings, where: str) -> list[str]:
    """The columns that are text whatever they look like: names and captions."""
    chosen = choose([name for name in names if name.strip()], settings, where)
    return [chosen.image, *chosen.captions, *([chosen.id] if chosen.id else [])]


def _image(names: list[str], where: str) -> str:
    found = [name for name in names if name.lower() in IMAGES]
    if len(found) == 1:
        return found[0]
    if "image" in found:  # the name that such tables have; a path beside it is a property
        return "image"
    columns = ", ".join(found or names)[:500]
    raise SourceError(f"which column of {where} holds the images? Say --image-column with one of: {columns}")
