"""Reads a CSV table of captions."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import NamedTuple

from core.errors import DataError

NAME = "captions.csv"  # what such a file is called in a folder of images


class Row(NamedTuple):
    """What one row says; a cell that is missing is empty. `line` is where it ends, from 1."""

    line: int
    image: str
    caption: str


def read_rows(path: Path) -> list[Row]:
    """All rows but empty lines, in their order. Raises `DataError` for what cannot be read as such a table."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"the captions in {path} cannot be read: {error.strerror or error}") from None
    return rows_of(data, path)


def rows_of(data: bytes, path: Path | str) -> list[Row]:
    """The same of a file's content; `path` is for messages."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 (byte {error.start:,}); save it as UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if "image" not in header or "caption" not in header:
            raise DataError(
                f"{path} must begin with a line that names the columns image,caption; it begins with "
                f"{','.join(header)[:80]!r}"
            )
        image, caption = header.index("image"), header.index("caption")
        return [
            Row(
                reader.line_num,
                row[image].strip() if image < len(row) else "",
                row[caption] if caption < len(row) else "",
            )
            for row in reader
            if row
        ]
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}") from None
