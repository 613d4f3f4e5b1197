"""Reads a table from CSV, TSV, JSON Lines or Parquet.

Of a Parquet file the images' own bytes are not read here. A row that cannot be read is a problem of its own and
costs no other row. CSV is UTF-8, or UTF-16 with its mark at the beginning; types are those that all values of a column
have.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from core.errors import SourceError
from indexer.sources.extra_columns import of_rows
from indexer.sources.file_access import remote_errors

MAX_TABLE = 8 << 30  # bytes of a table of text: it is read into memory
MAX_CELL = 1 << 26  # characters
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True)
class Rows:
    """The rows of a table. `numbers` are those of the rows in the file, from 1; `bad` row number -> what is wrong."""

    table: Any  # pyarrow
    numbers: list[int]
    bad: dict[int, str] = field(default_factory=dict)


def read_text_table(file: BinaryIO, name: str, text_columns: Any) -> Rows:
    """CSV, TSV or JSON Lines. `text_columns(names)` are columns that stay text whatever they look like.

    Raises `SourceError` for what is no such table.
    """
    with remote_errors():
        data = file.read(MAX_TABLE + 1)
    if len(data) > MAX_TABLE:
        raise SourceError(f"{name} has more than {MAX_TABLE:,} bytes; make it a Parquet file")
    if name.lower().endswith((".jsonl", ".ndjson")):
        return _json_lines(data, name)
    return _separated(data, name, "\t" if name.lower().endswith(".tsv") else ",", text_columns)


def _separated(data: bytes, name: str, separator: str, text_columns: Any) -> Rows:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    text = _decoded(data, name)
    header = _header(text, name, separator)
    _check_quotes(text, name, separator)
    bad: dict[int, str] = {}

    def broken(row: Any) -> str:
        bad[row.number - 1] = f"has {row.actual_columns} cells and the table {row.expected_columns} columns"
        return "skip"

    try:
        table = arrow_csv.read_csv(
            io.BytesIO(text.encode()),
            arrow_csv.ReadOptions(use_threads=False, block_size=max(1 << 20, min(len(data) + 1, 1 << 30))),
            arrow_csv.ParseOptions(delimiter=separator, newlines_in_values=True, invalid_row_handler=broken),
            arrow_csv.ConvertOptions(column_types=dict.fromkeys(text_columns(header), pa.string())),
        )
    except pa.ArrowException as error:
        raise SourceError(f"{name}: {str(error).splitlines()[0][:200]}") from None
    kept = [column for column in table.column_names if column.strip()]  # pandas writes its index without a name
    numbers = [number for number in range(1, table.num_rows + len(bad) + 1) if number not in bad]
    return Rows(table.select(kept), numbers, bad)


def _decoded(data: bytes, name: str) -> str:
    encoding = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise SourceError(f"{name} is not UTF-8 (byte {error.start:,}); save it as UTF-8") from None


def _header(text: str, name: str, separator: str) -> list[str]:
    """The names of the columns. Raises `SourceError` where they cannot be told apart."""
    csv.field_size_limit(MAX_CELL)
    try:
        header = next(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True), [])
    except csv.Error as error:
        raise SourceError(f"{name}, line 1: {error}") from None
    if not any(cell.strip() for cell in header):
        raise SourceError(f"{name} is empty: its first line must name the columns")
    if twice := sorted({cell for cell in header if cell.strip() and header.count(cell) > 1}):
        raise SourceError(f"{name} has columns of the same name: {', '.join(twice)}")
    other = next((mark for mark in (";", "\t", ",", "|") if mark != separator and mark in header[0]), None)
    if len(header) == 1 and other is not None:
        raise SourceError(
            f"{name} has one column, {header[0][:80]!r}: does {other!r} stand between cells? Save it with {separator!r}"
        )
    return header


def _check_quotes(text: str, name: str, separator: str) -> None:
    """Raises `SourceError` for a quote that nothing closes: all that follows would pass for one cell."""
    if '"' not in text:
        return
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for _ in reader:
            pass
    except csv.Error as error:
        raise SourceError(f"{name}, line {reader.line_num}: {error}") from None


def _json_lines(data: bytes, name: str) -> Rows:
    import pyarrow as pa

    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    bad: dict[int, str] = {}
    for number, line in enumerate(_decoded(data, name).splitlines() if b"\r" in data else _lines(data, name), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            bad[number] = f"is not JSON: {str(error)[:100]}"
            continue
        if isinstance(row, dict):
            rows.append({key: value for key, value in row.items() if key.strip()})
            numbers.append(number)
        else:
            bad[number] = f"is a {type(row).__name__} and no JSON object"
    if bad and not rows:
        raise SourceError(f"{name} is not a file of JSON lines: line {min(bad)} {bad[min(bad)]}")
    found = of_rows([str(number) for number in numbers], rows)
    return Rows(pa.table({}) if found is None else found.table, numbers, bad)


def _lines(data: bytes, name: str) -> list[str]:
    return _decoded(data, name).split("\n")  # not splitlines: texts may hold other characters that end a line
