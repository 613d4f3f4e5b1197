"""Recognizes which files of an import belong together and what their columns mean.

    clip-retrieval    img_emb/img_emb_0.npy, text_emb/text_emb_0.npy, metadata/metadata_0.parquet
    npy               images.npy, images.parquet, texts.npy, texts.parquet; or any NAME.npy with NAME.parquet

Row k of a Parquet file tells of vector k of the .npy file with the same number or name. If they have not equally many
rows, nobody knows which belong together, and nothing of them is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import DataError
from indexer.exchange import npy
from indexer.ingest.writing.captions import clean

# What the column is called that says where an image is; the first that is there counts.
OUR_ID = "clipdex_id"  # written by export: the id of the item, exactly
PLACES = (OUR_ID, "image_path", "filepath", "path", "file_path", "filename", "file_name", "image", "id")
CAPTIONS = ("captions", "caption", "text")
PART = 1_000  # rows at a time


@dataclass(frozen=True)
class Shard:
    """Vectors of n images, and what is told of them."""

    vectors: np.ndarray  # (n, d), mapped
    texts: np.ndarray | None  # (n, d) of the first caption of each, mapped
    metadata: Path
    name: str  # of the file with the vectors, for messages

    def parts(self, columns: list[str]) -> Iterator[tuple[int, Any]]:
        """The number of its first row, and some columns of `PART` rows as a pyarrow table."""
        import pyarrow as pa

        first = 0
        try:
            for batch in _opened(self.metadata).iter_batches(PART, columns=columns):
                yield first, batch
                first += batch.num_rows
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{self.metadata} is damaged ({' '.join(str(error).split())[:100]})") from None


@dataclass(frozen=True)
class Layout:
    """All vectors of an import."""

    folder: Path
    shards: list[Shard]
    columns: dict[str, Any]  # name -> pyarrow type, of those that every metadata file has
    place: str  # the column that says where an image is
    captions: str | None
    texts: Texts | None  # captions with vectors of their own

    @property
    def n(self) -> int:
        return sum(len(shard.vectors) for shard in self.shards)

    def parts(self, shard: Shard, further: Sequence[str] = ()) -> Iterator[tuple[int, Any]]:
        """Places, captions and further columns of a shard, a part at a time, with the number of the first row."""
        return shard.parts([*dict.fromkeys([self.place, *([self.captions] if self.captions else []), *further])])

    def captions_of(self, part: Any, row: int) -> list[str]:
        """The captions in one row of a part."""
        if self.captions is None:
            return []
        value = part[self.captions][row].as_py()
        found = [value] if isinstance(value, str) else value or []
        return clean(text for text in found if text)

    @property
    def dim(self) -> int:
        return int(self.shards[0].vectors.shape[1])


@dataclass(frozen=True)
class Texts:
    """Captions by their text -> row of their vectors (m, d)."""

    rows: dict[str, int]
    vectors: np.ndarray


def find(path: Path) -> Layout:
    """The vectors in a folder, or those of one .npy file. Raises `DataError`."""
    texts = None
    if path.is_file():
        folder, shards = path.parent, [_shard(path, None, path.with_suffix(".parquet"))]
    elif (path / "img_emb").is_dir():
        folder, shards = path, _clip_retrieval(path)
    elif path.is_dir():
        folder = path
        pairs = [file for file in sorted(path.glob("*.npy")) if file.stem not in ("texts", "tiles")]
        if not pairs:
            raise DataError(f"{path} holds neither a folder img_emb nor .npy files; see clipdex import --help")
        shards = [_shard(file, None, file.with_suffix(".parquet")) for file in pairs]
        if (path / "texts.npy").exists():
            texts = _texts(path / "texts.npy", path / "texts.parquet")
    else:
        raise DataError(f"there is no file or folder {path}")
    return _described(folder, shards, texts)


def _clip_retrieval(folder: Path) -> list[Shard]:
    found = []
    for vectors in sorted((folder / "img_emb").glob("*.npy"), key=lambda file: (len(file.name), file.name)):
        number = re.fullmatch(r"img_emb_(\d+)", vectors.stem)
        if number is None:
            raise DataError(f"{vectors} should be called img_emb_NUMBER.npy, to know which metadata belongs to it")
        texts = folder / "text_emb" / f"text_emb_{number[1]}.npy"
        found.append(
            _shard(vectors, texts if texts.exists() else None, folder / "metadata" / f"metadata_{number[1]}.parquet")
        )
    if not found:
        raise DataError(f"{folder / 'img_emb'} holds no .npy files")
    return found


def _shard(vectors: Path, texts: Path | None, metadata: Path) -> Shard:
    shard = Shard(npy.map_npy(vectors), None if texts is None else npy.map_npy(texts), metadata, vectors.name)
    rows = _opened(metadata).metadata.num_rows
    for name, matrix in ((vectors.name, shard.vectors), (texts and texts.name, shard.texts)):
        if matrix is not None and len(matrix) != rows:
            raise DataError(
                f"{name} has {len(matrix):,} vectors and {metadata.name} {rows:,} rows: nobody can tell which belong "
                "together, so nothing was imported"
            )
    return shard


def _described(folder: Path, shards: list[Shard], texts: Texts | None) -> Layout:
    dims = {int(shard.vectors.shape[1]) for shard in shards}
    if len(dims) > 1:
        raise DataError(f"{folder} holds vectors of {' and '.join(map(str, sorted(dims)))} numbers: of several models")
    columns: dict[str, Any] = {}
    for number, shard in enumerate(shards):
        schema = _opened(shard.metadata).schema_arrow
        there = {field.name: field.type for field in schema}
        columns = there if number == 0 else {name: kind for name, kind in columns.items() if there.get(name) == kind}
    place = next((name for name in PLACES if name in columns and _is_text(columns[name])), None)
    if place is None:
        raise DataError(
            f"{shards[0].metadata} has the columns {', '.join(columns) or 'none'}, and none of those that say where an "
            f"image is: {', '.join(PLACES)}"
        )
    captions = next((name for name in CAPTIONS if name in columns and _holds_text(columns[name])), None)
    return Layout(folder, shards, columns, place, captions, texts)


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _holds_text(kind: Any) -> bool:
    import pyarrow as pa

    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return _is_text(kind.value_type if lists else kind)


def _texts(vectors: Path, metadata: Path) -> Texts:
    shard = _shard(vectors, None, metadata)
    if "text" not in _opened(metadata).schema_arrow.names:
        raise DataError(f"{metadata} has no column text")
    rows: dict[str, int] = {}
    for first, part in shard.parts(["text"]):
        for row, text in enumerate(part["text"].to_pylist(), start=first):
            rows.setdefault(text, row)
    return Texts(rows, shard.vectors)


def _opened(path: Path) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(path, memory_map=False)
    except FileNotFoundError:
        raise DataError(f"there is no {path}, which would say which images the vectors are of") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or str(error)[:100]}") from None
    except pa.ArrowException as error:
        raise DataError(
            f"{path} is not a Parquet file that can be read ({' '.join(str(error).split())[:100]})"
        ) from None
