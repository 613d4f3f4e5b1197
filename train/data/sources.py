"""Reads data with classes or captions.

Parquet (`image`, `label` and the names of the classes in the schema's metadata; or `image`, `captions`), a folder of
class folders, or a folder with captions.csv. Images stay undecoded: bytes or paths.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from core.errors import DataError
from core.image.decode import PICTURES, UNSUPPORTED
from core.text import caption_table


@dataclass(frozen=True)
class ClassData:
    """n labelled images of c classes."""

    images: Sequence[bytes | Path]
    labels: np.ndarray  # (n,) int64, 0 .. c-1
    names: list[list[str]]  # c lists: a class's name and its synonyms, most usual first


@dataclass(frozen=True)
class CaptionedData:
    """n images, each with one or more captions."""

    images: Sequence[bytes | Path]
    captions: list[list[str]]


def read_class_data(path: str | Path) -> ClassData:
    """Read labelled images. Raises `DataError` that says what is missing."""
    path = Path(path)
    if _kind(path) == "folder":
        return _class_folders(path)
    table = _parquet(path, ("image", "label"))
    images, labels = table["image"].to_pylist(), table["label"].to_numpy().astype(np.int64)
    names = _class_names(table.schema.metadata or {}, path)
    if labels.min() < 0 or labels.max() >= len(names):
        raise DataError(f"{path}: labels go from {labels.min()} to {labels.max()}, but {len(names)} classes have names")
    return ClassData(images, labels, names)


def read_captioned(path: str | Path) -> CaptionedData:
    """Read images with captions; `path` may also be the CSV itself. Raises `DataError` that says what is missing."""
    path = Path(path)
    if _kind(path) == "folder":
        return _captions_csv(path / caption_table.NAME)
    if path.suffix.lower() == ".csv":
        return _captions_csv(path)
    table = _parquet(path, ("image", "captions"))
    found = [[str(text) for text in row or []] for row in table["captions"].to_pylist()]
    without = [i for i, row in enumerate(found) if not row]
    if without:
        raise DataError(f"{path}: {len(without)} images have no caption, the first is row {without[0]}")
    return CaptionedData(table["image"].to_pylist(), found)


def _parquet(path: Path, columns: tuple[str, str]) -> Any:
    """The two columns of a Parquet file as a pyarrow table with at least one row and no null."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if _kind(path) is None:
        raise DataError(f"there is no data at {path}")
    try:
        found = pq.read_schema(path)
        missing = [name for name in columns if name not in found.names]
        if missing:
            raise DataError(f"{path} has no column {missing[0]!r}; it has: {', '.join(found.names)}")
        table = pq.read_table(path, columns=list(columns))
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}") from None
    kinds = {"image": _is_binary, "label": pa.types.is_integer, "captions": _is_text_list}
    for name in columns:
        if not kinds[name](table.schema.field(name).type):
            raise DataError(f"{path}: column {name!r} is {table.schema.field(name).type}; see the README for the types")
        if table[name].null_count:
            raise DataError(f"{path}: column {name!r} has {table[name].null_count} empty cells")
    if table.num_rows == 0:
        raise DataError(f"{path} has no rows")
    return table


def _is_binary(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_text_list(kind: Any) -> bool:
    import pyarrow as pa

    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return bool(is_list and (pa.types.is_string(kind.value_type) or pa.types.is_large_string(kind.value_type)))


def _class_names(metadata: dict[bytes, bytes], path: Path) -> list[list[str]]:
    """From the schema's `classes`, else `class_names` (synonyms with commas), else classes.json beside the file."""
    beside = path.with_name("classes.json")
    try:
        if b"classes" in metadata:
            return _from_classes(json.loads(metadata[b"classes"]))
        if b"class_names" in metadata:
            return [_synonyms(name) for name in json.loads(metadata[b"class_names"])]
        if beside.is_file():
            return _from_classes(json.loads(beside.read_text("utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: the names of the classes cannot be read: {error!r}") from None
    raise DataError(f"{path} does not name its classes: put 'class_names' into its metadata or classes.json beside it")


def _from_classes(classes: list[dict[str, Any]]) -> list[list[str]]:
    by_label = {int(entry["label"]): [str(name) for name in entry["names"]] for entry in classes}
    if sorted(by_label) != list(range(len(classes))) or not all(by_label.values()):
        raise ValueError("labels must be 0, 1, 2, … with at least one name each")
    return [by_label[label] for label in range(len(classes))]


def _synonyms(name: str) -> list[str]:
    return [part.strip() for part in name.split(",") if part.strip()] or [name]


def _class_folders(path: Path) -> ClassData:
    """One folder a class; its name is the folder's, underscores read as spaces, commas between synonyms."""
    folders = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    images: list[Path] = []
    labels: list[int] = []
    for label, folder in enumerate(folders):
        pictures = _pictures(folder)
        if not pictures:
            raise DataError(f"the class folder {folder} holds no images; remove it or fill it")
        images += pictures
        labels += [label] * len(pictures)
    if not folders:
        raise DataError(f"{path} holds no class folders; labelled images lie in one folder for each class")
    return ClassData(images, np.array(labels, np.int64), [_synonyms(f.name.replace("_", " ")) for f in folders])


def _pictures(folder: Path) -> list[Path]:
    """The images in a folder and below it, in order. Raises `DataError` for one of a kind that cannot be read."""
    kinds = {file: file.suffix[1:].lower() for file in folder.rglob("*")}
    if unread := sorted(file for file, kind in kinds.items() if kind in UNSUPPORTED and file.is_file()):
        what = UNSUPPORTED[kinds[unread[0]]]
        raise DataError(f"{what}, and {folder} holds {len(unread)}, the first is {unread[0].name!r}; convert to JPEG")
    return sorted(file for file, kind in kinds.items() if kind in PICTURES and file.is_file())


def _captions_csv(path: Path) -> CaptionedData:
    """Rows `image,caption`, several for one image; images in the order of their first row."""
    if not _kind(path):
        raise DataError(f"there is no {path}; captioned data is a folder with {caption_table.NAME}, or Parquet")
    found: dict[str, list[str]] = {}
    for row in caption_table.read_rows(path):
        if not row.image or not row.caption.strip():
            raise DataError(f"{path}: line {row.line} lacks an image or a caption")
        found.setdefault(row.image, []).append(row.caption)
    missing = [name for name in found if _kind(path.parent / name) != "file"]
    if missing:
        raise DataError(f"{path} names {len(missing)} images that do not exist, the first is {missing[0]!r}")
    if not found:
        raise DataError(f"{path} has no rows")
    return CaptionedData([path.parent / name for name in found], list(found.values()))


def _kind(path: Path) -> Literal["file", "folder"] | None:
    """What is at a path; None for nothing. Raises `DataError` where even that cannot be told."""
    try:
        return "folder" if path.is_dir() else "file" if path.is_file() else None
    except OSError as error:  # a name that is too long, a folder that is closed
        raise DataError(f"the data at {str(path)!r:.100} cannot be looked at: {error.strerror}") from None
